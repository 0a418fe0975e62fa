"""When the pictures of a folder were taken, as a list beside them or their names say."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

LISTS = ("timestamps.txt", "times.txt")  # KITTI's raw data and odometry
SLOWEST_S = 10.0  # a mean period above it is no film: names of photos, or numbers that are no times
_NS = 1_000_000_000
_SECONDS = re.compile(
    r"(?<![0-9.])([1-9][0-9]{9})(?:\.([0-9]{1,9})|[_-]([0-9]{9}|[0-9]{6}))?(?![0-9])"
)  # since 1970; TUM's names, and "seconds_nanoseconds"
_WHOLE = re.compile(
    r"(?<![0-9])([1-9](?:[0-9]{12}|[0-9]{15}|[0-9]{18}))(?![0-9])"
)  # ms, µs or ns; EuRoC's names
_DATE = re.compile(
    r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})[T_ -]([0-9]{2})[:_.-]?([0-9]{2})[:_.-]?([0-9]{2})[.,_-]([0-9]{1,9})"
    r"(?![0-9])"
)
_DECIMAL = re.compile(r"(.*?)([0-9]+)(?:\.([0-9]{1,9}))?")


def times_of(folder: Path, paths: Sequence[Path]) -> tuple[list[int], str]:
    """Nanoseconds of each picture and where they are from; nothing and "" where nobody says, or not of all.

    A list (``timestamps.txt``, ``times.txt``, in the folder or above it) has a line per picture: seconds, or
    date and time. Names hold the Unix time in seconds, milliseconds, microseconds or nanoseconds, or date,
    time and a fraction, or seconds as programs print them (``0.95``, ``1.0``, ``1.05``). Only times that tell
    all pictures apart and lie close enough for a film are taken.
    """
    if len(paths) < 2:
        return [], ""
    for file in lists_beside(folder):
        times = _of_list(file)
        if len(times) == len(paths) and _is_film(times):
            return times, f"times in {file.name}"
    named = [_of_name(path.stem) for path in paths]
    times = [time for time in named if time is not None] or _decimals(paths)
    return (times, "times in the names of the pictures") if _is_film(sorted(times), len(paths)) else ([], "")


def lists_beside(folder: Path) -> list[Path]:
    """The lists of times that may be those of its pictures."""
    files = (above / name for above in (folder, folder.parent) for name in LISTS)
    return [file for file in files if file.is_file()]


def _is_film(times: Sequence[int], count: int | None = None) -> bool:
    if len(times) < (count or 2) or any(later <= earlier for earlier, later in pairwise(times)):
        return False
    return (times[-1] - times[0]) / (len(times) - 1) <= SLOWEST_S * _NS


def _of_list(file: Path) -> list[int]:
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
        return [_of_line(line) for line in lines if line and not line.startswith("#")]
    except (OSError, ValueError):
        return []


def _of_line(line: str) -> int:
    return _date(match) if (match := _DATE.fullmatch(line)) else round(float(line) * _NS)


def _of_name(stem: str) -> int | None:
    readers: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], int]], ...] = (
        (_WHOLE, lambda m: int(m[1]) * 10 ** (19 - len(m[1]))),
        (_SECONDS, lambda m: int(m[1]) * _NS + _fraction(m[2] or m[3] or "0")),
        (_DATE, _date),
    )
    for pattern, read in readers:
        if match := pattern.search(stem):
            try:
                return read(match)
            except ValueError:  # the 13th month
                return None
    return None


def _decimals(paths: Sequence[Path]) -> list[int]:
    """Seconds printed without zeros at their end; ``1.9`` and ``1.10`` are the 9th and 10th of something."""
    found = [_DECIMAL.fullmatch(path.stem) for path in paths]
    matches = [match for match in found if match]
    fractions = [match[3] or "" for match in matches]
    lengths = set(map(len, fractions))
    counted = any(len(fraction) > 1 and fraction.endswith("0") for fraction in fractions)
    if len(matches) < len(paths) or len({m[1] for m in matches}) > 1 or len(lengths - {0}) < 2 or counted:
        return []
    return [int(m[2]) * _NS + _fraction(m[3] or "0") for m in matches]


def _date(match: re.Match[str]) -> int:
    whole = datetime(*(int(part) for part in match.groups()[:6]), tzinfo=timezone.utc)  # type: ignore[misc, arg-type]
    return round(whole.timestamp()) * _NS + _fraction(match[7])


def _fraction(digits: str) -> int:
    return int(digits.ljust(9, "0"))
