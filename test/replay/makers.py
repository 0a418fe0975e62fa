"""Small inputs as people have them: films, bags and pictures, made at test time."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from posemo_ros.replay.source import Source

TYPES = get_typestore(Stores.ROS2_JAZZY)
PACKET = (
    "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\nuint8 flags\n"
    "bool is_bigendian\nuint8[] data\n"
)
TYPES.register(get_types_from_msg(PACKET, "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"))
FOXGLOVE = "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n"
TYPES.register(get_types_from_msg(FOXGLOVE, "foxglove_msgs/msg/CompressedImage"))
TYPES.register(get_types_from_msg(FOXGLOVE, "foxglove_msgs/msg/CompressedVideo"))
START = 5_000_000_000
PERIOD = 40_000_000
STAMPS = [START + n * PERIOD for n in range(24)]
DEMO = Path(__file__).resolve().parents[2] / "demo" / "people.mp4"
K = [[500.0, 0, 31.5], [0, 510.0, 23.5], [0, 0, 1]]


def picture(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A different flat colour with a white square per number: survives JPEG and video coding."""
    image = np.full((height, width, 3), (10 * (number % 20), 100, 200 - 10 * (number % 20)), np.uint8)
    image[8:24, 8:24] = 255
    return image


def noise(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A picture that does not compress, so that a film of it has bytes to damage."""
    return np.random.default_rng(number).integers(0, 255, (height, width, 3), np.uint8)


def film(
    path: Path,
    pictures: Sequence[np.ndarray],
    times_ms: Sequence[int],
    codec: str = "libvpx-vp9",
    **stream: Any,
) -> Path:
    """A film of pictures shown at these times."""
    with av.open(str(path), "w", options=stream.pop("container", {})) as container:
        track = container.add_stream(codec, rate=25, options=stream)
        track.width, track.height, track.pix_fmt = pictures[0].shape[1], pictures[0].shape[0], "yuv420p"
        track.codec_context.time_base = Fraction(1, 1000)
        for image, time in zip(pictures, times_ms, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(track.encode(frame))
        container.mux(track.encode())
    return path


def beginning(path: Path, images: int, clip: Path = DEMO) -> Path:
    """The first images of the demo clip, with its intrinsics beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in [p for p in source.demux(stream) if p.dts is not None][:images]:
            packet.stream = copy
            target.mux(packet)
    shutil.copy(clip.with_suffix(".json"), path.with_suffix(".json"))
    return path


def header(stamp_ns: int, frame_id: str = "front_optical") -> Any:
    stamp = TYPES.types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))
    return TYPES.types["std_msgs/msg/Header"](stamp, frame_id)


def raw_image(
    stamp_ns: int, image: np.ndarray, encoding: str = "bgr8", frame_id: str = "front_optical"
) -> Any:
    data = np.ascontiguousarray(image).view(np.uint8).reshape(-1)
    height, width = image.shape[:2]
    return TYPES.types["sensor_msgs/msg/Image"](
        header(stamp_ns, frame_id), height, width, encoding, 0, data.size // height, data
    )


def jpeg_image(stamp_ns: int, image: np.ndarray | bytes) -> Any:
    data = np.frombuffer(image, np.uint8) if isinstance(image, bytes) else jpeg(image)
    return TYPES.types["sensor_msgs/msg/CompressedImage"](header(stamp_ns), "jpeg", data)


def jpeg(image: np.ndarray) -> np.ndarray:
    return cv2.imencode(".jpg", image)[1].ravel()


def foxglove(kind: str, stamp_ns: int, data: np.ndarray, form: str) -> Any:
    stamp = TYPES.types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))
    return TYPES.types[f"foxglove_msgs/msg/{kind}"](stamp, "cam", data, form)


def packets_of(path: Path) -> list[np.ndarray]:
    """The packets of a film, as an encoder sends them."""
    with av.open(str(path)) as container:
        return [np.frombuffer(bytes(p), np.uint8) for p in container.demux(video=0) if p.size]


def ffmpeg_packet(stamp_ns: int, data: np.ndarray, encoding: str) -> Any:
    kind = TYPES.types["ffmpeg_image_transport_msgs/msg/FFMPEGPacket"]
    return kind(header(stamp_ns), 64, 48, encoding, 0, 0, False, data)


def camera_info(stamp_ns: int, k: Any = K, width: int = 64, height: int = 48) -> Any:
    region = TYPES.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    return TYPES.types["sensor_msgs/msg/CameraInfo"](
        header(stamp_ns), height, width, "plumb_bob", np.array([0.1, 0, 0, 0, 0]),
        np.ravel(k).astype(float), np.eye(3).ravel(), np.zeros(12), 0, 0, region,
    )  # fmt: skip


def write_bag(
    path: Path, messages: Sequence[tuple[str, int, Any]], storage: str = "mcap", **how: Any
) -> Path:
    """A bag of (topic, time of recording, message, or bytes for the type the topic has)."""
    plugin = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}[storage]
    writer = Writer(path, version=9, storage_plugin=plugin)
    if how:
        writer.set_compression(how["mode"], how["form"])
    with writer:
        connections: dict[str, Any] = {}
        for topic, time_ns, message in messages:
            if isinstance(message, bytes):
                writer.write(connections[topic], time_ns, message)
                continue
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=TYPES)
            writer.write(connections[topic], time_ns, TYPES.serialize_cdr(message, kind))
    return path


def images_at(stamps: Sequence[int], topic: str = "/cam/image_raw", make: Any = raw_image) -> list[Any]:
    return [(topic, START + n * PERIOD, make(stamp, picture(n))) for n, stamp in enumerate(stamps)]


def lost(source: Source) -> dict[str, int]:
    """How many images a source lost, by reason."""
    return {reason: entry["images"] for reason, entry in source.losses.as_dict()["by_reason"].items()}
