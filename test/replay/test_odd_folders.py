"""Folders of pictures as people have them: what is one film is read as one, what is not is said."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from posemo_ros.errors import InputError
from posemo_ros.replay.sources import open_source

from .makers import picture
from .test_odd_inputs import LFS, by_ffmpeg, stamps_ms
from .test_run import manifest, tiny  # noqa: F401  (fixtures)


class TestFolders:
    def test_depth_and_masks_beside_colour_are_left_alone(self, tmp_path: Path) -> None:
        for i in range(3):
            cv2.imwrite(str(tmp_path / f"frame_{i:03}.jpg"), picture(i))
            cv2.imwrite(str(tmp_path / f"depth_{i:03}.png"), np.full((48, 64), 1000 + i, np.uint16))
            Image.fromarray(np.eye(48, 64) > 0).save(tmp_path / f"frame_{i:03}_mask.png")
        source = open_source(tmp_path)
        assert len(list(source)) == source.length == 3
        assert any("6 depth images or masks" in note for note in source.notes)

    def test_grey_pictures_alone_are_pictures(self, tmp_path: Path) -> None:
        for i in range(3):
            cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((48, 64), 1000 + i, np.uint16))
        assert len(list(open_source(tmp_path))) == 3

    @pytest.mark.parametrize(
        ("names", "expected"),
        [
            (["1305031452.9", "1305031452.95", "1305031453"], [0, 50, 100]),  # TUM; seconds
            (["1403636579763555584", "1403636579813555584", "1403636580763555584"], [0, 50, 1000]),  # EuRoC
            (["a_1700000000_999000000", "a_1700000001_000000000", "a_1700000001_500000000"], [0, 1, 501]),
            (["1305031452.125", "1305031452.25", "1305031452.5"], [0, 125, 375]),  # 25 sorts before 125
            (["2024-05-01T12:30:59.9", "2024-05-01T12:31:00.0", "2024-05-01T12:31:00.25"], [0, 100, 350]),
            (["20240501_120000_100", "20240501_120000_200", "20240501_120000_400"], [0, 100, 300]),
            (["0000000001", "0000000002", "0000000004"], [0, 100, 200]),  # numbers that are no times
            (["IMG_20240501_120000", "IMG_20240501_120007", "IMG_20240501_120011"], [0, 100, 200]),
            (["1700000000.1", "1700000000.2", "cover"], [0, 100, 200]),
            (["1684839482012", "1684839999012", "1684899999012"], [0, 100, 200]),  # photos, hours apart
            (["0.95", "1.0", "1.05"], [0, 50, 100]),  # seconds as Python prints them; 5 sorts before 05
            (["t0.9", "t0.95", "t1"], [0, 50, 100]),
            (["1.1", "1.9", "1.10"], [0, 100, 200]),  # the tenth picture of the first scene
            (["l_1700000000.1", "r_1700000000.1", "r_1700000000.2"], [0, 100, 200]),  # two cameras
        ],
    )
    def test_times_in_names(self, tmp_path: Path, names: list[str], expected: list[int]) -> None:
        for number, name in enumerate(names):
            (tmp_path / f"{name}.png").write_bytes(cv2.imencode(".png", picture(number))[1].tobytes())
        frames = list(open_source(tmp_path))
        assert [round(f.stamp_ns / 1e6) for f in frames] == expected
        assert stamps_ms(open_source(tmp_path, rate_hz=20)) == [0, 50, 100]
        for number, frame in enumerate(frames):
            np.testing.assert_array_equal(frame.image, picture(number))

    @pytest.mark.parametrize(
        ("where", "lines"),
        [
            ("timestamps.txt", [f"2011-09-26 13:02:25.{n}00000000" for n in (0, 1, 9)]),
            ("data/times.txt", ["# s", "0.000000e+00", "1.0e-01", "", "9e-1"]),
        ],
    )
    def test_times_in_a_list(self, tmp_path: Path, where: str, lines: list[str]) -> None:
        """KITTI's raw recordings and odometry."""
        (tmp_path / "data").mkdir()
        for n in range(3):
            cv2.imwrite(str(tmp_path / "data" / f"{n:010}.png"), picture(n))
        (tmp_path / where).write_bytes("\r\n".join(lines).encode())
        source = open_source(tmp_path / "data")
        assert stamps_ms(source) == [0, 100, 900]
        assert "times in" in source.time
        (tmp_path / where).write_text("0\n0.1\n")  # of another folder
        source = open_source(tmp_path / "data")
        assert stamps_ms(source) == [0, 100, 200]
        assert any("is not used" in note for note in source.notes)

    def test_raw_files_beside_their_pictures_are_left_alone(self, tmp_path: Path) -> None:
        for number in range(3):
            cv2.imwrite(str(tmp_path / f"IMG_{number}.JPG"), picture(number))
        for name in ("IMG_0.CR2", "IMG_1.CR2", "IMG_9.CR2"):
            (tmp_path / name).write_bytes(b"II*\0raw")
        source = open_source(tmp_path)
        assert stamps_ms(source) == [0, 100, 200]
        assert source.losses.as_dict()["images"] == 1  # of IMG_9 there is no picture
        assert any("2 camera raw files with a picture" in note for note in source.notes)

    def test_letters_of_any_case_are_one_order(self, tmp_path: Path) -> None:
        for number, name in enumerate(("IMG_1.PNG", "img_2.png", "Img_3.png", "IMG_10.png")):
            (tmp_path / name).write_bytes(cv2.imencode(".png", picture(number))[1].tobytes())
        for number, frame in enumerate(open_source(tmp_path)):
            np.testing.assert_array_equal(frame.image, picture(number))

    @pytest.mark.parametrize("form", ["frame{:04}", "frame.{:04}", "a.png.{}"])
    def test_names_without_ending(self, tmp_path: Path, form: str) -> None:
        for number in range(3):
            data = cv2.imencode(".png", picture(number))[1].tobytes()
            (tmp_path / form.format(number)).write_bytes(data)
        (tmp_path / "LICENSE").write_text("free")
        assert len(list(open_source(tmp_path))) == 3

    def test_a_folder_of_other_files_says_which(self, tmp_path: Path) -> None:
        for number in range(3):
            (tmp_path / f"{number}.tga").touch()
        with pytest.raises(InputError, match=r"nor an image; in it are 3 \.tga"):
            open_source(tmp_path)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("left{}", "right{}"),
            ("cam0_{}", "cam1_{}"),
            ("Camera 1-{:06}", "Camera 2-{:06}"),
            ("walk_{}_view1", "walk_{}_view2"),
        ],
    )
    def test_two_cameras_in_one_folder_are_said(self, tmp_path: Path, one: str, other: str) -> None:
        for name in (*(f.format(n) for f in (one, other) for n in (0, 1)), "cover"):
            cv2.imwrite(str(tmp_path / f"{name}.png"), picture(0))
        source = open_source(tmp_path)
        assert len(list(source)) == 5
        said = f"{one.format(0)}.png … (2), {other.format(0)}.png … (2)"
        assert any(said in note for note in source.notes)

    @pytest.mark.parametrize("form", ["cam{}", "camera_{:03}", "12-0{}-30", "view{}"])
    def test_pictures_of_one_camera_are_one_film(self, tmp_path: Path, form: str) -> None:
        for number in range(3):
            cv2.imwrite(str(tmp_path / f"{form.format(number)}.png"), picture(0))
        assert not any("one film" in note for note in open_source(tmp_path).notes)

    def test_videos_beside_pictures_are_said(self, tmp_path: Path) -> None:
        """Videos and their previews in one folder: whoever names it may have meant the videos."""
        cv2.imwrite(str(tmp_path / "walk.jpg"), picture(0))
        by_ffmpeg(tmp_path / "walk.mp4", "mpeg4")
        source = open_source(tmp_path)
        assert len(list(source)) == 1
        assert any("1 videos beside the pictures (walk.mp4" in note for note in source.notes)

    def test_what_a_phone_threw_away_is_left_alone(self, tmp_path: Path) -> None:
        for name in ("1.png", ".trashed-1700000000-2.png"):
            cv2.imwrite(str(tmp_path / name), picture(0))
        source = open_source(tmp_path)
        assert len(list(source)) == 1
        assert any(".trashed" in note for note in source.notes)

    @pytest.mark.timeout(600)
    def test_a_pipe_does_not_hold_the_run_up(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "0.png"), picture(0))
        os.mkfifo(tmp_path / "1.png")
        (tmp_path / "2.png").symlink_to(tmp_path / "2.png")
        (tmp_path / "3.png").write_text(LFS)
        source = open_source(tmp_path)
        assert len(list(source)) == 1
        reasons = source.losses.as_dict()["by_reason"]
        assert set(reasons) == {"no file", "the link points to nothing", "cannot be decoded"}
        assert "git lfs pull" in reasons["cannot be decoded"]["examples"][0]["detail"]

    def test_any_name(self, tmp_path: Path) -> None:
        names = [
            b"a b.png",
            "ü 中.png".encode(),
            b"new\nline.png",
            b"quote'\".png",
            b"-dash.png",
            b"bad\xff.png",
        ]
        for name in names:
            Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).write_bytes(
                cv2.imencode(".png", picture(0))[1].tobytes()
            )
        assert len(list(open_source(tmp_path))) == len(names)
