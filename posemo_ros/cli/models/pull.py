"""``posemo models pull``."""

from __future__ import annotations

import argparse
import sys
import time

from ...inference.store import ModelStore
from ..command import Command
from ..values import nonempty
from .each import for_each, store_from


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", type=nonempty, metavar="NAME", help="as in `posemo models list`")


def _run(args: argparse.Namespace) -> int:
    store = store_from(args)
    return for_each(args.command, store, args.names, lambda name: _pull(store, name))


def _pull(store: ModelStore, name: str) -> str:
    bar = _ProgressBar(name)
    try:
        path = store.pull(name, bar)
    finally:
        bar.close()
    verified = "" if store.spec(name).sha256 else f"; no SHA-256 in the manifest, got {store.sha256(name)}"
    return f"{path}{verified}"


class _ProgressBar:
    """Percent, megabytes and rate on one line of a terminal; nothing where there is no terminal."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._start = self._shown = time.monotonic()
        self._first = -1
        self._wide = 0

    def __call__(self, have: int, total: int) -> None:
        now = time.monotonic()
        if self._first < 0:
            self._first = have
        if not sys.stderr.isatty() or (now - self._shown < 0.2 and have != total):
            return
        self._shown = now
        rate = (have - self._first) / max(now - self._start, 1e-3) / 1e6
        share = f"{100 * have // total:3d} % of {total / 1e6:.1f} MB" if total else f"{have / 1e6:.1f} MB"
        self._write(f"{self._name}: {share}, {rate:.1f} MB/s")

    def _write(self, text: str) -> None:
        sys.stderr.write("\r" + text.ljust(self._wide))
        sys.stderr.flush()
        self._wide = len(text)

    def close(self) -> None:
        """Leave the line."""
        if self._wide:
            sys.stderr.write("\n")


COMMAND = Command(
    help="download models and check them",
    examples=(
        ("posemo models pull rtmpose-m", "one model, into the cache"),
        ("posemo models --cache models/ pull rtmdet-nano-person rtmpose-m", "two, into a folder"),
    ),
    run=_run,
    add_options=_options,
)
