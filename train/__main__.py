"""``python -m train COMMAND``: training, evaluation, the papers' tables, export.

``fit``, ``validate``, ``test`` and ``predict`` take ``--config FILE`` (``train/configs``) and any
option of trainer, model and data (``python -m train fit --help``).
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from posemo_ros.errors import PosemoError

RUNS = {
    "fit": "train; goes on from --ckpt_path FILE",
    "validate": "measure on the validation set",
    "test": "measure on the test set",
    "predict": "write the answers for the test set",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; 0 on success, 1 with a message on the error stream otherwise."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(words[:1] if words[:1] and words[0] in RUNS else words)
    try:
        options.run(words if options.command in RUNS else options)
    except (PosemoError, ValueError, TypeError) as error:
        print(f"train {options.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in RUNS.items():
        commands.add_parser(name, help=text).set_defaults(run=_run)
    table = commands.add_parser("table", help="a table of the papers, their numbers beside ours")
    table.add_argument("names", nargs="*", help="I ... X, moemo, ...; all without")
    table.add_argument(
        "--evaluate", action="store_true", help="test what has weights and data and no result yet"
    )
    table.add_argument("--write", action="store_true", help="write docs/reproduction.md with all tables")
    table.add_argument(
        "--root", type=Path, default=Path(), help="folder that holds data/, weights/ and runs/"
    )
    table.set_defaults(run=_table)
    cmu = commands.add_parser("cmu", help="does SAM + TAM help on CMU motion? f = 1, 9, 27, several seeds")
    cmu.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="the development data's folder"
    )
    cmu.add_argument("--out", type=Path, default=Path("runs/cmu"), help="folder of runs and results")
    cmu.add_argument("--steps", type=int, default=3000, help="of every run")
    cmu.add_argument("--frames", type=int, nargs="*", default=[1, 9, 27])
    cmu.add_argument("--variants", nargs="*", default=["none", "sam+tam"], help="none, sam, tam, sam+tam")
    cmu.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    cmu.add_argument("--batch", type=int, default=256)
    cmu.add_argument("--width", type=int, default=32, help="of a joint in PoseFormer")
    cmu.add_argument("--depth", type=int, default=4, help="blocks of each stack")
    cmu.add_argument("--rate", type=float, default=4e-4, help="highest learning rate")
    cmu.add_argument("--views", type=int, default=4, help="virtual cameras per clip")
    cmu.add_argument(
        "--noise", choices=("perfect", "detector"), default="detector", help="of the 2D keypoints"
    )
    cmu.add_argument("--keep", action="store_true", help="put the result into docs/reproduction.md")
    cmu.set_defaults(run=_cmu)
    found = commands.add_parser("detections", help="2D keypoints of Human3.6M's videos by a network of ours")
    found.add_argument("--data", type=Path, default=Path("data/h36m"), help="folder of the npz files")
    found.add_argument("--videos", type=Path, required=True, help="folder with S1, S5, ... of the download")
    found.add_argument("--keypoints", required=True, help="name in the model manifest")
    found.add_argument("--name", required=True, help="of the new kind: data_2d_h36m_NAME.npz")
    found.set_defaults(run=_detections)
    loading = commands.add_parser("loading", help="samples per second of a configuration's data, by stage")
    loading.add_argument("--config", type=Path, required=True)
    loading.add_argument("--batches", type=int, default=50)
    loading.set_defaults(run=_loading)
    export = commands.add_parser("export", help="write ONNX and its manifest entry")
    export.add_argument("network", nargs="?", help="a name of train.models.zoo.NETWORKS")
    export.add_argument("--config", type=Path, help="configuration of a run, in place of the network's name")
    export.add_argument("--out", type=Path, required=True, help="folder/name.onnx")
    export.add_argument("--set", nargs="*", default=[], metavar="OPTION=VALUE", help="options of the network")
    export.add_argument("--weights", type=Path, help="checkpoint; random weights without it")
    export.add_argument("--may-miss", nargs="*", default=[], help="parameters the checkpoint may lack")
    export.add_argument("--may-have", nargs="*", default=[], help="parameters of the checkpoint to leave out")
    export.add_argument(
        "--entry", nargs="*", default=[], metavar="KEY=VALUE", help="settings of the manifest entry's task"
    )
    export.add_argument("--licence", default="not stated", help="of the weights, for the manifest")
    export.add_argument("--source", help="where the weights come from; default: the checkpoint's name")
    export.add_argument("--fp16", action="store_true", help="also write half precision")
    export.add_argument(
        "--int8", type=Path, metavar="NPZ", help="also write int8, calibrated on these inputs"
    )
    export.set_defaults(run=_export)
    return parser


def _run(words: Sequence[str]) -> None:
    from .tasks.cli import run

    run(words)


def _table(options: argparse.Namespace) -> None:
    from .tables.command import run

    run(options.names, options.root, evaluate=options.evaluate, write=options.write)


def _cmu(options: argparse.Namespace) -> None:
    from .tables.cmu import Budget, run

    names = ("steps", "batch", "width", "depth", "rate", "views", "noise")
    budget = Budget(**{name: getattr(options, name) for name in names})
    run(options.data, options.out, budget, options.frames, options.variants, options.seeds, keep=options.keep)


def _detections(options: argparse.Namespace) -> None:
    from .data.h36m_detections import estimator, write_detections

    print(write_detections(options.data, options.videos, options.name, estimator(options.keypoints)))


def _loading(options: argparse.Namespace) -> None:
    from .tasks.loading import report

    report(options.config, options.batches)


def _export(options: argparse.Namespace) -> None:
    from .export import export, load_samples
    from .models.zoo import build
    from .tasks.checkpoint import entry_of, start_from

    if (options.network is None) == (options.config is None):
        raise ValueError("name a network or a --config")
    if options.config:
        entry = entry_of(options.config)
    else:
        entry = build(options.network, **dict(map(_setting, options.set)))
    if options.weights:
        start_from(entry.network, options.weights, may_miss=options.may_miss, may_have=options.may_have)
    entry.settings.update(map(_setting, options.entry))
    source = options.source or (options.weights.name if options.weights else "random weights")
    samples = load_samples(options.int8, entry.inputs) if options.int8 else None
    files = export(
        entry, options.out, licence=options.licence, source=source, fp16=options.fp16, samples=samples
    )
    for path, difference in files.items():
        print(f"{path}: differs from PyTorch by {difference:.1e} of the largest output")
    print(f"{options.out.with_suffix('.yaml')}: manifest entry")


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set {text}: expected OPTION=VALUE")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value  # a word, such as sam=after_msa


if __name__ == "__main__":
    sys.exit(main())
