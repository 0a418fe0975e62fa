"""``python -m train.scenes demo --out demo``; ``python -m train.scenes pictures --out runs/pictures``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from posemo_ros.errors import PosemoError

from .demo import make_demo
from .pictures import make_pictures


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m train.scenes", description=__doc__)
    parser.add_argument(
        "what",
        choices=("demo", "pictures"),
        help="demo: the committed clip and its truth; pictures: people to train on, in COCO's format",
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="folder of the development data")
    parser.add_argument("--count", type=int, default=2000, help="number of pictures")
    args = parser.parse_args()
    try:
        if args.what == "demo":
            make_demo(args.out, args.data)
        else:
            make_pictures(args.out, args.count, args.data)
    except PosemoError as error:
        print(f"train.scenes: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
