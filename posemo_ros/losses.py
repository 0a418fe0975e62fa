"""What of an input gave no result, and why: counted, named, never silent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import InputError

EXAMPLES = 5
FINISHED_WITH_LOSSES = 3
"""Exit code of a command that went through, but not with all of its input."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loss:
    """One thing of the input that was skipped.

    Attributes:
        reason: A few words that are the same for all of a kind, to count by.
        item: Which one: a file name, ``image 12``, ``near 3.4 s``.
        detail: The reader's own words; may be empty.
        count: How many images were lost; 1 where nobody can know.
    """

    reason: str
    item: str
    detail: str = ""
    count: int = 1

    def __str__(self) -> str:
        return f"{self.item}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


class Losses:
    """The losses of one pass through a source.

    Attributes:
        strict: The first loss is an error.
        on_loss: Called with each one.
    """

    def __init__(self) -> None:
        self.strict = False
        self.on_loss: Callable[[Loss], None] | None = None
        self._by_reason: dict[str, list[Loss]] = {}
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        """Images lost."""
        return sum(self._counts.values())

    def __iter__(self) -> Iterator[Loss]:
        """The first few of each reason."""
        return (loss for losses in self._by_reason.values() for loss in losses)

    def clear(self) -> None:
        """Before a new pass."""
        self._by_reason.clear()
        self._counts.clear()

    def add(self, reason: str, item: str, detail: str = "", *, count: int = 1) -> None:
        """Record a loss.

        Raises:
            InputError: The pass is strict.
        """
        loss = Loss(reason, printable(item), printable(detail), count)
        self._counts[reason] = self._counts.get(reason, 0) + count
        examples = self._by_reason.setdefault(reason, [])
        if len(examples) < EXAMPLES:
            examples.append(loss)
            _log.warning("skipped: %s", loss)
        if self.on_loss:
            self.on_loss(loss)
        if self.strict:
            raise InputError(f"{loss}; without --strict the run goes on and counts it")

    def as_dict(self) -> dict[str, Any]:
        """For summary.json."""
        return {
            "images": len(self),
            "by_reason": {
                reason: {
                    "images": count,
                    "examples": [
                        {"item": loss.item, "detail": loss.detail} for loss in self._by_reason[reason]
                    ],
                }
                for reason, count in self._counts.items()
            },
        }


def printable(text: str) -> str:
    """A file's name as it can be written anywhere: bytes that are no UTF-8 and control signs become ``�``."""
    plain = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(sign if sign.isprintable() or sign == "\u200d" else "�" for sign in plain)


def together(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Several ``Losses.as_dict`` as one."""
    by_reason: dict[str, dict[str, Any]] = {}
    for part in parts:
        for reason, loss in part["by_reason"].items():
            known = by_reason.setdefault(reason, {"images": 0, "examples": []})
            known["images"] += loss["images"]
            known["examples"] = [*known["examples"], *loss["examples"]][:EXAMPLES]
    return {"images": sum(part["images"] for part in parts), "by_reason": by_reason}


def exit_code(lost: int) -> int:
    """Of a command that went through: ``FINISHED_WITH_LOSSES`` when part of its input was lost, else 0."""
    return FINISHED_WITH_LOSSES if lost else 0


def words_of_losses(losses: Mapping[str, Any]) -> list[str]:
    """A line for each reason of ``Losses.as_dict``."""
    lines = []
    for reason, loss in losses["by_reason"].items():
        examples = ", ".join(dict.fromkeys(e["item"] for e in loss["examples"][:3]))
        lines.append(f"LOST      {loss['images']}: {reason} ({examples})")
    return lines
