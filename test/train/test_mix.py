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


def test_counts_are_those_of_the_second(tmp_path: Path) -> None:
    """Networks with batch norm, as HRNet, hold whole numbers, too."""
    for name, count in (("a.pt", 3), ("b.pt", 8)):
        state = {"w": torch.full((2,), float(count)), "bn.num_batches_tracked": torch.tensor(count)}
        torch.save(state, tmp_path / name)
    out = tmp_path / "c.pt"
    assert main(["mix", str(tmp_path / "a.pt"), str(tmp_path / "b.pt"), "--out", str(out)]) == 0
    assert torch.load(out, weights_only=True)["bn.num_batches_tracked"] == 8
    assert torch.load(out, weights_only=True)["w"].tolist() == [5.5, 5.5]


def test_other_sizes_and_a_full_disk_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = save(tmp_path / "a.pt", 0.0)
    torch.save({"movenet.a": torch.zeros(2), "score1.a": torch.zeros(3)}, tmp_path / "b.pt")
    assert main(["mix", first, str(tmp_path / "b.pt"), "--out", str(tmp_path / "c.pt")]) == 1
    assert "are not of one network: score1.a is (2,) and (3,)" in capsys.readouterr().err
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(
            "pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        )
        assert main(["mix", first, first, "--out", str(tmp_path / "c.pt")]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not (tmp_path / "c.pt").exists()
