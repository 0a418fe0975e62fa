"""``posemo bench``: which scenes are measured, and how that is told."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from typing import Any

from ..evaluate.report import Table
from ..inference import cuda
from ..machine import machine, machine_text
from ..pipeline import Pipeline
from ..types import Frame
from .contenders import (
    FLAT,
    FLAT_REFERENCE,
    IN_STEP,
    MEANING,
    NAIVE,
    REAL_TIME,
    RTMLIB,
    Chain,
    Contender,
    Maker,
    make,
    needs,
)
from .crowd import RATE_HZ, START_S, crowd
from .measure import BLOCK, Figures, at_pace, compare, network_cpu, soak

VGA = (640, 480)
FORMAT = 1  # of the JSON


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        people: Crowd sizes, in VGA.
        sizes: Image sizes, with one person.
        frames: Per scene and contender; half as many from eight people on.
        against: Other libraries, of ``RTMLIB``.
        minutes: Of the run in which memory is watched; 0: none.
    """

    people: tuple[int, ...] = (1, 2, 4, 8, 16)
    sizes: tuple[tuple[int, int], ...] = ((1280, 720), (1920, 1080), (3840, 2160))
    frames: int = 120
    against: tuple[str, ...] = ()
    minutes: float = 0.0

    @property
    def contenders(self) -> tuple[str, ...]:
        """Of the scenes with different crowds."""
        return (
            IN_STEP,
            REAL_TIME,
            NAIVE,
            *((FLAT, FLAT_REFERENCE, RTMLIB) if RTMLIB in self.against else ()),
        )


QUICK = Plan(people=(1, 4), sizes=(), frames=40)


def bench(
    chain: Chain,
    plan: Plan | None = None,
    *,
    maker: Maker = make,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure everything; a value that can be written as JSON.

    Args:
        chain: Networks and settings.
        plan: What to measure.
        maker: Makes the contenders.
        say: Told what is measured next.

    Raises:
        MissingExtraError: A library to compare with is not installed.
        ModelError: A network cannot be used.
    """
    plan = plan or Plan()
    for name in plan.contenders:
        needs(name)
    most = chain.crowd(max(plan.people))
    contenders = {name: maker(name, most) for name in plan.contenders}
    before = os.getloadavg()[0]
    figures: list[Figures] = []
    for people in plan.people:
        say(f"{people} people, {VGA[0]} x {VGA[1]}")
        figures += compare(contenders, crowd(people, _frames(plan, people), VGA), people, VGA)
    moving = {name: contenders[name] for name in (IN_STEP, REAL_TIME)}
    large: list[Figures] = []
    for size in dict.fromkeys((VGA, *plan.sizes)) if plan.sizes else ():
        say(f"1 person, {size[0]} x {size[1]}")
        large += compare(moving, crowd(1, plan.frames, size), 1, size)
    paced = _at_pace(contenders[REAL_TIME], plan, figures, say)
    memory = _soak(contenders[REAL_TIME], plan) if plan.minutes else []
    return {
        "format": FORMAT,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": {**machine(), "gpu": cuda.gpu_name()},
        "load_before": round(before, 2),
        "block": BLOCK,
        "networks": {s: n._asdict() for s, n in contenders[IN_STEP].networks.items()},
        "meaning": {name: MEANING[name] for name in plan.contenders},
        "crowds": [asdict(f) for f in figures],
        "sizes": [asdict(f) for f in large],
        "paced": paced,
        "network_cpu": _network_cpu(maker, chain, plan),
        "memory": memory,
    }


def _at_pace(
    contender: Contender, plan: Plan, figures: Sequence[Figures], say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """With the images of a camera, of the crowds with which the chain keeps up."""
    keeps_up = [f.people for f in figures if f.contender == REAL_TIME and f.fps >= RATE_HZ]
    out = []
    for people in keeps_up:
        say(f"{people} people, {RATE_HZ:g} images a second")
        out.append(asdict(at_pace(contender, crowd(people, plan.frames, VGA), people)))
    return out


def _frames(plan: Plan, people: int) -> int:
    return plan.frames if people < 8 else plan.frames // 2


def _network_cpu(maker: Maker, chain: Chain, plan: Plan) -> dict[str, Any]:
    """By number of people; only of a real chain, whose sessions can be reached."""
    out: dict[str, Any] = {}
    for people in sorted({1, max(p for p in plan.people if p <= 4)} & set(plan.people)):
        pipeline = maker(IN_STEP, chain)
        if isinstance(pipeline, Pipeline):
            out[str(people)] = network_cpu(pipeline, crowd(people, plan.frames, VGA))
    return out


def _soak(contender: Contender, plan: Plan) -> list[tuple[float, float]]:
    film = crowd(min(4, max(plan.people)), 4 * BLOCK, VGA)

    def clip(first: int) -> list[Frame]:
        return [
            replace(frame, stamp_ns=round((START_S + (first + i) / RATE_HZ) * 1e9))
            for i, frame in enumerate(film)
        ]

    return soak(contender, clip, plan.minutes)


def as_text(report: Mapping[str, Any]) -> str:
    """A report for people."""
    networks = ", ".join(
        f"{station} {n['model']} ({n['runtime']}, {n['precision']})"
        for station, n in report["networks"].items()
    )
    lines = [f"machine: {machine_text()}, load {report['load_before']}", f"networks: {networks}", ""]
    lines += [f"{name}: {text}" for name, text in report["meaning"].items()]
    for title, key in (("crowds, VGA", "crowds"), ("image sizes, one person", "sizes")):
        if report[key]:
            lines += ["", *table(title, report[key]).lines()]
    if report["paced"]:
        columns = ["people", "images a second", "ms", "p95", "most"]
        rows = [[f["people"], f["rate_hz"], f["ms"], f["ms_p95"], f["ms_max"]] for f in report["paced"]]
        lines += ["", *Table("real time, with the images of a camera", columns, rows).lines()]
    for people, shares in report["network_cpu"].items():
        rows = [[name, s["wall_ms"], s["cpu_ms"]] for name, s in shares.items()]
        title = f"a frame with {people} people, in step: networks alone"
        lines += ["", *Table(title, ["", "wall ms", "CPU ms"], rows).lines()]
    if report["memory"]:
        (_, first), (seconds, last) = (
            report["memory"][min(1, len(report["memory"]) - 1)],
            report["memory"][-1],
        )
        lines += ["", f"memory: {first} MiB, after {seconds / 60:.1f} minutes of work {last} MiB"]
    return "\n".join(lines)


def table(title: str, figures: Sequence[Mapping[str, Any]]) -> Table:
    """A line per scene and contender."""
    columns = [
        "people",
        "size",
        "contender",
        "found",
        "ms",
        "p95",
        "blocks",
        "FPS",
        "CPU ms",
        "times as fast",
    ]
    rows = [
        [
            f["people"],
            f"{f['size'][0]} x {f['size'][1]}",
            f["contender"],
            f["found"],
            f["ms"],
            f["ms_p95"],
            f"{f['ms_blocks'][0]:g} to {f['ms_blocks'][1]:g}",
            f["fps"],
            f["cpu_ms"],
            f["speedup"],
        ]
        for f in figures
    ]
    return Table(title, columns, rows)


def as_json(report: Mapping[str, Any]) -> str:
    """A report for programs."""
    return json.dumps(report, indent=1)
