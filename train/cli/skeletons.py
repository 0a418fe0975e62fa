"""``python -m train skeletons``."""

from __future__ import annotations

import argparse
import json

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import as_path, new_file, nonempty, number


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lifter", type=nonempty, default="posemo-lifter", help="name in the model manifest")
    parser.add_argument(
        "--manifest", type=as_path, action="append", default=[], help="another model manifest"
    )
    parser.add_argument(
        "--smoothing-hz", type=number(0, 100), help="of the filter; the chain's own by default"
    )
    parser.add_argument("--films", type=as_path, help="file of `train scenes films --split test`")
    parser.add_argument("--peer", type=as_path, help="file of `train peer`")
    parser.add_argument("--demo", type=as_path, help="folder of the demo clip")
    parser.add_argument("--out", type=new_file(".json"), required=True, help="JSON file of all figures")


def _run(args: argparse.Namespace) -> None:
    from posemo_ros.errors import InputError
    from posemo_ros.inference.store import ModelStore
    from posemo_ros.pipeline import build_emotion, build_lifter, build_people
    from posemo_ros.settings import Models, Settings
    from train import skeleton_report as report
    from train.data.sightings import Sightings

    if not (args.films or args.peer or args.demo):
        raise InputError("nothing to measure on: name --films, --peer or --demo")
    models = Models(lifter=args.lifter, runtime="onnxruntime", threads=1)
    if args.smoothing_hz is not None:
        models = Models(**{**vars(models), "smoothing_hz": args.smoothing_hz})
    store = ModelStore(args.manifest)
    lifter = build_lifter(models, store)
    assert lifter is not None
    figures: dict[str, object] = {"lifter": args.lifter, "smoothing_hz": models.smoothing_hz}
    if args.films:
        halves = report.on_films(lifter, Sightings.load(args.films))
        figures |= {f"films, {name}": half for name, half in halves.items()}
    if args.demo:
        figures["demo clip"] = report.on_demo(lifter, build_people(models, store, Settings()), args.demo)
    if args.peer:
        watched = report.Watched.load(args.peer)
        figures["peer"] = report.beside_peer(lifter, watched)
        emotion = build_emotion(models, store)
        assert emotion is not None
        figures["no emotion shown"] = report.quiet(lifter, emotion, watched)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print("\n".join(report.summary(figures)))


COMMAND = Command(
    help="the lifter behind real keypoints: rendered people kept apart, the demo clip, beside a peer",
    examples=(
        (
            "python -m train skeletons --films runs/starter/kept.npz --demo demo --out runs/skeletons.json",
            "rendered people, half to choose with, half to report",
        ),
        (
            "python -m train skeletons --peer runs/starter/peer.npz --out runs/peer.json",
            "real people beside BlazePose",
        ),
    ),
    run=_run,
    add_options=_options,
)
