#!/usr/bin/env python3
"""The demo: the chain on a clip, as separate processes over DDS, and a report of what came out.

    make demo [SOURCE=video, image folder, rosbag2 or camera number] [OUT=out/demo]

Runs in the environment that `make build` made. A camera number plays for --seconds.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIP = ROOT / "demo" / "people.mp4"
TRUTH = ROOT / "demo" / "people_truth.npz"
RESULTS = ("report.html", "results.mcap", "overlay.mp4", "overview.png", "summary.json")
CHOICES = ("none", "blur", "skeleton")  # as posemo_ros.draw.privacy has them
RECORDED = ("people", "skeletons", "emotions", "markers", "overlay/compressed")
FINISHED_WITH_LOSSES = 3  # as posemo_ros.losses has it
# The first tuning on a slow machine takes minutes; a node that fails ends, and is noticed at once.
START_S = 600.0
STOP_S = 120.0


class DemoError(Exception):
    """A process ended that should not have; the message has what its last output."""


def main() -> int:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", default=str(CLIP), help="video, pictures, bag, camera number or stream")
    parser.add_argument("--preset", default="", help="name in config/presets, or a file")
    parser.add_argument("--topic", default="", help="image topic of a bag with several")
    parser.add_argument("--camera-info", default="", help="intrinsics: topic of the bag, or a file")
    parser.add_argument("--rate", type=float, default=0.0, help="images per second; 0: the source's own")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "demo")
    parser.add_argument("--privacy", choices=CHOICES, default="none", help="what is shown of people")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long a camera or stream plays")
    args = parser.parse_args()
    args.out = args.out.resolve()  # the nodes run in another folder
    if Path(args.source).exists():
        args.source = str(Path(args.source).resolve())
    if Path(args.preset).is_file():
        args.preset = str(Path(args.preset).resolve())
    prepare(args.out)
    try:
        try_source(args)
        if args.preset:
            say_note(args.preset)
        with Processes(args.out / "logs", environment()) as processes:
            record(processes, args)
        return report(args)
    except DemoError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def say_note(preset: str) -> None:
    """What a preset's user should know, such as that its networks are weak; the nodes say it to their logs.

    Raises:
        DemoError: There is no such preset.
    """
    from posemo_ros.errors import PosemoError
    from posemo_ros.presets import load_preset

    try:
        note = load_preset(preset).note
    except PosemoError as error:
        raise DemoError(str(error)) from error
    if note:
        print(f"==> preset {preset}: {note}", flush=True)


def prepare(out: Path) -> None:
    """An output folder without the results of the last run."""
    (out / "logs").mkdir(parents=True, exist_ok=True)
    for name in RESULTS:
        (out / name).unlink(missing_ok=True)
    (out / "results.mcap.part").unlink(missing_ok=True)


def is_endless(source: str) -> bool:
    """Whether it is a camera or a stream."""
    return source.isdecimal() or "://" in source


def try_source(args: argparse.Namespace) -> None:
    """Open what is to be played, so that nothing is started for what cannot be read.

    Raises:
        DemoError: It cannot be read; says why.
    """
    from posemo_ros.errors import PosemoError
    from posemo_ros.replay.choice import Choice
    from posemo_ros.replay.sources import open_source

    if is_endless(args.source):
        return
    try:
        open_source(args.source, Choice(args.rate or None, args.topic, args.camera_info)).close()
    except PosemoError as error:
        raise DemoError(str(error)) from error


def environment() -> dict[str, str]:
    """A ROS domain of our own on this machine, and shared memory that large images fit into."""
    from posemo_ros.nodes.transport import PROFILE_VARIABLES

    defaults = {
        "ROS_DOMAIN_ID": str(random.randint(1, 100)),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        **dict.fromkeys(PROFILE_VARIABLES, str(ROOT / "config" / "fastdds.xml")),
        "PYTHONUNBUFFERED": "1",
    }
    return {**defaults, **os.environ}


def record(processes: Processes, args: argparse.Namespace) -> None:
    """Play the source through the chain into results.mcap."""
    camera = ["-r", "image_raw:=/camera/image_raw", "-r", "camera_info:=/camera/camera_info"]
    reliable = ["-p", "qos_overrides./camera/image_raw.subscription.reliability:=reliable"]
    stations = ["-r", "__ns:=/posemo", *camera]
    hide = ["-p", f"privacy:={args.privacy}"]
    recorded = [*RECORDED, *(["image_blurred/compressed"] if args.privacy == "blur" else [])]
    processes.start("recorder", *stations, *hide, "-p", f"output:={args.out / 'results.mcap'}")
    preset = ["-p", f"preset:='{args.preset}'"] if args.preset else []
    every_image = ["-p", "detect_every:=1"] if args.privacy == "blur" else []
    processes.start("pipeline", *stations, *reliable, *preset, *every_image)
    processes.start("markers", *stations, *reliable, *hide)
    for name in recorded:
        processes.wait_for_line("recorder", f"recording /posemo/{name}")
    processes.start(
        "camera",
        "-r",
        "__ns:=/camera",
        *("-p", f"source:='{args.source}'", "-p", f"rate:={args.rate}"),
        *("-p", f"topic:='{args.topic}'", "-p", f"camera_info:='{args.camera_info}'"),
        *("-p", "wait_for:=[pipeline, markers, recorder]", "-p", "lockstep:=true"),
        *("-p", f"lockstep_topics:=[{', '.join('/posemo/' + name for name in recorded)}]"),
        shown=True,
    )
    limit_s = args.seconds if is_endless(args.source) else None
    processes.wait_for("camera", limit_s)
    # Each passes on what it still has before it ends, so the one that writes is last.
    for name in ("pipeline", "markers", "recorder"):
        processes.stop(name)


def report(args: argparse.Namespace) -> int:
    """Pictures and figures from the bag; the exit code of `posemo report`: 3 is finished with losses."""
    print("==> making report.html, overlay.mp4, overview.png and summary.json from results.mcap", flush=True)
    command = [sys.executable, "-m", "posemo_ros.cli", "report", str(args.out / "results.mcap")]
    command += ["--out", str(args.out), "--privacy", args.privacy]
    if Path(args.source) == CLIP and TRUTH.exists():
        command += ["--truth", str(TRUTH)]
    code = subprocess.run(command, check=False).returncode
    if code not in (0, FINISHED_WITH_LOSSES):
        raise DemoError(f"the report failed; the recorded results are in {args.out / 'results.mcap'}")
    return code


class Processes:
    """The nodes; on leaving, whatever still runs is stopped."""

    def __init__(self, logs: Path, environment: dict[str, str]) -> None:
        self._logs = logs
        self._environment = environment
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._running):
            self._end(name)

    def start(self, name: str, *arguments: str, shown: bool = False) -> None:
        """Start a node; what it says goes to logs/NAME.log, or to the screen."""
        command = [sys.executable, "-m", "posemo_ros.nodes", name, "--ros-args", *arguments]
        with (self._logs / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._environment,
                stdout=None if shown else log,
                stderr=None if shown else subprocess.STDOUT,
            )

    def wait_for_line(self, name: str, words: str) -> None:
        """Until a node has said something.

        Raises:
            DemoError: A node ended, or it took too long.
        """
        end = time.monotonic() + START_S
        while words not in (self._logs / f"{name}.log").read_text(errors="replace"):
            self._check_all_run()
            if time.monotonic() > end:
                raise DemoError(f"waited {START_S:g} s for {name} to say {words!r}")
            time.sleep(0.05)

    def _check_all_run(self, but: str = "") -> None:
        for name, process in self._running.items():
            if name != but and process.poll() is not None:
                raise DemoError(self._last_words(name))

    def wait_for(self, name: str, limit_s: float | None) -> None:
        """Until a node ends by itself, or the time is over.

        Raises:
            DemoError: It failed, or another one ended before it.
        """
        end = None if limit_s is None else time.monotonic() + limit_s
        while self._running[name].poll() is None and (end is None or time.monotonic() < end):
            self._check_all_run(but=name)
            time.sleep(0.1)
        if self._end(name):
            raise DemoError(f"{name} failed, see above")

    def stop(self, name: str) -> None:
        """Interrupt a node and wait until it has ended.

        Raises:
            DemoError: It did not end well.
        """
        if self._end(name):
            raise DemoError(self._last_words(name))

    def _end(self, name: str) -> int:
        process = self._running.pop(name)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            return process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _last_words(self, name: str) -> str:
        log = self._logs / f"{name}.log"
        lines = log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join([f"{name} ended early; its last output:", *lines, f"(all of it: {log})"])


if __name__ == "__main__":
    sys.exit(main())
