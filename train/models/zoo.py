"""The networks that can be exported, by name: how each is built, fed and described.

``build("hrnet", width=48)`` gives the network together with example inputs and the part of its
manifest entry that follows from its options.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from posemo_ros.emotion.descriptors import NAMES as DESCRIPTORS
from posemo_ros.errors import InputError, ModelError, PosemoError
from posemo_ros.inference.manifest import Spec, parse_spec
from posemo_ros.skeleton import H36M17
from posemo_ros.types import EMOTIONS, NEUTRAL

from .attention import Placement
from .blocks import choose
from .context import CLIP_SHAPES, CNN_SHAPES, ClipEncoder, CnnEncoder
from .crossformer import FRAMES as CROSSFORMER_FRAMES
from .crossformer import CrossFormer
from .cspnext import RtmDet
from .hrnet import AttentionOptions, HRNet
from .image_baselines import ImageBaseline
from .keypoint_net import KeypointNet
from .moemo import MoEmoOfficial, MoEmoX
from .motionagformer import MotionAGFormer
from .movenet import LIGHTNING, THUNDER
from .movenet_pose import MoveNetPose
from .poseformer import PoseFormer
from .pstmo import PSTMO
from .temporal import DescriptorEmotion, TemporalLifter

CLIP_MEAN = [122.7709, 116.7460, 104.0937]
CLIP_STD = [68.5005, 66.6322, 70.3232]
H36M_RATE_HZ = 50.0
PSTMO_RATE_HZ = 25.0  # the released weights were trained on every second frame
# The released MoEmo takes every fourth frame of videos of about 30 frames per second.
MOEMO_RATE_HZ = 7.5
# Settings that the shape of an input fixes: task -> setting -> (input, axis).
_SHAPED = {
    "lifter": {"frames": (0, 1), "channels": (0, 3)},
    "emotion": {"frames": (0, 1), "context_frames": (1, 1)},
}
PIXELS_ALONE = "pixels alone"  # no task of the manifest
MOEMO_LABELS = ["anger", "joy", "sadness", "fear", "surprise", "disgust"]


@dataclass(frozen=True)
class Entry:
    """A network and what its users need to know.

    Attributes:
        network: As it is trained and loaded.
        inputs: Name -> example with a batch of 2, in the order of ``forward``.
        outputs: Names; more outputs of the network are for training alone.
        task: Key of the manifest's task.
        settings: The task's settings, as far as the network fixes them.
    """

    network: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    task: str
    settings: dict[str, Any]

    def spec(self, kind: type[Spec]) -> Spec:
        """The settings as the task's dataclass.

        Raises:
            ModelError: They are not those of that task.
        """
        return parse_spec(kind, self.settings, f"{type(self.network).__name__}: settings")

    def check_shapes(self) -> None:
        """Refuse settings that tell of other inputs than the network has.

        Raises:
            ModelError: It names the first.
        """
        inputs = list(self.inputs.values())
        for key, (number, axis) in _SHAPED.get(self.task, {}).items():
            given = self.settings.get(key)
            made_for = inputs[number].shape[axis] if number < len(inputs) else 0
            if given is not None and given != made_for and not self.settings.get("reads") == "descriptors":
                raise ModelError(
                    f"settings: {key}: {given!r}, but the network was made for {made_for}: its options say "
                    "what it reads, its settings how that comes about"
                )


def build(name: str, /, **options: Any) -> Entry:
    """A network of ``NETWORKS`` with the options of its class.

    Raises:
        ValueError: The name or a switch is unknown; the message lists the known ones.
        InputError: The network has no such option, or cannot have this value.
    """
    make = NETWORKS[choose("network", name, tuple(NETWORKS))]
    try:
        return make(**options)
    except PosemoError:
        raise
    except (TypeError, ValueError, RuntimeError) as error:
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if unknown:
            raise InputError(f"the network {name} has no option {unknown[1]!r}") from error
        given = ", ".join(f"{option}={value!r}" for option, value in options.items()) or "its own options"
        raise InputError(f"{name} cannot be made with {given}: {str(error).partition(chr(10))[0]}") from error


def centre_frame(poses: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The pose of the middle frame (B, 1, 17, 3) from whatever a lifter gives."""
    first = poses[0] if isinstance(poses, tuple) else poses
    middle = first.shape[1] // 2
    return first[:, middle : middle + 1]


def _hrnet(
    width: int = 32,
    *,
    crop_width: int = 192,
    crop_height: int = 256,
    blocks: int = 4,
    modules: tuple[int, int, int] = (1, 4, 3),
    layer1: tuple[int, int] = (4, 64),
    placement: str | dict[str, Any] = "none",
    **attention: Any,
) -> Entry:
    """``placement`` may be the fields of an ``attention.Placement``, as configurations write it."""
    where = Placement(**placement) if isinstance(placement, dict) else placement
    attention["placement"] = where
    network = HRNet(
        width,
        blocks=blocks,
        modules=modules,
        layer1=(layer1[0], layer1[1]),
        attention=AttentionOptions(**attention),
    )
    # HRNet's own code cuts crops with cv2.warpAffine, which leaves what lies outside the photo black.
    crop = {"width": crop_width, "height": crop_height, "pad_value": 0}
    settings = {"input": crop, "codec": "quarter"}
    image = torch.randn(2, 3, crop_height, crop_width)
    return Entry(network, {"image": image}, ("heatmaps",), "keypoints", settings)


def _crops_of_people(network: nn.Module, codec: str, output: str, width: int, height: int) -> Entry:
    """Starter keypoint networks: R, G, B from -1 to 1, grey outside the photo, as MoveNet wants them."""
    scale = {"mean": [127.5, 127.5, 127.5], "std": [127.5, 127.5, 127.5]}
    size = {"width": width, "height": height, "order": "rgb", **scale, "pad_value": 114}
    image = torch.randn(2, 3, height, width).clamp(-1, 1)
    return Entry(network, {"image": image}, (output,), "keypoints", {"input": size, "codec": codec})


def _thunder(*, crop_width: int = 192, crop_height: int = 256) -> Entry:
    return _crops_of_people(MoveNetPose(THUNDER), "points", "keypoints", crop_width, crop_height)


def _lightning(*, crop_width: int = 192, crop_height: int = 256) -> Entry:
    return _crops_of_people(MoveNetPose(LIGHTNING), "points", "keypoints", crop_width, crop_height)


def _keypoint_net(*, crop_width: int = 192, crop_height: int = 256) -> Entry:
    return _crops_of_people(KeypointNet(), "dark", "heatmaps", crop_width, crop_height)


def _rtmdet_nano(*, side: int = 320) -> Entry:
    scale = {"mean": [103.53, 116.28, 123.675], "std": [57.375, 57.12, 58.395]}
    settings = {"input": {"width": side, "height": side, "order": "bgr", **scale}, "codec": "rtmdet"}
    outputs = tuple(f"{kind}_{stride}" for kind in ("scores", "distances") for stride in RtmDet.strides)
    return Entry(RtmDet(), {"image": torch.randn(2, 3, side, side)}, outputs, "detector", settings)


def _lifter(network: nn.Module, frames: int, channels: int, joints: int = 17) -> Entry:
    """The settings are those of the released weights; of a run, its data say others."""
    settings = {
        "frames": frames,
        "channels": channels,
        "input_joints": "h36m17",
        "normalisation": "screen",
        "rate_hz": H36M_RATE_HZ,
    }
    keypoints = torch.randn(2, frames, joints, channels)
    if joints != len(H36M17):
        settings["joints"] = joints
    return Entry(network, {"keypoints": keypoints}, ("poses",), "lifter", settings)


def _poseformer(frames: int = 81, *, channels: int = 2, joints: int = 17, **options: Any) -> Entry:
    """``joints=16``: for the keypoints of stacked hourglass; the station cannot run such a network."""
    network = PoseFormer(frames, channels=channels, joints=joints, **options)
    return _lifter(network, frames, channels, joints)


def _crossformer(**options: Any) -> Entry:
    return _lifter(CrossFormer(**options), CROSSFORMER_FRAMES, 2)


def _pstmo(frames: int = 243, *, channels: int = 2, **options: Any) -> Entry:
    entry = _lifter(PSTMO(frames, channels=channels, **options), frames, channels)
    return replace(entry, settings={**entry.settings, "rate_hz": PSTMO_RATE_HZ})


def _motionagformer(frames: int = 27, *, channels: int = 3, **options: Any) -> Entry:
    return _lifter(MotionAGFormer(frames, channels=channels, **options), frames, channels)


def _temporal_lifter(frames: int = 27, *, channels: int = 3, **options: Any) -> Entry:
    return _lifter(TemporalLifter(frames, channels, **options), frames, channels)


def _descriptor_emotion(frames: int = 27, **options: Any) -> Entry:
    network = DescriptorEmotion(len(DESCRIPTORS), **options)
    labels = [*EMOTIONS, NEUTRAL]
    settings = {
        "frames": frames,
        "rate_hz": 12.0,
        "axes": "upright",
        "labels": labels,
        "reads": "descriptors",
    }
    inputs = {"descriptors": torch.randn(2, len(DESCRIPTORS))}
    return Entry(network, inputs, ("logits",), "emotion", settings)


def _moemo_official(*, fusion: str = "cross") -> Entry:
    inputs = {"poses": torch.randn(2, 16, 17, 3)}
    settings: dict[str, Any] = {"frames": 16, "rate_hz": MOEMO_RATE_HZ, "labels": MOEMO_LABELS}
    if fusion != "pose":
        inputs["context"] = torch.randn(2, 16, 50, 768)
        settings |= {"context_frames": 16, "context_model": "clip-vit-b32"}
        settings["context_rate_hz"] = MOEMO_RATE_HZ
    return Entry(MoEmoOfficial(fusion), inputs, ("logits",), "emotion", settings)


def _moemo_x(
    frames: int = 16,
    *,
    fusion: str = "cross",
    context_frames: int = 16,
    context_tokens: int = 50,
    context_width: int = 768,
    neutral: bool = False,
    **options: Any,
) -> Entry:
    sizes: dict[str, Any] = {
        "context_frames": context_frames,
        "context_tokens": context_tokens,
        "context_width": context_width,
    }
    network = MoEmoX(frames, fusion=fusion, neutral=neutral, **sizes, **options)
    inputs = {"poses": torch.randn(2, frames, 17, 3)}
    labels = [*EMOTIONS, NEUTRAL] if neutral else list(EMOTIONS)
    settings: dict[str, Any] = {"frames": frames, "rate_hz": MOEMO_RATE_HZ, "labels": labels}
    if fusion != "pose":
        inputs["context"] = torch.randn(2, context_frames, context_tokens, context_width)
        settings |= {"context_frames": context_frames, "context_model": "clip-vit-b32"}
        settings["context_rate_hz"] = MOEMO_RATE_HZ
    return Entry(network, inputs, ("logits",), "emotion", settings)


def _clip(name: str = "ViT-B-32", *, pretrained: str = "", quick_gelu: bool | None = None) -> Entry:
    tokens, width, _ = CLIP_SHAPES[choose("name", name, tuple(CLIP_SHAPES))]
    image = {"width": 224, "height": 224, "mean": CLIP_MEAN, "std": CLIP_STD}
    settings = {"input": image, "tokens": tokens, "width": width}
    inputs = {"image": torch.randn(2, 3, 224, 224)}
    return Entry(ClipEncoder(name, pretrained, quick_gelu), inputs, ("tokens", "pooled"), "context", settings)


def _cnn_context(name: str = "resnet50", *, pretrained: bool = False) -> Entry:
    """Also for comparison with CLIP: what a network trained on ImageNet says of the scene."""
    image = {"width": 224, "height": 224}
    settings = {"input": image, "tokens": CNN_SHAPES[name][0], "width": CNN_SHAPES[name][1]}
    inputs = {"image": torch.randn(2, 3, 224, 224)}
    return Entry(CnnEncoder(name, pretrained=pretrained), inputs, ("tokens",), "context", settings)


def _image_baseline(name: str = "resnet50", *, images: int = 16, pretrained: bool = False) -> Entry:
    """Paper A's networks that see pixels alone; no station runs them, so they cannot be exported."""
    inputs = {"images": torch.randn(2, images, 3, 224, 224)}
    settings = {"images": images, "rate_hz": MOEMO_RATE_HZ, "labels": list(EMOTIONS)}
    network = ImageBaseline(name, pretrained=pretrained)
    return Entry(network, inputs, ("logits",), PIXELS_ALONE, settings)


NETWORKS: dict[str, Callable[..., Entry]] = {
    "rtmdet_nano": _rtmdet_nano,
    "hrnet": _hrnet,
    "thunder": _thunder,
    "lightning": _lightning,
    "keypoint_net": _keypoint_net,
    "poseformer": _poseformer,
    "crossformer": _crossformer,
    "pstmo": _pstmo,
    "motionagformer": _motionagformer,
    "temporal_lifter": _temporal_lifter,
    "descriptor_emotion": _descriptor_emotion,
    "moemo_official": _moemo_official,
    "moemo_x": _moemo_x,
    "clip": _clip,
    "cnn_context": _cnn_context,
    "image_baseline": _image_baseline,
}
