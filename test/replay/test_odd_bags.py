"""Bags that are damaged, or written as few recorders do: what is there is read, what is not is said."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from mcap.writer import CompressionType, IndexType, Writer

from posemo_ros.errors import InputError
from posemo_ros.replay.sources import open_source

from .makers import (
    STAMPS,
    START,
    TYPES,
    camera_info,
    ffmpeg_packet,
    film,
    images_at,
    jpeg_image,
    lost,
    noise,
    packets_of,
    picture,
    raw_image,
    write_bag,
)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_damaged_anywhere_is_an_error_or_a_loss(tmp_path: Path, storage: str) -> None:
    """Random bytes in random places: never another exception, never more images than there were."""
    bag = write_bag(tmp_path / "bag", images_at(STAMPS[:8]), storage)
    (file,) = (p for p in bag.iterdir() if p.suffix != ".yaml")
    whole, rng, opened = file.read_bytes(), np.random.default_rng(0), 0
    for damage in (1, 20, 2000) * 6:
        data = np.frombuffer(whole, np.uint8).copy()
        data[rng.integers(0, len(data), damage)] = rng.integers(0, 256, damage)
        file.write_bytes(data.tobytes())
        with contextlib.suppress(InputError):
            source = open_source(bag)
            opened += 1
            assert len(list(source)) <= 8
    assert opened


def test_what_lies_behind_a_damaged_page_of_sqlite_is_read(tmp_path: Path) -> None:
    bag = write_bag(
        tmp_path / "bag", images_at(STAMPS, make=lambda stamp, _: raw_image(stamp, noise(stamp))), "sqlite3"
    )
    (file,) = bag.glob("*.db3")
    data = bytearray(file.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 8192] = bytes(8192)
    file.write_bytes(data)
    source = open_source(bag)
    stamps = [f.stamp_ns for f in source]
    assert 20 <= len(stamps) < 24
    assert stamps == sorted(stamps)
    assert len(source.losses) == 24 - len(stamps)


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize(
    "left_out",
    [
        {"index_types": IndexType.CHUNK},
        {"index_types": IndexType.NONE},
        {"repeat_channels": False},
        {"repeat_schemas": False},
        {"use_statistics": False},
        {"repeat_channels": False, "repeat_schemas": False, "use_statistics": False},
    ],
)
def test_mcap_with_parts_of_its_index_left_out(
    tmp_path: Path, left_out: dict[str, Any], chunked: bool
) -> None:
    """As ``noMessageIndex``, ``noRepeatedChannels`` and so on of rosbag2's storage options leave it."""
    kind = "sensor_msgs/msg/Image"
    with (tmp_path / "a.mcap").open("wb") as file:
        writer = Writer(file, use_chunking=chunked, **left_out)
        writer.start("ros2")
        definition = TYPES.generate_msgdef(kind, ros_version=2)[0].encode()
        channel = writer.register_channel("/cam", "cdr", writer.register_schema(kind, "ros2msg", definition))
        for _, time_ns, message in images_at(STAMPS):
            writer.add_message(channel, time_ns, bytes(TYPES.serialize_cdr(message, kind)), time_ns)
        writer.finish()
    source = open_source(tmp_path / "a.mcap")
    assert [f.stamp_ns for f in source] == STAMPS
    assert not source.losses


@pytest.mark.parametrize(
    "name", ["sensor_msgs::msg::dds_::Image_", "sensor_msgs::msg::Image", "sensor_msgs/Image"]
)
def test_types_as_other_recorders_call_them(tmp_path: Path, name: str) -> None:
    kind = "sensor_msgs/msg/Image"
    with (tmp_path / "a.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start()
        channel = writer.register_channel("rt/cam", "cdr", writer.register_schema(name, "omgidl", b"module"))
        for _, time_ns, message in images_at(STAMPS):
            writer.add_message(channel, time_ns, bytes(TYPES.serialize_cdr(message, kind)), time_ns)
        writer.finish()
    assert [f.stamp_ns for f in open_source(tmp_path / "a.mcap")] == STAMPS


@pytest.mark.parametrize("name", ["a.mcap.zst", "folder/a_0.mcap.zst"])
def test_a_bag_packed_by_hand(tmp_path: Path, name: str) -> None:
    """``zstd`` calls it ``.zst``, rosbag2 ``.zstd``."""
    (whole,) = write_bag(tmp_path / "bag", images_at(STAMPS)).glob("*.mcap")
    packed = tmp_path / name
    packed.parent.mkdir(exist_ok=True)
    packed.write_bytes(zstandard.compress(whole.read_bytes()))
    assert [f.stamp_ns for f in open_source(tmp_path / name.split("/")[0])] == STAMPS
    packed.write_bytes(packed.read_bytes()[:20])
    with pytest.raises(InputError, match=r"\.mcap\.zst is cut off: nothing of it can be unpacked"):
        open_source(packed)


def test_a_bag_without_images_says_what_is_in_it(tmp_path: Path) -> None:
    message = TYPES.types["std_msgs/msg/String"]("hello")
    with pytest.raises(InputError, match=r"none; topics in it: /chatter \(std_msgs/msg/String\)$"):
        open_source(write_bag(tmp_path / "bag", [("/chatter", START, message)]))


def test_messages_with_fields_of_another_release(tmp_path: Path) -> None:
    """Read by the definition in the bag where ours does not fit."""
    kind = "sensor_msgs/msg/CompressedImage"
    own, others = TYPES.generate_msgdef(kind, ros_version=2)[0].split("=" * 80, 1)
    definition = f"{own}uint32 quality\nstring remark\n{'=' * 80}{others}"
    with (tmp_path / "a.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start("ros2")
        channel = writer.register_channel(
            "/cam", "cdr", writer.register_schema(kind, "ros2msg", definition.encode())
        )
        for number, stamp in enumerate(STAMPS):
            raw = bytes(TYPES.serialize_cdr(jpeg_image(stamp, picture(number)), kind))
            raw += bytes(-len(raw) % 4) + bytes.fromhex("07000000 03000000 686900")
            writer.add_message(channel, stamp, raw, stamp)
        writer.finish()
    source = open_source(tmp_path / "a.mcap")
    assert [f.stamp_ns for f in source] == STAMPS
    assert not source.losses


@pytest.mark.parametrize("form", ["video/h264", "bgr8; h264", "H.264", "libx264"])
def test_films_in_compressed_images_are_told_by_any_word_of_their_format(tmp_path: Path, form: str) -> None:
    pictures = [picture(n) for n in range(5)]
    film(tmp_path / "a.h264", pictures, [40 * n for n in range(5)], "libx264", tune="zerolatency")
    messages = []
    for n, data in enumerate(packets_of(tmp_path / "a.h264")):
        messages.append(("/cam/compressed", STAMPS[n], jpeg_image(STAMPS[n], data.tobytes())))
        messages[-1][2].format = form
    source = open_source(write_bag(tmp_path / "bag", messages))
    assert len(list(source)) == 5


def test_what_a_format_of_a_compressed_image_does_not_say(tmp_path: Path) -> None:
    """A JPEG that is called H.264; packets as MP4 has them, without start codes."""
    messages = images_at(STAMPS, make=jpeg_image)
    for _, _, message in messages:
        message.format = "h264"
    assert len(list(open_source(write_bag(tmp_path / "bag", messages)))) == 24
    film(tmp_path / "a.mp4", [picture(n) for n in range(5)], [40 * n for n in range(5)], "libx264")
    packets = [(n, ffmpeg_packet(STAMPS[n], p, "h264")) for n, p in enumerate(packets_of(tmp_path / "a.mp4"))]
    source = open_source(write_bag(tmp_path / "mp4", [("/cam/ffmpeg", STAMPS[n], p) for n, p in packets]))
    assert not list(source)
    assert all("Annex B" in loss.detail for loss in source.losses)


def test_camera_info_of_rectified_images_may_have_p_alone(tmp_path: Path) -> None:
    info = camera_info(START, np.zeros(9))
    info.p = np.array([400.0, 0, 31, 0, 0, 410, 23, 0, 0, 0, 1, 0])
    messages = [*images_at(STAMPS[:3], "/cam/image_rect"), ("/cam/camera_info", START, info)]
    source = open_source(write_bag(tmp_path / "bag", messages))
    assert source.camera is not None
    assert source.camera.matrix[0, 0] == 400


def test_what_lies_behind_a_damaged_chunk_is_read(tmp_path: Path) -> None:
    """The first of three, which also holds the only channel before the end of the file."""
    messages = images_at(STAMPS[:9], make=lambda stamp, _: raw_image(stamp, noise(stamp)))
    kind = "sensor_msgs/msg/Image"
    path = tmp_path / "a.mcap"
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=3 * 9000, compression=CompressionType.ZSTD)
        writer.start("ros2")
        definition = TYPES.generate_msgdef(kind, ros_version=2)[0].encode()
        channel = writer.register_channel("/cam", "cdr", writer.register_schema(kind, "ros2msg", definition))
        for _, time_ns, message in messages:
            writer.add_message(channel, time_ns, bytes(TYPES.serialize_cdr(message, kind)), time_ns)
        writer.finish()
    data = bytearray(path.read_bytes())
    at = data.index(b"\x28\xb5\x2f\xfd")
    data[at : at + 100] = bytes(100)
    path.write_bytes(data)
    source = open_source(path)
    stamps = [f.stamp_ns for f in source]
    assert 0 < len(stamps) < 9
    assert stamps == STAMPS[9 - len(stamps) : 9]
    assert lost(source) == {"a part of the recording is damaged": 9 - len(stamps)}


def test_a_second_recording_in_one_file_is_said(tmp_path: Path) -> None:
    """As `cat one.mcap two.mcap` leaves it."""
    files = [
        next(write_bag(tmp_path / name, images_at(stamps)).glob("*.mcap"))
        for name, stamps in (("one", STAMPS[:3]), ("two", STAMPS[3:6]))
    ]
    both = tmp_path / "both.mcap"
    both.write_bytes(b"".join(file.read_bytes() for file in files))
    source = open_source(both)
    assert [f.stamp_ns for f in source] == STAMPS[:3]
    assert lost(source) == {"the recording ends in the middle": 1}
    assert "another recording behind its end is not read" in str(source.losses.as_dict())


def test_a_bag_cut_off_before_its_first_image_names_the_repair(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", images_at(STAMPS[:3]))
    (file,) = bag.glob("*.mcap")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match="damaged or cut off.*mcap recover"):
        open_source(bag)
