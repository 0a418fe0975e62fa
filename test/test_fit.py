"""Networks that do not do what their manifest entry says are refused before the first image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from posemo_ros.errors import ModelError
from posemo_ros.fit import check_fit
from posemo_ros.inference.manifest import (
    ContextSpec,
    DetectSpec,
    EmotionSpec,
    ImageInput,
    KeypointSpec,
    LiftSpec,
    ModelSpec,
    TaskSpec,
)
from posemo_ros.inference.session import TensorSpec
from posemo_ros.keypoints.estimator import KeypointEstimator
from posemo_ros.types import Frame

SIZE = ImageInput(192, 256)


class Network:
    """Gives outputs of fixed shapes, a peak at bin 40 + 10 k for keypoint k."""

    runtime, precision = "onnxruntime", "fp32"

    def __init__(self, inputs: Sequence[tuple[int, ...]], *outputs: tuple[int, ...]) -> None:
        self.inputs = tuple(TensorSpec(f"i{n}", s, "float32") for n, s in enumerate(inputs))
        self.outputs = tuple(TensorSpec(f"o{n}", s, "float32") for n, s in enumerate(outputs))
        self.fed: list[tuple[int, ...]] = []

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.fed = [f.shape for f in feeds.values()]
        count = len(next(iter(feeds.values())))
        made = {}
        for spec in self.outputs:
            values = np.zeros((count, *spec.shape[1:]), np.float32)
            if len(spec.shape) == 3:
                for k in range(spec.shape[1]):
                    values[:, k, (40 + 10 * k) % spec.shape[2]] = 0.9
            made[spec.name] = values
        return made


def entry(spec: TaskSpec) -> ModelSpec:
    return ModelSpec("mine", "task", spec, "x", "y", file="a.onnx")


CROP = [(-1, 3, 256, 192)]
GOOD: list[tuple[TaskSpec, Network]] = [
    (KeypointSpec(SIZE, "simcc"), Network(CROP, (-1, 17, 384), (-1, 17, 512))),
    (KeypointSpec(SIZE, "simcc", "halpe26"), Network(CROP, (-1, 26, 384), (-1, 26, 512))),
    (KeypointSpec(SIZE, "simcc", "coco_wholebody133"), Network(CROP, (-1, 133, 384), (-1, 133, 512))),
    (KeypointSpec(SIZE, "dark"), Network(CROP, (-1, 17, 64, 48))),
    (LiftSpec(27), Network([(-1, 27, 17, 2)], (-1, 1, 17, 3))),
    (LiftSpec(27), Network([(-1, 27, 17, 2)], (-1, 17, 3))),
    (EmotionSpec(30, 15.0), Network([(-1, 30, 17, 3)], (-1, 6))),
    (
        EmotionSpec(30, 15.0, context_frames=2, context_model="clip"),
        Network([(-1, 30, 17, 3), (-1, 2, -1, -1)], (-1, 6)),
    ),
    (ContextSpec(SIZE), Network([(1, 3, 256, 192)], (1, 50, 768))),
]
BAD: list[tuple[TaskSpec, Network, str]] = [
    (KeypointSpec(SIZE, "simcc"), Network(CROP, (-1, 26, 384), (-1, 26, 512)), r"\[26\] keypoints.*halpe26"),
    (KeypointSpec(SIZE, "simcc", "halpe26"), Network(CROP, (-1, 17, 384), (-1, 17, 512)), "are 26"),
    (KeypointSpec(SIZE, "simcc"), Network(CROP, (-1, 17, 64, 48)), "codec 'simcc' expects"),
    (KeypointSpec(SIZE, "dark"), Network(CROP, (-1, 17, 384), (-1, 17, 512)), "mine"),
    (
        LiftSpec(27),
        Network([(-1, 27, 17, 2)], (-1, 27, 17, 3)),
        r"\(1, 27, 17, 3\); expected \(1, 1, 17, 3\)",
    ),
    (EmotionSpec(30, 15.0), Network([(-1, 30, 17, 3)], (-1, 7)), r"\(1, 7\); expected \(1, 6\)"),
    (EmotionSpec(30, 15.0), Network([(-1, 30, 17, 3), (1, 1)], (-1, 6)), "has the inputs i0, i1; expected 1"),
    (ContextSpec(SIZE), Network([(1, 3, 256, 192)], (1, 512)), r"expected \(1, 50, 768\)"),
    (DetectSpec(SIZE, "yolox"), Network([(1, 3, 256, 192)], (1, 17, 3)), "mine"),
]


@pytest.mark.parametrize(("spec", "network"), GOOD)
def test_what_fits(spec: TaskSpec, network: Network) -> None:
    check_fit(network, entry(spec))
    assert all(min(shape) > 0 for shape in network.fed)


@pytest.mark.parametrize(("spec", "network", "says"), BAD)
def test_what_does_not(spec: TaskSpec, network: Network, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        check_fit(network, entry(spec))


@pytest.mark.parametrize("flip", [False, True])
def test_of_26_keypoints_the_first_17_are_used(flip: bool) -> None:
    network: Any = Network(CROP, (-1, 26, 384), (-1, 26, 512))
    estimator = KeypointEstimator(network, KeypointSpec(SIZE, "simcc", "halpe26", flip_test=flip))
    found = estimator.estimate(
        Frame(np.zeros((480, 640, 3), np.uint8)), np.array([[100, 100, 300, 400]], np.float32)
    )
    plain = KeypointEstimator(
        Network(CROP, (-1, 17, 384), (-1, 17, 512)), KeypointSpec(SIZE, "simcc", flip_test=flip)
    )
    same = plain.estimate(
        Frame(np.zeros((480, 640, 3), np.uint8)), np.array([[100, 100, 300, 400]], np.float32)
    )
    assert found.shape == (1, 17, 3)
    np.testing.assert_array_equal(found, same)


@pytest.mark.parametrize("spec", [KeypointSpec(SIZE, "simcc"), DetectSpec(ImageInput(64, 64), "yolox")])
def test_nothing_but_nan_is_refused(spec: TaskSpec) -> None:
    """As an export in float16 gives that overflows: nobody would be found, without a word."""
    network = Network([(-1, 3, *((256, 192) if isinstance(spec, KeypointSpec) else (64, 64)))], (-1, 17, 384))
    run = network.run
    network.run = lambda feeds: {name: values * np.nan for name, values in run(feeds).items()}  # type: ignore[method-assign]
    with pytest.raises(ModelError, match="'mine': it answers a plain picture with nothing but NaN"):
        check_fit(network, entry(spec))  # type: ignore[arg-type]
