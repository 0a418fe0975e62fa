#!/usr/bin/env python3
"""The README's figures, from what was measured: `make figures` after `make demo`.

Keeps the demo's summary as docs/measured/demo.json and writes the table "How far from the truth, how fast"
anew from it, the benchmark's file and the models' cards. A test compares.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from posemo_ros.bench.contenders import REAL_TIME  # noqa: E402
from train.cards import read_figures  # noqa: E402

DEMO = ROOT / "docs" / "measured" / "demo.json"
SPEED = [ROOT / "docs" / "bench" / name for name in ("default.json", "avx2.json")]  # two processors
README = ROOT / "README.md"
BEGIN, END = "<!-- figures: made by tools/figures.py, checked by a test -->", "<!-- /figures -->"


def main() -> int:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made = ROOT / "out" / "demo" / "summary.json"
    parser.add_argument("--demo", type=Path, help=f"summary of `make demo` (default: {made}, if it is there)")
    args = parser.parse_args()
    if args.demo and not args.demo.is_file():
        parser.error(f"there is no summary {args.demo}")
    demo = args.demo or made
    if demo.is_file():
        keep_demo(demo)
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def keep_demo(summary: Path) -> None:
    """What the table needs of a demo's summary, without paths."""
    whole = json.loads(summary.read_text(encoding="utf-8"))
    kept = {
        key: whole[key]
        for key in (
            "source",
            "frames",
            "ids",
            "emotions",
            "latency_ms",
            "stages_ms",
            "runtimes",
            "truth",
            "machine",
        )
    }
    DEMO.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def with_table(readme: str) -> str:
    """The README with the table as the files have it."""
    before, rest = readme.split(BEGIN)
    return before + BEGIN + "\n\n" + table() + "\n" + END + rest.split(END, 1)[1]


def table() -> str:
    """Markdown, one row per figure: what, figure, command."""
    rows = [*_demo(json.loads(DEMO.read_text(encoding="utf-8"))), *map(_speed, SPEED), *_cards()]
    return "\n".join(
        ["| what | figure | command |", "|---|---|---|", *("| " + " | ".join(r) + " |" for r in rows), ""]
    )


def _demo(demo: dict[str, Any]) -> list[tuple[str, str, str]]:
    truth, latency, emotions = demo["truth"], demo["latency_ms"], demo["emotions"]
    frames = demo["frames"]
    openvino = [station for station, runtime in demo["runtimes"].items() if "openvino" in runtime]
    return [
        (
            f"demo clip ({frames['in']} images, 2 to 4 people, exact truth): people found",
            f"{truth['recall']:.0%}, {truth['id_switches']} id switches, {truth['false_persons']} too many",
            "`make demo`" + (f", OpenVINO for {', '.join(openvino)} (after `make test`)" if openvino else ""),
        ),
        (
            "– keypoints",
            f"{truth['keypoint_px']:.1f} px off (median), {truth['pck']:.0%} within 5 % of the height",
            "",
        ),
        (
            "– 3D joints about the pelvis; distance",
            f"{truth['mpjpe_mm']:.0f} mm MPJPE ({truth['p_mpjpe_mm']:.0f} mm aligned); "
            f"{truth['distance_error_share']:.0%} off",
            "",
        ),
        (
            "– an emotion shown for people who walk, wave and stand about",
            f"{emotions['valid']} of {emotions['estimates']} skeletons",
            "",
        ),
        (
            "– image published to last result received, four processes, everything recorded",
            f"median {latency['median']:.0f} ms, p95 {latency['p95']:.0f} ms",
            "",
        ),
    ]


def _speed(file: Path) -> tuple[str, str, str]:
    report = json.loads(file.read_text(encoding="utf-8"))
    fps = {f["people"]: f["fps"] for f in report["crowds"] if f["contender"] == REAL_TIME}
    shown = {people: fps[people] for people in (1, 4, 8)}
    computes = {"bf16": "bfloat16", "fp32": "float32"}[report["networks"]["keypoints"]["precision"]]
    processor = report["machine"]["cpu"].replace(" (", " with ").rstrip(")")
    return (
        f"the whole chain, VGA, {', '.join(map(str, shown))} people, in {computes} on {processor}",
        f"{', '.join(f'{rate:.0f}' for rate in shown.values())} images per second",
        "`posemo bench`, [speed](docs/performance.md)",
    )


def _cards() -> list[tuple[str, str, str]]:
    people = _card("keypoints")["report"]
    lift = {
        (run["keypoints"], run["delay_frames"]): run["mpjpe_mm"]
        for run in _card("lifter")["evaluate_lift"]["results"]["runs"]
    }
    tall, empty = people["found"]["tall"], people["found"]["empty_photos_with_somebody"]
    return [
        (
            f"{people['coco']['persons']} people of COCO photos kept from training and choosing, true boxes",
            f"AP {people['coco']['AP']:.2f}; these photos flatter MoveNet, expect about 0.5",
            "`python -m train people`, [card](models/keypoints.md)",
        ),
        (
            "people over 60 px found on such photos; empty photos with somebody",
            f"{tall[0]} of {tall[1]}; {empty[0]} of {empty[1]}",
            "[card](models/detector.md)",
        ),
        (
            "CMU test motion, perfect and noisy keypoints",
            f"{lift['perfect', 0]:.0f} and {lift['noisy', 0]:.0f} mm MPJPE",
            "`posemo evaluate lift`, [card](models/lifter.md)",
        ),
    ]


def _card(name: str) -> dict[str, Any]:
    figures: dict[str, Any] = read_figures(ROOT / "models" / f"{name}.md")
    return figures.get("people", figures)


if __name__ == "__main__":
    raise SystemExit(main())
