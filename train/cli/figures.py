"""``python -m train figures``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import as_path, new_folder, nonempty


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("card", type=as_path, help="model card of a keypoint network, a lifter or a detector")
    parser.add_argument(
        "--films", type=as_path, required=True, help="file of `train scenes films --split test`"
    )
    parser.add_argument(
        "--lifter", type=nonempty, help="name in the manifest: draw its worst skeletons, not keypoints"
    )
    parser.add_argument("--missed", action="store_true", help="draw who was not found, for a detector")
    parser.add_argument(
        "--out", type=new_folder, default=Path("models/figures"), help="folder of the SVG files"
    )


def _run(args: argparse.Namespace) -> None:
    from posemo_ros.errors import InputError
    from posemo_ros.inference.store import ModelStore
    from posemo_ros.pipeline import build_lifter
    from posemo_ros.settings import Models
    from train import figures
    from train.cards import read_figures
    from train.data.sightings import Sightings
    from train.skeleton_report import lift_all

    seen = Sightings.load(args.films)
    args.out.mkdir(parents=True, exist_ok=True)
    pages = {}
    halves: dict[str, Any] = {}
    if args.lifter and args.missed:
        raise InputError("--missed draws a detector's mistakes, --lifter a lifter's: name one")
    if args.missed:
        pages["missed"] = figures.missed(seen)
    elif args.lifter:
        lifter = build_lifter(Models(lifter=args.lifter, runtime="onnxruntime", threads=1), ModelStore())
        assert lifter is not None
        pages["worst"] = figures.worst_skeletons(lift_all(lifter, seen), seen)
        halves = _reliability(read_figures(args.card).get("skeletons", {}))
    else:
        pages["worst"] = figures.worst_keypoints(seen)
        halves = _reliability(read_figures(args.card).get("people", {}))
    if halves:
        pages["reliability"] = figures.reliability_figure(halves)
    for name, page in pages.items():
        path = args.out / f"{args.card.stem}-{name}.svg"
        path.write_text(page, encoding="utf-8")
        print(path)


def _reliability(measured: dict[str, Any]) -> dict[str, Any]:
    """By half, as far as the card has it."""
    rows = {
        name: half["reliability"]
        for name, half in measured.items()
        if isinstance(half, dict) and "reliability" in half
    }
    return {name: row["confidence_accuracy_count"] for name, row in rows.items()}


COMMAND = Command(
    help="figures of a model card: reliability of scores, line drawings of the worst answers",
    examples=(
        ("python -m train figures models/keypoints.md --films runs/starter/kept.npz", "of keypoints"),
        (
            "python -m train figures models/lifter.md --films runs/starter/kept.npz --lifter posemo-lifter",
            "of skeletons",
        ),
    ),
    run=_run,
    add_options=_options,
)
