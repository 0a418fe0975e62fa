"""``python -m train people``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import as_path, new_file, nonempty


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--detector", type=nonempty, default="posemo-detector", help="name in the model manifest"
    )
    parser.add_argument(
        "--keypoints", type=nonempty, default="posemo-keypoints", help="name in the model manifest"
    )
    parser.add_argument(
        "--manifest", type=as_path, action="append", default=[], help="another model manifest"
    )
    parser.add_argument("--data", type=as_path, default=Path("../shared/data"), help="development data")
    parser.add_argument("--demo", type=as_path, default=Path("demo"), help="folder of the demo clip")
    parser.add_argument("--out", type=new_file(".json"), required=True, help="JSON file of all figures")


def _run(args: argparse.Namespace) -> None:
    from posemo_ros.inference.store import ModelStore
    from posemo_ros.pipeline import build_people
    from posemo_ros.settings import Models, Settings
    from train.people_report import measure, summary

    models = Models(detector=args.detector, keypoints=args.keypoints, runtime="onnxruntime", threads=1)
    finder = build_people(models, ModelStore(args.manifest), Settings(max_people=30))
    report = {"detector": args.detector, "keypoints": args.keypoints, **measure(finder, args.data, args.demo)}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(summary(report))


COMMAND = Command(
    help="detector and keypoints on the people and photos kept apart",
    examples=(
        ("python -m train people --out runs/people.json", "the shipped ones"),
        ("python -m train people --keypoints posemo-keypoints-fast --out runs/fast.json", "the fast network"),
    ),
    run=_run,
    add_options=_options,
)
