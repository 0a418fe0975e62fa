"""NumPy archives from outside."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, reason


def read_npz(path: Path, what: str) -> dict[str, NDArray[Any]]:
    """All arrays of an ``.npz`` file; pickled objects are refused.

    Args:
        path: The file.
        what: What it should hold, for the error: ``"the ground truth"``.

    Raises:
        InputError: It cannot be read, or is no such file.
    """
    # NumPy would take it for a pickle, and advise to load it.
    if path.is_file() and not zipfile.is_zipfile(path):
        raise InputError(f"cannot read {what} from {path}: it is no archive; expected a .npz file")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (
        OSError,
        ValueError,
        TypeError,
        EOFError,
        AttributeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise InputError(f"cannot read {what} from {path}: {reason(error)}; expected a .npz file") from error
