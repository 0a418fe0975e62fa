"""Names of the topics: the same in nodes, bags and reports.

The stations' topics are relative, so that a namespace moves them together; ``absolute`` puts them
under the default one. The image and its CameraInfo belong to the camera.
"""

from __future__ import annotations

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


def absolute(name: str, namespace: str = NAMESPACE) -> str:
    """``people`` as ``/posemo/people``; absolute names stay."""
    return name if name.startswith("/") else f"{namespace.rstrip('/')}/{name}"


def camera_info_of(image_topic: str) -> str:
    """The CameraInfo topic beside an image topic, as image_transport has it."""
    base = image_topic.removesuffix(COMPRESSED)
    return f"{base.rpartition('/')[0]}/camera_info"
