"""`posemo evaluate … --report`: every command makes a page with a plot; in a browser nothing goes wrong."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posemo_ros import cli
from posemo_ros.evaluate.page import write_page
from posemo_ros.evaluate.plots import bars, heatmap, intervals, lines
from posemo_ros.evaluate.report import Report, Table
from posemo_ros.pipeline import Models
from posemo_ros.replay.bag import ResultBagWriter, read_results
from posemo_ros.types import FrameResult

from ..browser import watched_tab
from .test_command_tree import COMMANDS
from .test_hostile_options import bag, base, place  # noqa: F401  (fixtures)

EVALUATIONS = [name for name in COMMANDS if name.startswith("posemo evaluate ")]
NAN = float("nan")


def data_of(page: Path) -> list[dict[str, Any]]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.S)
    assert found
    plots: list[dict[str, Any]] = json.loads(found[1])
    return plots


class Late(ResultBagWriter):
    """A recorder to which everything comes 30 ms later."""

    def _put(self, topic: str, time_ns: int, message: Any) -> None:
        super()._put(topic, time_ns + 30_000_000, message)


def words_of(name: str, results: Path, folder: Path) -> list[str]:
    """With which the command has something to measure."""
    if name == "posemo evaluate tracker":
        return ["--scenes", "1"]
    if name == "posemo evaluate latency":
        recording = read_results(results)
        with Late(folder / "late.mcap", Models()) as writer:
            for frame in recording.frames():
                writer.write(frame, FrameResult(recording.people[frame.stamp_ns]))
        return [str(folder / "late.mcap")]
    if name == "posemo evaluate compare":
        for run, shift in (("a", 0.0), ("b", 3.0)):
            clips = {f"clip {i}": {"mpjpe_mm": 80.0 + i * i + shift * (i + 1)} for i in range(6)}
            (folder / run).write_text(json.dumps({"by_clip": clips}))
        return [str(folder / "a"), str(folder / "b")]
    if name == "posemo evaluate tracking":
        pytest.importorskip("trackeval")
        return ["--results", str(results), "--truth", str(truth_of(results, folder))]
    if name == "posemo evaluate skeleton":
        joints = np.random.default_rng(0).normal(size=(9, 1, 17, 3))
        truth = {"joints3d": joints, "fps": 10.0, "boxes": np.tile([0.0, 0, 9, 9], (9, 1, 1))}
        np.savez(folder / "truth.npz", keypoints=joints * 0, **truth)
        np.savez(folder / "mine.npz", **{**truth, "joints3d": joints + 0.01 * joints**2})
        return ["--results", str(folder / "mine.npz"), "--truth", str(folder / "truth.npz")]
    if name == "posemo evaluate coco":
        pytest.importorskip("pycocotools")
    return base(name, results)


def truth_of(results: Path, folder: Path) -> Path:
    """As if the first person of every image were right."""
    recording = read_results(results)
    people = [recording.people[s] for s in sorted(recording.people)]
    boxes = np.stack([p.boxes[:1] if len(p) else np.full((1, 4), NAN) for p in people])
    empty = np.zeros((len(people), 1, 17, 3))
    gap_s = np.diff(sorted(recording.people)).mean() * 1e-9
    np.savez(folder / "truth.npz", boxes=boxes, keypoints=empty, joints3d=empty, fps=1 / gap_s)
    return folder / "truth.npz"


@pytest.mark.slow
@pytest.mark.parametrize("name", EVALUATIONS)
def test_every_evaluation_has_table_json_and_plot(
    name: str,
    place: Path,  # noqa: F811
    bag: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("POSEMO_MODELS", str(place / "models" / "stand_ins.yaml"))
    monkeypatch.chdir(place)
    page = tmp_path / "below" / "page.html"
    words = [*name.split()[1:], *words_of(name, bag, tmp_path)]
    assert cli.main([*words, "--report", str(page)]) == 0
    table = capsys.readouterr().out
    assert cli.main([*words, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["results"]
    plots = data_of(page)
    assert plots
    values = [v for p in plots for t in p["traces"] for key in ("x", "y", "z") for v in t.get(key, ())]
    assert any(isinstance(v, (int, float, list)) for v in values), "the plots are empty"
    text = page.read_text()
    assert text.count("class='plot'") == len(plots)
    rule = next(i for i, line in enumerate(table.splitlines()) if line.startswith("----"))
    first_word = table.splitlines()[rule + 1].split("  ")[0]
    assert first_word in text  # what the table says stands in the page, too
    Well().feed(re.sub(r"<script.*?</script>", "", text, flags=re.S))


class Well(HTMLParser):
    """Every element is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in ("meta", "img", "br", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def all_plots() -> Report:
    """One of each kind, with figures that do not exist."""
    return Report(
        what='<b>"odd" & {{data}}',
        samples={"clips": 2},
        models={},
        runtime={},
        protocol={"how": "<i>made up</i>"},
        results={"x": NAN},
        tables=[Table("a <table>", ("name", "value"), [["x", NAN], ["<y>", 0.5]])],
        plots=[
            bars("Bars", "With 'quotes' and \"more\".", {"a": {"x": 1.0, "y": NAN}}, "mm"),
            lines("Lines", "Two.", {"a": ([0, 1], [0.5, NAN]), "b": ([0, 1], [0, 1])}, x="x", y="y"),
            heatmap("Map", "Numbers.", {"r": {"c": 1.0, "d": 2.0}}, x="x", y="y"),
            intervals("Intervals", "One.", {"mpjpe_mm": (-2.0, -1.0, 0.5)}, x="%"),
        ],
        notes=["<script>alert(1)</script>"],
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(width: int, scheme: str, browser: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    write_page(page, all_plots())
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab, said = watched_tab(context, "file:", "blob:", "data:")
    tab.goto(page.as_uri(), wait_until="commit")
    tab.wait_for_function("document.body && document.body.dataset.ready === 'yes'")
    assert tab.evaluate("document.querySelectorAll('.plot .main-svg').length") >= len(all_plots().plots)
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert said == []
    context.close()
