"""``posemo models tune``."""

from __future__ import annotations

import argparse
import logging

from ...tuning import Choice, choose
from ..command import Command
from .each import add_names_option, for_each, store_from


def _options(parser: argparse.ArgumentParser) -> None:
    add_names_option(parser)
    parser.add_argument("--again", action="store_true", help="measure even where a choice is remembered")


def _run(args: argparse.Namespace) -> int:
    # The table says it; the log would say it a second time.
    logging.getLogger("posemo_ros.tuning").setLevel(logging.ERROR)
    store = store_from(args)
    names = args.names or [name for name in store.specs() if store.present(name)]
    return for_each(args.command, store, names, lambda name: describe(choose(store, name, again=args.again)))


def describe(choice: Choice) -> str:
    """The choice, and a line per runtime that was tried."""
    lines = [f"{choice.runtime}"]
    for verdict in choice.verdicts:
        time = "-" if verdict.ms is None else f"{verdict.ms:.1f} ms"
        lines.append(f"    {verdict.runtime:22} {time:>10}  {verdict.reason or 'right'}")
    if not choice.verdicts:
        lines.append(f"    {choice.unmeasured or 'nothing else to choose from on this machine'}")
    return "\n".join(lines)


COMMAND = Command(
    help="measure which runtime is fastest here and gives the right answers",
    examples=(
        ("posemo models tune", "all that are here; what is known already is only shown"),
        ("posemo models tune --again posemo-keypoints", "one, measured anew"),
    ),
    run=_run,
    add_options=_options,
)
