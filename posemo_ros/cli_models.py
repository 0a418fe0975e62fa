"""``posemo models``: list, pull and check model files, build TensorRT engines ahead of time."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .errors import PosemoError
from .inference import onnxfile, tensorrt_engine
from .inference.manifest import ModelSpec, input_shapes
from .inference.sessions import cache_root, open_session
from .inference.store import USER_MANIFESTS, ModelStore


def add_parser(subparsers: Any) -> None:
    """Add the command ``models``; its ``func(args)`` returns the exit code.

    Exit codes: 0 all went well, 1 something failed (said on stderr).
    """
    text = "list, pull and check model files, build TensorRT engines"
    parser = subparsers.add_parser("models", help=text, description=text)
    parser.add_argument(
        "--manifest",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help=f"another model manifest (may be given several times; see also ${USER_MANIFESTS})",
    )
    parser.add_argument(
        "--cache", type=Path, default=None, metavar="DIR", help=f"cache folder (default: {cache_root()})"
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _command(commands, "list", _list, "all models of the manifests, and which are here")
    pull = _command(commands, "pull", _pull, "download models and check them")
    pull.add_argument("names", nargs="+", metavar="NAME")
    check = _command(commands, "check", _check, "verify checksums, load, compare with the manifest")
    check.add_argument("names", nargs="*", metavar="NAME", help="default: all that are here")
    build = _command(commands, "build", _build, "build TensorRT engines ahead of time")
    build.add_argument("names", nargs="*", metavar="NAME", help="default: all that are here")


def _command(
    commands: Any, name: str, action: Callable[[ModelStore, argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    def run(args: argparse.Namespace) -> int:
        try:
            return action(ModelStore(args.manifest, cache=args.cache), args)
        except PosemoError as error:
            _complain(error)
            return 1

    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(func=run)
    return parser


def _list(store: ModelStore, args: argparse.Namespace) -> int:
    rows: list[Sequence[str]] = [("NAME", "TASK", "STATE", "SIZE", "LICENCE")]
    rows += [_row(store, spec) for spec in store.specs().values()]
    _print_table(rows)
    return 0


def _row(store: ModelStore, spec: ModelSpec) -> tuple[str, ...]:
    present = store.present(spec.name)
    state = "here" if present else "to pull" if spec.url else "missing"
    size = f"{store.location(spec.name).stat().st_size / 1e6:.1f} MB" if present else "-"
    return spec.name, spec.task, state, size, spec.licence


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _pull(store: ModelStore, args: argparse.Namespace) -> int:
    return _for_each(store, args.names, lambda name: _pull_one(store, name))


def _pull_one(store: ModelStore, name: str) -> str:
    bar = _ProgressBar(name)
    try:
        path = store.pull(name, bar)
    finally:
        bar.close()
    verified = "" if store.spec(name).sha256 else f"; no SHA-256 in the manifest, got {store.sha256(name)}"
    return f"{path}{verified}"


def _check(store: ModelStore, args: argparse.Namespace) -> int:
    return _for_each(store, args.names or _needed(store), lambda name: _check_one(store, name))


def _check_one(store: ModelStore, name: str) -> str:
    spec = store.spec(name)
    session = open_session(store.path(name), runtime="onnxruntime", threads=1, shapes=input_shapes(spec.spec))
    checksum = "SHA-256 right" if spec.sha256 else "no SHA-256 in the manifest"
    return f"ok ({checksum}, {session.precision}, inputs as the manifest says)"


def _build(store: ModelStore, args: argparse.Namespace) -> int:
    logging.getLogger(tensorrt_engine.__name__).setLevel(logging.INFO)
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    engines = (args.cache or cache_root()) / "engines"
    return _for_each(store, args.names or _present(store), lambda name: _build_one(store, name, engines))


def _build_one(store: ModelStore, name: str, engines: Path) -> str:
    path = store.path(name)
    engine = tensorrt_engine.cached_engine(
        path,
        precision=onnxfile.precision_of(path),
        cache_dir=engines,
        shapes=input_shapes(store.spec(name).spec),
    )
    return str(engine)


def _present(store: ModelStore) -> list[str]:
    return [name for name in store.specs() if store.present(name)]


def _needed(store: ModelStore) -> list[str]:
    """Models that are here or ought to be."""
    return [name for name, spec in store.specs().items() if store.present(name) or not spec.url]


def _for_each(store: ModelStore, names: Sequence[str], action: Callable[[str], str]) -> int:
    """Do something with every model, also after one failed; the exit code."""
    for name in names:
        store.spec(name)  # a mistyped name should stop us before anything is done
    failed = False
    for name in names:
        try:
            print(f"{name}: {action(name)}")
        except PosemoError as error:
            _complain(error, name)
            failed = True
    return int(failed)


def _complain(error: Exception, name: str = "") -> None:
    print(f"posemo models: {f'{name}: ' if name else ''}{error}", file=sys.stderr)


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
