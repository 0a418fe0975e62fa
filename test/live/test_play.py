"""A source onto the page: pace, what a message says, what privacy hides; and in a browser."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="aiohttp is not installed (extra live)")

from posemo_ros.draw.privacy import Privacy
from posemo_ros.errors import InputError
from posemo_ros.live.browser import Browser
from posemo_ros.live.newest import Newest
from posemo_ros.live.pace import WAITING
from posemo_ros.live.play import Player
from posemo_ros.live.server import LiveServer
from posemo_ros.pipeline import Network
from posemo_ros.replay.page import UNKNOWN_MM
from posemo_ros.types import Frame, FrameResult

from ..browser import LOOKS, watched_tab
from ..replay.test_report import FRAMES, Clip, KnowsAll, result, true_joints


class Broken(Clip):
    """Its camera is unplugged after three images."""

    def _frames(self) -> Iterator[Any]:
        for number, frame in enumerate(super()._frames()):
            if number == 3:
                raise InputError("camera 0 stopped giving images")
            yield frame


class Named(KnowsAll):
    networks: ClassVar[dict[str, Network]] = {"detector": Network("posemo-detector", "onnxruntime", "fp32")}


class Sure(Named):
    """Has its answer from the first image on: a page on a slow machine may draw no other."""

    def step(self, frame: Frame) -> FrameResult:
        return result(FRAMES - 1)


class Patient(Clip):
    """Gives the next image when the one before has been shown, however slow the machine."""

    live = True  # no pace of its own

    def __init__(self) -> None:
        super().__init__()
        self.shown = threading.Semaphore(1)

    def _frames(self) -> Iterator[Any]:
        for frame in super()._frames():
            assert self.shown.acquire(timeout=180)
            yield frame


class Screen:
    """Takes messages as a server does."""

    viewers = 1

    def __init__(self, shown: threading.Semaphore | None = None) -> None:
        self.messages: list[tuple[dict[str, Any], bytes]] = []
        self._shown = shown

    def show(self, message: bytes) -> None:
        length = struct.unpack_from("<I", message)[0]
        facts = json.loads(message[4 : 4 + length])
        if facts["state"] == WAITING:  # a slow machine's pause
            return
        self.messages.append((facts, message[4 + length :]))
        if self._shown:
            self._shown.release()

    def close(self) -> None:
        pass


def played(privacy: Privacy = Privacy.NONE) -> list[tuple[dict[str, Any], bytes]]:
    source = Patient()
    screen = Screen(source.shown)
    Player(source, Named(), privacy).play(Browser(screen))  # type: ignore[arg-type]
    return screen.messages


def test_a_message_has_what_was_found() -> None:
    *images, (end, nothing) = played()
    facts, jpeg = images[-1]
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (120, 160, 3)
    (person,) = facts["people"]
    joints = np.array(person["joints"]).reshape(17, 3)
    np.testing.assert_allclose(joints - joints[0], (true_joints(0) - true_joints(0)[0]) * 1e3, atol=2)
    assert person["p"] == [0.5, 0.1, 0.1, 0.1, 0.1, 0.1]
    assert images[0][0]["people"][0]["why"] == "too few frames yet"
    assert facts["state"] == "running"
    assert facts["latency_ms"] >= 0
    assert (end["state"], nothing) == ("ended", b"")
    assert len(images) == FRAMES == end["n"]
    assert end["dropped"] == 0
    assert facts["rate_hz"] > 0


def test_joints_that_are_not_known_are_said_to_be_so() -> None:
    from posemo_ros.replay.page import millimetres

    found = millimetres(np.array([[np.nan, 1.0004, -2.0]], np.float32))
    assert found.tolist() == [[UNKNOWN_MM, 1000, -2000]]


def test_privacy_skeleton_shows_no_pixel_of_the_image() -> None:
    def corner(privacy: Privacy) -> np.ndarray:
        jpeg = np.frombuffer(played(privacy)[0][1], np.uint8)
        return cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[-6:, :6].reshape(-1, 3).mean(axis=0)

    assert np.ptp(corner(Privacy.NONE)) < 2  # the clip is grey
    assert np.ptp(corner(Privacy.SKELETON)) > 8


def test_a_source_that_breaks_is_told_on_the_page_and_raised() -> None:
    screen = Screen()
    with pytest.raises(InputError, match="stopped giving images"):
        Player(Broken(), Named()).play(Browser(screen))  # type: ignore[arg-type]
    assert screen.messages[-1][0]["state"] == "ended: camera 0 stopped giving images"


def test_who_is_slow_stays_in_the_present() -> None:
    images, seen = Newest(Clip()), []
    for arrived in images:
        if arrived is not None:
            seen.append(arrived)
            while len(seen) == 1 and images.left_out < 2:  # the first takes long
                threading.Event().wait(0.01)
    assert [a.frame.stamp_ns for a in seen] == sorted(a.frame.stamp_ns for a in seen)
    assert len(seen) + images.left_out == FRAMES
    assert images.left_out >= 2


def test_a_loop_begins_again_until_it_is_stopped() -> None:
    class Short(Clip):
        def _frames(self) -> Iterator[Any]:
            frames = super()._frames()
            return (next(frames) for _ in range(2))

        length = 2

    images, stamps = Newest(Short(), loop=True), []
    for arrived in images:
        if arrived is not None:
            stamps.append(arrived.frame.stamp_ns)
        if len(stamps) == 5:
            images.stop()
    assert stamps[:3] != sorted(set(stamps[:3]))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_in_a_browser(browser: Any, look: dict[str, Any]) -> None:
    player = Player(Clip(), Sure())  # type: ignore[arg-type]
    server = LiveServer(player.welcome())
    context = browser.new_context(**look)
    try:
        tab, said = watched_tab(context, server.url)
        tab.goto(server.url)
        tab.wait_for_function("document.body.dataset.ready === 'yes'")
        thread = threading.Thread(target=player.play, args=(Browser(server),))
        thread.start()
        tab.wait_for_function("document.body.dataset.state === 'ended' && document.body.dataset.image > 0")
        thread.join()
        assert tab.evaluate("({...document.body.dataset})")["skeletons"] == "1"
        assert tab.text_content("#title") == "made-up clip"
        assert tab.evaluate("document.getElementById('picture').width") == 160
        assert "joy" in tab.inner_text("#people")
        assert "50 %" in tab.inner_text("#people")
        assert "starter" in tab.text_content("#models") or tab.locator("#models tbody tr").count() == 1
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert [text for text in said if not text.startswith(("blob:", "data:"))] == []
        server.close()
        tab.wait_for_timeout(500)
        assert tab.text_content("#state").startswith("ended")
    finally:
        context.close()
        if not server.closed:
            server.close()
