"""Every parameter of every node, declared and documented in this one place.

A node's parameters are one frozen value, a dataclass that derives from ``Parameters``; its fields
are what ROS declares, what docs/parameters.md lists and what the node reads.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from .. import topics
from ..camera import DEFAULT_HFOV_DEG
from ..draw.privacy import CHOICES, Privacy
from ..errors import InputError
from ..inference.runtimes import AUTO, RUNTIMES
from ..live.screen import BROWSER, PORT, VIEWERS
from ..pipeline import Models, Settings
from ..presets import Preset, load_preset
from .declaration import Parameter, Parameters, Value, declared, parameters_of


@dataclass(frozen=True)
class StationParameters(Parameters):
    """Of the stations of the chain."""

    stall_s: float = declared(
        1.5,
        "Seconds without input until the diagnostics say ERROR; at a low rate three times the distance "
        "of two messages.",
        0.5,
        3600.0,
        live=True,
    )
    hang_s: float = declared(
        10.0,
        "Seconds of work on one message after which the station begins anew and leaves it behind.",
        0.5,
        3600.0,
        live=True,
    )


@dataclass(frozen=True)
class RuntimeParameters(StationParameters):
    """Of nodes that run networks."""

    preset: str = declared(
        "",
        "Networks and settings of a whole chain: fast, accurate, papers, papers-small, or a file; a "
        "parameter that is not at its default goes before it.",
    )
    runtime: str = declared(
        "auto",
        "What runs the networks; auto measures once per machine and takes the fastest with right answers.",
        choices=(AUTO, *RUNTIMES),
    )
    threads: int = declared(
        Models.threads, "CPU threads shared by all networks of the node; 0: one per core.", 0, 256
    )
    manifests: tuple[str, ...] = declared(
        ("",), "More model manifests (YAML files) to read besides config/models.yaml."
    )
    late_s: float = declared(
        Settings.late_s,
        "An image that is older than the one before by less than this, in seconds, is skipped and counted; "
        "by more: time has jumped, and everybody is forgotten.",
        0.0,
        3600.0,
        live=True,
    )
    gap_s: float = declared(
        Settings.gap_s,
        "A gap between two images of more than this, in seconds, is a jump of time too.",
        0.1,
        86400.0,
        live=True,
    )


@dataclass(frozen=True)
class ImageParameters(StationParameters):
    """Of nodes that subscribe images."""

    image_transport: str = declared(
        "raw",
        "What is subscribed: image_raw, or image_raw/compressed (the topic after remapping).",
        choices=("raw", "compressed"),
    )


@dataclass(frozen=True)
class SeenParameters(Parameters):
    """Of nodes that must know which keypoints were seen."""

    keypoint_threshold: float = declared(
        Settings.keypoint_threshold,
        "Keypoints below this score count as not seen: boxes do not follow them, skeletons are not made "
        "from them; they are published all the same.",
        0.0,
        1.0,
        live=True,
    )


@dataclass(frozen=True)
class PeopleParameters(SeenParameters, StationParameters):
    """Of nodes that find people and their keypoints."""

    detector: str = declared(Models.detector, "Person detector: name in the model manifest.")
    keypoints: str = declared(Models.keypoints, "Keypoint network: name in the model manifest.")
    real_time: bool = declared(
        Models.real_time,
        "The detector runs beside the keypoints, on another core, and rests while nothing changes but the "
        "followed people; no image waits for it. Results then depend on the machine's speed: for live "
        "cameras, not for recordings.",
    )
    detector_threshold: float = declared(
        0.0,
        "Score from which a person box counts by itself; weaker ones count where a body is seen; "
        "0: the model's own.",
        0.0,
        1.0,
        live=True,
    )
    detect_every: int = declared(
        Settings.detect_every,
        "The detector runs on every k-th image, and once a second at least; boxes follow the "
        "keypoints in between.",
        1,
        1000,
        live=True,
    )
    detector_tiles: int = declared(
        Settings.detector_tiles,
        "The detector also looks at so many rows and columns of pieces of the image, which finds small "
        "people and takes longer; 1: the whole image, of panoramas also pieces along their length.",
        1,
        4,
        live=True,
    )
    max_people: int = declared(
        Settings.max_people,
        "So many people at most: the best boxes, and those who were there before somebody a little surer.",
        1,
        100,
        live=True,
    )
    deadline_ms: float = declared(
        Settings.deadline_ms,
        "While images take longer than this on average, work is left out: the detector looks half as often, "
        "then far and still people's keypoints rest on some images; the diagnostics say so. 0: never.",
        0.0,
        10_000.0,
        live=True,
    )
    keypoint_smoothing_hz: float = declared(
        Settings.keypoint_smoothing_hz,
        "Lowest cut-off of the 1€ filter over the keypoints: lower is calmer and lags more; 0: no filter.",
        0.0,
        100.0,
        live=True,
    )
    hfov_deg: float = declared(
        DEFAULT_HFOV_DEG,
        "Horizontal field of view in degrees assumed for a camera without calibration.",
        1.0,
        179.0,
        live=True,
    )


@dataclass(frozen=True)
class LiftParameters(SeenParameters):
    """Of nodes that lift to 3D."""

    lifter: str = declared(Models.lifter, "Lifter to 3D: name in the model manifest; empty: 2D only.")
    delay_frames: int = declared(
        Models.delay_frames,
        "How many later images the lifter waits for; 0: no delay; as many as half its window lasts: best.",
        0,
        1200,
    )
    depth_topic: str = declared(
        "",
        "Depth images aligned with the picture (16UC1 in millimetres, 32FC1 in metres; or a topic ending in "
        "/compressedDepth): sizes and distances are measured where they show enough of a trunk. Empty: none.",
    )
    camera_height_m: float = declared(
        Settings.camera_height_m,
        "Height of the camera above a level floor in metres: sizes and distances of people whose feet are "
        "seen are measured by it, and the lifter is told which way is up. 0: not known.",
        0.0,
        100.0,
        live=True,
    )
    camera_tilt_deg: float = declared(
        Settings.camera_tilt_deg,
        "How far the camera looks down in degrees, for camera_height_m; it must not roll.",
        -90.0,
        90.0,
        live=True,
    )
    smoothing_hz: float = declared(
        Models.smoothing_hz,
        "Lowest cut-off of the 1€ filter over the skeletons: lower is calmer and lags more; 0: no filter.",
        0.0,
        100.0,
    )


@dataclass(frozen=True)
class ContextModelParameter(Parameters):
    """Of nodes that need to know which network encodes the scene."""

    context: str = declared(Models.context, "Context encoder: name in the model manifest; empty: none.")


@dataclass(frozen=True)
class EmotionModelParameter(Parameters):
    """Of nodes that need to know which network judges emotions."""

    emotion: str = declared(Models.emotion, "Emotion network: name in the model manifest; empty: none.")


@dataclass(frozen=True)
class EncodeParameters(ContextModelParameter, EmotionModelParameter):
    """Of nodes that encode the scene."""

    context_rate_hz: float = declared(
        Settings.context_rate_hz,
        "Encodings of the scene per second; 0: as in the training of the emotion network, or 2 where that "
        "does not say.",
        0.0,
        100.0,
        live=True,
    )


@dataclass(frozen=True)
class JudgeParameters(ContextModelParameter, EmotionModelParameter):
    """Of nodes that judge emotions."""

    context_max_age_s: float = declared(
        Settings.context_max_age_s,
        "Features of the scene older than this, in seconds, are not used.",
        0.0,
        3600.0,
        live=True,
    )


@dataclass(frozen=True)
class PipelineParameters(
    EncodeParameters, JudgeParameters, LiftParameters, PeopleParameters, RuntimeParameters, ImageParameters
):
    """Of the node ``pipeline``."""


@dataclass(frozen=True)
class KeypointsParameters(PeopleParameters, RuntimeParameters, ImageParameters):
    """Of the node ``keypoints``."""


@dataclass(frozen=True)
class LifterParameters(LiftParameters, RuntimeParameters):
    """Of the node ``lifter``."""


@dataclass(frozen=True)
class ContextParameters(EncodeParameters, RuntimeParameters, ImageParameters):
    """Of the node ``context``."""


@dataclass(frozen=True)
class EmotionParameters(JudgeParameters, RuntimeParameters):
    """Of the node ``emotion``."""


@dataclass(frozen=True)
class CameraParameters(Parameters):
    """Of the node ``camera``."""

    source: str = declared(
        "",
        "A video, picture or folder of pictures, bag, the number of a camera, or the address of a stream "
        "(rtsp://, http://), in which ${NAME} stands for the environment's NAME; user, password and query "
        "cannot be read back.",
    )
    topic: str = declared("", "Image topic of a bag with several; empty: the only one.")
    camera_info: str = declared(
        "",
        "Intrinsics: topic of the bag, or a file (camera_calibration's YAML, or JSON); empty: the source's.",
    )
    rate: float = declared(0.0, "Images per second; 0: as the source states it.", 0.0, 1000.0)
    loop: bool = declared(False, "Start again at the end, for ever.")
    wait_for: tuple[str, ...] = declared(
        ("",),
        "Names of nodes; the first image is published when each of them subscribes images or camera_info.",
    )
    lockstep: bool = declared(
        False,
        "Publish an image only when the results of the one before are there: on a slow machine no image is "
        "lost, the source plays slower, and stamps keep the source's time. An image without results is sent "
        "again; if it gets none, the node ends with 1.",
    )
    lockstep_topics: tuple[str, ...] = declared(
        (topics.PEOPLE,),
        "The results that lockstep waits for: topics with a message for every image, with its stamp.",
    )
    speed: float = declared(
        1.0, "How many times as fast as it was taken a recording plays; 0: as fast as it can.", 0.0, 1000.0
    )
    clock: bool = declared(
        False, "Publish /clock, and keep the stamps of a bag: a recording played again, see replay.launch.py."
    )


@dataclass(frozen=True)
class PrivacyParameter(Parameters):
    """Of nodes through whose hands pictures of people go."""

    privacy: str = declared(
        Privacy.NONE.value,
        "What pictures and recordings show of people: blur makes faces unrecognisable, skeleton shows no "
        "pixels at all, see docs/privacy.md.",
        choices=CHOICES,
    )


@dataclass(frozen=True)
class TargetFrameParameter(Parameters):
    """Of nodes that can show results in another frame than the camera's."""

    target_frame: str = declared(
        "",
        "Frame of what is published, by tf2 at the stamp of the image; what has no such transform is left "
        "out and said. Empty: the camera's own frame.",
    )


@dataclass(frozen=True)
class FramesParameters(TargetFrameParameter, StationParameters):
    """Of the node ``frames``."""

    tf: bool = declared(True, "Publish body_<id> and <joint>_<id> on /tf, below the camera's frame.")
    frame_prefix: str = declared(
        "", "Before the names of these frames: two cameras may both have somebody called p1."
    )


@dataclass(frozen=True)
class MarkersParameters(PrivacyParameter, TargetFrameParameter, ImageParameters):
    """Of the node ``markers``."""

    lifetime_s: float = declared(
        0.5, "Seconds a marker stays when nothing newer comes.", 0.01, 60.0, live=True
    )
    score_threshold: float = declared(0.3, "Joints below this score are not drawn.", 0.0, 1.0, live=True)


@dataclass(frozen=True)
class ViewerParameters(PrivacyParameter, ImageParameters):
    """Of the node ``viewer``."""

    viewer: str = declared(
        BROWSER,
        "browser: a page of its own; rerun: what rerun's viewer connects to, where rerun-sdk is installed.",
        choices=VIEWERS,
    )
    save: str = declared(
        "", "With viewer rerun: write this .rrd file instead of listening; it must not exist. Empty: no."
    )
    host: str = declared(
        "127.0.0.1",
        "Address to listen on; another than 127.0.0.1 lets others look, 0.0.0.0 all who reach this machine.",
    )
    port: int = declared(PORT, "Port to listen on; 0: any free one.", 0, 65535)
    score_threshold: float = declared(0.3, "Joints below this score are not drawn.", 0.0, 1.0, live=True)


@dataclass(frozen=True)
class RecorderParameters(PrivacyParameter):
    """Of the node ``recorder``."""

    output: str = declared(
        "results.mcap", "The file to write, a rosbag2 in one MCAP file; it must not exist."
    )
    topics: tuple[str, ...] = declared(
        (
            "image_raw" + topics.COMPRESSED,
            "camera_info",
            topics.PEOPLE,
            topics.SKELETONS,
            topics.EMOTIONS,
            topics.CONTEXT,
            topics.MARKERS,
            topics.OVERLAY + topics.COMPRESSED,
            topics.BLURRED + topics.COMPRESSED,
            topics.DIAGNOSTICS,
        ),
        "What is recorded, once somebody publishes it; names without a slash in front lie in the node's "
        "namespace.",
    )


PARAMETERS: dict[str, type[Parameters]] = {
    "camera": CameraParameters,
    "pipeline": PipelineParameters,
    "keypoints": KeypointsParameters,
    "lifter": LifterParameters,
    "context": ContextParameters,
    "emotion": EmotionParameters,
    "markers": MarkersParameters,
    "viewer": ViewerParameters,
    "frames": FramesParameters,
    "recorder": RecorderParameters,
    "hri_bridge": StationParameters,
    "vision_bridge": StationParameters,
}


NODES: dict[str, tuple[Parameter, ...]] = {
    node: tuple(parameters_of(kind).values()) for node, kind in PARAMETERS.items()
}


def models_of(parameters: Parameters) -> Models:
    """The parameters that choose networks, and the preset behind them.

    What a node does not have stays at the default.
    """
    return preset_of(parameters).choose(_shared(parameters, Models))


def settings_of(parameters: Parameters) -> Settings:
    """The parameters that may change at run time, and the preset behind them."""
    shared = _shared(parameters, Settings)
    if not shared.get("detector_threshold"):
        shared.pop("detector_threshold", None)
    return preset_of(parameters).set(shared)


def preset_of(parameters: Parameters) -> Preset:
    """What the parameter ``preset`` names.

    Raises:
        InputError: There is no such preset.
    """
    return load_preset(getattr(parameters, "preset", ""))


def _shared(parameters: Parameters, kind: type) -> dict[str, Any]:
    """What the parameters say; not those at their default, where a preset may say otherwise."""
    preset = preset_of(parameters)
    chosen = {**preset.models, **preset.settings}
    defaults = parameters_of(type(parameters))
    values = {f.name: getattr(parameters, f.name) for f in fields(kind) if f.name in defaults}
    return {n: v for n, v in values.items() if n not in chosen or v != defaults[n].default}


def parameter_table(nodes: Sequence[str] = tuple(NODES)) -> str:
    """Markdown table of the parameters, as it stands in docs/parameters.md."""
    rows: dict[Parameter, list[str]] = {}
    for node in nodes:
        if node not in NODES:
            raise InputError(f"there is no node {node!r} (known: {', '.join(NODES)})")
        for parameter in NODES[node]:
            rows.setdefault(parameter, []).append(node)
    lines = ["| parameter | default | allowed | at run time | nodes | |", "|---|---|---|---|---|---|"]
    for parameter, users in rows.items():
        name = "all" if len(users) == len(nodes) else ", ".join(users)
        live = "yes" if parameter.live else ""
        lines.append(
            f"| `{parameter.name}` | {_shown(parameter.default)} | {_allowed(parameter)} | {live} "
            f"| {name} | {parameter.description} |"
        )
    return "\n".join(lines) + "\n"


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{v}"' for v in value) + "]`"
    return f"`{value}`" if value != "" else '`""`'


def _allowed(parameter: Parameter) -> str:
    if parameter.choices:
        return ", ".join(f"`{c}`" for c in parameter.choices)
    if parameter.minimum is None:
        return ""
    return f"{parameter.minimum:g} … {parameter.maximum:g}"


if __name__ == "__main__":
    sys.stdout.write(parameter_table())
