"""Types of option values for argparse: they say what was wrong and what is allowed."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..losses import printable

FILES = {  # endings of what nobody calls a folder
    *(
        ".avi",
        ".bag",
        ".ckpt",
        ".csv",
        ".db3",
        ".htm",
        ".html",
        ".jpeg",
        ".jpg",
        ".json",
        ".mcap",
        ".md",
        ".mkv",
    ),
    *(".mov", ".mp4", ".npy", ".npz", ".onnx", ".parquet", ".pdf", ".png", ".pt", ".rrd", ".svg", ".txt"),
    *(".webm", ".yaml", ".yml", ".zip"),
}


def integer(low: int, high: int) -> Callable[[str], int]:
    """A whole number from ``low`` to ``high``."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not in {low} … {high}")
        return value

    return read


def number(low: float, high: float) -> Callable[[str], float]:
    """A finite number from ``low`` to ``high``."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if not math.isfinite(value) or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not in {low:g} … {high:g}")
        return value

    return read


def nonempty(value: str) -> str:
    """Some text; an option that takes it is left out, not given empty."""
    if not value.strip():
        raise argparse.ArgumentTypeError("it is empty; give a value, or leave it out")
    return value


def plain(value: str) -> str:
    """Some text that becomes a part of a file's name."""
    if not re.fullmatch(r"[\w.+-]{1,100}", value):
        raise argparse.ArgumentTypeError(f"{value[:100]!r}: expected letters, digits, '.', '_', '+' and '-'")
    return value


def maybe_empty(value: str) -> str:
    """Some text, or nothing: the option's help says what that means."""
    return value if value.strip() else ""


def as_path(text: str) -> Path:
    """A path; whether it can be used is for those to say who use it."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(text)


def folder(text: str) -> Path:
    """The path of a folder that is there."""
    path = as_path(text)
    if not os.path.isdir(path):  # noqa: PTH112 (a name that is too long is none)
        raise argparse.ArgumentTypeError(f"{text} is no folder that is there")
    return path


def maybe_folder(text: str) -> Path:
    """The path of a folder that may be there."""
    path = as_path(text)
    if os.path.lexists(path) and not os.path.isdir(path):  # noqa: PTH112
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return path


def changed_file(text: str) -> Path:
    """The path of a file that is there, and of which a part is written anew."""
    path = as_path(text)
    if not os.path.isfile(path) or not os.access(path, os.W_OK):  # noqa: PTH113
        raise argparse.ArgumentTypeError(f"{text} is no file that is there and can be written")
    return path


def new_file(*endings: str) -> Callable[[str], Path]:
    """The path of a file that is written when all is done: whether it can be is known before.

    Args:
        endings: One of which its name must have, such as ``.html``; none: it may be called anything.
    """

    def read(text: str) -> Path:
        path = as_path(text)
        if os.path.isdir(path) or text.endswith("/"):  # noqa: PTH112
            raise argparse.ArgumentTypeError(f"{text} is a folder; expected the name of a file")
        if os.path.lexists(path) and not (os.path.isfile(path) and os.access(path, os.W_OK)):  # noqa: PTH113
            raise argparse.ArgumentTypeError(f"{text} is no file that can be written")
        if endings and path.suffix.lower() not in endings:
            raise argparse.ArgumentTypeError(f"{text} does not end in {' or '.join(endings)}")
        _try_to_make(path)
        return path

    return read


def new_folder(text: str) -> Path:
    """The path of a folder for results: one that is there, or can be made."""
    path = as_path(text)
    if not os.path.isdir(path):  # noqa: PTH112
        if os.path.lexists(path):
            raise argparse.ArgumentTypeError(f"{text} is no folder; expected one for the results")
        if path.suffix.lower() in FILES:
            raise argparse.ArgumentTypeError(
                f"{text} is called like a file; expected a folder for the results"
            )
    _try_to_make(path)
    return path


def _try_to_make(path: Path) -> None:
    """See whether something of this name can be written, in the first folder above it that is there."""
    folder = path
    try:
        str(path).encode()
    except UnicodeEncodeError:  # the results name themselves
        raise argparse.ArgumentTypeError(f"{printable(str(path))} is no name in UTF-8") from None
    try:
        with contextlib.suppress(FileNotFoundError):
            os.lstat(f"{path}.part")  # the name is not too long, and lies below folders
        while not os.path.isdir(folder):  # noqa: PTH112
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", "") or error
        raise argparse.ArgumentTypeError(f"{path} cannot be written: {reason}") from error


SEED = integer(0, 2**32 - 1)
COUNT = integer(1, 10**9)
