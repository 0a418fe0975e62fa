"""``posemo bench``: how fast the chain is here."""

from __future__ import annotations

import argparse
import sys

from ..bench.plot import ENDINGS
from .command import Command
from .options import add_model_options, models_from, settings_from, store_for
from .values import integer, new_file, number


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="two crowd sizes, VGA only, few frames")
    parser.add_argument("--people", type=integer(1, 100), nargs="+", help="crowd sizes (default: 1 2 4 8 16)")
    parser.add_argument("--frames", type=integer(10, 100_000), help="per scene (default: 120)")
    parser.add_argument(
        "--against", choices=["rtmlib"], action="append", default=[], help="compare with this library, too"
    )
    parser.add_argument(
        "--minutes", type=number(0, 10_000), default=0.0, help="so long memory is watched besides"
    )
    parser.add_argument(
        "--plot", type=new_file(*ENDINGS), metavar="FILE", help="write a picture (PNG, SVG, PDF)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    add_model_options(parser)


def _run(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from ..bench.contenders import Chain
    from ..bench.plot import draw
    from ..bench.run import QUICK, Plan, as_json, as_text, bench

    plan = QUICK if args.quick else Plan()
    plan = replace(plan, against=tuple(args.against), minutes=args.minutes)
    if args.people:
        plan = replace(plan, people=tuple(args.people))
    if args.frames:
        plan = replace(plan, frames=args.frames)
    chain = Chain(models_from(args), settings_from(args), store_for(args))
    report = bench(chain, plan, say=lambda text: print(text, file=sys.stderr, flush=True))
    if args.plot:
        draw(report, args.plot)
    print(as_json(report) if args.json else as_text(report))


COMMAND = Command(
    help="measure the speed of the chain here, beside a naive one",
    examples=(
        ("posemo bench --quick", "the default networks, in about a minute"),
        (
            "posemo bench --against rtmlib --json --plot speed.png",
            "everything, beside rtmlib (extra `bench`), for a program to read and as a picture",
        ),
    ),
    run=_run,
    add_options=_options,
)
