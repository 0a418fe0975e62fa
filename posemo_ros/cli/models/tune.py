"""``posemo models tune``."""

from __future__ import annotations

import argparse
import logging

from ...inference.manifest import DetectSpec
from ...inference.sessions import usable_cores
from ...inference.store import ModelStore
from ...settings import BESIDE_THREADS
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
    return for_each(args.command, store, names, lambda name: tuned(store, name, again=args.again))


def tuned(store: ModelStore, name: str, *, again: bool) -> str:
    """What is chosen for a model; of a detector also for the one thread that it has beside the keypoints."""
    text = describe(choose(store, name, again=again))
    if not isinstance(store.spec(name).spec, DetectSpec) or usable_cores() == BESIDE_THREADS:
        return text
    beside = describe(choose(store, name, threads=BESIDE_THREADS, again=again))
    return f"{text}\n{name}, in real time, beside the keypoints: {beside}"


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
