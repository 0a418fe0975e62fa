"""What an evaluation found, for people and for programs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import __version__
from ..inference.session import Session
from ..losses import Losses, words_of_losses
from ..machine import machine, machine_text
from .plots import Plot


@dataclass(frozen=True)
class Table:
    """Rows under a heading; the first column is aligned left, the others right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]

    def lines(self) -> list[str]:
        """One line per row."""
        cells = [list(self.columns), *([shown(value) for value in row] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        body = [
            "  ".join(
                c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in cells
        ]
        return [self.title, body[0], "-" * len(body[0]), *(line.rstrip() for line in body[1:])]


@dataclass(frozen=True)
class Report:
    """Figures and all that is needed to read them.

    Attributes:
        what: Name of the evaluation.
        samples: How many of what.
        models: Name of the network by station.
        runtime: Runtime and precision by station.
        protocol: How it was measured.
        results: The figures.
        tables: The figures again, to be read.
        notes: What was filled in or assumed, in sentences.
        losses: What could not be used, as ``Losses.as_dict``.
        plots: The figures to be looked at.
        by_clip: Figures of each clip, recording or image, for `posemo evaluate compare`.
    """

    what: str
    samples: Mapping[str, Any]
    models: Mapping[str, str]
    runtime: Mapping[str, str]
    protocol: Mapping[str, Any]
    results: Mapping[str, Any]
    tables: Sequence[Table]
    notes: Sequence[str] = ()
    losses: Mapping[str, Any] = field(default_factory=Losses().as_dict)
    plots: Sequence[Plot] = ()
    by_clip: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def as_json(self) -> str:
        """One JSON object; a figure that does not exist is null."""
        head = {"evaluation": self.what, "posemo_ros": __version__, "machine": machine()}
        parts = ("samples", "models", "runtime", "protocol", "notes", "losses", "results", "by_clip")
        body = {name: getattr(self, name) for name in parts}
        return json.dumps(_plain({**head, **body}), indent=2)

    def as_text(self) -> str:
        """Tables below what they were measured on."""
        networks = self.network_words()
        lines = [
            f"evaluation: {self.what}",
            f"samples:    {self.sample_words()}",
            *([f"networks:   {', '.join(networks)}"] if networks else []),
            f"machine:    {machine_text()}",
            *(f"{name.replace('_', ' ')}: {value}" for name, value in self.protocol.items()),
        ]
        lines += [f"note: {note}" for note in self.notes]
        lines += words_of_losses(self.losses)
        for table in self.tables:
            lines += ["", *table.lines()]
        return "\n".join(lines)

    def network_words(self) -> list[str]:
        """``detector posemo-detector (onnxruntime fp32)``."""
        return [f"{station} {name} ({self.runtime[station]})" for station, name in self.models.items()]

    def sample_words(self) -> str:
        """``1 clip, 340 frames``."""
        return ", ".join(f"{value} {named(value, name)}" for name, value in self.samples.items())


def runtimes(sessions: Mapping[str, Session]) -> dict[str, str]:
    """``{"lifter": "onnxruntime fp32"}``."""
    return {station: f"{s.runtime} {s.precision}" for station, s in sessions.items()}


def named(count: object, name: str) -> str:
    """What so many are called: ``recordings``, of 1 ``recording``."""
    words = name.replace("_", " ")
    if count != 1:
        return words
    one = re.compile(r"people\b|(?<=[xs])es\b|s\b")
    return one.sub(lambda found: "person" if found[0] == "people" else "", words, count=1)


def rounded(values: Mapping[str, float], digits: int = 4) -> dict[str, float]:
    """The same figures with so many digits behind the point."""
    return {name: round(float(value), digits) for name, value in values.items()}


def shown(value: object) -> str:
    """A figure in a table; ``-`` for one that does not exist."""
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.10g}"
    return str(value)


def _plain(value: Any) -> Any:
    """Without NaN, which JSON does not know."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
