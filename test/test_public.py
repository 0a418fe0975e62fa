"""The public interface: what `import posemo_ros` gives."""

from __future__ import annotations

import dataclasses
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import posemo_ros
from posemo_ros import EMOTIONS, Emotions, EmotionStatus, People2D, Pipeline

from .replay.makers import beginning

ROOT = Path(__file__).resolve().parent.parent
BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)


def test_import_loads_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules); import posemo_ros; assert 'Pipeline' in dir(posemo_ros); "
        "print(*(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"numpy", "cv2", "onnxruntime", "scipy", "yaml", "matplotlib"} & set(loaded.split())


def test_all_is_there_and_no_more() -> None:
    assert sorted(set(posemo_ros.__all__)) == sorted(posemo_ros._HOME)
    for name in posemo_ros.__all__:
        assert getattr(posemo_ros, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Pipelin'"):
        _ = posemo_ros.Pipelin  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [n for n in posemo_ros.__all__ if callable(getattr(posemo_ros, n))])
def test_docstrings_name_every_field_and_argument(name: str) -> None:
    thing = getattr(posemo_ros, name)
    text = inspect.getdoc(thing) or ""
    assert text
    if dataclasses.is_dataclass(thing):
        for field in dataclasses.fields(thing):
            assert re.search(rf"\b{field.name}\b", text), f"{name}.{field.name} is not explained"
            if "NDArray" in str(field.type) or "Floats" in str(field.type):
                entry = text.split(f"{field.name}:")[1].split("\n    ", 1)[0]
                assert re.match(r"\s*\([\w, ]+\)", entry), f"{name}.{field.name}: no shape"
    elif inspect.isfunction(thing):
        for argument in inspect.signature(thing).parameters:
            assert re.search(rf"\b{argument}\b", text), f"{name}({argument}) is not explained"


def test_arrays_as_rtmlib_gives_them() -> None:
    people = People2D(("p1",), np.zeros((1, 4), np.float32), np.ones(1, np.float32), np.ones((1, 17, 3)))
    assert people.keypoints_xy.shape == (1, 17, 2)
    assert people.keypoint_scores.shape == (1, 17)
    assert np.shares_memory(people.keypoints_xy, people.keypoints)
    assert People2D().keypoints_xy.shape == (0, 17, 2)


def test_emotion_labels() -> None:
    probabilities = np.eye(6, dtype=np.float32)[[3, 1]]
    status = (EmotionStatus.VALID, EmotionStatus.TOO_FEW_FRAMES)
    emotions = Emotions(ids=("p1", "p2"), probabilities=probabilities, status=status)
    assert emotions.labels == (EMOTIONS[3], "too_few_frames")
    assert Emotions().labels == ()


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS)
def test_readme_block_runs(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = 50
    beginning(tmp_path / "demo" / "people.mp4", images)
    monkeypatch.chdir(tmp_path)
    steps = []
    step = Pipeline.step
    monkeypatch.setattr(Pipeline, "step", lambda self, frame: steps.append(step(self, frame)) or steps[-1])
    names: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), names)
    assert len(steps) == images
    assert names["people"] is steps[-1].people
    assert len(steps[-1].people) > 1
    picture, frame = names["picture"], names["frame"]
    assert picture.shape == frame.image.shape  # type: ignore[attr-defined]
    assert (picture != frame.image).any()  # type: ignore[attr-defined]
    assert "p1" in capsys.readouterr().out


def test_the_readme_has_python() -> None:
    assert BLOCKS
