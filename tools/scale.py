"""What many hours of video take: measures throughput, scaling and storage, and writes docs/scale.md.

    python tools/scale.py [--images 50] [--recordings 4] [--rounds 2] [--price 0.04] [--write]

The recordings are copies of the start of the demo clip. The ways to run them take turns, so that a loaded
machine hurts all of them alike.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import av

from posemo_ros.cli import values
from posemo_ros.machine import machine_text

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "scale.md"
CLIP = ROOT / "demo" / "people.mp4"
BEGIN, END = "<!-- made by tools/scale.py -->", "<!-- end of what is made -->"
HERE, ONE, TWO = "one process", "Ray, 1 worker", "Ray, 2 workers"
WAYS = {HERE: [], ONE: ["--engine", "ray", "--workers", "1"], TWO: ["--engine", "ray", "--workers", "2"]}
WITH, WITHOUT = "with films", "`--no-films`"
FILMS: dict[str, list[str]] = {WITH: [], WITHOUT: ["--no-films"]}
HOURS, FPS = 10_000, 30
MINUTES = 10  # of a recording, for what each costs however long it is
IMAGES, RECORDINGS = HOURS * 3600 * FPS, HOURS * 60 // MINUTES
SHORT = 2  # images of a recording that is nearly all start and end
KEPT = {
    "the results alone": ("results.parquet",),
    "with images": ("results.parquet", "results.mcap"),
    "everything": (
        "results.parquet",
        "results.mcap",
        "overlay.mp4",
        "overview.png",
        "report.html",
        "summary.json",
    ),
}


@dataclass(frozen=True)
class Trial:
    """One batch: images per second while all workers are at work, and all CPU seconds (not of Ray)."""

    images_per_s: float
    cpu_s: float


@dataclass(frozen=True)
class Cost:
    """CPU milliseconds that each image adds, and CPU seconds of a recording however short."""

    image_ms: float
    recording_s: float

    def core_hours(self) -> float:
        """For ``HOURS`` of video."""
        return (IMAGES * self.image_ms / 1e3 + RECORDINGS * self.recording_s) / 3600


@dataclass(frozen=True)
class Size:
    """Bytes that each image adds, and those of a recording however short (plotly.js, headers)."""

    image: float
    recording: float


def main() -> int:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=values.COUNT, default=50, help="of each recording")
    parser.add_argument("--recordings", type=values.COUNT, default=4)
    parser.add_argument("--rounds", type=values.COUNT, default=2, help="turns of every way")
    parser.add_argument(
        "--price", type=values.number(0, 1e6), default=0.04, help="of a core for an hour, in dollars"
    )
    parser.add_argument("--write", action="store_true", help="into docs/scale.md, too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = measured(Path(folder), args)
    print(text)
    if args.write:
        page = PAGE.read_text(encoding="utf-8")
        head, _, rest = page.partition(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


def measured(folder: Path, args: argparse.Namespace) -> str:
    """The tables, as Markdown."""
    source = folder / "in"
    source.mkdir()
    for i in range(args.recordings):
        cut(source / f"clip{i}.mp4", args.images)
    short = folder / "short"
    short.mkdir()
    for i in range(args.recordings):
        cut(short / f"clip{i}.mp4", SHORT)
    trials: dict[str, list[Trial]] = {way: [] for way in WAYS}
    images = args.images * args.recordings
    for number in range(args.rounds):
        for way, words in WAYS.items():
            out = folder / "out" / f"{way}{number}"
            trials[way].append(batch(source, out, words, images, int(words[-1]) if words else 1))
            print(f"round {number + 1}, {way}: {trials[way][-1].images_per_s:.1f} images/s", file=sys.stderr)
    same = identical([folder / "out" / f"{way}0" for way in WAYS])
    more = images - SHORT * args.recordings
    costs = {
        what: cost(source, short, folder / "out" / f"cost{number}", words, args)
        for number, (what, words) in enumerate(FILMS.items())
    }
    long_bytes = {what: bytes_of(folder / "out" / f"{HERE}0", names) for what, names in KEPT.items()}
    short_bytes = {what: bytes_of(folder / "out" / "cost0" / "short0", names) for what, names in KEPT.items()}
    sizes = {
        what: Size((long_bytes[what] - short_bytes[what]) / more, short_bytes[what] / args.recordings)
        for what in KEPT
    }
    return "\n".join([*scaling(trials, same, args), "", *projection(costs, sizes, args.price)])


def cost(source: Path, short: Path, out: Path, words: Sequence[str], args: argparse.Namespace) -> Cost:
    """Of recordings, and of such as are nearly all start and end; medians over the rounds."""
    begun, whole = [], []
    for number in range(args.rounds):
        begun.append(batch(short, out / f"short{number}", words, SHORT * args.recordings).cpu_s)
        whole.append(batch(source, out / f"whole{number}", words, args.images * args.recordings).cpu_s)
    more = (args.images - SHORT) * args.recordings
    return Cost(1e3 * (median(whole) - median(begun)) / more, median(begun) / args.recordings)


def cut(path: Path, images: int) -> None:
    """The first so many images of the demo clip, packets as they are."""
    with av.open(str(CLIP)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        packets = [p for p in source.demux(stream) if p.dts is not None][:images]
        for packet in packets:
            packet.stream = copy
            target.mux(packet)
    shutil.copy(CLIP.with_suffix(".json"), path.with_suffix(".json"))


def batch(source: Path, out: Path, words: Sequence[str], images: int, workers: int = 1) -> Trial:
    """Run all recordings of a folder."""
    command = [sys.executable, "-m", "posemo_ros.cli", "run", str(source), "--out", str(out)]
    command += ["--threads", "1", "--runtime", "onnxruntime", *words]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    seen = []
    while process.poll() is None:
        seen.append((time.monotonic(), journals(out)))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Trial(rate(seen, workers, images), cpu_s)


def journals(out: Path) -> dict[str, int]:
    """Sizes of those that are written to; they grow by nearly as much with every image."""
    sizes = {}
    for path in out.glob("*/journal.part"):
        try:
            sizes[path.parent.name] = path.stat().st_size
        except OSError:  # it was finished at this moment
            continue
    return {name: size for name, size in sizes.items() if size}


def rate(seen: Sequence[tuple[float, dict[str, int]]], workers: int, images: int) -> float:
    """Images per second over the moments in which so many recordings are worked on."""
    whole: dict[str, int] = {}
    for _, sizes in seen:
        whole = {**whole, **{n: max(s, whole.get(n, 0)) for n, s in sizes.items()}}
    each = images / max(len(whole), 1)  # of a recording
    grown = seconds = 0.0
    for (before, old), (after, new) in pairwise(seen):
        if len(old) >= workers and sum(old[n] < whole[n] for n in old) >= workers and set(old) <= set(new):
            seconds += after - before
            grown += sum((new[n] - old[n]) / whole[n] for n in old)
    return grown * each / seconds if seconds else float("nan")


def identical(folders: Sequence[Path]) -> bool:
    """Whether all runs gave the same bytes."""
    names = sorted(str(p.relative_to(folders[0])) for p in folders[0].glob("*/results.*"))
    return all((f / n).read_bytes() == (folders[0] / n).read_bytes() for f in folders for n in names)


def bytes_of(folder: Path, names: Sequence[str]) -> int:
    """Of these files of all recordings."""
    return sum(p.stat().st_size for n in names for p in folder.glob(f"*/{n}"))


def scaling(trials: dict[str, list[Trial]], same: bool, args: argparse.Namespace) -> list[str]:
    """Table of the ways, and the ratio of two workers to one, round by round."""
    ratios = [b.images_per_s / a.images_per_s for a, b in zip(trials[ONE], trials[TWO], strict=True)]
    rows = [
        f"| {way} | {median(t.images_per_s for t in found):.1f} | "
        f"{', '.join(f'{t.images_per_s:.1f}' for t in found)} |"
        for way, found in trials.items()
    ]
    turns, bytes_are = ", ".join(f"{r:.2f}" for r in ratios), "the same" if same else "**not the same**"
    return [
        f"Measured on {machine_text()}, load {os.getloadavg()[1]:.0f} (5 minutes) at the end, "
        f"{args.recordings} recordings of {args.images} images of the demo clip (640 x 480, 2 to 4 people), "
        f"`--threads 1`, ONNX Runtime, {args.rounds} turns of each way.",
        "",
        "| way | images per second (median) | turns |",
        "|---|---|---|",
        *rows,
        "",
        f"Two workers over one: {median(ratios):.2f} (turns: {turns}). The bytes of all results are "
        f"{bytes_are} in all three ways. Counted while as many recordings are worked on as there are "
        "workers, until their networks are done; Ray needs about ten seconds more to start.",
    ]


def projection(costs: dict[str, Cost], sizes: dict[str, Size], price: float) -> list[str]:
    """What 10,000 hours would take: a table of the work, one of the storage."""
    hours = {what: cost.core_hours() for what, cost in costs.items()}
    rows = [
        ("CPU time of an image", [f"{c.image_ms:.0f} ms" for c in costs.values()]),
        (
            "CPU time of a recording however short, at most",
            [f"{c.recording_s:.1f} s" for c in costs.values()],
        ),
        ("images per second and core", [f"{1e3 / c.image_ms:.0f}" for c in costs.values()]),
        ("core-hours for an hour of video", [f"{h / HOURS:.2f}" for h in hours.values()]),
        (
            f"core-hours for {HOURS:,} hours, recordings of {MINUTES} minutes ({IMAGES / 1e9:.2f} billion)",
            [f"{h:,.0f}" for h in hours.values()],
        ),
        *((f"days on {n:,} cores", [f"{h / n / 24:,.1f}" for h in hours.values()]) for n in (64, 1000)),
        (f"dollars, at {price:g} for a core-hour", [f"{h * price:,.0f}" for h in hours.values()]),
    ]
    return [
        f"| {HOURS:,} hours at {FPS} images per second | {' | '.join(costs)} |",
        "|---|---|---|",
        *(f"| {name} | {' | '.join(values)} |" for name, values in rows),
        "",
        "| storage | in all | of an image | of a recording however short |",
        "|---|---|---|---|",
        *(
            f"| {what} | {(size.image * IMAGES + size.recording * RECORDINGS) / 1e12:.2f} TB "
            f"| {size.image:,.0f} bytes | {size.recording / 1e3:,.0f} kB |"
            for what, size in sizes.items()
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
