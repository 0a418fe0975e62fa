"""``posemo run``: the chain on recordings."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..draw.privacy import Privacy
from ..inference.store import ModelStore
from .command import INTERRUPTED, Command
from .options import (
    add_model_options,
    add_privacy_option,
    add_source_options,
    choice_from,
    pipeline_from,
)
from .values import as_path

if TYPE_CHECKING:
    from ..replay.run import Outcome


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        nargs="+",
        help="videos, pictures, folders of pictures, bags, patterns such as 'videos/*.mp4', the number of a "
        "camera, or the address of a stream",
    )
    parser.add_argument(
        "--out",
        type=as_path,
        default=Path("out/run"),
        help="folder for the results; several sources get a folder each in it",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="throw away the results of another run there"
    )
    parser.add_argument(
        "--truth",
        type=as_path,
        metavar="PATH",
        help="ground truth (.npz) to compare with; of several sources a folder with NAME.npz or "
        "NAME_truth.npz, or a pattern such as 'truth/{name}.npz'",
    )
    add_privacy_option(parser)
    add_source_options(parser)
    add_model_options(parser)


def _run(args: argparse.Namespace) -> int:
    from ..replay.run import Runner, exit_code, expand, is_pattern
    from ..replay.truth import Truths

    texts = expand(args.source)
    runner = Runner(
        pipeline=pipeline_from(args),
        store=ModelStore(),
        choice=choice_from(args),
        truths=Truths(args.truth) if args.truth else None,
        overwrite=args.overwrite,
        privacy=Privacy(args.privacy),
    )
    try:
        if len(args.source) == 1 and not is_pattern(args.source[0]):
            outcomes = [runner.one(texts[0], args.out)]
            _say(outcomes[0])
        else:
            outcomes = runner.many(texts, args.out)
            _table(outcomes)
    except KeyboardInterrupt:
        print(f"{args.command}: interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    return exit_code(outcomes)


def _say(outcome: Outcome) -> None:
    if outcome.again:
        print(f"{outcome.folder} was finished before; --overwrite does it again")
    print(outcome.words)


def _table(outcomes: Sequence[Outcome]) -> None:
    from ..evaluate.report import Table

    rows = [(o.source, o.images, o.people, o.losses, o.error or o.folder) for o in outcomes]
    table = Table("", ("source", "images", "people", "lost", "results"), rows)
    print("\n".join(table.lines()[1:]))


COMMAND = Command(
    help="run the chain on videos, pictures, bags or a camera",
    examples=(
        ("posemo run walk.mp4", "results, table, film and report of a video, in out/run/"),
        (
            "posemo run 'videos/*.mp4' talk.mcap --out out/all --keypoints posemo-keypoints-fast",
            "many recordings, a faster network; killed, the same command goes on",
        ),
    ),
    run=_run,
    add_options=_options,
)
