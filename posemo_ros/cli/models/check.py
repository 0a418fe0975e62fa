"""``posemo models check``."""

from __future__ import annotations

import argparse

from ...fit import check_fit
from ...inference.manifest import input_shapes
from ...inference.sessions import open_session
from ...inference.store import ModelStore
from ..command import Command
from .each import add_names_option, for_each, store_from


def _run(args: argparse.Namespace) -> int:
    store = store_from(args)
    return for_each(args.command, store, args.names or _needed(store), lambda name: _check(store, name))


def _check(store: ModelStore, name: str) -> str:
    spec = store.spec(name)
    session = open_session(store.path(name), runtime="onnxruntime", threads=1, shapes=input_shapes(spec.spec))
    check_fit(session, spec)
    checksum = "SHA-256 right" if spec.sha256 else "no SHA-256 in the manifest"
    return f"ok ({checksum}, {session.precision}, inputs and outputs as the manifest says)"


def _needed(store: ModelStore) -> list[str]:
    """Models that are here or ought to be."""
    return [name for name, spec in store.specs().items() if store.present(name) or not spec.url]


COMMAND = Command(
    help="verify checksums, load, compare with the manifest",
    examples=(
        ("posemo models check", "all that are here"),
        ("posemo models --manifest mine.yaml check my-keypoints", "one of your own"),
    ),
    run=_run,
    add_options=add_names_option,
)
