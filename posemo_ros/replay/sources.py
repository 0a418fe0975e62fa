"""Where frames come from off the robot: video, pictures, bag, camera or network stream.

with open_source("clip.mp4") as source:
    for frame in source:
        ...
    print(source.losses.as_dict(), source.notes)
"""

from __future__ import annotations

from pathlib import Path

from .. import pictures
from ..errors import InputError
from .bag_folder import METADATA, is_bag_file, is_bag_folder
from .bag_source import BagSource
from .camera_source import CameraSource
from .choice import Choice
from .foreign import is_film, is_picture
from .page_source import PageSource, pages_in
from .picture_source import PictureSource
from .source import ACCEPTED, IMAGE_SUFFIXES, Source, shown, with_secrets
from .stream_source import open_stream
from .video_source import VideoSource


def open_source(
    text: str | Path, choice: Choice | None = None, *, rate_hz: float | None = None, topic: str | None = None
) -> Source:
    """Open whatever the text names.

    Args:
        text: Path of a video, picture, folder of pictures or bag, the number or device file of a
            camera, or the address of a stream. Intrinsics are read from ``<name>.json`` beside a
            video or picture folder, when it is there (``camera_beside``).
        choice: What to read of it.
        rate_hz, topic: The same one by one.

    Raises:
        InputError: There is no such thing, or it cannot be read; the message says what was
            tried and what is accepted.
    """
    choice = choice or Choice(rate_hz, topic or "")
    source = _open(str(text), choice)
    source.losses.strict = choice.strict
    return source


def _open(text: str, choice: Choice) -> Source:
    if not text.strip():
        raise InputError(f"the source is empty; accepted are {ACCEPTED}")
    if text.isdecimal():
        return CameraSource(int(text))
    if text.startswith("/dev/video") and text.removeprefix("/dev/video").isdecimal():
        return CameraSource(int(text.removeprefix("/dev/video")))
    if "://" in text:
        return open_stream(with_secrets(text), choice)
    path = Path(text)
    try:
        kind = _kind(path)
    except OSError as error:
        raise InputError(f"source {text!r} cannot be read: {error.strerror or error}") from error
    if kind == "bag":
        return BagSource(path.parent if path.name == METADATA else path, choice)
    if choice.topic or choice.depth_topic:
        raise InputError(f"a topic ({choice.topic or choice.depth_topic}) was named, but {text!r} is no bag")
    if kind == "pages":
        return PageSource(path, choice)
    if kind == "pictures":
        return PictureSource(path, choice)
    return VideoSource(text, choice)


def _kind(path: Path) -> str:
    """``bag``, ``pictures``, ``pages`` (several pictures in one file) or ``video``."""
    if not path.exists():
        what = "is a link that points to nothing" if path.is_symlink() else "does not exist"
        raise InputError(f"source {shown(path)!r} {what}; accepted are {ACCEPTED}")
    if path.is_dir():
        return "bag" if is_bag_folder(path) else "pictures"
    if not path.is_file():
        raise InputError(f"source {str(path)!r} is neither file nor folder; accepted are {ACCEPTED}")
    if is_bag_file(path.name) or path.name == METADATA:
        return "bag"
    with path.open("rb") as file:
        head = file.read(16)
    if not head:
        raise InputError(f"source {str(path)!r} is an empty file; accepted are {ACCEPTED}")
    if head.startswith((b"\x89MCAP0", b"SQLite format 3", b"#ROSBAG V")):
        return "bag"
    called_picture = path.suffix.lower() in (*IMAGE_SUFFIXES, *pictures.RAW_SUFFIXES)
    if is_film(path) or not (called_picture or is_picture(path)):
        return "video"
    return "pages" if pages_in(path) > 1 else "pictures"
