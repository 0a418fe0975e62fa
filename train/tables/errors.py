"""``python -m train errors``: where a lifter is wrong, from ``test.json`` of its run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from posemo_ros.errors import InputError
from train.tasks.checkpoint import read_result

KINDS = {
    "actions": ("per_action", "action"),
    "cameras": ("per_camera", "camera"),
    "joints": ("per_joint", "MPJPE mm"),
}


def tables(run: Path, kinds: Sequence[str]) -> list[str]:
    """Tables in Markdown.

    Args:
        run: Folder of a run that was tested.
        kinds: Of ``KINDS``.

    Raises:
        InputError: The run was not tested, or has no such errors.
    """
    result, found = read_result(run), []
    for kind in kinds:
        key, head = KINDS[kind]
        if not result.get(key):
            raise InputError(
                f"{run / 'test.json'}: no {key}; the test set does not say, or an older version tested it: "
                "test again, python -m train test --config …"
            )
        found.append(_table(head, result[key]))
    return found


def _table(head: str, rows: Mapping[str, Mapping[str, float]]) -> str:
    columns = [c for c in next(iter(rows.values())) if c != "frames"]
    lines = [f"| {head} | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for name, values in rows.items():
        lines.append(f"| {name} | {' | '.join(_number(c, values.get(c, math.nan)) for c in columns)} |")
    return "\n".join(lines)


def _number(column: str, value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:.3f}" if column in ("pck", "auc") else f"{value:.1f}"
