"""``python -m train export NETWORK``: a network's weights to ONNX and its manifest entry."""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from posemo_ros.errors import PosemoError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; 0 on success, 1 with a message on the error stream otherwise."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (PosemoError, ValueError, TypeError) as error:
        print(f"train {options.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    export = commands.add_parser("export", help="write ONNX and its manifest entry")
    export.add_argument("network", help="a name of train.models.zoo.NETWORKS")
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


def _export(options: argparse.Namespace) -> None:
    from .export import export, load_samples
    from .models.weights import load_weights
    from .models.zoo import build

    entry = build(options.network, **dict(map(_setting, options.set)))
    if options.weights:
        load_weights(entry.network, options.weights, may_miss=options.may_miss, may_have=options.may_have)
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
