"""``python -m train card``."""

from __future__ import annotations

import argparse
from pathlib import Path

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import as_path, new_file, nonempty
from posemo_ros.errors import InputError, reason
from posemo_ros.text_files import json_of


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("card", type=new_file(".md"), help="Markdown file, made if need be")
    parser.add_argument("name", type=nonempty, help="of the figures in the card, such as evaluate_lift")
    parser.add_argument("report", type=as_path, help="JSON file")


def _run(args: argparse.Namespace) -> None:
    put_report(args.card, args.name, args.report)


def put_report(card: Path, name: str, report: Path) -> None:
    """Put a report into a model card and say so.

    Raises:
        InputError: The report cannot be read as JSON, or the card's block of figures is broken.
    """
    from train.cards import write_figures

    try:
        figures = json_of(report)
    except (OSError, ValueError) as error:
        raise InputError(f"{report}: expected a report in JSON ({reason(error)})") from error
    if isinstance(figures, dict):
        figures.pop("tables", None)  # of `posemo evaluate`: the results once more, to read
    write_figures(card, **{name: figures})
    print(f"{card}: figures {name!r}")


COMMAND = Command(
    help="put a report into a model card, as a block that programs read",
    examples=(
        ("python -m train card models/lifter.md evaluate_lift report.json", "of posemo evaluate lift --json"),
        ("python -m train card out/lifter.md test runs/table_2/ours/test.json", "of python -m train test"),
    ),
    run=_run,
    add_options=_options,
)
