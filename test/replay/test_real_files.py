"""Films, pictures and names as people have them: what can be used is used, the rest is counted and named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition

from posemo_ros.errors import InputError
from posemo_ros.replay.choice import Choice
from posemo_ros.replay.intrinsics import named
from posemo_ros.replay.sources import open_source

from .makers import (
    PERIOD,
    START,
    K,
    film,
    images_at,
    jpeg,
    lost,
    noise,
    picture,
    write_bag,
)


class TestTime:
    @pytest.mark.parametrize("name", ["clip.mp4", "clip.webm", "clip.mkv"])
    def test_stamps_are_the_containers(self, tmp_path: Path, name: str) -> None:
        times = [0, 33, 70, 111, 140, 290, 300]
        source = open_source(film(tmp_path / name, [picture(n) for n in range(7)], times))
        assert [round(f.stamp_ns / 1e6) for f in source] == times
        assert not source.losses
        assert "container" in source.time

    def test_rate_overrides_them(self, tmp_path: Path) -> None:
        path = film(tmp_path / "clip.mp4", [picture(n) for n in range(3)], [0, 10, 500])
        assert [f.stamp_ns for f in open_source(path, Choice(rate_hz=50))] == [0, 20_000_000, 40_000_000]

    def test_a_film_without_any_time(self, tmp_path: Path) -> None:
        path = tmp_path / "clip.mjpeg"
        path.write_bytes(b"".join(bytes(jpeg(picture(n))) for n in range(3)))
        stamps = [f.stamp_ns for f in open_source(path)]
        assert stamps == [0, 40_000_000, 80_000_000]

    def test_folder_of_30_hz(self, tmp_path: Path) -> None:
        for n in range(3):
            cv2.imwrite(str(tmp_path / f"{n:06d}.png"), picture(n))
        source = open_source(tmp_path, Choice(rate_hz=30))
        assert [f.stamp_ns for f in source] == [0, 33_333_333, 66_666_667]
        assert "--rate" in open_source(tmp_path).time

    @pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
    def test_a_rate_that_is_none(self, rate: float) -> None:
        with pytest.raises(InputError, match="rate: .*images per second"):
            Choice(rate_hz=rate)

    def test_a_stamp_before_1970_is_none(self, tmp_path: Path) -> None:
        """Clocks that were subtracted; they must not run backwards."""
        bag = write_bag(tmp_path / "bag", images_at([-2 * 10**9 + n * PERIOD for n in range(5)]))
        source = open_source(bag)
        assert [f.stamp_ns for f in source] == [START + n * PERIOD for n in range(5)]
        assert any("5 images have no stamp" in note for note in source.notes)

    def test_no_stamp_takes_the_time_of_recording_and_says_so(self, tmp_path: Path) -> None:
        source = open_source(write_bag(tmp_path / "bag", images_at([0, 0, 0])))
        assert [f.stamp_ns for f in source] == [START, START + PERIOD, START + 2 * PERIOD]
        assert any("no stamp" in note for note in source.notes)


class TestFilms:
    def test_av1(self, tmp_path: Path) -> None:
        if "libsvtav1" not in av.codecs_available:
            pytest.skip("this PyAV cannot encode AV1")
        pictures = [picture(n, 128, 96) for n in range(5)]
        path = film(tmp_path / "clip.mp4", pictures, range(0, 200, 40), "libsvtav1", preset="12")
        frames = list(open_source(path))
        assert len(frames) == 5
        np.testing.assert_allclose(frames[4].image[80, 100], pictures[4][80, 100], atol=12)

    def test_damaged_in_the_middle(self, tmp_path: Path) -> None:
        path = film(tmp_path / "clip.mp4", [noise(n) for n in range(50)], range(0, 2000, 40), g="10")
        data = bytearray(path.read_bytes())
        a, b = int(len(data) * 0.45), int(len(data) * 0.55)
        data[a:b] = bytes(b - a)
        path.write_bytes(data)
        source = open_source(path)
        frames = list(source)
        assert 40 <= len(frames) < 50
        assert frames[-1].stamp_ns == 49 * 40_000_000
        assert len(frames) + len(source.losses) == 50
        with pytest.raises(InputError, match="--strict"):
            list(open_source(path, Choice(strict=True)))

    @pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
    def test_cut_at_half(self, tmp_path: Path, name: str) -> None:
        how: dict[str, Any] = {"container": {"movflags": "faststart"}} if name.endswith("mp4") else {}
        path = film(tmp_path / name, [noise(n) for n in range(50)], range(0, 2000, 40), **how)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        source = open_source(path)
        count = len(list(source))
        assert 10 < count < 40
        assert count + len(source.losses) == pytest.approx(50, abs=1)
        assert set(lost(source)) & {"stated but not there", "video data cannot be decoded"}

    def test_index_lost(self, tmp_path: Path) -> None:
        path = film(tmp_path / "clip.mp4", [noise(n) for n in range(9)], range(0, 360, 40))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(InputError, match="index may be missing"):
            open_source(path)

    def test_sound_alone_is_no_film(self, tmp_path: Path) -> None:
        with av.open(str(tmp_path / "talk.mka"), "w") as container:
            track = container.add_stream("pcm_s16le", rate=8000)
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            sound.sample_rate = 8000
            container.mux(track.encode(sound))
        with pytest.raises(InputError, match="no images, only audio"):
            open_source(tmp_path / "talk.mka")

    def test_a_cover_picture_is_no_film(self, tmp_path: Path) -> None:
        with av.open(str(tmp_path / "song.m4a"), "w", format="mp4") as container:
            sound, cover = container.add_stream("aac", rate=8000), container.add_stream("mjpeg", rate=1)
            cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
            cover.disposition = Disposition.attached_pic
            container.mux(cover.encode(av.VideoFrame.from_ndarray(picture(0), format="bgr24")))
            wave = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            wave.sample_rate = 8000
            container.mux(sound.encode(wave))
            for stream in (sound, cover):
                container.mux(stream.encode())
        with pytest.raises(InputError, match="no images, only a cover picture, audio"):
            open_source(tmp_path / "song.m4a")

    def test_animated_gif_is_a_film(self, tmp_path: Path) -> None:
        from PIL import Image

        frames = [Image.fromarray(picture(n)[..., ::-1]) for n in range(4)]
        frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=100)
        assert [f.stamp_ns for f in open_source(tmp_path / "a.gif")] == [n * 100_000_000 for n in range(4)]


class TestPictures:
    def test_what_a_mac_leaves_beside_them(self, tmp_path: Path) -> None:
        for n in range(3):
            cv2.imwrite(str(tmp_path / f"img{n}.jpg"), picture(n))
            (tmp_path / f"._img{n}.jpg").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(64))
        (tmp_path / "crops.jpg").mkdir()
        source = open_source(tmp_path)
        assert len(list(source)) == 3
        assert not source.losses
        assert any("4 files or folders" in note for note in source.notes)

    def test_bad_ones_are_counted_by_reason(self, tmp_path: Path) -> None:
        for n in range(6):
            cv2.imwrite(str(tmp_path / f"{n}.jpg"), noise(n))
        (tmp_path / "0.jpg").write_bytes(b"")
        (tmp_path / "1.jpg").write_bytes((tmp_path / "1.jpg").read_bytes()[:900])
        (tmp_path / "2.jpg").unlink()
        (tmp_path / "2.jpg").symlink_to("gone.jpg")
        (tmp_path / "3.jpg").write_bytes(b"<html>404</html>")
        source = open_source(tmp_path)
        assert [f.stamp_ns for f in source] == [400_000_000, 500_000_000]  # each keeps its place in time
        assert lost(source) == {
            "empty": 1,
            "cut off": 1,
            "the link points to nothing": 1,
            "cannot be decoded": 1,
        }
        with pytest.raises(InputError, match=r"0\.jpg: empty.*--strict"):
            list(open_source(tmp_path, Choice(strict=True)))

    def test_none_of_them_good(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"no")
        with pytest.raises(InputError, match=r"no picture of 1 can be used: a\.png: cannot be decoded"):
            open_source(tmp_path)

    @pytest.mark.parametrize("suffix", ["pgm", "ppm", "bmp", "tif", "webp", "jp2", "gif", "avif", "png"])
    def test_formats(self, tmp_path: Path, suffix: str) -> None:
        from PIL import Image

        Image.fromarray(picture(3)[..., ::-1]).convert("L" if suffix == "pgm" else "RGB").save(
            tmp_path / f"a.{suffix}"
        )
        (frame,) = open_source(tmp_path / f"a.{suffix}")
        grey = np.asarray(cv2.cvtColor(picture(3), cv2.COLOR_BGR2GRAY))
        expected = np.repeat(grey[..., None], 3, 2) if suffix == "pgm" else picture(3)
        assert np.abs(frame.bgr().astype(int) - expected).mean() < 8

    def test_heic(self, tmp_path: Path) -> None:
        """pi-heif only decodes; the smallest HEIC there is would be a binary, so its refusal is tested."""
        (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
        with pytest.raises(InputError, match=r"a\.heic"):
            open_source(tmp_path / "a.heic")

    def test_twelve_bits(self, tmp_path: Path) -> None:
        image = np.full((4, 6), 2047, np.uint16)
        image[0, 0] = 4095
        cv2.imwrite(str(tmp_path / "a.png"), image)
        source = open_source(tmp_path / "a.png")
        (frame,) = source
        assert abs(int(frame.image[2, 2, 0]) - 127) <= 1
        assert any("use 12" in note for note in source.notes)

    def test_values_that_would_all_be_white_are_no_picture(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "a.tif"), picture(0).astype(np.float32))
        with pytest.raises(InputError, match="32 bits from 0 to 255, expected 0 to 1"):
            open_source(tmp_path / "a.tif")
        cv2.imwrite(str(tmp_path / "a.tif"), picture(0).astype(np.float32) / 255)
        np.testing.assert_array_equal(next(iter(open_source(tmp_path / "a.tif"))).image, picture(0))

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_avif_of_a_phone(self, tmp_path: Path, orientation: int) -> None:
        """OpenCV shows them as they are stored."""
        from PIL import Image, ImageOps

        exif = Image.Exif()
        exif[0x112] = orientation
        stored = Image.fromarray(picture(3)[..., ::-1])
        stored.save(tmp_path / "a.avif", exif=exif, quality=100, subsampling="4:4:4")
        stored.getexif()[0x112] = orientation
        expected = np.asarray(ImageOps.exif_transpose(stored))[..., ::-1].astype(int)
        assert np.abs(next(iter(open_source(tmp_path / "a.avif"))).image - expected).mean() < 4

    def test_camera_raw_says_how_to_convert(self, tmp_path: Path) -> None:
        (tmp_path / "a.dng").write_bytes(b"II*\0" + bytes(32))
        with pytest.raises(InputError, match="darktable-cli"):
            open_source(tmp_path)

    def test_folder_of_folders_names_them(self, tmp_path: Path) -> None:
        (tmp_path / "left").mkdir()
        cv2.imwrite(str(tmp_path / "left" / "a.png"), picture(0))
        with pytest.raises(InputError, match="its folders left have some"):
            open_source(tmp_path)


class TestIntrinsicsInFiles:
    @pytest.mark.parametrize(
        "text",
        [
            '{"version": "5.2.1", "shapes": [], "imagePath": "img.jpg"}',
            '{"camera": "front"}',
            '{"camera": {"name": "front"}}',
            "[1, 2]",
            "{",
        ],
    )
    def test_json_of_another_tool_is_left_alone(self, tmp_path: Path, text: str) -> None:
        cv2.imwrite(str(tmp_path / "img.jpg"), picture(0))
        (tmp_path / "img.json").write_text(text)
        source = open_source(tmp_path / "img.jpg")
        assert source.camera is None
        assert bool(source.notes) == (text == "{")

    def test_of_another_size_are_scaled_and_said(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "img.png"), picture(0))
        camera = {"width": 128, "height": 96, "matrix": [[1000, 0, 63.5], [0, 1000, 47.5], [0, 0, 1]]}
        (tmp_path / "img.json").write_text("\ufeff" + json.dumps({"camera": camera}))
        source = open_source(tmp_path / "img.png")
        assert source.camera is not None
        np.testing.assert_allclose(source.camera.matrix, [[500, 0, 31.5], [0, 500, 23.5], [0, 0, 1]])
        assert any("assuming the image was scaled" in note for note in source.notes)

    def test_calibration_file(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "img.png"), picture(0))
        (tmp_path / "cam.yaml").write_text(
            "image_width: 64\nimage_height: 48\ncamera_name: front\n"
            "camera_matrix: {rows: 3, cols: 3, data: [500, 0, 31.5, 0, 510, 23.5, 0, 0, 1]}\n"
            "distortion_model: plumb_bob\n"
            "distortion_coefficients: {rows: 1, cols: 5, data: [0.1, 0, 0, 0, 0]}\n"
        )
        source = open_source(tmp_path / "img.png", Choice(camera_info=str(tmp_path / "cam.yaml")))
        assert source.camera is not None
        np.testing.assert_array_equal(source.camera.matrix, K)
        assert source.camera.distortion[0] == 0.1
        with pytest.raises(InputError, match=r"nothing\.yaml: cannot be read"):
            open_source(tmp_path / "img.png", Choice(camera_info="nothing.yaml"))


KALIBR = (
    "  camera_model: pinhole\n  intrinsics: [500.0, 510.0, 31.5, 23.5]\n  resolution: [64, 48]\n"
    "  distortion_model: radtan\n  distortion_coeffs: [0.1, 0, 0, 0]\n"
)
OPENCV = """%YAML:1.0
---
image_width: 64
image_height: 48
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 500., 0., 31.5, 0., 510., 23.5, 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 5
   cols: 1
   dt: d
   data: [ 0.1, 0., 0., 0., 0. ]
"""
ECHO = """header:
  frame_id: cam
height: 48
width: 64
distortion_model: plumb_bob
d: [0.1, 0.0, 0.0, 0.0, 0.0]
k: [500.0, 0.0, 31.5, 0.0, 510.0, 23.5, 0.0, 0.0, 1.0]
---
"""
CALIBRATIONS = {
    "opencv": OPENCV,
    "windows": OPENCV.replace("\n", "\r\n"),
    "echo": ECHO,
    "echo without --once": ECHO + ECHO.replace("500", "700"),
    "rows": (
        "image_width: 64\nimage_height: 48\ndistortion_model: plumb_bob\n"
        f"camera_matrix: {K}\ndistortion_coefficients: [0.1, 0, 0, 0, 0]\n"
    ),
    "kalibr": f"cam0:\n{KALIBR}",
    "euroc": "%YAML:1.0\n" + KALIBR.replace("  ", "").replace("coeffs", "coefficients"),
}


@pytest.mark.parametrize("form", list(CALIBRATIONS))
def test_calibrations_of_other_tools(tmp_path: Path, form: str) -> None:
    (tmp_path / "cam.yaml").write_bytes(CALIBRATIONS[form].encode())
    camera, note = named(tmp_path / "cam.yaml").camera(64, 48)
    assert camera is not None
    np.testing.assert_array_equal(camera.matrix, K)
    assert (camera.model, camera.distortion[0], note) == ("plumb_bob", 0.1, "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"cam0:\n{KALIBR}cam1:\n{KALIBR}", "has cam0, cam1; expected one camera"),
        (f"cam0:\n{KALIBR}".replace("pinhole", "omni"), "camera model 'omni'"),
        ("intrinsics: 5\nresolution: 3\n", "cannot read the intrinsics"),
        ("width: 64\nk: [1]\n", "cannot read the intrinsics"),
        ("[image]\n\nwidth\n640\n", "expected the YAML of camera_calibration or OpenCV"),  # ost.txt
        ("a: [", "cannot be read .*; expected the YAML of camera_calibration"),
        ("Camera.fx: 500\n", "expected the YAML of camera_calibration or OpenCV"),
    ],
)
def test_calibrations_that_cannot_be_used(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "cam.yaml").write_text(text)
    with pytest.raises(InputError, match=says):
        named(tmp_path / "cam.yaml")


def test_an_upright_film(tmp_path: Path) -> None:
    """Phones store the film lying and say how to turn it."""
    path = film(tmp_path / "a.mp4", [picture(n) for n in range(3)], [0, 40, 80])
    data = path.read_bytes()
    one, none = "00010000", "00000000"
    last = none * 3 + "40000000"
    straight = bytes.fromhex(one + none * 3 + one + last)
    turned = bytes.fromhex(none + one + none + "ffff0000" + none + last)
    track = data.index(b"tkhd")
    at = data.index(straight, track)
    path.write_bytes(data[:at] + turned + data[at + len(straight) :])
    frame = next(iter(open_source(path)))
    assert (frame.width, frame.height) == (48, 64)
    # Turned clockwise by 90 degrees: the white square at the top left goes to the top right.
    assert frame.image[15, 48 - 16].min() > 200
    assert frame.image[15, 15].min() < 200


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "source is empty"),
        ("gopher://x/y", "streams start with rtsp"),
        ("file:///tmp/a.mp4", "name the path itself"),
        ("http://localhost:9/a.mjpeg", "cannot open"),
        ("99999999999999999999", "camera number"),
        ("a\0b", "a"),
        ("x" * 5000, "x"),
    ],
)
def test_strange_names(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        open_source(text)
