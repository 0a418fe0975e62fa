"""An NPZ file that a training writes is whole, or not there."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from train.data.files import write_npz


def test_it_holds_what_was_given(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.npz"
    write_npz(path, x=np.arange(3), y=np.array({"a": 1}, dtype=object))
    with np.load(path, allow_pickle=True) as file:
        assert file["x"].tolist() == [0, 1, 2]
        assert file["y"].item() == {"a": 1}
    assert [p.name for p in path.parent.iterdir()] == ["a.npz"]
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npz"
    write_npz(path, x=np.arange(3))
    whole = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(zipfile.ZipFile, "_write_end_record", full)
    with pytest.raises(OSError, match=r"No space left.*/a\.npz'"):
        write_npz(path, x=np.arange(5))
    monkeypatch.undo()
    assert path.read_bytes() == whole
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]
