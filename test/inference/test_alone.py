"""Large networks answer for one person per request, as many at once as there are cores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posemo_ros.inference import alone
from posemo_ros.inference.runtime_onnx import OnnxRuntimeSession
from posemo_ros.inference.session import Session
from posemo_ros.inference.sessions import open_session

from .conftest import affine_model


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even the smallest network counts as large."""
    monkeypatch.setattr(alone, "LARGE", 1)


def opened(runtime: str, path: Path, threads: int) -> Session:
    if runtime == "onnxruntime":
        return OnnxRuntimeSession(path, precision="fp32", threads=threads)
    pytest.importorskip("openvino")
    from posemo_ros.inference.runtime_openvino import OpenVinoSession

    return OpenVinoSession(path, precision="fp32", threads=threads)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("people", [0, 1, 2, 3, 4, 7])
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_everybody_gets_his_own_answer(tmp_path: Path, runtime: str, threads: int, people: int) -> None:
    session = opened(runtime, affine_model(tmp_path / "a.onnx"), threads)
    assert session._streams == threads  # type: ignore[attr-defined]
    x = np.arange(people * 3, dtype=np.float32).reshape(people, 3)
    first = session.run({"x": x})
    session.run({"x": x + 100})  # what was given out before stays as it was
    assert set(first) == {spec.name for spec in session.outputs}
    np.testing.assert_allclose(first["y"], 2 * x + 1)
    assert first["total"].shape == (people,)
    np.testing.assert_allclose(first["total"], (2 * x + 1).sum(1))


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("people", [1, 2, 3, 4])
def test_nobody_is_ever_asked_about_with_others(tmp_path: Path, threads: int, people: int) -> None:
    """A batch rounds otherwise: in 2 of 120 images of the demo clip, which then took other ways."""
    session = OnnxRuntimeSession(affine_model(tmp_path / "a.onnx"), precision="fp32", threads=threads)
    sizes: list[int] = []

    class Watched:
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def run(self, names: None, feeds: dict[str, Any]) -> Any:
            sizes.append(len(feeds["x"]))
            return self._inner.run(names, feeds)

    session._session = Watched(session._session)
    if threads > 1:
        session._alone = Watched(session._alone)
    session.run({"x": np.zeros((people, 3), np.float32)})
    assert sizes == [1] * people


def test_who_goes_in_parallel() -> None:
    assert [alone.at_once(people, 2) for people in range(6)] == [0, 0, 2, 2, 4, 4]
    assert [alone.at_once(people, 1) for people in range(3)] == [0, 0, 0]


@pytest.mark.parametrize("threads", range(1, 65))
def test_no_core_rests_and_few_are_shared(threads: int) -> None:
    streams = min(threads, alone.STREAMS)
    assert 0.75 <= streams * alone.threads_each(threads, streams) / threads <= 4 / 3


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_who_gets_one_image_at_a_time_is_not_loaded_for_several(tmp_path: Path, runtime: str) -> None:
    """An encoder of scenes, whose exported file leaves the batch free, would take twice the memory."""
    if runtime == "openvino":
        pytest.importorskip("openvino")
    path = affine_model(tmp_path / "a.onnx")
    one, several = (open_session(path, runtime=runtime, threads=2, shapes=[s]) for s in ((1, 3), (-1, 3)))
    assert [session._streams for session in (one, several)] == [1, 2]  # type: ignore[attr-defined]
    assert not hasattr(one, "_alone")
    np.testing.assert_array_equal(one.run({"x": np.ones((1, 3), np.float32)})["y"], np.full((1, 3), 3.0))


def test_small_networks_take_everybody_at_once(tmp_path: Path) -> None:
    session = OnnxRuntimeSession(affine_model(tmp_path / "a.onnx"), precision="fp32", threads=2)
    assert session._streams == 1
    assert session.run({"x": np.zeros((5, 3), np.float32)})["y"].shape == (5, 3)
