"""``posemo run``: the chain on recordings."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..draw.privacy import Privacy
from ..errors import InputError
from ..inference.runtimes import AUTO
from .command import INTERRUPTED, Command
from .options import (
    add_model_options,
    add_privacy_option,
    add_source_options,
    choice_from,
    models_from,
    settings_from,
    store_for,
)
from .values import COUNT, as_path, new_folder, nonempty

if TYPE_CHECKING:
    from ..pipeline import Models
    from ..replay.run import Outcome, Plan

RAY = "ray"
FIXED = "onnxruntime"  # auto would measure on every machine, and might choose differently


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        type=nonempty,
        nargs="+",
        help="videos, pictures, folders of pictures, bags, folders of these, patterns such as "
        "'videos/*.mp4', lists (.txt, one source in a line), the number of a camera, "
        "or the address of a stream",
    )
    parser.add_argument(
        "--out",
        type=new_folder,
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
    parser.add_argument(
        "--no-films",
        action="store_true",
        help="results.mcap, results.parquet and summary.json alone; the same command without it draws film, "
        "picture and page later",
    )
    parser.add_argument(
        "--engine",
        choices=("here", RAY),
        default="here",
        help="ray: several recordings at a time, on the cores of a Ray cluster or of this machine; "
        "--threads is then 1 where it is not given, and the runtime onnxruntime",
    )
    parser.add_argument(
        "--workers", type=COUNT, help="recordings at a time with --engine ray (default: as there are cores)"
    )
    add_source_options(parser)
    add_model_options(parser)


def _run(args: argparse.Namespace) -> int:
    from ..replay.run import Plan, exit_code
    from ..replay.source_list import expand, folders_of, names_many
    from ..replay.truth import Truths

    if args.workers and args.engine != RAY:
        raise InputError(
            f"--workers says how many recordings {RAY} works on at a time: give --engine {RAY}, too"
        )
    texts = expand(args.source)
    plan = Plan(
        _models(args),
        settings_from(args),
        store_for(args),
        choice_from(args),
        Truths(args.truth.absolute()) if args.truth else None,
        args.overwrite,
        Privacy(args.privacy),
        films=not args.no_films,
    )
    one = len(args.source) == 1 and not names_many(args.source[0])
    _refuse_sources(texts, [args.out] if one else folders_of(texts, args.out))
    try:
        outcomes = _outcomes(args, plan, texts, one=one)
    except KeyboardInterrupt:
        print(f"{args.command}: interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    if one:
        _say(outcomes[0])
    else:
        _table(outcomes)
    return exit_code(outcomes)


def _refuse_sources(texts: Sequence[str], folders: Sequence[Path]) -> None:
    """Results in the folder of a source would be taken for a part of it the next time.

    Raises:
        InputError: A source's folder is that of its results.
    """
    for text, folder in zip(texts, folders, strict=True):
        if folder.is_dir() and os.path.exists(text) and folder.samefile(text):  # noqa: PTH110 (or an address)
            raise InputError(f"{text} is a source: its results need another folder; name one with --out")


def _outcomes(args: argparse.Namespace, plan: Plan, texts: Sequence[str], *, one: bool) -> list[Outcome]:
    if args.engine == RAY and not one:
        from ..replay.ray_engine import run_on_ray

        return run_on_ray(plan, texts, args.out, args.workers)
    runner = plan.runner()
    return [runner.one(texts[0], args.out)] if one else runner.many(texts, args.out)


def _models(args: argparse.Namespace) -> Models:
    """Beside each other, every recording has a core and the runtime that is the same everywhere."""
    models = models_from(args)
    if args.engine != RAY:
        return models
    return replace(
        models, threads=models.threads or 1, runtime=FIXED if models.runtime == AUTO else models.runtime
    )


def _say(outcome: Outcome) -> None:
    if outcome.again:
        print(f"{outcome.folder} was finished before; --overwrite does it again")
    print(outcome.words)


def _table(outcomes: Sequence[Outcome]) -> None:
    from ..evaluate.report import Table

    rows = [(o.source, o.images, o.people, o.losses, _state(o), o.folder) for o in outcomes]
    table = Table("", ("source", "images", "people", "lost", "state", "results"), rows)
    print("\n".join(table.lines()[1:]))
    for failed in (o for o in outcomes if o.error):
        print(f"{failed.source}: {failed.error}", file=sys.stderr)
    if any(o.again for o in outcomes):
        print("those finished before were left alone; --overwrite does all again")


def _state(outcome: Outcome) -> str:
    if outcome.error:
        return "failed"
    return "finished before" if outcome.again else "done"


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
