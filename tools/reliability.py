"""Hurts running nodes and writes down what happened: ``make reliability`` (docs/reliability.md).

The nodes are processes of their own with the shipped models; this process plays the camera, a
lifecycle manager and the rest of the world. Faults that need no processes are tests (test/nodes).
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from reliability_world import DEMO, ERROR, OK, ROOT, WARN, World, a_world
from sensor_msgs.msg import CompressedImage, Image

from posemo_ros.cli import values
from posemo_ros.nodes import qos
from posemo_ros.nodes.conversion import MAKE
from posemo_ros.nodes.transport import PROFILE_VARIABLES
from posemo_ros.types import View

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- table: make reliability -->", "<!-- end of table -->"
STATIONS = ("keypoints", "lifter", "emotion", "markers")
LEVELS = {OK: "OK", WARN: "WARN", ERROR: "ERROR", None: "silent"}


@dataclass
class Row:
    """One line of the table."""

    fault: str
    times: str
    happened: str
    well: bool


# Faults -------------------------------------------------------------------------------------


def kill_stations(world: World, options: argparse.Namespace) -> Iterator[Row]:
    """Each station dies with SIGKILL; those behind say so, and recover when it is started again."""
    for name in STATIONS:
        world.processes.start(name)
    with world.camera(8):
        if world.until(lambda: all(map(world.works, STATIONS)), 120) is None:
            yield Row("start of four stations", "1", f"not well: {_levels(world, STATIONS)}", False)
            return
        for number, name in enumerate(STATIONS[:-1]):
            noticed, recovered, others = [], [], True
            # Markers hear people; a lifter or an emotion node that dies leaves it with less to draw.
            behind = STATIONS[number + 1 :]
            for _ in range(options.repeat):
                world.processes.kill(name)
                noticed.append(world.until(lambda b=behind: all(world.level(n) == ERROR for n in b), 20))
                others &= all(p.poll() is None for p in world.processes.running.values())
                world.processes.start(name)
                recovered.append(world.until(lambda: all(map(world.works, STATIONS)), 90))
                world.spin(2)
            yield Row(
                f"`kill -9` of {name}, started again",
                str(options.repeat),
                f"{', '.join(behind)} ERROR after {_seconds(noticed)}; all work {_seconds(recovered)} after "
                f"the restart; the others lived: {_yes(others)}",
                None not in noticed and None not in recovered and others,
            )


def lifecycle(world: World, options: argparse.Namespace) -> Iterator[Row]:
    """Random transitions, allowed and not, while images come."""
    world.processes.start("pipeline")
    states = {"unconfigured": [1], "inactive": [2, 3], "active": [4]}
    choice, answered, slow = random.Random(0), 0, 0.0
    uses: list[tuple[float, int, int]] = []

    def state() -> str:
        got = world.ask(GetState, "/posemo/pipeline/get_state", GetState.Request())
        return str(got.current_state.label) if got else "silent"

    with world.camera(15):
        world.until(lambda: world.works("pipeline"), 90)
        for number in range(options.rounds):
            now = state()
            wrong = number % 5 == 4
            transition = choice.choice([1, 2, 3, 4, 99] if wrong else states.get(now, [1]))
            start = time.monotonic()
            request = ChangeState.Request(transition=Transition(id=transition))
            answer = world.ask(ChangeState, "/posemo/pipeline/change_state", request)
            answered += answer is not None
            if transition == 4 and now == "active":
                slow = max(slow, time.monotonic() - start)
            world.spin(0.3)
            if number >= options.rounds // 5 and state() == "active":
                uses.append(world.processes.use("pipeline"))
    code = world.processes.end("pipeline")
    grown = [uses[-1][i] - uses[0][i] for i in range(3)]
    course = [uses[round(at)][0] for at in np.linspace(0, len(uses) - 1, 5)]
    yield Row(
        "random transitions with images coming, every fifth one not allowed",
        str(options.rounds),
        f"{answered} answered, slowest deactivation {slow * 1e3:.0f} ms with the answer; active node from "
        f"the first fifth to the end: {' → '.join(f'{mib:.0f}' for mib in course)} MiB, {grown[1]:+d} "
        f"threads, {grown[2]:+d} descriptors; exit code {code}",
        answered == options.rounds and grown[1] <= 1 and grown[2] <= 2 and grown[0] < 60 and code == 0,
    )


def long_run(world: World, options: argparse.Namespace) -> Iterator[Row]:
    """Minutes of a clip over and over at 30 images a second; one line a minute."""
    world.processes.start("pipeline")
    minutes: list[Minute] = []
    with world.camera(30):
        world.until(lambda: world.works("pipeline") and world.results, 90)
        world.spin(15)
        while len(minutes) < options.minutes:
            minutes.append(_minute(world))
            print(f"    {len(minutes):3d}  {minutes[-1]}", flush=True)
    code = world.processes.end("pipeline")
    first, last = minutes[0], minutes[-1]
    sent, got = sum(m.sent for m in minutes), sum(m.results for m in minutes)
    height, width = next(world.film).shape[:2]
    medians = [m.median_ms for m in minutes]
    yield Row(
        f"{options.minutes} minutes of {width} x {height} at 30 images a second",
        "1",
        f"{sent} sent, {got} results (a station takes the newest image), in no minute under "
        f"{min(m.results / max(1, m.sent) for m in minutes):.1%}; latency median {first.median_ms:.0f} ms in "
        f"the first minute, {last.median_ms:.0f} in the last, {min(medians):.0f} to {max(medians):.0f} on "
        f"the way, p99 up to {max(m.p99_ms for m in minutes):.0f}; "
        f"{first.mib:.0f} → {last.mib:.0f} MiB, threads {first.threads} → {last.threads}, descriptors "
        f"{first.descriptors} → {last.descriptors}; exit code {code}",
        got > 0 and last.mib - first.mib < 60 and last.threads <= first.threads + 1 and code == 0,
    )


@dataclass(frozen=True)
class Minute:
    """What a minute of a long run was like."""

    sent: int
    results: int
    median_ms: float
    p99_ms: float
    mib: float
    threads: int
    descriptors: int
    load: float

    def __str__(self) -> str:
        return (
            f"{self.sent} sent, {self.results} results, {self.median_ms:.0f} ms (p99 {self.p99_ms:.0f}), "
            f"{self.mib:.0f} MiB, {self.threads} threads, {self.descriptors} descriptors, "
            f"load {self.load:.1f}"
        )


def _minute(world: World) -> Minute:
    world.results.clear()
    before = world.sent
    world.spin(60)
    ages = [ms for _, ms in world.results] or [float("nan")]
    return Minute(
        world.sent - before,
        len(world.results),
        float(np.median(ages)),
        float(np.percentile(ages, 99)),
        *world.processes.use("pipeline"),
        os.getloadavg()[0],
    )


def pictures(world: World, options: argparse.Namespace) -> Iterator[Row]:
    """Black, white, noise; then bad messages and good ones again."""
    world.processes.start("pipeline")
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    shown = {"black": np.zeros((480, 640, 3), np.uint8), "white": np.full((480, 640, 3), 255, np.uint8)}
    with world.camera(10):
        world.until(lambda: world.works("pipeline"), 90)
    for name, image in {**shown, "noise": noise}.items():
        with world.camera(10, image):
            world.spin(options.picture_s)
            level, text = world.level("pipeline"), world.message("pipeline")
        wanted = {"black": "dark", "white": "all alike", "noise": ""}[name]
        words = next((part for part in text.split("; ") if wanted in part), text)
        with world.camera(10):
            back = world.until(lambda w=wanted: not w or w not in world.message("pipeline"), 20)
        yield Row(
            f"{options.picture_s:g} s of {name} images",
            "1",
            f"{LEVELS[level]}: {words[:100]}; gone {_seconds([back])} after the picture is back",
            wanted in text and back is not None and level != ERROR,
        )
    before = len(world.results)
    lines = world.processes.output("pipeline").count("\n")
    for number in range(300):
        message = MAKE.image(world.frames[0], View(time.time_ns(), "eye"))
        message.encoding = ("16UC1", "bgr9", "mono16", "bgr8")[number % 4]
        message.step = (0, 1, 640, 1920)[number // 4 % 4]
        message.height = (0, 480, 481)[number % 3]
        world.image.publish(message)
        world.spin(0.02)
    lines = world.processes.output("pipeline").count("\n") - lines
    level = world.level("pipeline")
    with world.camera(10):
        back = world.until(lambda: world.works("pipeline") and len(world.results) > before, 20)
    alive = world.processes.running["pipeline"].poll() is None
    yield Row(
        "300 malformed images (encoding, step, size) in 6 s",
        "1",
        f"{LEVELS[level]}, {lines} lines of log; works {_seconds([back])} after good ones come",
        alive and back is not None and lines < 20,
    )


def truncated_jpegs(world: World, options: argparse.Namespace) -> Iterator[Row]:
    """A stream of JPEG files that end too early."""
    world.processes.start("pipeline", image_transport="compressed")
    send = world.node.create_publisher(CompressedImage, "/camera/image_raw/compressed", qos.newest())
    world.until(send.get_subscription_count, 90)
    whole = cv2.imencode(".jpg", world.frames[0])[1]
    start = world.processes.output("pipeline").count("\n")
    end = time.monotonic() + 12
    number = 0
    while time.monotonic() < end:
        number += 1
        cut = whole[: 1000 + 37 * (number % 500)]
        send.publish(MAKE.jpeg(cut, View(time.time_ns(), "eye")))
        world.spin(1 / 25)
    lines = world.processes.output("pipeline").count("\n") - start
    level, text = world.level("pipeline"), world.message("pipeline")
    yield Row(
        f"{number} truncated JPEGs in 12 s",
        "1",
        f"{LEVELS[level]}: {text[:70]}…; {lines} lines of log",
        level == ERROR and lines < 20,
    )


def subscribers(world: World, options: argparse.Namespace) -> Iterator[Row]:
    """A subscriber of all results stands still, then dies."""
    world.processes.start("pipeline")
    world.processes.start("markers")
    with world.camera(10):
        world.until(lambda: world.works("pipeline") and world.works("markers"), 90)
        rates = []
        for blow in (None, signal.SIGSTOP, signal.SIGKILL):
            if blow:
                world.processes.running["markers"].send_signal(blow)
            before, sent = len(world.results), world.sent
            world.spin(10)
            rates.append((len(world.results) - before) / max(1, world.sent - sent))
    yield Row(
        "a subscriber that stands still (SIGSTOP), then dies (`kill -9`)",
        "1",
        "results per image " + ", ".join(f"{rate:.2f}" for rate in rates) + " (before, still, dead)",
        min(rates[1:]) > 0.8 * rates[0],
    )


def parameters(world: World, options: argparse.Namespace) -> Iterator[Row]:
    """Parameter files as people write them."""
    cases = [
        ("a wrong name", {"detector_treshold": 0.4}, 1, "did you mean detector_threshold?"),
        ("a wrong type", {"detect_every": "often"}, 1, "must be an integer from 1 to 1000"),
        ("out of range", {"max_people": 0}, 1, "must be an integer from 1 to 100"),
        ("an integer for a double", {"stall_s": 2}, None, "waiting for images"),
        ("foreign names under /**", {"max_velocity": 1.0, "frame": "map"}, None, "waiting for images"),
        ("`emotion` empty", {"emotion": ""}, None, "waiting for images"),
    ]
    for what, given, code, words in cases:
        world.processes.log("pipeline").unlink(missing_ok=True)
        world.processes.start("pipeline", **given)
        process = world.processes.running["pipeline"]
        if code is None:
            world.until(lambda w=words, p=process: w in world.processes.output("pipeline") or p.poll(), 90)
        else:
            world.until(lambda p=process: p.poll() is not None, 90)
        world.spin(0.5)
        output, ended = world.processes.output("pipeline"), process.poll()
        line = next(
            (part.split("]: ", 1)[-1] for part in output.splitlines() if words in part), "nothing of it"
        )
        yield Row(
            f"parameter file with {what}",
            "1",
            f"{'runs' if ended is None else f'exit code {ended}'}: {line[:150]}",
            ended == code and words in output and "Traceback" not in output,
        )
        world.processes.close()


def silence(world: World, options: argparse.Namespace) -> Iterator[Row]:
    """Nobody publishes; the publisher wants another quality; the source ends."""
    world.node.destroy_publisher(world.image)
    world.processes.start("pipeline")
    active = world.until(lambda: "waiting for the first" in world.message("pipeline"), 90)
    noticed = world.until(lambda: world.level("pipeline") == ERROR, 10)
    yield Row(
        "nobody publishes the image",
        "1",
        f"ERROR {_seconds([noticed])} after the start: {world.message('pipeline')[:110]}",
        active is not None and noticed is not None and noticed < 2.5,
    )
    world.image = world.node.create_publisher(Image, "/camera/image_raw", qos.newest())
    with world.camera(10):
        back = world.until(lambda: world.works("pipeline"), 20)
    stopped = world.until(lambda: world.level("pipeline") == ERROR, 10)
    yield Row(
        "the camera falls silent",
        "1",
        f"works {_seconds([back])} after it came, ERROR {_seconds([stopped])} after it stopped",
        back is not None and stopped is not None and stopped < 3,
    )
    with world.camera(10):
        world.until(lambda: world.works("pipeline"), 20)
    world.node.destroy_publisher(world.image)
    levels: set[int | None] = set()
    world.until(lambda: levels.add(world.level("pipeline")), 6)
    yield Row(
        "the source ends and leaves",
        "1",
        f"{LEVELS[world.level('pipeline')]}: {world.message('pipeline')}",
        ERROR not in levels and WARN in levels,
    )


def quality(world: World, options: argparse.Namespace) -> Iterator[Row]:
    """The node is told to want reliable images; the camera publishes them best-effort."""
    override = {"/camera/image_raw": {"subscription": {"reliability": "reliable"}}}
    world.processes.start("pipeline", qos_overrides=override)
    world.until(lambda: world.level("pipeline") is not None, 90)
    noticed = world.until(lambda: "incompatible QoS" in world.message("pipeline"), 10)
    words = next((p for p in world.message("pipeline").split("; ") if "incompatible" in p), "nothing")
    yield Row(
        "incompatible quality of service",
        "1",
        f"reported {_seconds([noticed])} after the first diagnostics: {words[:100]}",
        noticed is not None and noticed < 2,
    )


def small_shared_memory(world: World, options: argparse.Namespace) -> Iterator[Row]:
    """/dev/shm of 64 MB, as in a container, with both profiles; needs the rights to mount."""
    script = ROOT / "tools" / "reliability.py"
    for profile in ("fastdds.xml", "fastdds_container.xml"):
        environment = {**os.environ, **dict.fromkeys(PROFILE_VARIABLES, str(ROOT / "config" / profile))}
        inside = f"mount -t tmpfs -o size=64m tmpfs /dev/shm && exec {sys.executable} {script} --stream"
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", inside],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        line = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr.strip()[-150:]
        well = done.returncode == 0 if profile != "fastdds.xml" else "/dev/shm has 64 MiB" in line
        yield Row(f"/dev/shm of 64 MB, config/{profile}", "1", line, well)


def stream(world: World) -> int:
    """Inside a small /dev/shm: 20 s of VGA to a pipeline; prints a line."""
    world.processes.start("pipeline", detect_every=30, max_people=1)
    world.until(lambda: "waiting for" in world.message("pipeline"), 90)
    with world.camera(10):
        world.spin(20)
    statuses = [world.message("pipeline")]
    values = world.processes.output("pipeline")
    share = len(world.results) / world.sent
    warned = next((line.split("]: ")[-1] for line in values.splitlines() if "/dev/shm has" in line), "")
    print(f"{share:.0%} of {world.sent} VGA images gave results; words: {warned[:120] or statuses[0][:80]}")
    return 0 if share > 0.9 else 1


FAULTS = {
    "kill": kill_stations,
    "lifecycle": lifecycle,
    "pictures": pictures,
    "jpeg": truncated_jpegs,
    "subscriber": subscribers,
    "parameters": parameters,
    "silence": silence,
    "quality": quality,
    "shm": small_shared_memory,
    "run": long_run,
}


def _levels(world: World, names: tuple[str, ...]) -> str:
    return ", ".join(f"{n} {LEVELS[world.level(n)]}: {world.message(n)}" for n in names)


def _seconds(values: list[float | None]) -> str:
    known = [v for v in values if v is not None]
    if len(known) < len(values):
        return "not in time"
    if len(known) == 1:
        return f"{known[0]:.1f} s"
    return f"{min(known):.1f} to {max(known):.1f} s"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def page(rows: list[Row]) -> str:
    """The table with the machine it was made on."""
    cores = os.cpu_count()
    lines = [
        BEGIN,
        f"Made on {time.strftime('%Y-%m-%d')}, {cores} cores (load {os.getloadavg()[1]:.0f} at the end), "
        f"{platform.system()}, Python {platform.python_version()}.",
        "",
        "| what was done | times | what happened | |",
        "|---|---|---|---|",
        *(f"| {r.fault} | {r.times} | {r.happened} | {'ok' if r.well else '**not ok**'} |" for r in rows),
        END,
    ]
    return "\n".join(lines)


def main() -> int:
    """Run the faults; 0 when everything went as it should."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("faults", nargs="*", help=f"which ({', '.join(FAULTS)}); all when none is named")
    parser.add_argument("--repeat", type=values.COUNT, default=3, help="how often each station is killed")
    parser.add_argument("--rounds", type=values.COUNT, default=50, help="transitions")
    parser.add_argument(
        "--minutes", type=values.COUNT, default=5, help="of the long run, whole ones; 60 for an hour"
    )
    parser.add_argument("--clip", type=Path, default=DEMO, help="the video of all runs, over and over")
    parser.add_argument(
        "--picture-s", type=values.number(0.1, 3600), default=30.0, help="seconds of black, white and noise"
    )
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    parser.add_argument("--stream", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := [name for name in options.faults if name not in FAULTS]:
        parser.error(f"there is no fault {unknown[0]!r}; there are {', '.join(FAULTS)}")
    if options.stream:
        with a_world() as world:
            return stream(world)
    rows: list[Row] = []
    for name in options.faults or FAULTS:
        with a_world(options.clip) as world:
            for row in FAULTS[name](world, options):
                rows.append(row)
                print(f"{'ok ' if row.well else 'BAD'} {row.fault}: {row.happened}", flush=True)
    if options.write:
        text = PAGE.read_text(encoding="utf-8")
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        PAGE.write_text(before + page(rows) + after, encoding="utf-8")
    return 0 if all(row.well for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
