"""Where the meshes, the motion and the photographs lie.

All of them belong to the development data (not part of the repository): a folder named by the
argument ``data``, by the environment variable ``POSEMO_DATA``, or ``../shared/data`` beside the
checkout.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from posemo_ros.errors import InputError

ENVIRONMENT = "POSEMO_DATA"
_BESIDE_CHECKOUT = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def data_dir(data: Path | None = None) -> Path:
    """Folder of the development data.

    Raises:
        InputError: There is no such folder; the message says how to name one.
    """
    folder = Path(data or os.environ.get(ENVIRONMENT) or _BESIDE_CHECKOUT)
    if not folder.is_dir():
        raise InputError(
            f"development data not found at {folder}; name the folder with --data or {ENVIRONMENT}=DIR"
        )
    return folder


def asset(relative: str, data: Path | None = None) -> Path:
    """One file or folder of the development data.

    Raises:
        InputError: It is not there.
    """
    path = data_dir(data) / relative
    if not path.exists():
        raise InputError(f"{relative} is missing in {data_dir(data)}; the scene generator needs it")
    return path


def makehuman_dir(data: Path | None = None) -> Path:
    """Folder of the unpacked MakeHuman assets.

    An unpacked ``makehuman_cc0`` folder (one with ``base.obj``) is used as it is; the archive is
    unpacked once, into the user's cache folder.

    Raises:
        InputError: There is neither, or the archive is damaged.
    """
    folder = asset("makehuman_cc0", data)
    if (folder / "base.obj").exists():
        return folder
    archive = asset("makehuman_cc0/makehuman_cc0.tar.xz", data)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "posemo"
    unpacked = cache / f"makehuman_cc0-{archive.stat().st_size}"
    if not unpacked.exists():
        _unpack(archive, unpacked)
    return unpacked


def _unpack(archive: Path, target: Path) -> None:
    """Unpack beside the target and move into place, so that a broken attempt leaves nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    attempt = Path(tempfile.mkdtemp(dir=target.parent))
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(attempt, filter="data")
        if not (attempt / "base.obj").exists():
            raise InputError(f"{archive} has no base.obj; expected the MakeHuman CC0 assets")
        if not target.exists():
            attempt.rename(target)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InputError(f"cannot unpack {archive}: {error}") from error
    finally:
        shutil.rmtree(attempt, ignore_errors=True)
