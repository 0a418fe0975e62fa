"""Image messages of every kind as frames: ROS, Foxglove, ROS 1, and films cut into packets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import InputError
from ..images import BitDepth, frame_from_compressed, frame_from_raw
from ..types import Frame

RAW_KINDS = ("sensor_msgs/msg/Image", "foxglove_msgs/msg/RawImage")
COMPRESSED_KINDS = ("sensor_msgs/msg/CompressedImage", "foxglove_msgs/msg/CompressedImage")
PACKET_KINDS = ("foxglove_msgs/msg/CompressedVideo", "ffmpeg_image_transport_msgs/msg/FFMPEGPacket")
IMAGE_KINDS = (*RAW_KINDS, *COMPRESSED_KINDS, *PACKET_KINDS)
HELP = {
    "theora_image_transport/msg/Packet": (
        "Theora packets are not read; convert them with `ros2 run image_transport republish theora raw`"
    ),
    **{
        f"foxglove.{name}": (
            "messages of Foxglove in protobuf or JSON are not read; convert the file to ROS 2 messages "
            "(CDR), or export the topic as a video"
        )
        for name in ("CompressedImage", "CompressedVideo", "RawImage")
    },
    "wfov_camera_msgs/msg/WFOVImage": "record its plain image topic instead",
}
_CODECS = {
    **dict.fromkeys(("h264", "x264", "avc", "avc1"), "h264"),
    **dict.fromkeys(("h265", "hevc", "x265", "hvc1", "hev1"), "hevc"),
    **dict.fromkeys(("av1", "svtav1", "aom", "av01"), "libdav1d"),  # FFmpeg's own decoder wants a GPU
    **{name: name for name in ("vp8", "vp9")},
    "vpx": "vp9",
}
_ALSO_PACKETS = {"mjpeg": "mjpeg", "mpeg4": "mpeg4", "ffv1": "ffv1"}  # of ffmpeg_image_transport
_JPEG = b"\xff\xd8\xff"
_START_CODE = re.compile(rb"\x00{2,3}\x01")


class ImageReader:
    """Frames of the messages of one topic.

    Args:
        depth: Used bits of 16-bit images, shared by the whole topic.
    """

    def __init__(self, depth: BitDepth) -> None:
        self._depth = depth
        self._film: _Film | None = None

    def frames(self, message: Any, kind: str, otherwise_ns: int) -> Iterator[Frame]:
        """The frames that became known with this message; a packet may hold none.

        Args:
            message: The deserialised message.
            kind: Its type.
            otherwise_ns: Stamp to take, negative, when the message has none (see ``MessageTime``).

        Raises:
            InputError: It cannot be decoded.
        """
        stamp = stamp_of(message)
        stamp = stamp if stamp > 0 else -otherwise_ns
        frame_id = str(getattr(getattr(message, "header", message), "frame_id", ""))
        codec = _codec(message, kind)
        if codec:
            self._film = self._film or _Film(codec)
            yield from self._film.decode(message.data, stamp, frame_id)
        elif kind in RAW_KINDS:
            bigendian = bool(getattr(message, "is_bigendian", False))
            fields = (message.encoding, message.height, message.width, message.step, bigendian, message.data)
            yield frame_from_raw(*fields, stamp, frame_id, depth=self._depth)
        else:
            yield frame_from_compressed(message.format, message.data, stamp, frame_id, depth=self._depth)

    @property
    def concealed(self) -> int:
        """Damaged images of a film that the decoder repaired."""
        return self._film.concealed if self._film else 0

    def flush(self) -> Iterator[Frame]:
        """What the decoder of a film still holds."""
        if self._film:
            yield from self._film.flush()


def stamp_of(message: Any) -> int:
    """Nanoseconds of a message of ROS, ROS 1 or Foxglove; 0 where it has none."""
    stamp = message.header.stamp if hasattr(message, "header") else message.timestamp
    nanoseconds = stamp.nanosec if hasattr(stamp, "nanosec") else stamp.nsec
    return int(stamp.sec) * 1_000_000_000 + int(nanoseconds)


def _codec(message: Any, kind: str) -> str:
    """FFmpeg's name of the codec of a packet of a film; empty for a picture."""
    if kind not in PACKET_KINDS and kind not in COMPRESSED_KINDS:
        return ""
    if kind in COMPRESSED_KINDS and bytes(message.data[:3]) == _JPEG:  # whatever its format says
        return ""
    form = str(getattr(message, "encoding", "") or getattr(message, "format", ""))
    words = re.split(r"[;_ ,/-]+", form.lower().replace("h.26", "h26"))  # also "video/h264", "bgr8; h264"
    known = _CODECS | _ALSO_PACKETS if kind in PACKET_KINDS else _CODECS
    codec = next((known[w] for word in words if (w := word.removeprefix("lib")) in known), "")
    if not codec and kind in PACKET_KINDS:
        raise InputError(f"film packets in {form!r} are not read (known: {', '.join(sorted(known))})")
    return codec


class _Film:
    """Decodes packets of a film; each frame gets the stamp of its own packet."""

    def __init__(self, codec: str) -> None:
        import av

        self._packet, self._error = av.Packet, av.error.FFmpegError
        context: Any = av.CodecContext.create(codec, "r")
        context.thread_type = "SLICE"
        context.flags |= 1 << 19  # AV_CODEC_FLAG_LOW_DELAY
        self._context = context
        self._waiting: dict[int, tuple[int, str]] = {}
        self._count = self.concealed = 0
        self._begun = False

    def decode(self, data: Any, stamp: int, frame_id: str) -> Iterator[Frame]:
        """Frames that are ready after this packet."""
        if not len(data):  # FFmpeg would take it for the end
            raise InputError("film packet is empty, 0 bytes")
        packet = self._packet(bytes(data))
        packet.pts = packet.dts = self._count
        packet.time_base = Fraction(1, 1000)
        self._waiting[self._count] = (stamp, frame_id)
        self._count += 1
        try:
            pictures = self._context.decode(packet)
        except self._error as error:
            self._waiting.pop(self._count - 1, None)
            why = "cannot be decoded" if self._begun else "before the first key frame"
            if self._is_of_mp4(data):
                why = (
                    "cannot be decoded: cut for MP4, expected Annex B (start codes), as ffmpeg's "
                    "h264_mp4toannexb makes it"
                )
            raise InputError(f"film packet {why} ({error.strerror})") from error
        yield from self._frames(pictures)

    def _is_of_mp4(self, data: Any) -> bool:
        """Whether it begins with the length of its first part, where a start code belongs."""
        return self._context.name in ("h264", "hevc") and not _START_CODE.match(bytes(data[:4]))

    def flush(self) -> Iterator[Frame]:
        try:
            yield from self._frames(self._context.decode(None))
        except self._error:
            return

    def _frames(self, pictures: list[Any]) -> Iterator[Frame]:
        for picture in pictures:
            self._begun = True
            self.concealed += bool(picture.is_corrupt)
            stamp, frame_id = self._waiting.pop(picture.pts, (None, ""))
            if stamp is None:
                continue
            yield Frame(np.asarray(picture.to_ndarray(format="bgr24"), np.uint8), stamp, frame_id)


class MessageTime:
    """Stamps of one pass: those of the messages, or by a rate.

    An image without stamp among others that have one is placed between these: simulations begin at 0,
    and some drivers forget a stamp now and then.

    Args:
        rate_hz: Asked for.
        ahead_ns: How far stamps lie ahead of the times of recording.

    Attributes:
        without_stamp: How many images had no stamp of their own (given as negative).
    """

    def __init__(self, rate_hz: float | None, ahead_ns: int = 0) -> None:
        self._rate_hz, self._ahead_ns = rate_hz, ahead_ns
        self._number = 0
        self._first_ns: int | None = None
        self.without_stamp = 0

    def stamp(self, stamp_ns: int, recorded_ns: int) -> int:
        """Nanoseconds of the next frame, of its stamp (negative: none) and the time of its message."""
        if stamp_ns < 0:
            self.without_stamp += 1
            stamp_ns = max(0, self._ahead_ns - stamp_ns)
        else:
            self._ahead_ns = stamp_ns - recorded_ns
        if not self._rate_hz:
            return stamp_ns
        if self._first_ns is None:
            self._first_ns = stamp_ns
        self._number += 1
        return self._first_ns + round((self._number - 1) * 1e9 / self._rate_hz)

    def skip(self) -> None:
        """An image that was lost keeps its place."""
        self._number += 1
