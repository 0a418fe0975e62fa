"""``posemo models build``."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from ...inference import onnxfile, tensorrt_engine
from ...inference.manifest import input_shapes
from ...inference.sessions import cache_root
from ...inference.store import ModelStore
from ..command import Command
from .each import add_names_option, for_each, store_from


def _run(args: argparse.Namespace) -> int:
    logging.getLogger(tensorrt_engine.__name__).setLevel(logging.INFO)
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    store = store_from(args)
    engines = (args.cache or cache_root()) / "engines"
    here = [name for name in store.specs() if store.present(name)]
    return for_each(args.command, store, args.names or here, lambda name: _build(store, name, engines))


def _build(store: ModelStore, name: str, engines: Path) -> str:
    path = store.path(name)
    engine = tensorrt_engine.cached_engine(
        path,
        precision=onnxfile.precision_of(path),
        cache_dir=engines,
        shapes=input_shapes(store.spec(name).spec),
    )
    return str(engine)


COMMAND = Command(
    help="build TensorRT engines ahead of time",
    examples=(
        ("posemo models build", "for all that are here"),
        ("posemo models build posemo-keypoints", "for one"),
    ),
    run=_run,
    add_options=add_names_option,
)
