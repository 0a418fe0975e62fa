"""Bags as people have them: what can be used is used, what cannot is counted and named."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from mcap.writer import Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode

from posemo_ros.errors import InputError
from posemo_ros.replay.choice import Choice
from posemo_ros.replay.sources import open_source

from .makers import (
    PERIOD,
    STAMPS,
    START,
    K,
    camera_info,
    ffmpeg_packet,
    film,
    foxglove,
    images_at,
    jpeg,
    jpeg_image,
    lost,
    noise,
    packets_of,
    picture,
    raw_image,
    write_bag,
)


class TestOrder:
    def test_neighbours_that_were_swapped_are_sorted_in(self, tmp_path: Path) -> None:
        source = open_source(write_bag(tmp_path / "bag", images_at([STAMPS[n ^ 1] for n in range(24)])))
        assert [f.stamp_ns for f in source] == STAMPS
        assert not source.losses
        assert any("12 images came after newer ones" in note for note in source.notes)

    def test_one_that_is_too_late_is_a_loss(self, tmp_path: Path) -> None:
        stamps = [STAMPS[0], *STAMPS[2:20], STAMPS[1], *STAMPS[20:]]
        source = open_source(write_bag(tmp_path / "bag", images_at(stamps)))
        assert [f.stamp_ns for f in source] == [STAMPS[0], *STAMPS[2:]]
        assert lost(source) == {"older than the images before it": 1}

    def test_a_film_that_starts_again_is_no_disorder(self, tmp_path: Path) -> None:
        long = [START + n * 10 * PERIOD for n in range(6)]
        source = open_source(write_bag(tmp_path / "bag", images_at([*long, *long])))
        assert [f.stamp_ns for f in source] == [*long, *long]
        assert not source.losses

    def test_a_pause_of_hours_does_not_count_for_the_rate(self, tmp_path: Path) -> None:
        later = [stamp + 5 * 3600 * 10**9 for stamp in STAMPS[12:]]
        source = open_source(write_bag(tmp_path / "bag", images_at([*STAMPS[:12], *later])))
        assert [f.stamp_ns for f in source] == [*STAMPS[:12], *later]
        assert source.rate_hz == pytest.approx(25)

    def test_stamps_of_another_unit_are_said(self, tmp_path: Path) -> None:
        """Microseconds where nanoseconds belong: a second of images in a millisecond."""
        source = open_source(write_bag(tmp_path / "bag", images_at([START + n * 40_000 for n in range(24)])))
        assert len(list(source)) == 24
        assert any("25000 times a second" in note and "--rate" in note for note in source.notes)

    @pytest.mark.parametrize("without", [[0], [3, 7], [0, 23]])
    def test_one_without_stamp_among_others_stays_among_them(
        self, tmp_path: Path, without: list[int]
    ) -> None:
        """A simulation begins at 0; a driver forgets a stamp: the time of recording is years away."""
        ahead = 1_700_000_000_000_000_000
        stamps = [0 if n in without else STAMPS[n] + ahead for n in range(24)]
        source = open_source(write_bag(tmp_path / "bag", images_at(stamps)))
        assert [f.stamp_ns for f in source] == [stamp + ahead for stamp in STAMPS]
        assert any(f"{len(without)} images have no stamp" in note for note in source.notes)

    def test_files_of_a_split_bag_that_are_listed_in_another_order(self, tmp_path: Path) -> None:
        """A list that was made anew has ``bag_10`` before ``bag_2``."""
        path = tmp_path / "bag"
        messages = images_at(STAMPS)
        for number, name in enumerate(("bag_2", "bag_10")):
            write_bag(tmp_path / name, messages[12 * number :][:12])
        path.mkdir()
        for name in ("bag_2", "bag_10"):
            next((tmp_path / name).glob("*.mcap")).rename(path / f"{name}.mcap")
        text = (tmp_path / "bag_2" / "metadata.yaml").read_text()
        assert "- bag_2.mcap" in text
        (path / "metadata.yaml").write_text(text.replace("- bag_2.mcap", "- bag_10.mcap\n    - bag_2.mcap"))
        source = open_source(path)
        assert [f.stamp_ns for f in source] == STAMPS
        assert not source.losses

    def test_the_rate_is_that_of_the_images(self, tmp_path: Path) -> None:
        later = [("/cam/camera_info", START + 250 * PERIOD, camera_info(START))]
        source = open_source(write_bag(tmp_path / "bag", [*images_at(STAMPS), *later]))
        list(source)
        assert source.rate_hz == pytest.approx(25)

    def test_several_of_one_stamp_are_all_given(self, tmp_path: Path) -> None:
        stamps = [STAMPS[n // 2 * 2] for n in range(24)]
        source = open_source(write_bag(tmp_path / "bag", images_at(stamps)))
        frames = list(source)
        assert any("12 images have the stamp of the image before" in note for note in source.notes)
        assert [f.stamp_ns for f in frames] == stamps
        np.testing.assert_array_equal(frames[1].image, picture(1))


class TestTopics:
    def test_several_are_listed_with_counts_and_the_option(self, tmp_path: Path) -> None:
        grey = cv2.cvtColor(picture(0), cv2.COLOR_BGR2GRAY)
        messages = images_at(STAMPS, "/camera/color/image_raw")
        messages += [("/camera/infra1/image_rect_raw", START, raw_image(START, grey, "mono8"))]
        bag = write_bag(tmp_path / "bag", messages)
        with pytest.raises(InputError, match=r"--topic.*color/image_raw \(24\), .*rect_raw \(1\)"):
            open_source(bag)
        assert len(list(open_source(bag, Choice(topic="/camera/color/image_raw")))) == 24

    def test_depth_is_told_by_encoding_and_not_by_name(self, tmp_path: Path) -> None:
        depth = np.full((4, 6), 1500, np.uint16)
        messages = images_at(STAMPS[:3], "/depth_camera/image_raw")
        messages += [("/camera/aligned/image_raw", START, raw_image(START, depth, "16UC1"))]
        bag = write_bag(tmp_path / "bag", messages)
        assert open_source(bag).topic == "/depth_camera/image_raw"  # type: ignore[attr-defined]

    @pytest.mark.parametrize(("raw", "taken"), [(24, ""), (23, ""), (5, "/compressed")])
    def test_a_raw_topic_of_which_most_was_lost(self, tmp_path: Path, raw: int, taken: str) -> None:
        name = "/cam/image_raw"
        compressed = images_at(STAMPS, f"{name}/compressed", jpeg_image)
        source = open_source(write_bag(tmp_path / "bag", [*images_at(STAMPS[:raw], name), *compressed]))
        assert source.described()["topic"] == name + taken

    def test_topic_of_no_bag(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "a.png"), picture(0))
        with pytest.raises(InputError, match="is no bag"):
            open_source(tmp_path, Choice(topic="/x"))

    def test_camera_info_of_another_topic(self, tmp_path: Path) -> None:
        messages = [("/elsewhere/info", START, camera_info(START)), *images_at(STAMPS[:2])]
        bag = write_bag(tmp_path / "bag", messages)
        assert open_source(bag).camera is None
        camera = open_source(bag, Choice(camera_info="/elsewhere/info")).camera
        assert camera is not None
        np.testing.assert_array_equal(camera.matrix, K)
        with pytest.raises(InputError, match="camera info in it: /elsewhere/info"):
            open_source(bag, Choice(camera_info="/nowhere/info"))

    def test_camera_info_that_is_not_used_is_named(self, tmp_path: Path) -> None:
        messages = [
            ("/cam/camera_info", START, camera_info(START)),
            *images_at(STAMPS[:2], "/cam/color/image"),
        ]
        source = open_source(write_bag(tmp_path / "bag", messages))
        assert source.camera is None
        assert any("--camera-info takes /cam/camera_info" in note for note in source.notes)

    def test_camera_info_without_size_and_of_rectified_images(self, tmp_path: Path) -> None:
        info = camera_info(START, width=0, height=0)
        info = replace(info, p=np.array([400.0, 0, 30, 0, 0, 400, 20, 0, 0, 0, 1, 0]))
        for topic, focal in (("/cam/image_raw", 500), ("/cam/image_rect", 400)):
            messages = [("/cam/camera_info", START, info), *images_at(STAMPS[:2], topic)]
            source = open_source(write_bag(tmp_path / topic[5:], messages))
            assert source.camera is not None
            assert source.camera.matrix[0, 0] == focal
            assert (source.camera.distortion.size == 0) == (focal == 400)

    def test_a_camera_that_zooms_has_the_intrinsics_of_every_moment(self, tmp_path: Path) -> None:
        """As in a node: those that came last. Uncalibrated and unreadable ones change nothing."""
        focal = {0: 50.0, 2: 50.0, 3: 80.0, 5: 60.0}
        messages: list[Any] = [
            ("/cam/camera_info", STAMPS[i] - 1, camera_info(STAMPS[i], [[f, 0, 32], [0, f, 24], [0, 0, 1]]))
            for i, f in focal.items()
        ]
        messages.append(("/cam/camera_info", STAMPS[4] - 1, camera_info(STAMPS[4], np.zeros(9))))
        messages.append(("/cam/camera_info", STAMPS[4] - 2, b"\x00\x01\x00\x00short"))
        source = open_source(write_bag(tmp_path / "bag", [*messages, *images_at(STAMPS[:7])]))
        assert source.camera is not None
        assert source.camera.matrix[0, 0] == 50
        for _ in range(2):  # read again, it begins with the first ones again
            assert [f.camera.matrix[0, 0] for f in source if f.camera] == [50, 50, 50, 80, 80, 60, 60]
        assert "/cam/camera_info changes (2 times): each image has what was sent before it" in source.notes
        assert "/cam/camera_info has messages that cannot be read (1): those before hold on" in source.notes
        assert lost(source) == {}

    def test_camera_info_of_another_size_is_scaled_and_said(self, tmp_path: Path) -> None:
        info = camera_info(START, [[1000, 0, 63.5], [0, 1000, 47.5], [0, 0, 1]], 128, 96)
        source = open_source(
            write_bag(tmp_path / "bag", [("/cam/camera_info", START, info), *images_at(STAMPS[:2])])
        )
        assert source.camera is not None
        np.testing.assert_allclose(source.camera.matrix, [[500, 0, 31.5], [0, 500, 23.5], [0, 0, 1]])
        assert any("128 x 96" in note for note in source.notes)


class TestBags:
    def test_one_bad_jpeg(self, tmp_path: Path) -> None:
        messages = images_at(STAMPS, "/cam/image_raw/compressed", jpeg_image)
        messages[10] = ("/cam/image_raw/compressed", STAMPS[10], jpeg_image(STAMPS[10], b""))
        whole = bytes(jpeg(noise(1)))
        messages[11] = (
            "/cam/image_raw/compressed",
            STAMPS[11],
            jpeg_image(STAMPS[11], whole[: len(whole) // 2]),
        )
        source = open_source(write_bag(tmp_path / "bag", messages))
        assert [f.stamp_ns for f in source] == [s for n, s in enumerate(STAMPS) if n not in (10, 11)]
        assert lost(source) == {"image: empty": 1, "image: cut off": 1}
        assert "image 11 of /cam/image_raw/compressed" in str(source.losses.as_dict())

    @pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
    def test_killed_recorder(self, tmp_path: Path, storage: str) -> None:
        many = [(t, s + n, raw_image(s, noise(n, 160, 120))) for n, (t, s, _) in enumerate(images_at(STAMPS))]
        bag = write_bag(tmp_path / "bag", many, storage)
        (bag / "metadata.yaml").unlink()
        (file,) = bag.iterdir()
        whole = file.read_bytes()
        assert len(list(open_source(bag))) == 24  # without metadata.yaml alone
        file.write_bytes(whole[: len(whole) * 6 // 10])
        for path in (bag, file):
            source = open_source(path)
            count = len(list(source))
            assert 1 <= count <= 16
            assert "the recording ends in the middle" in lost(source)

    def test_stated_length_not_reached(self, tmp_path: Path) -> None:
        bag = write_bag(
            tmp_path / "bag", [(t, s, raw_image(s, noise(1, 160, 120))) for t, s, _ in images_at(STAMPS)]
        )
        (file,) = bag.glob("*.mcap")
        file.write_bytes(file.read_bytes()[: file.stat().st_size * 6 // 10])
        source = open_source(bag)
        count = len(list(source))
        assert count + len(source.losses) == 24

    def test_unwritten_log_of_sqlite_is_taken_in(self, tmp_path: Path) -> None:
        bag = write_bag(tmp_path / "bag", images_at(STAMPS[:4]), "sqlite3")
        (bag / "metadata.yaml").unlink()
        (file,) = bag.iterdir()
        live = sqlite3.connect(file)
        live.execute("PRAGMA journal_mode=WAL")
        columns = "topic_id, timestamp, data"
        live.execute(f"INSERT INTO messages ({columns}) SELECT topic_id, timestamp + 1, data FROM messages")
        live.commit()
        crashed = tmp_path / "crashed"
        shutil.copytree(bag, crashed)  # as it lies there while the recorder dies
        live.close()
        assert (crashed / f"{file.name}-wal").stat().st_size
        assert len(list(open_source(crashed))) == 8

    @pytest.mark.parametrize("mode", [CompressionMode.FILE, CompressionMode.MESSAGE])
    def test_compressed_by_zstd(self, tmp_path: Path, mode: CompressionMode) -> None:
        bag = write_bag(
            tmp_path / "bag", images_at(STAMPS), "sqlite3", mode=mode, form=CompressionFormat.ZSTD
        )
        (file,) = bag.glob("*.db3*")
        for path in (bag, file):
            frames = list(open_source(path))
            assert [f.stamp_ns for f in frames] == STAMPS
            np.testing.assert_array_equal(frames[5].image, picture(5))

    def test_foxglove_images(self, tmp_path: Path) -> None:
        messages = [
            ("/image", s, foxglove("CompressedImage", s, jpeg(picture(n)), "jpeg"))
            for n, s in enumerate(STAMPS)
        ]
        frames = list(open_source(write_bag(tmp_path / "bag", messages)))
        assert [f.stamp_ns for f in frames] == STAMPS
        assert np.abs(frames[5].bgr().astype(int) - picture(5)).mean() < 2

    def test_foxglove_video(self, tmp_path: Path) -> None:
        path = film(tmp_path / "a.mkv", [picture(n) for n in range(24)], range(0, 960, 40), g="8")
        with av.open(str(path)) as container:
            packets = [bytes(p) for p in container.demux(video=0) if p.size]
        messages = [
            ("/video", s, foxglove("CompressedVideo", s, np.frombuffer(p, np.uint8), "vp9"))
            for s, p in zip(STAMPS, packets, strict=True)
        ]
        source = open_source(write_bag(tmp_path / "bag", messages))
        frames = list(source)
        assert [f.stamp_ns for f in frames] == STAMPS
        assert np.abs(frames[20].image[40, 50].astype(int) - picture(20)[40, 50]).max() < 12
        late = open_source(write_bag(tmp_path / "late", messages[3:]))  # begins between two key frames
        assert [f.stamp_ns for f in late] == STAMPS[8:]
        assert len(late.losses) == 5

    @pytest.mark.parametrize(
        ("codec", "form", "how", "encoding"),
        [
            ("libx264", "h264", {"bf": "0"}, "libx264;yuv420p;bgr8"),
            ("libx264", "h264", {"bf": "0"}, "h.264"),
            ("libx265", "hevc", {"x265-params": "bframes=0"}, "hevc_nvenc"),
            ("libsvtav1", "ivf", {"preset": "12"}, "libsvtav1"),
            ("", "", {}, "mjpeg"),
        ],
    )
    def test_packets_of_encoders(
        self, tmp_path: Path, codec: str, form: str, how: dict[str, str], encoding: str
    ) -> None:
        """The CameraInfo beside them is that of their image, not one of its own."""
        if codec and codec not in av.codecs_available:
            pytest.skip(f"this PyAV does not write {codec}")
        pictures = [picture(n) for n in range(4)]
        if codec:
            packets = packets_of(film(tmp_path / f"a.{form}", pictures, range(0, 160, 40), codec, **how))
        else:
            packets = [jpeg(image) for image in pictures]
        messages: list[Any] = [("/cam/camera_info", START, camera_info(START))]
        for stamp, packet in zip(STAMPS, packets, strict=False):
            messages.append(("/cam/image_raw/ffmpeg", stamp, ffmpeg_packet(stamp, packet, encoding)))
        source = open_source(write_bag(tmp_path / "bag", messages))
        frames = list(source)
        assert [f.stamp_ns for f in frames] == STAMPS[:4]
        assert np.abs(frames[3].image[40, 50].astype(int) - picture(3)[40, 50]).max() < 12
        assert frames[0].camera is not None

    def test_an_empty_packet_is_not_the_end(self, tmp_path: Path) -> None:
        path = film(tmp_path / "a.mkv", [picture(n) for n in range(24)], range(0, 960, 40))
        packets = packets_of(path)
        packets[5] = packets[5][:0]
        messages = [
            ("/v", s, foxglove("CompressedVideo", s, p, "vp9")) for s, p in zip(STAMPS, packets, strict=True)
        ]
        source = open_source(write_bag(tmp_path / "bag", messages))
        assert [f.stamp_ns for f in source] == [s for n, s in enumerate(STAMPS) if n != 5]
        assert lost(source) == {"image: empty": 1}

    def test_ros1(self, tmp_path: Path) -> None:
        from rosbags.rosbag1 import Writer
        from rosbags.typesys import Stores, get_typestore

        store = get_typestore(Stores.ROS1_NOETIC)
        kinds = store.types
        with Writer(tmp_path / "a.bag") as writer:
            images = writer.add_connection("/cam/image_raw", "sensor_msgs/msg/Image", typestore=store)
            infos = writer.add_connection("/cam/camera_info", "sensor_msgs/msg/CameraInfo", typestore=store)
            for n, stamp in enumerate(STAMPS):
                time = kinds["builtin_interfaces/msg/Time"](*divmod(stamp, 10**9))
                head = kinds["std_msgs/msg/Header"](n, time, "cam")
                image = kinds["sensor_msgs/msg/Image"](head, 48, 64, "bgr8", 0, 192, picture(n).ravel())
                writer.write(images, stamp, store.serialize_ros1(image, "sensor_msgs/msg/Image"))
                region = kinds["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
                lens = ("plumb_bob", np.zeros(5), np.ravel(K), np.eye(3).ravel(), np.zeros(12), 0, 0, region)
                info = kinds["sensor_msgs/msg/CameraInfo"](head, 48, 64, *lens)
                writer.write(infos, stamp, store.serialize_ros1(info, "sensor_msgs/msg/CameraInfo"))
        source = open_source(tmp_path / "a.bag")
        frames = list(source)
        assert [f.stamp_ns for f in frames] == STAMPS
        np.testing.assert_array_equal(frames[7].image, picture(7))
        assert source.camera is not None
        np.testing.assert_array_equal(source.camera.matrix, K)
        converted = open_source(as_mcap(tmp_path / "a.bag"))
        assert [f.stamp_ns for f in converted] == STAMPS
        assert converted.camera is not None
        np.testing.assert_array_equal(converted.camera.matrix, K)
        (tmp_path / "cut.bag").write_bytes((tmp_path / "a.bag").read_bytes()[:5000])
        with pytest.raises(InputError, match="rosbag reindex"):
            open_source(tmp_path / "cut.bag")


def as_mcap(path: Path) -> Path:
    """What ``mcap convert`` makes of a ROS 1 bag: its messages as they are, under ROS 1's names of types."""
    from rosbags.rosbag1 import Reader

    target = path.with_suffix(".mcap")
    with Reader(path) as bag, target.open("wb") as file:
        writer = Writer(file)
        writer.start("ros1")
        channels = {}
        for c in bag.connections:
            name = c.msgtype.replace("/msg/", "/")
            schema = writer.register_schema(name, "ros1msg", c.msgdef.data.encode())
            channels[c.id] = writer.register_channel(c.topic, "ros1", schema)
        for connection, time_ns, raw in bag.messages():
            writer.add_message(channels[connection.id], time_ns, bytes(raw), time_ns)
        writer.finish()
    return target
