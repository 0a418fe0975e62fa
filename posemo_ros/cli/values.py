"""Types of option values for argparse: they say what was wrong and what is allowed."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path


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


def as_path(text: str) -> Path:
    """A path; whether it can be used is for those to say who use it."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(text)


def new_file(text: str) -> Path:
    """The path of a file to be written."""
    path = as_path(text)
    if os.path.isdir(path):  # noqa: PTH112 (a name that is too long is none)
        raise argparse.ArgumentTypeError(f"{text} is a folder; expected the name of a file")
    return path


SEED = integer(0, 2**32 - 1)
COUNT = integer(1, 10**9)
