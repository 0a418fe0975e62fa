"""report.html: what stands in it, and in a browser that player, film and timeline stay in step."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posemo_ros.losses import Losses
from posemo_ros.replay.bag import Recording
from posemo_ros.replay.page import card_of
from posemo_ros.replay.people_table import STATES, people_of, timeline_of, worst_images
from posemo_ros.types import Emotions, FrameResult, People2D

from ..browser import LOOKS, watched_tab
from .test_report import FRAMES, PERIOD_NS, Clip, KnowsAll, image, result, run_offline, true_joints


class Untidy(Clip):
    """The clip without its sixth image, under a name that a page must not take for markup."""

    name = "<script>alert(1)</script> & {{data}}"

    def _frames(self) -> Iterator[Any]:
        for i in range(FRAMES):
            if i == 5:
                self.losses.add("cannot be decoded", "image <5>")
            else:
                yield image(i)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page")
    text = run_offline(Untidy(), KnowsAll(people=2), out)
    assert text.splitlines()[0] == f"report    {out / 'report.html'}"
    assert not (out / "overlay-small.mp4").exists()
    return out / "report.html"


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.S)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_skeletons_in_the_page_are_those_of_the_chain(page: Path) -> None:
    data = data_of(page)
    skeletons = data["skeletons"]
    joints = np.frombuffer(base64.b64decode(skeletons["millimetres"]), "<i2").reshape(-1, 17, 3)
    assert skeletons["people"] == [2] * (FRAMES - 1)
    assert skeletons["of_image"] == list(range(FRAMES - 1))
    assert [data["people"][w]["id"] for w in skeletons["who"][:2]] == ["p1", "p2"]
    np.testing.assert_allclose(joints[2 * 7] / 1000, true_joints(8), atol=1e-3)  # image 5 is not there


def test_times_are_those_of_the_images(page: Path) -> None:
    data = data_of(page)
    expected = [i * PERIOD_NS * 1e-9 for i in range(FRAMES) if i != 5]
    np.testing.assert_allclose(data["seconds"], expected, atol=1e-4)
    np.testing.assert_allclose(data["times"], expected, atol=1e-3)
    assert base64.b64decode(data["film"])[4:8] == b"ftyp"


def test_words_losses_and_warnings(page: Path) -> None:
    text = page.read_text()
    assert "<h1>posemo_ros: &lt;script&gt;alert(1)&lt;/script&gt; &amp; {{data}}</h1>" in text
    assert f"{FRAMES - 1} images" in text
    assert "1 could not be used" in text
    assert "<td>cannot be decoded</td><td>1</td><td>image &lt;5&gt;</td>" in text
    warning = re.search(r"^\*\*(.+?)\*\*", card_of("posemo-emotion"), re.S | re.M)
    assert warning
    assert escape(" ".join(warning[1].split())) in text
    assert "Limits, from its card" in text


def test_it_needs_nothing_from_anywhere(page: Path) -> None:
    text = page.read_text()
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.S)
    assert not re.search(r"(src|href)=['\"]?https?:", own)
    assert "default-src 'none'" in own
    assert page.stat().st_size < 7_000_000


def test_rows_of_people() -> None:
    stamps = [10**9 + i * PERIOD_NS for i in range(FRAMES)]
    recording = Recording(Path("made-up"))
    for i, stamp in enumerate(stamps):
        found = result(i)
        assert found.skeletons is not None
        assert found.emotions is not None
        recording.people[stamp] = found.people
        recording.skeletons[stamp], recording.emotions[stamp] = found.skeletons, found.emotions
    (person,) = people_of(recording, stamps)
    assert person.name == "p1"
    assert [STATES[s] for s in person.states] == ["too_few_frames"] * 4 + ["joy"] * (FRAMES - 4)
    assert person.mostly == "joy"
    np.testing.assert_allclose(person.quality, 0.9)
    timeline = timeline_of([person], 1.1, 4)
    assert timeline.states.tolist() == [[STATES.index("too_few_frames"), 0, 0, 0]]
    # Worse from the fourth image on, worst in the ninth: one a second at most.
    for i, stamp in enumerate(stamps):
        people = recording.people[stamp]
        scores = people.keypoints.copy()
        scores[..., 2] = 0.1 if i == 8 else 0.5
        recording.people[stamp] = replace(people, keypoints=scores)
    worst = worst_images(recording, stamps)
    assert worst == [(8, "p1: mean keypoint score 0.10")]


def test_a_page_that_cannot_be_made_costs_no_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no plotly here")

    monkeypatch.setattr("posemo_ros.replay.report.write_page", broken)
    run_offline(Clip(), KnowsAll(), tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["frames"]["in"] == FRAMES
    assert "report.html could not be made: no plotly here" in summary["notes"]
    assert summary["losses"] == Losses().as_dict()


class Empty(KnowsAll):
    def step(self, frame: Any) -> FrameResult:
        done = super().step(frame)
        return replace(done, people=People2D(view=done.people.view), skeletons=None, emotions=None)


def test_nobody_in_it(tmp_path: Path) -> None:
    run_offline(Clip(), Empty(), tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "Nobody was found" in text
    assert "No emotions were asked for" in text
    assert data_of(tmp_path / "report.html")["timeline"]["rows"] == 0


class EmptyAsked(Empty):
    """With an emotion network, which answers about nobody."""

    def step(self, frame: Any) -> FrameResult:
        done = super().step(frame)
        return replace(done, emotions=Emotions(view=done.people.view))


def test_nobody_in_it_and_emotions_were_asked_for(tmp_path: Path) -> None:
    run_offline(Clip(), EmptyAsked(), tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "Nobody's movement was there to look at" in text


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_in_a_browser(page: Path, browser: Any, look: dict[str, Any]) -> None:
    context = browser.new_context(**look)
    tab, said = watched_tab(context, "file:", "blob:", "data:")
    tab.goto(page.as_uri(), wait_until="commit")
    tab.wait_for_function("document.body && document.body.dataset.ready === 'yes'")
    seconds = data_of(page)["seconds"]

    shows = """([image, second]) => {
        const film = document.getElementById('film'), shown = document.body.dataset;
        return !film.seeking && Number(shown.image) === image && Number(shown.skeletonImage) === image
            && Math.abs(Number(shown.cursor) - second) < 1e-3
            && Number(document.getElementById('seek').value) === image
            && film.currentTime > second - 1e-3 && film.currentTime < second + 0.11;
    }"""

    def is_at(image: int) -> None:
        """Everything shows this image and stays there: film, skeletons, slider, cursor of the timeline."""
        tab.wait_for_function(shows, arg=[image, seconds[image]])
        tab.wait_for_timeout(700)
        assert tab.evaluate(shows, [image, seconds[image]]), tab.evaluate("({...document.body.dataset})")

    tab.keyboard.press("Home")
    is_at(0)
    tab.keyboard.press("ArrowRight")
    is_at(1)
    tab.keyboard.press("End")
    is_at(len(seconds) - 1)
    tab.evaluate("document.getElementById('film').currentTime = 0.62")  # the film leads
    is_at(5)
    tab.click("[data-go]")  # an image to look at first
    tab.wait_for_function("document.body.dataset.image === document.querySelector('[data-go]').dataset.go")
    tab.evaluate("document.getElementById('seek').value = 3")
    tab.evaluate("document.getElementById('seek').dispatchEvent(new Event('input'))")
    is_at(3)
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert said == []
    context.close()
