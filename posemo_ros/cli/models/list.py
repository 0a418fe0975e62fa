"""``posemo models list``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ...inference.manifest import ModelSpec
from ...inference.store import ModelStore
from ...presets import load_preset, preset_files
from ..command import Command
from .each import store_from


def _run(args: argparse.Namespace) -> None:
    store = store_from(args)
    rows: list[Sequence[str]] = [("NAME", "TASK", "STATE", "SIZE", "LICENCE")]
    rows += [_row(store, spec) for spec in store.specs().values()]
    _print(rows)
    print()
    _print([("PRESET", "STATE", "WHAT"), *(_preset_row(store, name) for name in preset_files())])


def _print(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _preset_row(store: ModelStore, name: str) -> tuple[str, ...]:
    preset = load_preset(name)
    absent = preset.absent(store)
    return name, f"missing: {', '.join(absent)}" if absent else "here", preset.description


def _row(store: ModelStore, spec: ModelSpec) -> tuple[str, ...]:
    present = store.present(spec.name)
    state = "here" if present else "to pull" if spec.url else "missing"
    size = f"{store.location(spec.name).stat().st_size / 1e6:.1f} MB" if present else "-"
    return spec.name, spec.task, state, size, spec.licence


COMMAND = Command(
    help="all models of the manifests and all presets, and which are here",
    examples=(
        ("posemo models list", "what can run"),
        ("posemo models --manifest mine.yaml list", "with models of your own"),
    ),
    run=_run,
)
