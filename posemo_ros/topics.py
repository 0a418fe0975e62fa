"""Names of the topics: the same in nodes, bags and reports.

The stations' topics are relative, so that a namespace moves them together; ``absolute`` puts them
under the default one. The image and its CameraInfo belong to the camera.
"""

from __future__ import annotations

import re

NAMESPACE = "/posemo"

IMAGE = "/camera/image_raw"
CAMERA_INFO = "/camera/camera_info"
DIAGNOSTICS = "/diagnostics"

PEOPLE = "people"
SKELETONS = "skeletons"
EMOTIONS = "emotions"
CONTEXT = "context"
MARKERS = "markers"
OVERLAY = "overlay"
BLURRED = "image_blurred"

IN_TARGET_FRAME = "skeletons_in_target_frame"
TF = "/tf"

COMPRESSED = "/compressed"
COMPRESSED_DEPTH = "/compressedDepth"
TRANSPORTS = (COMPRESSED, COMPRESSED_DEPTH, "/ffmpeg", "/theora", "/zstd")
"""What image_transport's plugins append to the name of an image topic."""


def absolute(name: str, namespace: str = NAMESPACE) -> str:
    """``people`` as ``/posemo/people``; absolute names stay."""
    return name if name.startswith("/") else f"{namespace.rstrip('/')}/{name}"


def camera_info_of(image_topic: str) -> str:
    """The CameraInfo topic beside an image topic, as image_transport has it."""
    ending = next((t for t in TRANSPORTS if image_topic.endswith(t)), "")
    return f"{image_topic.removesuffix(ending).rpartition('/')[0]}/camera_info"


def is_rectified(image_topic: str) -> bool:
    """Whether the images are those of image_proc, ``image_rect`` or ``image_rect_color``, by their name."""
    return not {"rect", "rectified"}.isdisjoint(re.split("[/_]", image_topic))
