"""``python -m train export``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import as_path, new_file, new_folder, nonempty
from posemo_ros.errors import InputError, PosemoError
from posemo_ros.inference.manifest import STATIONS

from .card import put_report


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", type=nonempty, nargs="?", help="a name of train.models.zoo.NETWORKS")
    parser.add_argument(
        "--config", type=as_path, help="configuration of a run, in place of the network's name"
    )
    parser.add_argument(
        "--out", type=as_path, required=True, help="folder/name.onnx; with --preset the folder of the chain"
    )
    parser.add_argument(
        "--preset",
        type=nonempty,
        metavar="NAME",
        help="export the networks of a whole chain, and write a preset file that runs them",
    )
    for station in STATIONS:
        parser.add_argument(
            f"--{station}",
            type=nonempty,
            metavar="SOURCE",
            help="with --preset: folder of a run, a name in the manifest, or NETWORK,OPTION=VALUE@WEIGHTS; "
            "entry.KEY=VALUE is an option of the manifest",
        )
    parser.add_argument(
        "--set", type=nonempty, nargs="*", default=[], metavar="OPTION=VALUE", help="options of the network"
    )
    parser.add_argument("--weights", type=as_path, help="checkpoint; random weights without it")
    parser.add_argument(
        "--may-miss", type=nonempty, nargs="*", default=[], help="parameters the checkpoint may lack"
    )
    parser.add_argument(
        "--may-have", type=nonempty, nargs="*", default=[], help="parameters of the checkpoint to leave out"
    )
    parser.add_argument(
        "--entry",
        type=nonempty,
        nargs="*",
        default=[],
        metavar="KEY=VALUE",
        help="settings of the manifest entry's task",
    )
    parser.add_argument(
        "--licence", type=nonempty, default="not stated", help="of the weights, for the manifest"
    )
    parser.add_argument(
        "--source", type=nonempty, help="where the weights come from; default: the checkpoint's name"
    )
    parser.add_argument(
        "--card", type=new_file(".md"), help="gets the figures of the run's test; default: OUT as .md"
    )
    parser.add_argument("--small", action="store_true", help="store the weights in half precision")
    parser.add_argument("--fp16", action="store_true", help="also write half precision")
    parser.add_argument(
        "--int8", type=as_path, metavar="NPZ", help="also write int8, calibrated on these inputs"
    )


def _run(args: argparse.Namespace) -> None:
    try:
        _export(args)
    except PosemoError:
        raise
    except (ValueError, TypeError) as error:  # an option that the network does not know or take
        raise InputError(str(error)) from error


def _export(args: argparse.Namespace) -> None:
    from train.export import export, load_samples
    from train.models.counting import count_macs, count_parameters
    from train.models.zoo import build
    from train.tasks.checkpoint import learned_settings, start_from
    from train.tasks.cli import read_run

    sources = {station: text for station in STATIONS if (text := getattr(args, station)) is not None}
    _refuse_unused(args)
    try:
        args.out = (new_folder if args.preset else new_file(".onnx"))(str(args.out))
    except argparse.ArgumentTypeError as error:
        raise InputError(f"--out: {error}") from error
    if args.preset:
        _export_chain(args, sources)
        return
    if sources:
        raise InputError(f"--{next(iter(sources))}: stations belong to a --preset")
    if (args.network is None) == (args.config is None):
        raise InputError("name a network or a --config")
    run = None
    if args.config:
        if not args.weights:
            raise InputError(f"--config {args.config}: name the --weights, a checkpoint of its run")
        entry, run = read_run(args.config)
        entry.settings.update(learned_settings(args.weights))
    else:
        entry = build(args.network, **_settings("--set", args.set))
    if args.weights:
        start_from(entry.network, args.weights, may_miss=args.may_miss, may_have=args.may_have)
    entry.settings.update(_settings("--entry", args.entry))
    source = args.source or (args.weights.name if args.weights else "random weights")
    samples = load_samples(args.int8, entry.inputs) if args.int8 else None
    options = {"licence": args.licence, "source": source, "fp16": args.fp16, "small": args.small}
    files = export(entry, args.out, samples=samples, **options)
    parameters, macs = count_parameters(entry.network), count_macs(entry.network, *entry.inputs.values())
    per_sample = (macs.layers + macs.products) / len(next(iter(entry.inputs.values()))) / 1e6
    print(f"{parameters / 1e6:.2f} M parameters, {per_sample:.1f} M multiply-accumulates per sample")
    for path, difference in files.items():
        print(f"{path}: differs from PyTorch by {difference:.1e} of the largest output")
    print(f"{args.out.with_suffix('.yaml')}: manifest entry")
    if run is not None and (run / "test.json").exists():
        _put_figures(args.card or args.out.with_suffix(".md"), run, args.weights)


def _refuse_unused(args: argparse.Namespace) -> None:
    """Options that would be read and say nothing."""
    alone = ("set", "may_miss", "may_have", "entry", "source", "card", "small", "fp16", "int8")
    unused = {
        "belongs to a single network, not to a --preset": alone if args.preset else (),
        "is for a network by its name; a --config has its own": ("set",) if args.config else (),
        "says how to read --weights: name them": () if args.weights else ("may_miss", "may_have"),
        "gets the figures of a run's test: name its --config": () if args.config else ("card",),
    }
    for why, names in unused.items():
        for name in names:
            if getattr(args, name):
                raise InputError(f"--{name.replace('_', '-')} {why}")


def _put_figures(card: Path, run: Path, weights: Path) -> None:
    """The figures of the run's test into the card, if these weights were tested."""
    from train.tasks.checkpoint import identity, read_result, same_weights

    result = run / "test.json"
    tested, exported = read_result(run).get("checkpoint"), identity(weights)
    if tested and not same_weights(tested, exported):
        print(
            f"{result}: of {tested.get('weights')}, not of {exported['weights']}: its figures are not "
            f"put into {card}; test these weights: python -m train test --config … --ckpt_path {weights}"
        )
        return
    put_report(card, "test", result)


def _export_chain(args: argparse.Namespace, sources: dict[str, str]) -> None:
    from posemo_ros.inference.store import ModelStore
    from posemo_ros.presets import load_preset
    from posemo_ros.trained_behind import unlike_training
    from train.chain import export_chain

    if args.network or args.config or args.weights:
        raise InputError("--preset takes its networks from the options of the stations alone")
    path = export_chain(args.preset, args.out, sources, licence=args.licence)
    preset = load_preset(str(path))
    print(f"{path}: run it with --preset {path}")
    if absent := preset.absent(ModelStore(preset.manifests)):
        print(f"still missing: {', '.join(absent)}")
    for text in unlike_training(preset.choose({}), ModelStore(preset.manifests)):
        print(text)


def _settings(option: str, texts: Sequence[str]) -> dict[str, Any]:
    """``["frames=9"]`` as ``{"frames": 9}``."""
    from train.chain import setting

    found: dict[str, Any] = {}
    for text in texts:
        try:
            name, value = setting(text)
        except InputError as error:
            raise InputError(f"{option} {error}") from error
        if name in found:
            raise InputError(f"{option}: {name} is given twice")
        found[name] = value
    return found


COMMAND = Command(
    help="write ONNX and its manifest entry",
    examples=(
        (
            "python -m train export --config train/configs/table_2/ours.yaml "
            "--weights runs/table_2/ours/checkpoints/last.ckpt --out out/lifter.onnx",
            "the network of a run",
        ),
        (
            "python -m train export poseformer --set frames=9 --out out/poseformer.onnx --fp16",
            "a network by its name, with random weights, in float32 and float16",
        ),
    ),
    run=_run,
    add_options=_options,
)
