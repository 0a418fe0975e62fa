"""``python -m posemo_ros.nodes NODE --ros-args …``: what ``ros2 run posemo_ros NODE --ros-args …`` does."""

from __future__ import annotations

import sys

from .start import catch_signals, main


def named() -> int:
    """Run the node that the first word names."""
    catch_signals()
    from .parameters import NODES

    name, *words = sys.argv[1:] or [""]
    if name not in NODES:
        print(
            f"usage: python -m posemo_ros.nodes {{{','.join(sorted(NODES))}}} --ros-args …", file=sys.stderr
        )
        return 2
    sys.argv = [name, *words]
    return main()


if __name__ == "__main__":
    sys.exit(named())
