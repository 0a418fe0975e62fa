"""List, pull and check model files, build TensorRT engines."""

from __future__ import annotations

import argparse

from ...inference.sessions import cache_root
from ...inference.store import USER_MANIFESTS
from ..values import as_path, maybe_folder


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where models are."""
    parser.add_argument(
        "--manifest",
        action="append",
        type=as_path,
        default=[],
        metavar="FILE",
        help=f"another model manifest (may be given several times; see also ${USER_MANIFESTS})",
    )
    parser.add_argument(
        "--cache",
        type=maybe_folder,
        default=None,
        metavar="DIR",
        help=f"cache folder (default: {cache_root()})",
    )
