"""Whether a network fits its manifest entry: run once on zeros, the outputs looked at.

``posemo models check`` and every load do this, so that a wrong entry is an error before the first
image and not a wrong answer after it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .detect.codecs import decode
from .errors import ModelError
from .inference.manifest import (
    KEYPOINT_COUNTS,
    ContextSpec,
    DetectSpec,
    EmotionSpec,
    KeypointSpec,
    LiftSpec,
    ModelSpec,
    TaskSpec,
    input_shapes,
)
from .inference.session import Outputs, Session
from .keypoints.codecs import codec_for, in_order

_FREE = (1, 1, 50, 768)  # sizes of the free axes of a context


def check_fit(session: Session, entry: ModelSpec) -> None:
    """Run a network once and compare its outputs with what its entry says.

    Raises:
        ModelError: They do not fit; the message says what came, what was expected and what to do.
    """
    try:
        outputs = session.run(_zeros(session, entry.spec))
        _refuse_nothing_but_nan(outputs, entry.spec)
        problem = _problem(entry.spec, outputs)
    except ModelError as error:
        raise ModelError(f"model {entry.name!r}: {error}") from error
    except Exception as error:  # runtimes and decoders raise what they like
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelError(f"model {entry.name!r} does not work with its manifest entry: {first}") from error
    if problem:
        raise ModelError(f"model {entry.name!r}: {problem}; correct its entry in the manifest")


def _refuse_nothing_but_nan(outputs: Outputs, spec: TaskSpec) -> None:
    """A lifter or an emotion network may have no answer to zeros; one that reads pictures must."""
    reads_pictures = isinstance(spec, (DetectSpec, KeypointSpec, ContextSpec))
    if reads_pictures and all(np.isnan(output).all() for output in outputs.values()):
        raise ModelError(
            "it answers a plain picture with nothing but NaN: its weights are damaged, or too large for its "
            "precision; export it again, in float32"
        )


def _zeros(session: Session, spec: TaskSpec) -> dict[str, NDArray[np.float32]]:
    shapes = input_shapes(spec)
    if len(shapes) != len(session.inputs):
        names = ", ".join(i.name for i in session.inputs)
        raise ModelError(f"the network has the inputs {names}; expected {len(shapes)}")
    feeds = {}
    for tensor, shape in zip(session.inputs, shapes, strict=True):
        known = tensor.shape if len(tensor.shape) == len(shape) else shape
        sizes = [
            max(want, have if want < 0 and axis else want, 1) if max(want, have) > 0 else _FREE[axis]
            for axis, (want, have) in enumerate(zip(shape, known, strict=True))
        ]
        sizes[0] = 1
        feeds[tensor.name] = np.zeros(sizes, np.float32)
    return feeds


def _problem(spec: TaskSpec, outputs: Outputs) -> str:
    """What is wrong with the outputs, or ""."""
    if isinstance(spec, DetectSpec):
        decode(outputs, spec, spec.score_threshold)
        return ""
    if isinstance(spec, KeypointSpec):
        return _keypoint_problem(spec, [outputs[name] for name in in_order(list(outputs))])
    first = next(iter(outputs.values())).shape
    return _shape_problem(spec, first)


def _keypoint_problem(spec: KeypointSpec, outputs: list[NDArray[np.generic]]) -> str:
    wanted = KEYPOINT_COUNTS[spec.joints]
    counts = sorted({o.shape[1] for o in outputs if o.ndim > 2})
    if counts != [wanted]:
        known = ", ".join(f"{n} ({name})" for name, n in KEYPOINT_COUNTS.items())
        return (
            f"its outputs {[o.shape for o in outputs]} are for {counts} keypoints, its entry says joints: "
            f"{spec.joints}, which are {wanted}; known are {known}: name one if its first 17 are COCO's"
        )
    codec_for(spec).decode(outputs)
    return ""


def _shape_problem(spec: LiftSpec | ContextSpec | EmotionSpec, shape: tuple[int, ...]) -> str:
    expected: dict[type, list[tuple[int, ...]]] = {
        LiftSpec: [(1, 1, 17, 3), (1, 17, 3), (1, 1, 17, 4)],
        EmotionSpec: [(1, len(spec.labels))] if isinstance(spec, EmotionSpec) else [],
        ContextSpec: [(1, spec.tokens, spec.width)] if isinstance(spec, ContextSpec) else [],
    }
    if shape in expected[type(spec)]:
        return ""
    return f"its output has the shape {shape}; expected {' or '.join(map(str, expected[type(spec)]))}"
