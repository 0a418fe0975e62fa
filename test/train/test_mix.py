"""``python -m train mix``: the mean of two checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from train.cli import main  # noqa: E402


def save(path: Path, value: float, *more: str) -> str:
    torch.save({name: torch.full((2,), value) for name in ("movenet.a", "score1.a", *more)}, path)
    return str(path)


def test_a_share_of_the_second_and_some_of_it_whole(tmp_path: Path) -> None:
    first, second = save(tmp_path / "a.pt", 0.0), save(tmp_path / "b.pt", 1.0)
    out = tmp_path / "c.pt"
    assert main(["mix", first, second, "--share", "0.25", "--whole", "score*", "--out", str(out)]) == 0
    mixed = torch.load(out, weights_only=True)
    assert mixed["movenet.a"].tolist() == [0.25, 0.25]
    assert mixed["score1.a"].tolist() == [1.0, 1.0]


def test_checkpoints_of_two_networks_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = save(tmp_path / "a.pt", 0.0), save(tmp_path / "b.pt", 1.0, "head.a")
    assert main(["mix", first, second, "--out", str(tmp_path / "c.pt")]) == 1
    assert "only one has head.a" in capsys.readouterr().err
