"""Keypoints, 3D skeletons and emotions of the people in a camera image.

The names in ``__all__`` are the public interface: they keep their meaning between minor versions.
They are imported when they are first used, so ``import posemo_ros`` itself costs nothing.

    from posemo_ros import Pipeline, open_source

    pipeline = Pipeline()
    with open_source("walk.mp4") as video:
        for frame in video:
            result = pipeline.step(frame)

Arrays are NumPy's, float32, one row per person: pixels for keypoints and boxes, metres in the camera's
optical frame (x right, y down, z forward, REP 103) for skeletons, scores and probabilities in 0 to 1,
nanoseconds for stamps; NaN means "not known".
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .telemetry import switch_off

switch_off()  # before anything imports ONNX Runtime or OpenVINO

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .camera import Camera
    from .draw import fit_view, overlay, scene
    from .errors import InputError, MissingExtraError, ModelError, PosemoError
    from .inference.store import ModelStore
    from .pipeline import Models, Pipeline, Settings
    from .replay.source import Source
    from .replay.sources import open_source
    from .skeleton import COCO17, H36M17
    from .types import (
        EMOTIONS,
        Emotions,
        EmotionStatus,
        Frame,
        FrameResult,
        People2D,
        PixelOrder,
        Skeletons3D,
    )

_HOME = {  # name -> module
    **dict.fromkeys(("Models", "Pipeline", "Settings"), "pipeline"),
    "Source": "replay.source",
    "open_source": "replay.sources",
    **dict.fromkeys(
        ("EMOTIONS", "Emotions", "EmotionStatus", "Frame", "FrameResult", "People2D", "PixelOrder"), "types"
    ),
    "Skeletons3D": "types",
    **dict.fromkeys(("COCO17", "H36M17"), "skeleton"),
    "Camera": "camera",
    **dict.fromkeys(("fit_view", "overlay", "scene"), "draw"),
    "ModelStore": "inference.store",
    **dict.fromkeys(("InputError", "MissingExtraError", "ModelError", "PosemoError"), "errors"),
}

__all__ = [
    "COCO17",
    "EMOTIONS",
    "H36M17",
    "Camera",
    "EmotionStatus",
    "Emotions",
    "Frame",
    "FrameResult",
    "InputError",
    "MissingExtraError",
    "ModelError",
    "ModelStore",
    "Models",
    "People2D",
    "Pipeline",
    "PixelOrder",
    "PosemoError",
    "Settings",
    "Skeletons3D",
    "Source",
    "fit_view",
    "open_source",
    "overlay",
    "scene",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value  # the next look does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
