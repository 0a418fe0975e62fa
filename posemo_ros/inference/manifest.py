"""The model manifest: everything a station needs to know about an ONNX file.

``config/models.yaml`` maps a model name to an entry; users add their own manifest files.
An entry has the common keys of ``ModelSpec`` and, under the name of its task, the keys of that
task's dataclass below. Unknown keys, wrong types and unknown values are errors that name the
entry, the key and what is allowed.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

import numpy as np

from ..errors import ModelError, reason
from ..text_files import yaml_of
from ..types import EMOTIONS, NEUTRAL, PixelOrder


@dataclass(frozen=True)
class ImageInput:
    """How an image (or crop) becomes the network's input tensor (N, 3, height, width) float32.

    Attributes:
        width, height: Pixels.
        order: Channel order the network was trained on.
        mean, std: Per channel in that order, on the 0..255 scale: (pixel - mean) / std.
        pad_value: 0..255, what lies outside the image.
    """

    width: int
    height: int
    order: PixelOrder = PixelOrder.RGB
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    pad_value: int = 114


@dataclass(frozen=True)
class DetectSpec:
    """A person detector; the image is scaled to fit and padded at the right and at the bottom.

    Attributes:
        input: See ``ImageInput``.
        codec: Form of the outputs. ``nms``: (1, n, 5) xyxy + score in input pixels, overlaps
            removed, with labels (1, n) (MMDeploy's end2end RTMDet). ``rtmdet``: per stride class
            scores (1, C, h, w) after the sigmoid and distances (1, 4, h, w) in pixels.
            ``yolox``: (1, A, 5 + C) raw offsets per grid cell, objectness, classes.
        strides: Of the grids, for ``rtmdet`` and ``yolox``.
        person_class: Index of the person class.
        score_threshold: Default; a parameter of the node overrides it.
        weak_threshold: Boxes from this score on count where the keypoint network sees a body in
            them (``detect.confirm``); 0: only those over the threshold count.
        nms_threshold: IoU over which the weaker of two boxes is dropped.
    """

    input: ImageInput
    codec: Literal["nms", "rtmdet", "yolox"]
    strides: tuple[int, ...] = (8, 16, 32)
    person_class: int = 0
    score_threshold: float = 0.5
    weak_threshold: float = 0.0
    nms_threshold: float = 0.65


KEYPOINT_COUNTS = {"coco17": 17, "halpe26": 26, "coco_wholebody133": 133}
"""Joint sets of keypoint networks; the first 17 of each are COCO's, and those are used."""


@dataclass(frozen=True)
class KeypointSpec:
    """A top-down 2D keypoint network.

    Attributes:
        input: Crop size and normalisation.
        codec: How the outputs become pixels. ``quarter``: heatmap argmax moved a quarter cell
            towards the higher neighbour (HRNet). ``dark``: DARK's Taylor step on the log heatmap.
            ``udp``: DARK on a UDP crop (unbiased grid). ``simcc``: two outputs, x (N, 17, w*split)
            and y (N, 17, h*split). ``points``: (N, 17, 3) x, y in crop pixels and a score.
        joints: Joint set of the output, one of ``KEYPOINT_COUNTS``; of more than 17 the first 17 are used.
        box_scale: The crop is the box, filled up to the input's aspect ratio, times this.
        simcc_split: Bins per pixel.
        blur_kernel: Of DARK's Gaussian, in cells.
        flip_test: Average with the outputs for the mirrored crop: more accurate, twice the time.
        calibration: (a, b) that make scores s probabilities: sigmoid(a * logit(s) + b). Fitted on
            people kept from training; (1, 0) leaves the scores as they are.
    """

    input: ImageInput
    codec: Literal["quarter", "dark", "udp", "simcc", "points"]
    joints: Literal["coco17", "halpe26", "coco_wholebody133"] = "coco17"
    box_scale: float = 1.25
    simcc_split: float = 2.0
    blur_kernel: int = 11
    flip_test: bool = False
    calibration: tuple[float, float] = (1.0, 0.0)


UP_CHANNELS = 6
"""Of a lifting network that can be told which way is up."""

LOWER_PRECISIONS = ("bf16", "int8")  # of which an entry may say what they cost


@dataclass(frozen=True)
class LiftSpec:
    """A network that lifts a 2D sequence, (N, frames, 17, C) float32, to the 3D pose of one frame.

    Attributes:
        frames: Window length F (odd; the answer is for the middle frame).
        input_joints: Joint set of the input; a coco17 stream is converted where needed.
        normalisation: ``person``: viewing rays seen by a camera that looks straight at the
            person, scaled to the person's size (independent of the intrinsics). ``screen``:
            x 2 / w - 1, y 2 / w - h / w (VideoPose3D, PoseFormer).
        channels: 2 for x, y; 3 for x, y, score; 6 for these and the direction straight up (x, y, z, in the
            axes of the camera that looks at the person; 0, 0, 0 where nobody knows it).
        rate_hz: Frame rate of the training sequences; 0 when any will do.
        flip_test: Average with the answer for the mirrored window: more accurate, twice the time.

    The output is (N, 1, 17, 3) or (N, 17, 3): metres relative to the pelvis, H36M-17; of (N, 1, 17, 4) the
    fourth number says how likely the joint is less than 0.1 m off.
    """

    frames: int
    input_joints: Literal["coco17", "h36m17"] = "coco17"
    normalisation: Literal["person", "screen"] = "person"
    channels: Literal[2, 3, 6] = 2
    rate_hz: float = 0.0
    flip_test: bool = False


@dataclass(frozen=True)
class ContextSpec:
    """An image encoder; output (1, tokens, width) float32, class token first.

    Attributes:
        input: The image's centre square is scaled to this.
        tokens, width: Shape of the output.
    """

    input: ImageInput
    tokens: int = 50
    width: int = 768


@dataclass(frozen=True)
class EmotionSpec:
    """A network from movement (and context) to the six emotions' logits, (N, 6).

    Attributes:
        frames: T poses, (N, T, 17, 3) float32 metres relative to the pelvis, H36M-17.
        rate_hz: Poses per second the window is resampled to.
        axes: ``camera``; ``upright``: turned about the vertical axis so that the person
            faces the camera on average, z up; or ``image``: the camera's with every depth set
            to 0, as 2D poses have none.
        context_frames: Number of context encodings (N, Tc, tokens, width); 0 when the network
            looks at movement alone.
        context_model: Manifest name of the encoder; empty when context_frames is 0.
        context_rate_hz: Encodings per second it was trained with; 0 when any will do.
        labels: Order of the outputs, a permutation of ``types.EMOTIONS``, with or without
            ``neutral`` (no emotion shown).
        reads: What the first input is: the ``movement``, or its ``descriptors``
            (``emotion.descriptors``), (N, D).
        temperature: Logits are divided by this before the softmax (calibration).
        min_confidence: Below this highest probability the answer is "not enough evidence".
        thresholds: The same for single emotions.
        neutral: (D,) mean descriptors of neutral movement: what an answer is explained against.
        poses: Whose poses it learned from: manifest name of a lifter, or words about the data such as
            ``motion capture``; empty: not known, or made for no lifter in particular.
        trained_behind: Station before this one -> SHA-256 of its file in training.
    """

    frames: int
    rate_hz: float
    axes: Literal["camera", "upright", "image"] = "camera"
    context_frames: int = 0
    context_model: str = ""
    context_rate_hz: float = 0.0
    labels: tuple[str, ...] = EMOTIONS
    reads: Literal["movement", "descriptors"] = "movement"
    temperature: float = 1.0
    min_confidence: float = 0.0
    thresholds: Mapping[str, float] = field(default_factory=dict)
    neutral: tuple[float, ...] = ()
    poses: str = ""
    trained_behind: Mapping[str, str] = field(default_factory=dict)


Spec = TypeVar("Spec")
TaskSpec = Union[DetectSpec, KeypointSpec, LiftSpec, ContextSpec, EmotionSpec]
TASKS: dict[str, type[TaskSpec]] = {
    "detector": DetectSpec,
    "keypoints": KeypointSpec,
    "lifter": LiftSpec,
    "context": ContextSpec,
    "emotion": EmotionSpec,
}
STATIONS = tuple(TASKS)
"""The stations that run a network, in the order of the data; each name is also that of its task."""


@dataclass(frozen=True)
class ModelSpec:
    """One manifest entry.

    Attributes:
        name: Key of the entry.
        task: Name of the task, one of ``TASKS``.
        spec: The task's settings.
        file: ONNX file, relative to the manifest's folder; empty for one that must be pulled.
        url: Where ``posemo models pull`` gets it; empty for one that comes with the package.
        member: Path inside the archive when the URL is a zip file.
        sha256: Of the ONNX file; empty when unknown (``pull`` then prints it and says so).
        licence: SPDX name, and terms of the training data where they differ.
        source: Where the weights come from.
        card: Model card, relative to the manifest's folder.
        precision_loss: Accuracy lost by computing in a lower precision (``bf16``), relative,
            measured on held-out data (``posemo evaluate``, figures in the card): 0.004 is 0.4 %.
            ``runtime: auto`` uses a precision only if it is named here and loses under 1 %.
    """

    name: str
    task: str
    spec: TaskSpec
    licence: str
    source: str
    file: str = ""
    url: str = ""
    member: str = ""
    sha256: str = ""
    card: str = ""
    precision_loss: Mapping[str, float] = field(default_factory=dict)


def input_shapes(spec: TaskSpec) -> tuple[tuple[int, ...], ...]:
    """Shapes of a network's inputs, in the order of the model file.

    -1 is the number of people on the first axis, elsewhere "as the file says".
    """
    if isinstance(spec, KeypointSpec):
        return ((-1, 3, spec.input.height, spec.input.width),)
    if isinstance(spec, (DetectSpec, ContextSpec)):
        return ((1, 3, spec.input.height, spec.input.width),)
    if isinstance(spec, LiftSpec):
        return ((-1, spec.frames, 17, spec.channels),)
    movement = (-1, spec.frames, 17, 3) if spec.reads == "movement" else (-1, len(spec.neutral) or -1)
    return (movement, (-1, spec.context_frames, -1, -1)) if spec.context_frames else (movement,)


def load_manifest(path: Path) -> dict[str, ModelSpec]:
    """Read a manifest file.

    Raises:
        ModelError: The file cannot be read, or an entry is wrong.
    """
    try:
        data = yaml_of(path)
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read the model manifest {path}: {reason(error)}") from error
    models = data.get("models") if isinstance(data, Mapping) else None
    if not isinstance(models, Mapping):
        raise ModelError(f"{path}: expected a mapping 'models: {{name: entry}}'")
    return {str(name): parse_entry(str(name), entry, path) for name, entry in models.items()}


def parse_entry(name: str, entry: object, path: Path) -> ModelSpec:
    """Check one entry of a manifest and build its ``ModelSpec``."""
    where = f"{path}: models.{name}"
    if not isinstance(entry, Mapping):
        raise ModelError(f"{where}: expected a mapping, got {type(entry).__name__}")
    named = [task for task in TASKS if task in entry]
    if len(named) != 1:
        raise ModelError(
            f"{where}: expected exactly one of the keys {', '.join(TASKS)}; got {named or 'none'}"
        )
    task = named[0]
    common = {k: v for k, v in entry.items() if k != task}
    spec = parse_spec(TASKS[task], entry[task], f"{where}.{task}")
    model: ModelSpec = _build(ModelSpec, {**common, "name": name, "task": task, "spec": spec}, where)
    if not model.file and not model.url:
        raise ModelError(f"{where}: needs 'file' (comes with the package) or 'url' (to be pulled)")
    _check(model, where)
    return model


def parse_spec(kind: type[Spec], settings: object, where: str) -> Spec:
    """A task's settings, as YAML has them, as the dataclass of the task.

    Raises:
        ModelError: A key is unknown or missing, or a value is of the wrong type; it names ``where``.
    """
    spec: Spec = _build(kind, settings, where)
    if isinstance(spec, EmotionSpec):
        _check_emotion(spec, where)
    if isinstance(spec, LiftSpec):
        _check_lifter(spec, where)
    return spec


def _check(model: ModelSpec, where: str) -> None:
    if model.sha256 and not re.fullmatch(r"[0-9a-f]{64}", model.sha256):
        raise ModelError(f"{where}.sha256: expected 64 lower-case hexadecimal digits, got {model.sha256!r}")
    for name, loss in model.precision_loss.items():
        if name not in LOWER_PRECISIONS:
            known = ", ".join(LOWER_PRECISIONS)
            raise ModelError(f"{where}.precision_loss: unknown precision {name!r} (known: {known})")
        if not -1 <= loss < math.inf:
            raise ModelError(f"{where}.precision_loss.{name}: expected a share, 0.004 is 0.4 %; got {loss!r}")


def _check_emotion(spec: EmotionSpec, where: str) -> None:
    for name in ("frames", "rate_hz", "temperature"):
        if not 0 < getattr(spec, name) < math.inf:
            raise ModelError(f"{where}.{name}: expected more than 0, got {getattr(spec, name)!r}")
    if bool(spec.context_frames) != bool(spec.context_model):
        raise ModelError(f"{where}: 'context_frames' and 'context_model' need each other")
    if sorted(name for name in spec.labels if name != NEUTRAL) != sorted(EMOTIONS):
        raise ModelError(
            f"{where}.labels: expected a permutation of {list(EMOTIONS)}, {NEUTRAL!r} may be "
            f"among them; got {list(spec.labels)}"
        )
    if set(spec.thresholds) - set(EMOTIONS):
        raise ModelError(f"{where}.thresholds: {list(spec.thresholds)} are not all emotions")
    before = STATIONS[: STATIONS.index("emotion")]
    if set(spec.trained_behind) - set(before):
        named = ", ".join(spec.trained_behind)
        raise ModelError(f"{where}.trained_behind: expected some of {', '.join(before)}, got {named}")


def _check_lifter(spec: LiftSpec, where: str) -> None:
    if spec.frames < 1 or spec.frames % 2 == 0:
        raise ModelError(f"{where}.frames: expected an odd number, got {spec.frames}")
    if not 0 <= spec.rate_hz < math.inf:
        raise ModelError(f"{where}.rate_hz: expected 0 (any) or more, got {spec.rate_hz!r}")
    if spec.channels == UP_CHANNELS and spec.normalisation != "person":
        raise ModelError(f"{where}: 'channels: {UP_CHANNELS}' needs 'normalisation: person'")


def _build(cls: type[Any], data: object, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise ModelError(f"{where}: expected a mapping, got {type(data).__name__}")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    unknown = sorted(set(map(str, data)) - set(fields))
    if unknown:
        raise ModelError(f"{where}: unknown key {unknown[0]!r} (known: {', '.join(fields)})")
    missing = [n for n, f in fields.items() if _is_required(f) and n not in data]
    if missing:
        raise ModelError(f"{where}: missing key {missing[0]!r}")
    spec = cls(**{k: _convert(v, hints[k], f"{where}.{k}") for k, v in data.items()})
    _check_ranges(spec, where)
    return spec


_FINITE = (math.isfinite, "a finite number")
_COUNT = (lambda v: v >= 1, "1 or more")
_POSITIVE = (lambda v: 0 < v < math.inf, "more than 0")
_SHARE = (lambda v: 0 <= v <= 1, "0 to 1")
_RANGES: dict[type, dict[str, tuple[Callable[[Any], bool], str]]] = {
    ImageInput: {
        "width": _COUNT,
        "height": _COUNT,
        "mean": _FINITE,
        "std": _POSITIVE,
        "pad_value": (lambda v: 0 <= v <= 255, "0 to 255"),
    },
    DetectSpec: {
        "strides": _COUNT,
        "person_class": (lambda v: v >= 0, "0 or more"),
        **dict.fromkeys(("score_threshold", "weak_threshold", "nms_threshold"), _SHARE),
    },
    KeypointSpec: {
        "box_scale": _POSITIVE,
        "simcc_split": _POSITIVE,
        "calibration": _FINITE,
        "blur_kernel": (lambda v: v >= 1 and v % 2 == 1, "an odd number"),
    },
    ContextSpec: {"tokens": _COUNT, "width": _COUNT},
    EmotionSpec: {"min_confidence": _SHARE, "thresholds": _SHARE, "neutral": _FINITE},
}


def _check_ranges(spec: Any, where: str) -> None:
    """Numbers that the type allows and the network's arithmetic does not, such as a scale of 0."""
    for name, (holds, expected) in _RANGES.get(type(spec), {}).items():
        value = getattr(spec, name)
        numbers = value.values() if isinstance(value, Mapping) else np.ravel(value).tolist()
        if not all(map(holds, numbers)):
            shown = list(value) if isinstance(value, tuple) else value
            raise ModelError(f"{where}.{name}: expected {expected}, got {shown!r}")


def _is_required(item: dataclasses.Field[Any]) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def _convert(value: Any, kind: Any, where: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        if value not in args:
            raise ModelError(f"{where}: {value!r} is not one of {', '.join(map(str, args))}")
        return value
    if origin in (Union, types.UnionType):
        return value
    if origin is Mapping:
        if not isinstance(value, Mapping):
            raise ModelError(f"{where}: expected a mapping, got {value!r}")
        return {str(k): _convert(v, args[1], f"{where}.{k}") for k, v in value.items()}
    if origin is tuple:
        return _convert_tuple(value, args, where)
    if kind is PixelOrder:
        return PixelOrder(_convert(value, Literal["bgr", "rgb"], where))
    if dataclasses.is_dataclass(kind):
        return value if isinstance(value, kind) else _build(kind, value, where)  # type: ignore[arg-type]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ModelError(f"{where}: expected {kind.__name__}, got {value!r}")
    return value


def _convert_tuple(value: Any, args: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    repeated = len(args) == 2 and args[1] is Ellipsis
    if not isinstance(value, (list, tuple)) or (not repeated and len(value) != len(args)):
        raise ModelError(f"{where}: expected a list{'' if repeated else f' of {len(args)}'}, got {value!r}")
    kinds = [args[0]] * len(value) if repeated else args
    return tuple(_convert(v, k, f"{where}[{i}]") for i, (v, k) in enumerate(zip(value, kinds, strict=True)))
