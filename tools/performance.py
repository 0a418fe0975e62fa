"""Puts figures from docs/bench into the speed pages: ``python tools/performance.py``.

The JSON files there were written by ``posemo bench --json``, ``tools/transport.py``, ``tools/latency.py``
and ``posemo evaluate latency --json``; nothing in the pages' tables is typed. A page has blocks like these,
and what stands between the two lines is written anew::

    <!-- default.json crowds -->
    <!-- end -->

A test holds the pages and the pictures against the files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from posemo_ros.bench.contenders import FLAT, FLAT_REFERENCE, IN_STEP, NAIVE, REAL_TIME, RTMLIB
from posemo_ros.bench.plot import draw
from posemo_ros.bench.run import VGA

DOCS = Path(__file__).resolve().parents[1] / "docs"
BLOCK = re.compile(r"(?P<head><!-- (?P<file>\S+\.json) (?P<what>\w+) -->\n).*?(?P<foot><!-- end -->)", re.S)
RATES_HZ = (10, 15, 30, 60)
FPS_BARS = {1: 60, 4: 15, 8: 20}  # aims on two cores, VGA, real time: people -> frames per second
RATIO_BARS = ((NAIVE, REAL_TIME, 4), (RTMLIB, FLAT_REFERENCE, 2), (RTMLIB, FLAT, 3))
HOW_SENT = {  # at a rate, or not
    True: "An image that comes while another waits takes its place, so a rate beyond the machine's costs "
    "images.",
    False: '"One by one" sends each image after the emotions of the one before.',
}
EVEN_BAR, WIDE, WIDE_BAR = 1.5, 1920, 1.3

Report = Mapping[str, Any]


def rows(columns: Sequence[str], body: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *body]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def machine(report: Report) -> str:
    """One paragraph: on what, when, with which networks."""
    facts = report["machine"]
    networks = ", ".join(
        f"`{n['model']}` on {n['runtime']} ({n['precision']})" for n in report["networks"].values()
    )
    gpu = f", {facts['gpu']}" if facts.get("gpu") else ""
    versions = ", ".join(
        f"{name} {facts[name]}" for name in ("onnxruntime", "openvino", "numpy") if facts.get(name)
    )
    return (
        f"{facts['cpu']}, {facts['cores']} cores{gpu}, Python {facts['python']}, {versions}; "
        f"{report['date']}, load of the machine before: {report['load_before']}. {networks}."
    )


def meaning(report: Report) -> str:
    """What the contenders are."""
    return "\n".join(f"- **{name}**: {text}." for name, text in report["meaning"].items())


def crowds(report: Report) -> str:
    """A line per crowd and contender."""
    return _figures(report["crowds"], "people", lambda f: f["people"])


def sizes(report: Report) -> str:
    """A line per image size and contender, and what a size costs beside VGA."""
    first = {f["contender"]: f["ms"] for f in reversed(report["sizes"])}
    body = [[*_line(f, _size(f)), _times(f["ms"], first[f["contender"]], 2)] for f in report["sizes"]]
    return rows([*_columns("image"), "times the first"], body)


def _times(value: float, unit: float, digits: int) -> str:
    return f"{value / unit:.{digits}f}" if unit else "–"


def _size(figures: Report) -> str:
    return f"{figures['size'][0]} x {figures['size'][1]}"


def _figures(figures: Sequence[Report], first: str, name: Callable[[Report], object]) -> str:
    return rows(_columns(first), [_line(f, name(f)) for f in figures])


def _columns(first: str) -> list[str]:
    return [first, "contender", "found", "ms, median", "p95", "blocks", "FPS", "CPU ms"]


def _line(f: Report, first: object) -> list[object]:
    low, high = f["ms_blocks"]
    return [
        first,
        f["contender"],
        f["found"],
        f["ms"],
        f["ms_p95"],
        f"{low:g} – {high:g}",
        f["fps"],
        f["cpu_ms"],
    ]


def ratios(report: Report) -> str:
    """How many times as fast, and how even, by medians."""
    by_people: dict[int, dict[str, Report]] = {}
    for f in report["crowds"]:
        by_people.setdefault(f["people"], {})[f["contender"]] = f
    pairs = [
        (f"{slow} / {fast}", slow, fast)
        for slow, fast in (
            (NAIVE, IN_STEP),
            (NAIVE, REAL_TIME),
            (RTMLIB, FLAT_REFERENCE),
            (RTMLIB, FLAT),
        )
        if all(slow in found and fast in found for found in by_people.values())
    ]
    body = []
    for people, found in by_people.items():
        even = [_times(found[name]["ms_p95"], found[name]["ms"], 1) for name in (IN_STEP, REAL_TIME)]
        times = [
            _times(found[slow][k], found[fast][k], 1) for k in ("ms", "cpu_ms") for _, slow, fast in pairs
        ]
        body.append([people, *times, *even])
    columns = [
        "people",
        *(name + of for of in ("", ", CPU") for name, _, _ in pairs),
        "p95 / median, in step",
        "p95 / median, real time",
    ]
    return rows(columns, body)


def paced(report: Report) -> str:
    """With the images of a camera, which come when their stamps say."""
    columns = ["people", "images a second", "ms, median", "p95", "max", "p95 / median"]
    body = [
        [f["people"], f["rate_hz"], f["ms"], f["ms_p95"], f["ms_max"], _times(f["ms_p95"], f["ms"], 2)]
        for f in report["paced"]
    ]
    return rows(columns, body)


def bars(report: Report) -> str:
    """What the chain aims at on two cores and VGA, and what was measured."""
    by: dict[tuple[object, str], Report] = {(f["people"], f["contender"]): f for f in report["crowds"]}
    wide = {f["size"][0]: f for f in report["sizes"] if f["contender"] == REAL_TIME}
    body = []
    for people, fps in FPS_BARS.items():
        if found := by.get((people, REAL_TIME)):
            body.append(_bar(f"frames per second, {people} people", found["fps"], fps, most=False))
    for slow, fast, aim in RATIO_BARS:
        values = [
            by[p, slow]["ms"] / by[p, fast]["ms"] for p, name in by if name == slow and by[p, fast]["ms"]
        ]
        if values:
            body.append(_bar(f"{slow} / {fast}, the least of all crowds", min(values), aim, most=False))
    waiting = [f for (_, name), f in by.items() if name == REAL_TIME]
    for how, figures in (("frames waiting", waiting), ("a camera of 30 Hz", report.get("paced", []))):
        if even := [f["ms_p95"] / f["ms"] for f in figures if f["ms"]]:
            what = f"p95 / median, real time, {how}, the most of all crowds"
            body.append(_bar(what, max(even), EVEN_BAR, most=True))
    if {WIDE, VGA[0]} <= set(wide) and wide[VGA[0]]["ms"]:
        cost = wide[WIDE]["ms"] / wide[VGA[0]]["ms"]
        body.append(_bar(f"{WIDE} px wide / VGA, real time", cost, WIDE_BAR, most=True))
    return rows(["what", "measured", "aim", ""], body)


def _bar(what: str, measured: float, aim: float, *, most: bool) -> list[object]:
    met = measured <= aim if most else measured >= aim
    return [what, f"{measured:.3g}", f"{'≤' if most else '≥'} {aim:g}", "met" if met else "**missed**"]


def stations(report: Report) -> str:
    """Wall and CPU time of every network alone."""
    names = list(dict.fromkeys(name for shares in report["network_cpu"].values() for name in shares))
    body = [
        [name, *(f"{s[name]['wall_ms']} / {s[name]['cpu_ms']}" for s in report["network_cpu"].values())]
        for name in names
    ]
    return rows(["wall / CPU ms a frame", *(f"{p} people" for p in report["network_cpu"])], body)


def cores(report: Report) -> str:
    """Cores that a camera's rate takes: CPU time of a frame times the rate."""
    found = [f for f in report["crowds"] if f["contender"] == REAL_TIME]
    most = report["machine"]["cores"]
    body = []
    for f in found:
        need = [f["cpu_ms"] * hz / 1e3 for hz in RATES_HZ]
        fits = [f["fps"] >= hz for hz in RATES_HZ]
        body.append(
            [f["people"], *(f"{n:.2f}" if ok else "too fast" for n, ok in zip(need, fits, strict=True))]
        )
    return rows([f"people (of {most} cores)", *(f"{hz} Hz" for hz in RATES_HZ)], body)


def memory(report: Report) -> str:
    """One sentence, where it was watched (``posemo bench --minutes``)."""
    if not report["memory"]:
        return ""
    (_, first), (seconds, last) = report["memory"][:2][-1], report["memory"][-1]
    highest = max(mib for _, mib in report["memory"])
    return (
        f"**Time.** {seconds / 60:.1f} minutes of work without a pause: {first} MiB at the start, {last} MiB "
        f"at the end, {highest} MiB at most, all contenders and their networks in one process."
    )


def picture(report: Report) -> str:
    """The link; the picture itself is written by ``main``."""
    return f"![milliseconds a frame over people and image size](bench/{report['name']}.svg)"


def transport(report: Report) -> str:
    """What arrived between two processes."""
    measured = ("latency_ms_median", "latency_ms_p95", "send_cpu_ms", "receive_cpu_ms", "unpack_cpu_ms")
    body = [
        [
            run["image"],
            f"{run['rate_hz']} Hz",
            run["profile"],
            f"{run['arrived']} of {run['sent']} ({100 * run['arrived'] / run['sent']:.1f} %)",
            *("–" if run[name] is None else run[name] for name in measured),
        ]
        for run in report["runs"]
    ]
    columns = ["image", "rate", "profile", "arrived", "ms, median", "p95", "CPU ms: send", "receive"]
    return rows([*columns, "of it unpacking"], body)


def camera_to_emotion(report: Report) -> str:
    """From an image's stamp to the message with the emotions; on what, and when."""
    facts = report["machine"]
    body = [
        [
            run["image"],
            f"{run['rate_hz']:g} Hz" if run["rate_hz"] else "one by one",
            f"{run['answered']} of {run['sent']}",
            *(run[name] for name in ("people", "ms_median", "ms_p95", "ms_max", "load_before")),
        ]
        for run in report["runs"]
    ]
    columns = ["image", "rate", "answered", "people", "ms, median", "p95", "max", "load before"]
    chosen = f" Parameters: `{'`, `'.join(report['parameters'])}`." if report["parameters"] else ""
    head = f"{facts['cpu']}, {facts['cores']} cores, {facts['rmw']}; {report['date']}.{chosen}"
    rates = {bool(run["rate_hz"]) for run in report["runs"]}
    said = [text for at_a_rate, text in HOW_SENT.items() if at_a_rate in rates]
    return "\n\n".join([head, rows(columns, body), " ".join(said)])


def latency(report: Report) -> str:
    """Delays of recordings."""
    found = report["results"]
    names = list(dict.fromkeys(name for values in found.values() for name in values))
    return rows(["recording", *names], [[Path(bag).stem, *v.values()] for bag, v in found.items()])


WHAT: Mapping[str, Callable[[Report], str]] = {
    function.__name__: function
    for function in (
        machine,
        meaning,
        crowds,
        sizes,
        ratios,
        paced,
        bars,
        stations,
        cores,
        memory,
        picture,
        transport,
        camera_to_emotion,
        latency,
    )
}


def read(file: Path) -> dict[str, Any]:
    """A report with the name of its file."""
    return {**json.loads(file.read_text(encoding="utf-8")), "name": file.stem}


def fill(page: str, folder: Path) -> str:
    """The page with every block written from its file in the folder."""

    def block(found: re.Match[str]) -> str:
        text = WHAT[found["what"]](read(folder / found["file"]))
        return f"{found['head']}{text}\n{found['foot']}" if text else f"{found['head']}{found['foot']}"

    return BLOCK.sub(block, page)


def pictures(page: str, folder: Path) -> dict[Path, Path]:
    """The picture of every block that shows one -> the file it shows."""
    names = [found["file"] for found in BLOCK.finditer(page) if found["what"] == "picture"]
    return {folder / f"{Path(name).stem}.svg": folder / name for name in names}


def digest(file: Path) -> str:
    """What stands in a picture about the file that it shows."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main(page: Path = DOCS / "performance.md") -> int:
    """Write the page and its pictures."""
    folder = page.parent / "bench"
    text = page.read_text(encoding="utf-8")
    page.write_text(fill(text, folder), encoding="utf-8")
    for image, file in pictures(text, folder).items():
        draw(read(file), image, note=f"sha256 of {file.name}: {digest(file)}")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("page", type=Path, nargs="?", default=DOCS / "performance.md", help="page to fill")
    asked = parser.parse_args().page
    if not asked.is_file():
        parser.error(f"there is no page {asked}")
    sys.exit(main(asked))
