"""Picture files and compressed pictures of every common format as arrays.

OpenCV reads what it can; Pillow the rest (GIF, AVIF, JPEG 2000) and, with ``pi-heif``, the HEIC
files of phones. A picture that was cut off is refused: OpenCV would fill the rest with grey.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import InputError

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp"),
    *(".pgm", ".ppm", ".pbm", ".pnm", ".gif", ".heic", ".heif", ".hif", ".avif", ".jp2", ".j2k"),
)
RAW_SUFFIXES = (
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"),
    *(".srw", ".pef", ".3fr", ".erf", ".kdc", ".dcr", ".rwl", ".iiq"),
)
RAW_HELP = "camera raw files are not read; convert them, e.g. with `darktable-cli IN.dng OUT.jpg`"
MAX_PIXELS = 80_000_000  # of a picture that is decoded: 240 MB as BGR; more is no camera's
BIT_DEPTHS = (8, 10, 12, 14, 16)
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"


def bits_in(image: NDArray[Any]) -> int:
    """The smallest usual bit depth that holds all values of a 16-bit image: 8, 10, 12, 14 or 16.

    Cameras of 10 or 12 bits fill the low bits of 16; scaled by 65535 they would be black.
    """
    highest = int(image.max()) if image.size else 0
    return next(bits for bits in BIT_DEPTHS if highest < 1 << bits)


def to_8bit(image: NDArray[Any], bits: int = 16) -> NDArray[np.uint8]:
    """Pictures of any depth as uint8.

    Args:
        image: 8 bits as they are; 16 bits scaled by 255 / (2**bits - 1) and rounded; others taken
            as 0 to 1 (OpenCV's convention for floats, which lets highlights go beyond), NaN as 0.
        bits: Used bits of 16-bit values.

    Raises:
        InputError: Most values of more than 16 bits lie beyond 0 to 1: what is white in it is not known.
    """
    if image.dtype == np.uint16:
        return np.asarray(cv2.convertScaleAbs(image, alpha=255 / ((1 << bits) - 1)), np.uint8)
    if image.dtype == np.uint8:
        return np.asarray(image, np.uint8)
    finite = image[np.isfinite(image)]
    if finite.size and not (0 <= np.median(finite) <= 1):
        raise InputError(
            f"values of {8 * image.dtype.itemsize} bits from {finite.min():g} to {finite.max():g}, expected "
            "0 to 1; write it with 8 or 16 bits"
        )
    return np.asarray(np.rint(np.clip(np.nan_to_num(image, nan=0.0, posinf=1.0), 0, 1) * 255), np.uint8)


def read_picture(path: Path, *, as_stored: bool = False) -> NDArray[Any]:
    """(H, W, 3) uint8 or uint16, BGR, turned as its EXIF orientation says, or ``as_stored``.

    Raises:
        InputError: The file cannot be read or decoded; the message is one reason, without the name.
    """
    if path.is_symlink() and not path.exists():
        raise InputError("the link points to nothing")
    if path.exists() and not path.is_file():
        raise InputError("no file (a pipe, socket or device)")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})") from error
    if path.suffix.lower() in RAW_SUFFIXES:
        raise InputError(RAW_HELP)
    turned = cv2.IMREAD_IGNORE_ORIENTATION if as_stored else 0
    image = decode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | turned)
    return image if image.dtype in (np.uint8, np.uint16) else to_8bit(image)


def decode(data: Any, flags: int = cv2.IMREAD_COLOR, *, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """The picture in some bytes.

    Args:
        data: A whole picture file: any object with the buffer protocol.
        flags: Of ``cv2.imdecode``.
        max_pixels: Of the largest picture that is decoded: a few kilobytes can claim more than fits memory.

    Raises:
        InputError: No bytes, an unknown format, a picture that was cut off, or one of more than
            ``max_pixels``, which is not decoded.
    """
    buffer = np.frombuffer(data, np.uint8)
    if not buffer.size:
        raise InputError("empty, 0 bytes")
    _refuse_too_large(buffer, max_pixels)
    _refuse_cut_off(buffer)
    turned = not flags & cv2.IMREAD_IGNORE_ORIENTATION
    if _is_avif(buffer):  # OpenCV shows them as they are stored
        return _by_pillow(buffer.tobytes(), turned=turned)
    try:
        with opencv_quiet():
            image: Any = cv2.imdecode(buffer, flags)
    except cv2.error as error:
        raise InputError(f"cannot be decoded ({error})") from error
    if image is None:
        image = _by_pillow(buffer.tobytes(), turned=turned)
    if image.size == 0:
        raise InputError("has no pixels")
    return np.asarray(image)


@contextmanager
def opencv_quiet() -> Iterator[None]:
    """Without OpenCV's own lines about what the caller reports better."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(0)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def _refuse_too_large(buffer: NDArray[np.uint8], max_pixels: int) -> None:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(buffer.tobytes())) as picture:  # reads the header alone
            width, height = picture.size
    except Image.DecompressionBombError as error:
        raise InputError(f"claims more than {max_pixels / 1e6:.0f} million pixels ({error})") from error
    except Exception:
        return  # what the decoder says about it is better
    if width * height > max_pixels:
        raise InputError(
            f"claims {width} x {height} pixels; more than {max_pixels / 1e6:.0f} million are not decoded"
        )


def _refuse_cut_off(buffer: NDArray[np.uint8]) -> None:
    head = buffer[:8].tobytes()
    tail = buffer[-64:].tobytes().rstrip(b"\0")
    whole = {_JPEG: tail.endswith(b"\xff\xd9"), _PNG: b"IEND" in tail}
    if any(head.startswith(magic) and not ended for magic, ended in whole.items()):
        _by_pillow(buffer.tobytes())  # phones append data of their own, so only a decoder knows


def _is_avif(buffer: NDArray[np.uint8]) -> bool:
    return buffer[4:12].tobytes() in (b"ftypavif", b"ftypavis")


def _by_pillow(data: bytes, *, turned: bool = True) -> NDArray[Any]:
    from PIL import Image, ImageOps

    has_heif = _register_heif()
    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            return from_pillow(ImageOps.exif_transpose(picture) if turned else picture)
    except InputError:
        raise
    except Exception as error:  # Pillow's readers raise what they like
        if data[4:8] == b"ftyp" and not has_heif:
            raise InputError(
                "HEIC or HEIF, which needs the package 'pi-heif' (pip install pi-heif), or convert it: "
                "`heif-convert IN.heic OUT.jpg`"
            ) from error
        if "truncated" in str(error).lower() or "incomplete" in str(error).lower():
            raise InputError("cut off, its end is missing") from error
        raise InputError("cannot be decoded, damaged or no picture") from error


def from_pillow(picture: Any) -> NDArray[Any]:
    """(H, W, 3) uint8 or uint16, BGR, of an image of Pillow.

    Raises:
        InputError: It has values of 32 bits, see ``to_8bit``.
    """
    if picture.mode.startswith("I;16"):
        return np.asarray(cv2.cvtColor(np.asarray(picture, np.uint16), cv2.COLOR_GRAY2BGR))
    if picture.mode in ("I", "F"):
        return np.asarray(cv2.cvtColor(to_8bit(np.asarray(picture)), cv2.COLOR_GRAY2BGR))
    return np.ascontiguousarray(np.asarray(picture.convert("RGB"))[..., ::-1])


def _register_heif() -> bool:
    try:
        from pi_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True
