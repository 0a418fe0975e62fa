"""Every kind of source, made here, gives back the frames that were put in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from posemo_ros.errors import InputError
from posemo_ros.replay.choice import Choice
from posemo_ros.replay.source_list import expand, names_many
from posemo_ros.replay.sources import open_source

from .makers import K, camera_info, jpeg_image, picture, raw_image, write_bag


def write_video(path: Path, count: int = 5, fps: float = 8.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), fps, (64, 48))
    assert writer.isOpened()
    for number in range(count):
        writer.write(picture(number))
    writer.release()
    return path


def images_bag(
    path: Path, make: Any = raw_image, topic: str = "/cam/image_raw", storage: str = "mcap"
) -> Path:
    start = 5_000_000_000
    messages: list[tuple[str, int, Any]] = [("/cam/camera_info", start, camera_info(start))]
    for n in range(4):
        stamp = start + n * 250_000_000
        messages.append((topic, stamp + 10_000_000, make(stamp, picture(n))))
    return write_bag(path, messages, storage)


def test_video_gives_all_frames_with_stamps_from_the_rate(tmp_path: Path) -> None:
    with open_source(write_video(tmp_path / "walk.mp4")) as source:
        frames = list(source)
        again = list(source)
    assert (source.name, source.rate_hz, source.length, source.camera) == ("walk.mp4", 8.0, 5, None)
    assert [f.stamp_ns for f in frames] == [0, 125_000_000, 250_000_000, 375_000_000, 500_000_000]
    assert [f.stamp_ns for f in again] == [f.stamp_ns for f in frames]
    for number, frame in enumerate(frames):
        assert frame.image.shape == (48, 64, 3)
        np.testing.assert_allclose(frame.image[40, 50], picture(number)[40, 50], atol=12)


def test_intrinsics_beside_a_video_are_used(tmp_path: Path) -> None:
    path = write_video(tmp_path / "walk.mp4")
    entry = {"width": 64, "height": 48, "matrix": K, "frame_id": "left_eye"}
    (tmp_path / "walk.json").write_text(json.dumps({"camera": entry}))
    source = open_source(path)
    frame = next(iter(source))
    assert frame.frame_id == "left_eye"
    assert frame.camera is source.camera
    assert frame.camera is not None
    np.testing.assert_array_equal(frame.camera.matrix, K)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"camera": {"matrix": 1}}', "cannot read the intrinsics"),
        (json.dumps({"camera": {"width": 64, "height": 48, "matrix": [[0] * 3] * 3}}), "fx > 0"),
    ],
)
def test_unusable_intrinsics_beside_a_video_are_an_error(tmp_path: Path, text: str, says: str) -> None:
    path = write_video(tmp_path / "walk.mp4")
    (tmp_path / "walk.json").write_text(text)
    with pytest.raises(InputError, match=says):
        open_source(path)


def test_image_folder_is_read_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    folder = tmp_path / "walk"
    folder.mkdir()
    for number in (0, 2, 10):
        cv2.imwrite(str(folder / f"frame_{number}.png"), picture(number))
    (folder / "notes.txt").write_text("no image")
    source = open_source(str(folder), rate_hz=4.0)
    frames = list(source)
    assert source.length == 3
    assert [f.stamp_ns for f in frames] == [0, 250_000_000, 500_000_000]
    for number, frame in zip((0, 2, 10), frames, strict=True):
        np.testing.assert_array_equal(frame.image, picture(number))


def test_single_image(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "one1.png"), picture(1))
    cv2.imwrite(str(tmp_path / "one2.png"), picture(2))
    (frame,) = open_source(tmp_path / "one1.png")
    np.testing.assert_array_equal(frame.image, picture(1))


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("as_file", [False, True])
def test_bags(tmp_path: Path, storage: str, compressed: bool, as_file: bool) -> None:
    topic = "/cam/image_raw" + ("/compressed" if compressed else "")
    bag = images_bag(tmp_path / "bag", jpeg_image if compressed else raw_image, topic, storage)
    if as_file:
        (bag,) = [p for p in bag.iterdir() if p.suffix in (".mcap", ".db3")]
    source = open_source(bag)
    frames = list(source)
    assert source.length == 4
    assert source.rate_hz == pytest.approx(4)
    assert source.camera is not None
    np.testing.assert_array_equal(source.camera.matrix, K)
    assert source.camera.distortion[0] == 0.1
    assert [f.stamp_ns for f in frames] == [5_000_000_000 + n * 250_000_000 for n in range(4)]
    assert {f.frame_id for f in frames} == {"front_optical"}
    for number, frame in enumerate(frames):
        assert frame.camera is source.camera
        difference = np.abs(frame.bgr().astype(int) - picture(number))
        assert difference.mean() < 2 if compressed else not difference.any()


def test_rgb_images_of_a_bag_keep_their_colours(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", [("/image", 7, raw_image(7, picture(3)[..., ::-1].copy(), "rgb8"))])
    (frame,) = open_source(bag)
    np.testing.assert_array_equal(frame.bgr(), picture(3))


def test_uncalibrated_camera_info_gives_no_camera(tmp_path: Path) -> None:
    messages = [
        ("/cam/camera_info", 6, camera_info(6, np.zeros(9))),
        ("/cam/image_raw", 7, raw_image(7, picture(0))),
    ]
    assert open_source(write_bag(tmp_path / "bag", messages)).camera is None


@pytest.mark.parametrize(
    ("frame_id", "said"), [("rear_optical", True), ("/front_optical", False), ("", False)]
)
def test_camera_info_of_another_frame_is_said(tmp_path: Path, frame_id: str, said: bool) -> None:
    messages = [
        ("/cam/camera_info", 6, camera_info(6)),
        ("/cam/image_raw", 7, raw_image(7, picture(0), frame_id=frame_id)),
    ]
    source = open_source(write_bag(tmp_path / "bag", messages))
    assert len(list(source)) == 1
    words = "the CameraInfo is of the frame 'front_optical', the images of 'rear_optical'"
    assert any(words in note for note in source.notes) is said


def test_image_without_stamp_takes_the_time_of_recording(tmp_path: Path) -> None:
    (frame,) = open_source(write_bag(tmp_path / "bag", [("/image", 77, raw_image(0, picture(0)))]))
    assert frame.stamp_ns == 77


def test_bag_with_several_image_topics(tmp_path: Path) -> None:
    images = {name: raw_image(7, picture(n)) for n, name in enumerate(("/left/image", "/right/image"))}
    bag = write_bag(tmp_path / "bag", [(name, 7, image) for name, image in images.items()])
    with pytest.raises(InputError, match=r"/left/image \(1\), /right/image \(1\)"):
        open_source(bag)
    (frame,) = open_source(bag, topic="/right/image")
    np.testing.assert_array_equal(frame.image, picture(1))
    with pytest.raises(InputError, match="no image topic '/top/image'.*left"):
        open_source(bag, topic="/top/image")


def test_overlay_depth_and_compressed_twin_are_not_taken_for_the_camera(tmp_path: Path) -> None:
    messages = [
        ("/posemo/overlay", 7, raw_image(7, picture(1))),
        ("/cam/ranges/image_raw", 7, raw_image(7, np.zeros((4, 6, 2), np.uint8), "16UC1")),
        ("/cam/image_raw/compressed", 7, jpeg_image(7, picture(3))),
        ("/cam/image_raw", 7, raw_image(7, picture(4))),
    ]
    (frame,) = open_source(write_bag(tmp_path / "bag", messages))
    np.testing.assert_array_equal(frame.image, picture(4))


def test_bag_without_images(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", [("/cam/camera_info", 6, camera_info(6))])
    with pytest.raises(InputError, match="no image topic"):
        open_source(bag)


def _missing(folder: Path) -> Path:
    return folder / "nothing.mp4"


def _text(folder: Path) -> Path:
    path = folder / "talk.mp4"
    path.write_text("this is no video")
    return path


def _empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def _broken_bag(folder: Path) -> Path:
    path = folder / "drive.mcap"
    path.write_bytes(b"not an mcap file")
    return path


def _broken_metadata(folder: Path) -> Path:
    (folder / "bag").mkdir()
    (folder / "bag" / "metadata.yaml").write_text("a: [")
    return folder / "bag"


def _broken_image(folder: Path) -> Path:
    (folder / "one.png").write_bytes(b"not a png")
    return folder / "one.png"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_missing, "does not exist"),
        (_text, "as a video"),
        (_empty_folder, "neither a metadata.yaml"),
        (_broken_bag, "as a bag"),
        (_broken_metadata, "as a bag"),
        (_broken_image, "as an image"),
    ],
)
def test_unreadable_source_says_what_was_tried(tmp_path: Path, make: Any, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        open_source(make(tmp_path))
    assert "accepted are" in str(caught.value)


def test_camera_that_is_not_there(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="camera number 97"):
        open_source("97")
    assert capfd.readouterr().err == ""  # what OpenCV says of it is no help


def test_images_of_several_sizes_are_all_given(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture(0))
    cv2.imwrite(str(tmp_path / "b.png"), picture(0, 32, 48))
    assert [(f.width, f.height) for f in open_source(tmp_path)] == [(64, 48), (32, 48)]


def test_asked_rate_of_a_video_wins(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / "a.mp4"), Choice(rate_hz=2.0))
    assert [f.stamp_ns for f in source][:3] == [0, 500_000_000, 1_000_000_000]
    assert source.time == "2 images per second (as asked)"


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_source_is_not_this_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """As a shell's unset variable gives it: posemo run "$CLIP"."""
    (tmp_path / "clips").mkdir()
    assert cv2.imwrite(str(tmp_path / "clips" / "0.png"), picture(0))
    monkeypatch.chdir(tmp_path)
    assert not names_many(text)
    assert expand(["."]) == ["clips"]
    assert expand([text]) == [text]
    with pytest.raises(InputError, match="the source is empty"):
        open_source(text)
