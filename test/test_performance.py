"""The speed pages say what the files of the benchmark say, and nothing in their tables is typed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from posemo_ros import tuning
from posemo_ros.bench.contenders import Chain
from posemo_ros.bench.run import Plan, bench
from posemo_ros.inference import cuda, runtimes, sessions
from posemo_ros.inference.store import ModelStore
from posemo_ros.pipeline import Models, Settings

from .loading import load_tool
from .test_bench import CHAIN, Counting

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "docs" / "bench"
PAGE = ROOT / "docs" / "performance.md"


performance = load_tool("performance")


def test_page_is_what_the_files_say() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(performance.BLOCK.findall(text)) >= 8
    assert performance.fill(text, BENCH) == text, "run `make performance`"


def test_the_page_speaks_of_what_was_measured() -> None:
    report = {"memory": [[0, 100], [1, 110], [600, 112]]}
    assert performance.memory(report).startswith("**Time.** 10.0 minutes of work without a pause: 110 MiB")
    assert performance.memory({"memory": []}) == ""
    latency = json.loads((BENCH / "latency.json").read_text(encoding="utf-8"))
    assert "one by one" not in performance.camera_to_emotion(latency).lower()
    latency["runs"][0]["rate_hz"] = 0
    assert '"One by one" sends' in performance.camera_to_emotion(latency)


def test_no_table_of_milliseconds_is_typed() -> None:
    """Every table with figures of time stands between the marks of a block."""
    outside = performance.BLOCK.sub("", PAGE.read_text(encoding="utf-8"))
    typed = [line for line in outside.splitlines() if re.match(r"\|[^|]*\| *\d+\.\d", line)]
    assert typed == []


def test_the_fast_networks_card_has_the_files_times() -> None:
    """Wall and CPU time of the keypoint network, and "0.6 of the time" in title and README."""
    card = (ROOT / "models" / "keypoints-fast.md").read_text(encoding="utf-8")
    times = {}
    for name in ("fast", "default"):
        shares = json.loads((BENCH / f"{name}.json").read_text(encoding="utf-8"))["network_cpu"]
        times[name] = [shares[people]["keypoints"] for people in ("1", "4")]
    (one, four), (large_one, large_four) = (
        [f"{t['wall_ms']:g} and {t['cpu_ms']:g}" for t in times[name]] for name in ("fast", "default")
    )
    assert f"{one} ms for one person, {four} ms for four; " in card
    assert f"`posemo-keypoints` takes {large_one}, {large_four} ms." in card
    shares = [a[k] / b[k] for a, b in zip(*times.values(), strict=True) for k in ("wall_ms", "cpu_ms")]
    assert 0.55 <= min(shares) <= max(shares) < 0.65
    assert "in 0.6 of the time" in card.splitlines()[0]


def test_every_file_is_used_and_every_picture_shows_its_file() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = {found["file"] for found in performance.BLOCK.finditer(text)}
    assert named == {file.name for file in BENCH.glob("*.json") if file.name != "gpu.json"}
    for image, file in performance.pictures(text, BENCH).items():
        assert performance.digest(file) in image.read_text(encoding="utf-8"), "run `make performance`"


def test_a_changed_figure_changes_the_page(tmp_path: Path) -> None:
    report = json.loads((BENCH / "default.json").read_text(encoding="utf-8"))
    report["crowds"][0]["ms"] = 123456.5
    (tmp_path / "default.json").write_text(json.dumps(report))
    page = "before\n<!-- default.json crowds -->\nold\n<!-- end -->\nafter\n"
    filled = performance.fill(page, tmp_path)
    assert "| 123456.5 |" in filled
    assert "old" not in filled
    assert filled.startswith("before\n<!-- default.json crowds -->\n|")
    assert filled.endswith("<!-- end -->\nafter\n")
    assert performance.fill(filled, tmp_path) == filled


def test_aims_are_met_or_missed_by_the_figures(tmp_path: Path) -> None:
    report = json.loads((BENCH / "default.json").read_text(encoding="utf-8"))
    for figures in report["crowds"]:
        figures |= {"fps": 59.9 if figures["people"] == 1 else 99.0, "ms": 10.0, "ms_p95": 15.1}
    lines = performance.bars(report).splitlines()
    assert "| frames per second, 1 people | 59.9 | ≥ 60 | **missed** |" in lines
    assert "| naive / real time, the least of all crowds | 1 | ≥ 4 | **missed** |" in lines
    assert (
        "| p95 / median, real time, frames waiting, the most of all crowds | 1.51 | ≤ 1.5 | **missed** |"
        in lines
    )
    assert not any(
        "people |" in line and "| met |" not in line for line in lines[2:] if " 1 people" not in line
    )


def test_all_kinds_of_blocks_of_a_small_report(tmp_path: Path) -> None:
    plan = Plan(people=(1, 2), sizes=((1280, 720),), frames=10)
    report = {**bench(CHAIN, plan, maker=Counting), "name": "x"}  # type: ignore[arg-type]
    for what in (
        "machine",
        "meaning",
        "crowds",
        "sizes",
        "ratios",
        "paced",
        "bars",
        "stations",
        "cores",
        "picture",
    ):
        assert performance.WHAT[what](report)
    assert performance.ratios(report).splitlines()[0].startswith("| people | naive / in step |")


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A GPU whose runtime computes on the processor."""
    real = sessions._open

    def opened(path: Path, runtime: str, *rest: Any) -> Any:
        return real(path, "onnxruntime", *rest)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cuda, "gpu_name", lambda: "Simulated GPU sm_90")
    monkeypatch.setattr(tuning, "available", lambda _: (runtimes.REFERENCE, "onnxruntime-cuda"))
    monkeypatch.setattr(sessions, "_open", opened)

    def trial(path: Path, runtime: str, feeds: Any, *, threads: int, shapes: Any, **_: Any) -> tuning.Trial:
        session = sessions.open_session(path, threads=1, shapes=shapes)
        return tuning.Trial([session.run(f) for f in feeds], 10.0 if runtime == runtimes.REFERENCE else 2.0)

    monkeypatch.setattr(tuning, "try_runtime", trial)


def test_bench_gpu_writes_a_page_with_device_and_date(simulated: None, tmp_path: Path) -> None:
    tool = load_tool("bench_gpu")
    tool.write(tool.measure(quick=True, maker=Counting), tmp_path / "performance_gpu.md")
    page = (tmp_path / "performance_gpu.md").read_text(encoding="utf-8")
    assert re.search(r"on \*\*Simulated GPU sm_90\*\*, \d{4}-\d\d-\d\d", page)
    assert "| `posemo-keypoints` | onnxruntime-cuda | 2.00 | right | chosen |" in page
    assert "## The chain, `runtime: auto`" in page
    assert "## The chain, `runtime: onnxruntime-cuda`" in page
    assert page.count("| people | images a second |") == page.count("## The chain")
    report = json.loads((tmp_path / "bench" / "gpu.json").read_text(encoding="utf-8"))
    assert report["device"] == "Simulated GPU sm_90"


def test_bench_gpu_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = load_tool("bench_gpu")
    monkeypatch.setattr(cuda, "gpu_name", lambda: "")
    assert tool.main(["--measure", "--out", str(tmp_path / "page.md")]) == 1
    assert "CUDA finds no GPU" in capsys.readouterr().err
    assert tool.main(["--wheels", str(tmp_path / "nowhere")]) == 1
    assert "make bench-gpu-wheels" in capsys.readouterr().err
    assert not (tmp_path / "page.md").exists()


def test_bench_gpu_installs_without_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment of its own, wheels from the folder only, then the measurement in it."""
    tool = load_tool("bench_gpu")
    ran: list[list[str]] = []

    def run(command: list[Any], **_: Any) -> Any:
        ran.append([str(word) for word in command])
        return type("Done", (), {"returncode": 0})

    monkeypatch.setattr(tool, "ENVIRONMENT", tmp_path / "venv")
    monkeypatch.setattr(tool.venv, "create", lambda *_, **__: None)
    monkeypatch.setattr(tool.subprocess, "run", run)
    assert tool.main(["--wheels", str(tmp_path), "--quick"]) == 0
    install, measured = ran
    assert "--no-index" in install
    assert f"--find-links={tmp_path}" in install
    assert any(word.startswith("onnxruntime-gpu") for word in install)
    assert not any(re.fullmatch(r"onnxruntime[>=].*", word) for word in install)
    assert measured[2:] == ["--measure", "--out", str(tool.PAGE), "--quick"]
    assert Chain(Models(), Settings(), ModelStore()).crowd(16).settings.max_people == 16
