"""``python -m train.scenes demo --out demo/``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from posemo_ros.errors import PosemoError

from .demo import make_demo


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m train.scenes", description=__doc__)
    parser.add_argument("what", choices=("demo",), help="demo: the committed clip and its truth")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="folder of the development data")
    args = parser.parse_args()
    try:
        make_demo(args.out, args.data)
    except PosemoError as error:
        print(f"train.scenes: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
