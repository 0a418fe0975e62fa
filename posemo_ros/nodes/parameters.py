"""Every parameter of every node: declared, documented and checked from this one table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Union

from .. import topics
from ..camera import DEFAULT_HFOV_DEG
from ..errors import InputError
from ..inference.runtimes import AUTO, RUNTIMES
from ..pipeline import Models, Settings

Value = Union[bool, int, float, str, tuple[str, ...]]


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
        name, default: The default gives the type.
        description: Meaning and unit, one sentence.
        minimum, maximum: Range of a number, both included; both or neither are given.
        choices: Allowed values of a string.
        live: True when it takes effect while the node runs; otherwise it is read once, before
            the node is configured.
    """

    name: str
    default: Value
    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False


AUTOSTART = Parameter(
    "autostart", True, "Configure and activate by itself at start; false leaves it to a lifecycle manager."
)
RUNTIME = (
    Parameter(
        "runtime",
        "auto",
        "What runs the networks; auto measures once per machine and takes the fastest with right answers.",
        choices=(AUTO, *RUNTIMES),
    ),
    Parameter("threads", 0, "CPU threads shared by all networks of the node; 0: one per core.", 0, 256),
    Parameter("manifests", ("",), "More model manifests (YAML files) to read besides config/models.yaml."),
)
DETECTOR = Parameter("detector", Models.detector, "Person detector: name in the model manifest.")
KEYPOINTS = Parameter("keypoints", Models.keypoints, "Keypoint network: name in the model manifest.")
LIFTER = Parameter("lifter", Models.lifter, "Lifter to 3D: name in the model manifest; empty: 2D only.")
EMOTION = Parameter("emotion", Models.emotion, "Emotion network: name in the model manifest; empty: none.")
CONTEXT = Parameter("context", Models.context, "Context encoder: name in the model manifest; empty: none.")
DELAY_FRAMES = Parameter(
    "delay_frames",
    Models.delay_frames,
    "How many later images the lifter waits for; 0: no delay, (F - 1) / 2 of its window: most accurate.",
    0,
    121,
)
SMOOTHING_HZ = Parameter(
    "smoothing_hz",
    Models.smoothing_hz,
    "Lowest cut-off of the 1€ filter over the skeletons: lower is calmer and lags more; 0: no filter.",
    0.0,
    100.0,
)
IMAGE = (
    Parameter(
        "image_transport",
        "raw",
        "What is subscribed: image_raw, or image_raw/compressed (the topic after remapping).",
        choices=("raw", "compressed"),
    ),
    Parameter(
        "stall_s", 5.0, "Seconds without an image until a warning says what is wrong.", 0.5, 3600.0, live=True
    ),
)
PEOPLE = (
    Parameter(
        "detector_threshold", 0.0, "Lowest score of a person box; 0: the model's own.", 0.0, 1.0, live=True
    ),
    Parameter(
        "keypoint_threshold",
        Settings.keypoint_threshold,
        "Keypoints below this score count as not seen; they are published all the same.",
        0.0,
        1.0,
        live=True,
    ),
    Parameter(
        "detect_every",
        Settings.detect_every,
        "The detector runs on every k-th image; boxes follow the keypoints in between.",
        1,
        1000,
        live=True,
    ),
    Parameter(
        "max_people", Settings.max_people, "So many people at most; the best boxes stay.", 1, 100, live=True
    ),
    Parameter(
        "hfov_deg",
        DEFAULT_HFOV_DEG,
        "Horizontal field of view in degrees assumed for a camera without calibration.",
        1.0,
        179.0,
        live=True,
    ),
)
CONTEXT_RATE = Parameter(
    "context_rate_hz", Settings.context_rate_hz, "How often the scene is encoded.", 0.01, 100.0, live=True
)
CAMERA = (
    Parameter("source", "", "A video, image folder, rosbag2 or the number of a camera."),
    Parameter("rate", 0.0, "Images per second; 0: as the source states it.", 0.0, 1000.0),
    Parameter("loop", False, "Start again at the end, for ever."),
    Parameter(
        "wait_for",
        0,
        "Wait for so many subscriptions of image_raw, its compressed form and camera_info together.",
        0,
        100,
    ),
    Parameter(
        "lockstep",
        False,
        "Publish an image only when the topic people has the result of the one before: on a slow machine "
        "no image is lost, the source plays slower, and stamps keep the source's time.",
    ),
)
MARKERS = (
    Parameter("lifetime_s", 0.5, "Seconds a marker stays when nothing newer comes.", 0.01, 60.0, live=True),
    Parameter("score_threshold", 0.3, "Joints below this score are not drawn.", 0.0, 1.0, live=True),
)
RECORDER = (
    Parameter("output", "results.mcap", "The file to write, a rosbag2 in one MCAP file; it must not exist."),
    Parameter(
        "topics",
        (
            topics.IMAGE + topics.COMPRESSED,
            topics.CAMERA_INFO,
            topics.absolute(topics.PEOPLE),
            topics.absolute(topics.SKELETONS),
            topics.absolute(topics.EMOTIONS),
            topics.absolute(topics.CONTEXT),
            topics.absolute(topics.MARKERS),
            topics.absolute(topics.OVERLAY) + topics.COMPRESSED,
            topics.DIAGNOSTICS,
        ),
        "What is recorded, once somebody publishes it.",
    ),
)

NODES: dict[str, tuple[Parameter, ...]] = {
    "camera": (AUTOSTART, *CAMERA),
    "pipeline": (
        AUTOSTART,
        *IMAGE,
        *RUNTIME,
        DETECTOR,
        KEYPOINTS,
        LIFTER,
        EMOTION,
        CONTEXT,
        DELAY_FRAMES,
        SMOOTHING_HZ,
        *PEOPLE,
        CONTEXT_RATE,
    ),
    "keypoints": (AUTOSTART, *IMAGE, *RUNTIME, DETECTOR, KEYPOINTS, *PEOPLE),
    "lifter": (AUTOSTART, *RUNTIME, LIFTER, DELAY_FRAMES, SMOOTHING_HZ),
    "context": (AUTOSTART, *IMAGE, *RUNTIME, CONTEXT, CONTEXT_RATE),
    "emotion": (AUTOSTART, *RUNTIME, EMOTION, CONTEXT),
    "markers": (AUTOSTART, *MARKERS),
    "recorder": (AUTOSTART, *RECORDER),
}


def check(parameter: Parameter, value: Value) -> str:
    """Why a value is not allowed, or nothing; ROS itself checks types and ranges."""
    if parameter.choices and value not in parameter.choices:
        return f"{parameter.name}: {value!r} is not one of {', '.join(parameter.choices)}"
    return ""


def models_of(values: dict[str, Any]) -> Models:
    """The parameters that choose networks; what a node does not have stays at its default."""
    return Models(**_chosen(values, Models))


def settings_of(values: dict[str, Any]) -> Settings:
    """The parameters that may change at run time."""
    chosen = _chosen(values, Settings)
    chosen["detector_threshold"] = chosen.get("detector_threshold") or None
    return Settings(**chosen)


def _chosen(values: dict[str, Any], kind: type) -> dict[str, Any]:
    return {field.name: values[field.name] for field in fields(kind) if field.name in values}


def parameter_table(nodes: Sequence[str] = tuple(NODES)) -> str:
    """Markdown table of the parameters, as it stands in the README."""
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
