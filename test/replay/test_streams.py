"""A network camera: its images come, a break is survived and counted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import pytest

from posemo_ros import cli
from posemo_ros.errors import InputError
from posemo_ros.replay import stream_source
from posemo_ros.replay.choice import Choice
from posemo_ros.replay.source import with_secrets, without_password
from posemo_ros.replay.sources import open_source
from posemo_ros.replay.stream_source import StreamSource
from posemo_ros.replay.video_source import VideoSource

from .makers import film, jpeg, noise, picture
from .rtsp_server import RtspCamera

IMAGES = 12


class Camera(BaseHTTPRequestHandler):
    """MJPEG as network cameras send it; hangs up after some images. Also a film, for download."""

    film: bytes = b""

    def do_GET(self) -> None:
        if self.path.partition("?")[0].endswith(".mp4"):
            self.send_response(200)
            self.send_header("Content-Type", "video/mp4")
            self.send_header("Content-Length", str(len(self.film)))
            self.end_headers()
            self.wfile.write(self.film)
            return
        if self.path != "/live":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        for number in range(IMAGES):
            data = bytes(jpeg(picture(number)))
            self.wfile.write(b"--next\r\nContent-Type: image/jpeg\r\n")
            self.wfile.write(f"Content-Length: {len(data)}\r\n\r\n".encode() + data + b"\r\n")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    pictures = [picture(n) for n in range(5)]
    start_first = {"movflags": "faststart"}
    path = film(tmp_path / "a.mp4", pictures, range(0, 200, 40), container=start_first)
    Camera.film = path.read_bytes()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_live_images_and_a_break(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_source, "FIRST_WAIT_S", 0.05)
    with open_source(f"{address}/live") as source:
        assert isinstance(source, StreamSource)
        assert source.live
        frames = iter(source)
        stamps = []
        while len(source.losses) < 2:  # it broke off twice, and images came again
            frame = next(frames)
            assert frame.image.shape == (48, 64, 3)
            stamps.append(frame.stamp_ns)
        assert stamps == sorted(stamps)
        assert stamps
        assert source.losses.as_dict()["by_reason"]["the connection broke"]["images"] >= 2


def test_a_film_on_a_web_server_has_an_end(address: str) -> None:
    source = open_source(f"{address}/a.mp4", Choice())
    assert isinstance(source, VideoSource)
    assert [f.stamp_ns for f in source] == [n * 40_000_000 for n in range(5)]


def test_a_film_that_does_not_say_how_long_it_is_ends_too(address: str, tmp_path: Path) -> None:
    """As recorders write to a pipe: it would be played again and again as a camera's stream."""
    path = film(
        tmp_path / "a.mkv", [picture(n) for n in range(5)], range(0, 200, 40), container={"live": "1"}
    )
    Camera.film = path.read_bytes()
    source = open_source(f"{address}/a.mp4")
    assert isinstance(source, VideoSource)
    assert len(list(source)) == 5


def test_a_film_whose_parts_the_server_does_not_give(address: str, tmp_path: Path) -> None:
    pictures = [noise(n, 640, 480) for n in range(5)]  # more than FFmpeg keeps of what it has passed
    Camera.film = film(tmp_path / "a.mp4", pictures, range(0, 200, 40), "mpeg4", b="20M").read_bytes()
    with pytest.raises(InputError, match="whole files only.*download it"):
        open_source(f"{address}/a.mp4")


def test_nothing_there(address: str) -> None:
    with pytest.raises(InputError, match="cannot open"):
        open_source(f"{address}/nothing")


def test_passwords_are_not_shown() -> None:
    assert without_password("rtsp://me:secret@10.0.0.7:554/1?token=secret") == "rtsp://10.0.0.7:554/1"
    with pytest.raises(InputError) as caught:
        open_source("rtsp://me:secret@127.0.0.1:9/1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://me:s/e#c?r@et@host/1", "rtsp://host/1"),
        ("rtsp://me@host/1#part", "rtsp://host/1"),
        ("http://host/@me/a.mp4?mail=me@host", "http://host/@me/a.mp4"),
        ("rtsp://me:secret@[fe80", "rtsp://[fe80"),
        ("walk@home.mp4", "walk@home.mp4"),
        ("/data/a:/walk@home.mp4", "/data/a:/walk@home.mp4"),
    ],
)
def test_odd_addresses_as_they_are_shown(address: str, shown: str) -> None:
    assert without_password(address) == shown
    with pytest.raises(InputError):
        open_source(address.replace("host", "127.0.0.1:9"))


@pytest.mark.parametrize(
    "words",
    [
        ("run", "rtsp:/me:secret@10.0.0.7/1?token=secret"),
        ("live", "rtsp:/me:secret@10.0.0.7/1", "--no-browser"),
        ("report", "rtsp://me:secret@10.0.0.7/1?token=secret"),
        ("evaluate", "skeleton", "--results", "rtsp://me:secret@10.0.0.7/1"),
    ],
    ids=lambda words: words[0],
)
def test_addresses_that_are_taken_for_files_are_shown_without_password(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(list(words)) == 1
    said = capsys.readouterr().err
    assert "secret" not in said
    assert "rtsp:/10.0.0.7/1" in said
    assert "does not exist" in said or "no file or folder matches" in said


def test_nothing_that_a_run_leaves_holds_the_password(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx", reason="onnx makes the networks of this test")
    from ..nodes.tiny_models import write_stand_ins

    monkeypatch.setenv("POSEMO_MODELS", str(write_stand_ins(tmp_path / "models")))
    out = tmp_path / "out"
    film = address.replace("://", "://me:secret@") + "/a.mp4?token=secret"
    words = ["run", film, "rtsp://me:secret@127.0.0.1:9", "--out", str(out), "--runtime", "onnxruntime"]
    assert cli.main(words) == 3  # nothing answers at the second
    items = json.loads((out / "batch.json").read_text())["items"]
    assert [i["source"] for i in items] == [f"{address}/a.mp4", "rtsp://127.0.0.1:9"]
    assert (out / "a" / "run.json").exists()
    for path in out.rglob("*"):
        assert "secret" not in path.name
        assert path.is_dir() or b"secret" not in path.read_bytes(), path
    assert "secret" not in "".join(capfd.readouterr())
    assert cli.main(["run", film.replace("=secret", "=other"), "--out", str(out / "a")]) != 0  # another film
    assert "holds the results of another run" in capfd.readouterr().err


@pytest.mark.timeout(600)
def test_rtsp_and_a_break(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real protocol: images come, the camera goes and comes back, the password is never shown."""
    monkeypatch.setattr(stream_source, "FIRST_WAIT_S", 0.05)
    pictures = [picture(n % 8, 160, 120) for n in range(40)]
    path = tmp_path / "a.ts"
    with av.open(str(path), "w") as container:
        track = container.add_stream("mpeg2video", rate=25, options={"g": "5"})
        track.width, track.height, track.pix_fmt = 160, 120, "yuv420p"
        for image in pictures:
            container.mux(track.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(track.encode())
    with RtspCamera(path, seconds=1.0) as camera, open_source(camera.address) as source:
        assert isinstance(source, StreamSource)
        assert "secret" not in source.name
        frames, stamps = iter(source), []
        while camera.played < 4:  # once to open it, once to play, and twice after a break
            frame = next(frames)
            assert frame.image.shape == (120, 160, 3)
            stamps.append(frame.stamp_ns)
        assert stamps == sorted(stamps)
        assert len(stamps) > 10
        losses = source.losses.as_dict()["by_reason"]
        assert losses["the connection broke"]["images"] >= 2
        assert "secret" not in json.dumps(losses)
        camera.shutdown()


def test_names_in_an_address_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGIN", "me:se$cret")
    assert with_secrets("rtsp://${LOGIN}@10.0.0.7/${LOGIN}") == "rtsp://me:se$cret@10.0.0.7/me:se$cret"
    assert with_secrets("rtsp://a:p$x@10.0.0.7/{1}") == "rtsp://a:p$x@10.0.0.7/{1}"
    with pytest.raises(InputError, match=r"^rtsp://10.0.0.7/1: the environment has no NOBODY"):
        with_secrets("rtsp://me:geheim${NOBODY}@10.0.0.7/1")
