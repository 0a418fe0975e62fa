"""``python -m train thresholds``."""

from __future__ import annotations

import argparse
import json

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import as_path
from posemo_ros.errors import InputError


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("manifest", type=as_path, help="of the emotion network, as `train export` writes it")
    parser.add_argument("clips", type=as_path, help="labelled clips (.npz), some of them neutral")
    parser.add_argument(
        "--results",
        type=as_path,
        nargs="*",
        default=[],
        help="bags with results of the chain on people who show no emotion",
    )


def _run(args: argparse.Namespace) -> None:
    from posemo_ros.inference.manifest import EmotionSpec, load_manifest
    from posemo_ros.inference.sessions import open_session
    from train.thresholds import fit_thresholds

    entry = next(iter(load_manifest(args.manifest).values()))
    if not isinstance(entry.spec, EmotionSpec):
        raise InputError(f"{args.manifest}: expected an emotion network, got one for '{entry.task}'")
    session = open_session(args.manifest.parent / entry.file, threads=1)
    print(json.dumps(fit_thresholds(session, entry.spec, args.clips, args.results), indent=1))


COMMAND = Command(
    help="choose from which evidence on an emotion is reported",
    examples=(
        (
            "python -m train thresholds out/emotion.yaml clips.npz",
            "on half of the clips; the rest is reported",
        ),
        (
            "python -m train thresholds out/emotion.yaml clips.npz --results out/run/results.mcap",
            "what the chain makes of neutral people counts, too",
        ),
    ),
    run=_run,
    add_options=_options,
)
