"""Files as strangers bring them: read as their makers meant them, or said what they are."""

from __future__ import annotations

import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from posemo_ros import cli
from posemo_ros.errors import InputError
from posemo_ros.losses import printable
from posemo_ros.replay.bag_files import _Types
from posemo_ros.replay.bag_topic import Topic
from posemo_ros.replay.choice import Choice
from posemo_ros.replay.source import Source
from posemo_ros.replay.sources import open_source
from posemo_ros.replay.typestore import MAKE, typestore
from posemo_ros.settings import Models
from posemo_ros.types import Emotions, View

from .makers import PERIOD, START, film, images_at, jpeg_image, lost, picture, write_bag
from .test_run import manifest, tiny  # noqa: F401  (fixtures)

COUNT = 6
PICTURES = [picture(n) for n in range(COUNT)]
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 12345\n"


# By a, b, c, d of a display matrix, x' = a x + c y and y' = b x + d y: what is done to the picture.
TURNED: dict[tuple[int, ...], Callable[[np.ndarray], np.ndarray]] = {
    (0, 1, -1, 0): lambda image: np.rot90(image, -1),
    (-1, 0, 0, -1): lambda image: np.rot90(image, 2),
    (0, -1, 1, 0): lambda image: np.rot90(image),
    (-1, 0, 0, 1): np.fliplr,
    (1, 0, 0, -1): np.flipud,
    (0, 1, 1, 0): lambda image: image.transpose(1, 0, 2),
    (0, -1, -1, 0): lambda image: np.rot90(image.transpose(1, 0, 2), 2),
}


def by_pillow(path: Path, **how: Any) -> Path:
    first, *others = (Image.fromarray(p[..., ::-1]) for p in PICTURES)
    first.save(path, save_all=True, append_images=others, **how)
    return path


def by_ffmpeg(
    path: Path, codec: str, form: str = "yuv420p", shape: Fraction | None = None, **options: str
) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, form
        if shape:
            stream.sample_aspect_ratio = shape
        for number, image in enumerate(PICTURES):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format=form)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def stamps_ms(source: Source) -> list[int]:
    return [round(f.stamp_ns / 1e6) for f in source]


class TestSeveralPicturesInOneFile:
    @pytest.mark.parametrize(
        ("form", "name"), [("png", "a.png"), ("webp", "a.webp"), ("webp", "a.jpg"), ("webp", "a")]
    )
    def test_animations_keep_their_time(self, tmp_path: Path, form: str, name: str) -> None:
        how = {"lossless": True} if form == "webp" else {}
        source = open_source(by_pillow(tmp_path / name, format=form, duration=40, **how))
        frames = list(source)
        assert [f.stamp_ns for f in frames] == [i * 40_000_000 for i in range(COUNT)]
        for number, frame in enumerate(frames):
            np.testing.assert_array_equal(frame.image, picture(number))
        assert source.length == COUNT
        assert source.rate_hz == pytest.approx(25)
        assert not source.losses

    def test_a_stack_has_a_rate(self, tmp_path: Path) -> None:
        path = by_pillow(tmp_path / "stack.tiff")
        assert stamps_ms(open_source(path)) == [100 * i for i in range(COUNT)]
        assert stamps_ms(open_source(path, Choice(rate_hz=50))) == [20 * i for i in range(COUNT)]

    def test_a_gif_without_any_time(self, tmp_path: Path) -> None:
        """FFmpeg puts its images together where it states no delays."""
        assert stamps_ms(open_source(by_pillow(tmp_path / "a.gif"))) == [100 * i for i in range(COUNT)]

    def test_among_others_the_first_is_read_and_said(self, tmp_path: Path) -> None:
        by_pillow(tmp_path / "1.tiff")
        cv2.imwrite(str(tmp_path / "2.png"), picture(0))
        source = open_source(tmp_path)
        assert len(list(source)) == 2
        assert any(f"1.tiff has {COUNT} images, the first is read" in note for note in source.notes)

    def test_one_picture_is_one(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "a.png"), picture(0))
        assert len(list(open_source(tmp_path / "a.png"))) == 1


class TestVideos:
    def test_pixels_that_are_not_square(self, tmp_path: Path) -> None:
        """As DVDs and camcorders have them: people would be thinner than they are."""
        source = open_source(by_ffmpeg(tmp_path / "a.mp4", "mpeg4", shape=Fraction(2, 1)))
        assert {f.image.shape for f in source} == {(48, 128, 3)}
        assert any("64 x 48 is read as 128 x 48" in note for note in source.notes)

    def test_interlaced(self, tmp_path: Path) -> None:
        source = open_source(by_ffmpeg(tmp_path / "a.mpg", "mpeg2video", flags="+ildct+ilme", top="1"))
        assert len(list(source)) == COUNT
        assert any("interlaced" in note for note in source.notes)

    @pytest.mark.parametrize(
        ("codec", "form"), [("ffv1", "gray16le"), ("ffv1", "yuv420p10le"), ("ffv1", "bgra")]
    )
    def test_other_pixels(self, tmp_path: Path, codec: str, form: str) -> None:
        frames = list(open_source(by_ffmpeg(tmp_path / "a.mkv", codec, form)))
        assert len(frames) == COUNT
        square = frames[1].image[10:22, 10:22].mean()
        assert square > 245  # white stays white, whatever the depth

    def test_a_film_that_begins_late_lacks_nothing(self, tmp_path: Path) -> None:
        """As browsers and live recorders write them: the clock runs on from before the recording."""
        times = [36_000_000 + 40 * n for n in range(5)]
        source = open_source(film(tmp_path / "a.webm", [picture(n) for n in range(5)], times))
        assert [f.stamp_ns for f in source] == [40_000_000 * n for n in range(5)]
        assert lost(source) == {}

    def test_of_several_films_the_one_that_players_show(self, tmp_path: Path) -> None:
        """A preview of one large picture stands before the film, and is not marked as a cover."""
        path = tmp_path / "a.mkv"
        with av.open(str(path), "w") as container:
            preview, track = (
                container.add_stream("mjpeg", rate=1),
                container.add_stream("libvpx-vp9", rate=25),
            )
            preview.width, preview.height, preview.pix_fmt = 320, 240, "yuvj420p"
            track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
            container.mux(preview.encode(av.VideoFrame.from_ndarray(picture(0, 320, 240), format="bgr24")))
            for n in range(12):
                container.mux(track.encode(av.VideoFrame.from_ndarray(picture(n), format="bgr24")))
            for stream in (preview, track):
                container.mux(stream.encode())
        source = open_source(path)
        assert {f.image.shape for f in source} == {(48, 64, 3)}
        assert source.length is None or source.length > 1
        assert any("2 films in the file: that of 64 x 48 is read" in note for note in source.notes)

    def test_an_avi_without_its_index(self, tmp_path: Path) -> None:
        path = by_ffmpeg(tmp_path / "a.avi", "mjpeg", "yuvj420p")
        raw = path.read_bytes()
        path.write_bytes(raw[: raw.rfind(b"idx1")])
        assert stamps_ms(open_source(path)) == [40 * i for i in range(COUNT)]

    @pytest.mark.parametrize("matrix", list(TURNED))
    def test_a_phone_held_otherwise(self, tmp_path: Path, matrix: tuple[int, ...]) -> None:
        """Upright, upside down, and mirrored as front cameras do it."""
        path = by_ffmpeg(tmp_path / "a.mp4", "mpeg4")
        stored = next(iter(open_source(path))).image
        a, b, c, d = matrix
        raw = bytearray(path.read_bytes())
        at = raw.find(b"tkhd") + 44
        one = 1 << 16
        raw[at : at + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
        path.write_bytes(bytes(raw))
        np.testing.assert_array_equal(next(iter(open_source(path))).image, TURNED[matrix](stored))

    def test_a_stream_that_was_cut_before_its_key_frame(self, tmp_path: Path) -> None:
        """What a recorder that was switched on in between leaves; the decoder drops it without a word."""
        with av.open(str(by_ffmpeg(tmp_path / "a.mkv", "mpeg4", g="4"))) as whole:
            packets = [bytes(p) for p in whole.demux(video=0) if p.size]
        path = tmp_path / "cut.mkv"
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for number, data in enumerate(packets[2:], start=2):
                packet = av.Packet(data)
                packet.stream, packet.pts, packet.dts = stream, number, number
                packet.time_base, packet.is_keyframe = Fraction(1, 25), number == 4
                container.mux(packet)
        source = open_source(path)
        assert len(list(source)) + len(source.losses) == COUNT - 2

    @pytest.mark.parametrize("name", ["2024-05-01T12:30:00.mp4", "pipe:0", "a b#?.mp4", "-dash.mp4"])
    def test_names_that_ffmpeg_would_take_for_something_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        by_ffmpeg(tmp_path / "a.mp4", "mpeg4").rename(tmp_path / name)
        monkeypatch.chdir(tmp_path)
        assert len(list(open_source(name))) == COUNT

    @pytest.mark.parametrize("name", ["a.mjpeg", "a.jpg", "a"])
    def test_jpegs_in_a_row_are_a_film(self, tmp_path: Path, name: str) -> None:
        """What a network camera's MJPEG is when somebody saves it."""
        (tmp_path / name).write_bytes(b"".join(cv2.imencode(".jpg", p)[1].tobytes() for p in PICTURES))
        frames = list(open_source(tmp_path / name))
        assert len(frames) == COUNT
        assert np.abs(frames[3].image.astype(int) - PICTURES[3]).mean() < 4

    def test_a_phone_s_second_jpeg_is_no_film(self, tmp_path: Path) -> None:
        two = b"".join(cv2.imencode(".jpg", p)[1].tobytes() for p in PICTURES[:2])
        (tmp_path / "a.jpg").write_bytes(two)
        assert len(list(open_source(tmp_path / "a.jpg"))) == 1

    def test_a_photo_with_more_jpegs_behind_it_is_no_film(self, tmp_path: Path) -> None:
        """Light, depth and the image before a filter, listed as CIPA's multi-picture format has them."""
        first, *others = (cv2.imencode(".jpg", p)[1].tobytes() for p in PICTURES[:4])
        listed = b"\xff\xe2\x00\x10MPF\0MM\0*\0\0\0\x08\0\0"
        (tmp_path / "a.jpg").write_bytes(first[:2] + listed + first[2:] + b"".join(others))
        assert len(list(open_source(tmp_path / "a.jpg"))) == 1

    def test_films_one_after_the_other_in_a_file_are_said(self, tmp_path: Path) -> None:
        path = by_ffmpeg(tmp_path / "a.mp4", "mpeg4")
        assert not open_source(path).notes
        path.write_bytes(2 * path.read_bytes())
        source = open_source(path)
        assert len(list(source)) == COUNT
        assert any("2 films one after the other" in note for note in source.notes)

    def test_a_video_that_is_called_a_picture(self, tmp_path: Path) -> None:
        path = by_ffmpeg(tmp_path / "a.mp4", "mpeg4").rename(tmp_path / "a.jpg")
        assert len(list(open_source(path))) == COUNT


def archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("0.png", b"x")


def packed(path: Path) -> None:
    with tarfile.open(path, "w:gz") as file:
        file.add(__file__)


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        ("a.zip", archive, "ZIP archive; unpack it"),
        ("a.tar.gz", packed, "packed by gzip"),
        ("a.mp4", lambda p: p.write_text(LFS), "git lfs pull"),
        ("a.mp4", lambda p: p.write_text("<!DOCTYPE html><p>404"), "a web page"),
        ("a.mp4.zst", lambda p: p.write_bytes(bytes.fromhex("28b52ffd") + bytes(40)), "packed by zstd"),
        ("a.mcap.lz4", lambda p: p.write_bytes(bytes.fromhex("04224d18") + bytes(40)), "packed by lz4"),
        ("a.m3u8", lambda p: p.write_text("#EXTM3U\n1.ts\n"), "a playlist; join its parts"),
        ("a.pdf", lambda p: p.write_bytes(b"%PDF-1.4\n%%EOF"), "pdftoppm"),
        ("a.npy", lambda p: np.save(p, np.zeros((2, 4, 4, 3), np.uint8)), "NumPy array"),
        ("a.exr", lambda p: p.write_bytes(b"v/1\x01" + bytes(40)), "OpenEXR"),
        ("a.png", lambda p: p.write_text(LFS), "git lfs pull"),
    ],
)
def test_what_is_no_recording_is_named(tmp_path: Path, name: str, write: Any, said: str) -> None:
    write(tmp_path / name)
    with pytest.raises(InputError) as error:
        list(open_source(tmp_path / name))
    assert said in str(error.value)
    assert "untrunc" not in str(error.value)


def test_compressed_depth_by_png_is_depth(tmp_path: Path) -> None:
    messages = images_at([START + n * PERIOD for n in range(3)], "/cam/compressed", jpeg_image)
    png = cv2.imencode(".png", np.full((48, 64), 1000, np.uint16))[1].tobytes()
    for topic, time_ns, _ in list(messages):
        depth = jpeg_image(time_ns, png)
        depth.format = "16UC1; png compressed "
        messages.append((topic.replace("cam", "range"), time_ns, depth))
    source = open_source(write_bag(tmp_path / "bag", messages))
    assert source.topic == "/cam/compressed"  # type: ignore[attr-defined]


def test_names_as_they_can_be_printed() -> None:
    assert printable("walk ü 中🙂.mp4") == "walk ü 中🙂.mp4"
    assert printable("a\nb\x1b[31m\udcff") == "a�b�[31m�"


def test_a_name_that_is_no_utf8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = Path(os.fsdecode(bytes(tmp_path) + b"/bad\xff\nname.png"))
    source.write_bytes(cv2.imencode(".png", picture(0))[1].tobytes())
    for out in ("one", "many"):
        words = [str(source), *([str(source.parent / "no")] if out == "many" else [])]
        code = cli.main(
            ["run", *words, "--out", str(tmp_path / out), "--threads", "1", "--runtime", "onnxruntime"]
        )
        assert code == (0 if out == "one" else 3)
        capsys.readouterr().out.encode("utf-8")
    text = (tmp_path / "one" / "report.html").read_text(encoding="utf-8")
    assert "<h1>posemo_ros: bad��name.png</h1>" in text


class TestDamagedDefinitions:
    """Of a type, in the bag (found by ``tools/fuzz.py bags --seed 1``: 69, 142, 414)."""

    DAMAGE = (
        "string detector_model\n\x95\x00 float64 z",
        "float64 \x00\x00",
        "= = =",
        "Nowhere/Nothing thing",
    )

    @pytest.mark.parametrize("text", DAMAGE)
    def test_of_our_own_messages_are_replaced_by_ours(self, text: str) -> None:
        kind = "posemo_msgs/msg/EmotionArray"
        message = MAKE.emotions(Emotions(view=View(7, "eye", None, 64, 48)), Models())
        raw = bytes(typestore().serialize_cdr(message, kind))
        assert _Types().read(Topic("/emotions", kind, 1, "cdr", text), raw).header.frame_id == "eye"

    @pytest.mark.parametrize("text", DAMAGE)
    def test_of_others_are_said(self, text: str) -> None:
        with pytest.raises(InputError, match="definition of foreign_msgs/msg/Image cannot be read"):
            _Types().read(Topic("/image", "foreign_msgs/msg/Image", 1, "cdr", text), bytes(40))


@pytest.mark.parametrize(("codec", "swallowed"), [("mpeg2video", 1), ("mpeg1video", 1), ("mpeg4", 0)])
def test_an_image_that_the_decoder_swallows_between_two_sizes_is_counted(
    tmp_path: Path, codec: str, swallowed: int
) -> None:
    parts = []
    for name, size in (("a.ts", (64, 48)), ("b.ts", (96, 64))):
        with av.open(str(tmp_path / name), "w", format="mpegts") as container:
            stream: Any = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            for number in range(COUNT):
                image = av.VideoFrame.from_ndarray(picture(number, *size), format="bgr24")
                container.mux(stream.encode(image))
            container.mux(stream.encode(None))
        parts.append((tmp_path / name).read_bytes())
    (tmp_path / "ab.ts").write_bytes(b"".join(parts))
    with open_source(str(tmp_path / "ab.ts")) as source:
        given = len(list(source))
    reason = "dropped by the decoder where the images change size"
    assert lost(source).get(reason, 0) == swallowed
    assert given + swallowed == 2 * COUNT
    with open_source(str(tmp_path / "a.ts")) as source:
        assert len(list(source)) == COUNT
    assert not lost(source)
