"""Files that are something else than they are taken for, told by their first bytes."""

from __future__ import annotations

from pathlib import Path

_HEAD = 512
_ENOUGH_FOR_THREE = 64_000_000  # bytes of three JPEG files of any camera
_HEAD_OF_PHOTO = 256_000
_EXTRAS = (b"MPF\0", b"GContainer", b"Container:Directory", b"hdrgm")  # CIPA's and Google's lists of them
_TEXT = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; `git lfs pull` fetches it"),
    (b"<!doctype html", "a web page: what was downloaded was an error or a login page"),
    (b"<html", "a web page: what was downloaded was an error or a login page"),
    (b"#extm3u", "a playlist; join its parts, `ffmpeg -i LIST.m3u8 -c copy OUT.mp4`, and name that film"),
)
_MAGIC = (
    (b"PK\x03\x04", "a ZIP archive; unpack it and name the folder"),
    (b"\x1f\x8b", "packed by gzip; unpack it first (`tar xf` or `gunzip`)"),
    (b"BZh", "packed by bzip2; unpack it first (`tar xf` or `bunzip2`)"),
    (b"\xfd7zXZ", "packed by xz; unpack it first (`tar xf` or `unxz`)"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd; unpack it first (`unzstd`)"),
    (b"\x04\x22\x4d\x18", "packed by lz4; unpack it first (`unlz4`)"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it and name the folder"),
    (b"Rar!", "a RAR archive; unpack it and name the folder"),
    (b"%PDF", "a PDF; `pdftoppm -r 150 IN.pdf page` makes pictures of it"),
    (b"v/1\x01", "an OpenEXR picture, which is not read; convert it, e.g. with `magick IN.exr OUT.png`"),
    (b"\x93NUMPY", "a NumPy array; write its images as PNG files, e.g. with OpenCV's imwrite"),
    (b"\x89HDF", "an HDF5 file; write its images as PNG files into a folder"),
    (b"#ROSBAG V1", "a bag of ROS before 2010; `rosbag fix` converts it"),
)
_FILMS = (b"\x1aE\xdf\xa3", b"\x00\x00\x01\xba")  # Matroska and WebM, MPEG
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ")
_STILL_BRANDS = (b"hei", b"hev", b"mif", b"msf", b"avi", b"crx")  # of MP4's relatives that are pictures


def what_it_is(path: Path) -> str:
    """In words, and what to do; empty when nothing is known about it."""
    head = head_of(path)
    for beginning, words in _MAGIC:
        if head.startswith(beginning):
            return words
    text = head.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    return next((words for beginning, words in _TEXT if text.startswith(beginning)), "")


def is_film(path: Path) -> bool:
    """Whether it begins as films do, whatever it is called."""
    head = head_of(path)
    if head[4:8] == b"ftyp":
        return not head[8:12].lower().startswith(_STILL_BRANDS)
    if head.startswith(b"\xff\xd8\xff"):
        return _is_row_of_jpegs(path)
    return head.startswith(_FILMS) or (head.startswith(b"RIFF") and head[8:12] == b"AVI ")


def _is_row_of_jpegs(path: Path) -> bool:
    """Whether JPEG files follow each other, as cameras send MJPEG; a second one alone is a phone's extra.

    Photos with more extras (light, depth, the image before a filter) say so in their head, or at their end.
    """
    with path.open("rb") as file:
        data = file.read(_ENOUGH_FOR_THREE)
    has_extras = any(mark in data[:_HEAD_OF_PHOTO] for mark in _EXTRAS) or data.endswith(b"SEFT")
    return not has_extras and data.count(b"\xff\xd9\xff\xd8\xff") > 1


def films_in_a_row(path: Path) -> int:
    """How many MP4 files were put one after the other (``cat``); players show the first one."""
    size, position, films = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        while position + 8 <= size:
            file.seek(position)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            length = int.from_bytes(head[8:], "big") if length == 1 else length
            if not head[4:8].isalnum() or length < 8:  # no box, or one up to the end
                break
            films += head[4:8] == b"moov"
            position += length
    return films


def is_picture(path: Path) -> bool:
    """Whether it begins as pictures do, whatever it is called."""
    head = head_of(path)
    return (
        head.startswith(_PICTURES)
        or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and head[8:12].lower().startswith(_STILL_BRANDS))
    )


def head_of(path: Path) -> bytes:
    """The first bytes; none when it cannot be read."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(_HEAD)
    except (OSError, ValueError):
        return b""
