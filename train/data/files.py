"""Opening of data set files: what is missing or malformed, what was expected, where to get it.

The published Human3.6M and MPI-INF-3DHP files are NumPy archives with pickled dictionaries of
arrays. They are read without running code from them: only NumPy's own arrays can be unpickled.
"""

from __future__ import annotations

import logging
import os
import pickle
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from posemo_ros.archives import read_npz
from posemo_ros.errors import InputError, reason

GUIDE = "docs/training.md"
_SHOWN = 8  # of what is missing
_log = logging.getLogger(__name__)

_ALLOWED = {
    (f"numpy{package}.multiarray", name)
    for package in (".core", "._core")
    for name in ("_reconstruct", "scalar")
} | {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy", "float64"),
    ("collections", "OrderedDict"),
    ("_codecs", "encode"),
}


class _ArraysOnly(pickle.Unpickler):
    """Knows NumPy arrays and plain containers, nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """The class, if it is allowed."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed here")
        return super().find_class(module, name)


def need(path: Path, what: str, section: str) -> Path:
    """The path, if something is there.

    Args:
        path: File or folder.
        what: What it would be, for the message.
        section: Heading of ``GUIDE`` that tells how to get it.

    Raises:
        InputError: Nothing is there.
    """
    if not path.exists():
        raise InputError(f"{path} not found: expected {what}; how to get it: {GUIDE}, '{section}'")
    return path


def read_written(path: Path, kind: type[Any], command: str) -> dict[str, NDArray[Any]]:
    """The arrays of a file that a command of ours wrote, one for each field of a dataclass.

    Args:
        path: The ``.npz`` file.
        kind: The dataclass.
        command: What writes such a file, for the message.

    Raises:
        InputError: The file is missing, no such archive, or lacks a field.
    """
    if not path.is_file():
        raise InputError(f"{path}: not there; expected what `{command}` writes")
    arrays, names = read_npz(path, f"what `{command}` wrote"), {f.name for f in fields(kind)}
    missing = sorted(names - set(arrays))
    if missing:
        raise InputError(f"{path}: has no array {missing[0]!r}; `{command}` writes it anew")
    return {name: arrays[name] for name in names}


def write_npz(path: Path, **arrays: Any) -> None:
    """Write a compressed ``.npz`` file whole or not at all, also where several processes write it.

    Raises:
        OSError: It cannot be written; ``filename`` is ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays)
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)
        raise


def malformed(path: Path, found: object, expected: str, section: str) -> InputError:
    """The error for data in another form than expected."""
    return InputError(f"{path}: {found}; expected {expected}; the format: {GUIDE}, '{section}'")


def tell_missing(path: Path, missing: Sequence[str]) -> None:
    """Warn of what a data set has and a file of it lacks: figures are then not those of others."""
    if missing:
        shown = ", ".join(missing[:_SHOWN]) + (f" and {len(missing) - _SHOWN} more" * (len(missing) > _SHOWN))
        _log.warning("%s lacks %s: figures are those of the rest", path, shown)


def load_pickled(
    path: Path, keys: Iterable[str], what: str, section: str, *, optional: Iterable[str] = ()
) -> dict[str, Any]:
    """Python objects in an ``.npz`` file of the published data sets.

    Args:
        path: The file.
        keys: Members to read; each holds one object or an array.
        what, section: See ``need``.
        optional: Members to read where they are there.

    Raises:
        InputError: The file is missing, broken, lacks a key or holds objects that are not allowed.
    """
    need(path, what, section)
    try:
        with zipfile.ZipFile(path) as archive:
            names = {Path(n).stem for n in archive.namelist()}
            missing = [k for k in keys if k not in names]
            if missing:
                raise malformed(path, f"no {missing} among {sorted(names)}", what, section)
            wanted = [*keys, *(k for k in optional if k in names)]
            return {key: _member(archive, f"{key}.npy") for key in wanted}
    except InputError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile, pickle.UnpicklingError, EOFError) as error:
        raise malformed(path, f"cannot be read ({reason(error)})", what, section) from error


def _member(archive: zipfile.ZipFile, name: str) -> Any:
    with archive.open(name) as file:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file)
        if not dtype.hasobject:
            with archive.open(name) as again:
                return npy.read_array(again, allow_pickle=False)
        # Files of Python 2 hold byte strings.
        array = _ArraysOnly(file, encoding="latin1").load()
    return array.reshape(shape).item() if shape == () else array


def floats(value: object, shape: tuple[int | None, ...], path: Path, name: str, section: str) -> np.ndarray:
    """An array of finite numbers of the given shape (None: any size) as float32.

    Raises:
        InputError: It is something else.
    """
    try:
        array = np.asarray(value, np.float32)
    except (TypeError, ValueError) as error:
        raise malformed(path, f"{name} is no array of numbers ({error})", str(shape), section) from error
    if array.ndim != len(shape) or any(e not in (None, n) for n, e in zip(array.shape, shape, strict=True)):
        wanted = tuple("any" if n is None else n for n in shape)
        raise malformed(path, f"{name} has the shape {array.shape}", f"{wanted}", section)
    if unknown := int((~np.isfinite(array)).sum()):  # the figures would be those of the other frames
        raise malformed(path, f"{name} has {unknown} numbers like NaN", "finite ones", section)
    return array


def check_unit(
    values: NDArray[np.floating], limits: tuple[float, float], path: Path, unit: str, section: str
) -> None:
    """Refuse numbers so small or large that they are of another unit.

    Args:
        values: (T, J, C) of one person.
        limits: Between which the largest of a frame lies; the median of all frames.
        path, section: See ``malformed``.
    unit: Expected, for the message.

    Raises:
        InputError: They are.
    """
    if not values.size:
        return
    largest = float(np.median(np.abs(values).max(axis=(1, 2))))
    if not limits[0] < largest < limits[1]:
        raise malformed(path, f"numbers as large as {largest:.3g}", unit, section)
