"""Which recordings a command line names: single ones, patterns, lists in a file, folders of recordings."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import InputError, reason
from ..text_files import text_of
from .bag_folder import is_bag_file, is_bag_folder, single_bags
from .picture_source import VIDEO_SUFFIXES
from .run_folder import plain_name
from .source import IMAGE_SUFFIXES, natural, shown, without_password

LIST_SUFFIXES = (".txt", ".list")


def expand(texts: Sequence[str]) -> list[str]:
    """Every source once.

    The matches of a pattern and the recordings of a folder come in the order people count; a list
    (``.txt``, ``.list``) has one source, pattern or folder in a line, ``#`` before a remark, paths from the
    list's folder on.

    Raises:
        InputError: A pattern matches nothing, a list cannot be read or is empty.
    """
    found = [source for text in texts for source in _sources_of(text)]
    return list(dict.fromkeys(found))


def names_many(text: str) -> bool:
    """Whether it is a pattern, a list or a folder of recordings, and not one source."""
    return is_pattern(text) or _is_list(text) or _is_collection(text)


def is_pattern(text: str) -> bool:
    """Whether it is a pattern such as ``videos/*.mp4``, and not the name of something."""
    return glob.has_magic(text) and "://" not in text and not _exists(Path(text))


def folders_of(texts: Sequence[str], out: Path) -> list[Path]:
    """A folder per source, named like it; the second of a name gets a number."""
    taken: dict[str, int] = {}
    folders = []
    for text in texts:
        name = plain_name(stem(text)) or "source"
        taken[name] = taken.get(name, 0) + 1
        folders.append(out / (name if taken[name] == 1 else f"{name}-{taken[name]}"))
    return folders


def stem(text: str) -> str:
    """What a source is called: its file's name without the ending."""
    return Path(without_password(text).rstrip("/")).stem


def _sources_of(text: str) -> list[str]:
    if is_pattern(text):
        # Path.glob takes no absolute patterns
        matches = sorted(glob.glob(text, recursive=True), key=natural)  # noqa: PTH207
        if not matches:
            raise InputError(f"no file or folder matches {shown(Path(text))!r}")
        return matches
    if _is_list(text):
        return _lines_of(Path(text))
    if _is_collection(text):
        return [str(path) for path in _recordings_in(Path(text), set())]
    return [text]


def _is_list(text: str) -> bool:
    return text.lower().endswith(LIST_SUFFIXES) and "://" not in text and Path(text).is_file()


def _lines_of(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in text_of(path).splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the list {path}: {reason(error)}") from error
    named = [line for line in lines if line and not line.startswith("#")]
    if not named:
        raise InputError(f"the list {path} names no source; expected one in a line")
    texts = [_placed(path.parent, name) for name in named]
    return [source for text in texts for source in ([text] if _is_list(text) else _sources_of(text))]


def _placed(folder: Path, name: str) -> str:
    """A source of a list, from the list's folder on, without the remark behind it."""
    if not _exists(folder / name):
        name = re.split(r"\s+#", name)[0]
    return name if "://" in name or name.isdecimal() else str(folder / name)


def _is_collection(text: str) -> bool:
    """Whether it is a folder that is no recording itself, but has some in it."""
    path = Path(text)
    if not text.strip() or "://" in text or not path.is_dir() or _is_recording(path):
        return False
    return next(_recordings_in(path, set()), None) is not None


def _recordings_in(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """Recordings at any depth; a folder that links to one above it is entered once."""
    real = folder.resolve()
    if real in seen:
        return
    seen.add(real)
    for path in sorted(_entries(folder), key=lambda p: natural(p.name)):
        if _is_recording(path):
            yield path
        elif path.is_dir():
            yield from _recordings_in(path, seen)


def _is_recording(path: Path) -> bool:
    if not path.is_dir():
        return path.is_file() and (path.name.lower().endswith(VIDEO_SUFFIXES) or is_bag_file(path.name))
    try:
        return not single_bags(path) and (is_bag_folder(path) or any(map(_is_picture, path.iterdir())))
    except OSError:  # said by who opens it
        return False


def _is_picture(path: Path) -> bool:
    return not path.name.startswith(".") and path.name.lower().endswith(IMAGE_SUFFIXES)


def _entries(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError:  # said by who opens it
        return []


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
