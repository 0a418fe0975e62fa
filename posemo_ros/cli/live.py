"""``posemo live``: a page in the browser, or rerun's viewer, that shows what a camera sees."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
import webbrowser
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import fields
from typing import TYPE_CHECKING

from ..draw.privacy import EVERY_IMAGE, Privacy
from ..errors import InputError
from ..inference.manifest import STATIONS
from ..live.screen import BROWSER, PORT, RERUN, VIEWERS
from ..presets import CHAIN_SETTINGS
from ..settings import Settings
from ..topics import COMPRESSED, camera_info_of
from .command import Command
from .options import (
    add_model_options,
    add_privacy_option,
    add_source_options,
    choice_from,
    given,
    pipeline_from,
)
from .values import integer, new_file, nonempty

if TYPE_CHECKING:
    from ..live.play import Player
    from ..replay.source import Source

_TOPIC = re.compile(r"(/[A-Za-z_]\w*)+", re.ASCII)
NODES = "/posemo_live"  # not where the nodes of a robot's own chain are
WAIT_S = 0.2
HOST = "127.0.0.1"  # this machine alone
PR_SET_PDEATHSIG = 1  # of prctl(2)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        type=nonempty,
        nargs="?",
        default="0",
        help="number of a camera, video, pictures, bag, address of a stream; or, where ROS is sourced, an "
        "image topic such as /camera/image_raw",
    )
    parser.add_argument(
        "--viewer",
        choices=VIEWERS,
        default=BROWSER,
        help="browser: a page of its own; rerun: rerun's viewer (default: %(default)s)",
    )
    parser.add_argument(
        "--save",
        type=new_file(".rrd"),
        metavar="FILE.rrd",
        help="with --viewer rerun: write every image's results into this file instead of showing them",
    )
    parser.add_argument(
        "--host",
        type=nonempty,
        default=HOST,
        help="address to listen on; another than 127.0.0.1 lets others look: 0.0.0.0 all who reach this "
        "machine",
    )
    parser.add_argument("--port", type=integer(0, 65535), default=PORT, help="0: any free one")
    parser.add_argument("--loop", action="store_true", help="begin again at the end of a recording")
    parser.add_argument("--no-browser", action="store_true", help="only print where to look")
    add_privacy_option(parser)
    add_source_options(parser)
    add_model_options(parser)


def _run(args: argparse.Namespace) -> int:
    if args.save and args.viewer != RERUN:
        raise InputError(f"--save writes a file for rerun's viewer: give --viewer {RERUN}, too")
    if args.save and (args.host, args.port) != (HOST, PORT):
        raise InputError("--host and --port are for who looks; --save writes a file and shows nothing")
    if args.loop and args.viewer == RERUN:
        raise InputError("--loop is for the browser: rerun's viewer repeats what it has got by itself")
    return _topic(args) if is_topic(args.source) else _local(args)


def is_topic(text: str) -> bool:
    """Whether it can only be the name of a ROS topic."""
    return bool(_TOPIC.fullmatch(text)) and not text.startswith("/dev/") and not os.path.lexists(text)


def _local(args: argparse.Namespace) -> int:
    from ..live.play import Player
    from ..replay.sources import open_source

    if is_topic(f"/{args.source}") and not os.path.lexists(args.source) and "/" in args.source:
        raise InputError(f"{args.source!r} is no file; an image topic begins with /: /{args.source}")
    with open_source(args.source, choice_from(args)) as source:
        pipeline = pipeline_from(args, real_time=source.live and not _blurs(args))
        if pipeline.lifter:
            pipeline.lifter.depth = source.depth
        player = Player(source, pipeline, Privacy(args.privacy))
        try:
            _play(args, source, player)
        except KeyboardInterrupt:
            return 0  # Ctrl-C is how one ends it
    return 0


def _play(args: argparse.Namespace, source: Source, player: Player) -> None:
    """Show it the way that was asked for."""
    if args.save:
        _to_file(args, source, player)
    elif args.viewer == RERUN:
        _to_rerun(args, source, player)
    else:
        _to_page(args, source, player)


def _to_page(args: argparse.Namespace, source: Source, player: Player) -> None:
    from ..live.browser import Browser
    from ..live.server import LiveServer

    server = LiveServer(player.welcome(), args.host, args.port)
    with closing(server):
        _announce(args, server.url)
        if not args.no_browser:
            webbrowser.open(server.url)
        if not source.live:  # the beginning waits for who wants to see it
            while not server.wait_for_viewer(WAIT_S):
                pass
        player.play(Browser(server), loop=args.loop)


def _to_rerun(args: argparse.Namespace, source: Source, player: Player) -> None:
    """Viewers get what was shown before they came, so this goes on until nobody needs it."""
    from ..live.rerun_screen import RerunServer
    from ..live.rerun_viewer import has_screen, start_viewer

    with closing(RerunServer(source.name, args.host, args.port)) as server:
        _announce(args, f"rerun {server.url}")
        viewer = start_viewer(server.url) if has_screen() and not args.no_browser else None
        try:
            player.play(server)
            print("all has been shown; Ctrl-C ends it", file=sys.stderr)
            while viewer is None or viewer.poll() is None:
                time.sleep(WAIT_S)
        finally:
            if viewer is not None:
                viewer.terminate()
                viewer.wait()


def _to_file(args: argparse.Namespace, source: Source, player: Player) -> None:
    from ..live.rerun_screen import RerunFile

    with closing(RerunFile(source.name, args.save)) as file:
        player.play(file, every=True)
    print(f"{args.save}   (look with: rerun {args.save})")


def _announce(args: argparse.Namespace, where: str) -> None:
    print(f"{where}   (Ctrl-C ends it)", flush=True)
    if not args.host.startswith("127.") and args.host not in ("localhost", "::1"):
        print(f"everybody who reaches this machine at {args.host} can look", file=sys.stderr)


def _topic(args: argparse.Namespace) -> int:
    """The chain on an image topic, and the page: the nodes ``pipeline`` and ``viewer``."""
    if importlib.util.find_spec("rclpy") is None:
        raise InputError(
            f"{args.source!r} is no file, so it must be a topic, and topics need ROS: source its setup.sh, "
            "and the workspace's"
        )
    if unused := [f"--{name}" for name in ("loop", "rate", "strict", "topic") if getattr(args, name)]:
        raise InputError(f"{unused[0]} is for recordings, not for a ROS topic")
    viewer: dict[str, object] = {
        "viewer": args.viewer,
        "host": args.host,
        "port": args.port,
        "privacy": args.privacy,
    }
    if args.save:
        viewer["save"] = str(args.save.absolute())
    if not args.no_browser and args.port and args.viewer == BROWSER:
        webbrowser.open(f"http://{args.host}:{args.port}/")  # the page tries again until it is there
    return _together(
        [node_command("pipeline", args, chain_parameters(args)), node_command("viewer", args, viewer)]
    )


def chain_parameters(args: argparse.Namespace) -> dict[str, object]:
    """The options that choose networks and settings, as parameters of the node."""
    chosen = given(args, [*STATIONS, *CHAIN_SETTINGS, *(f.name for f in fields(Settings))])
    preset = {"preset": args.preset} if args.preset else {}
    how = EVERY_IMAGE if _blurs(args) else {"real_time": True}
    depth = {"depth_topic": args.depth_topic} if args.depth_topic else {}
    return {**preset, **how, **depth, **chosen}


def _blurs(args: argparse.Namespace) -> bool:
    """Whether nobody may be seen an image before he is found."""
    return bool(args.privacy == Privacy.BLUR)


def node_command(node: str, args: argparse.Namespace, parameters: Mapping[str, object]) -> list[str]:
    """The command line of a node that looks at the topic."""
    topic = args.source.removesuffix(COMPRESSED)
    transport = "compressed" if args.source.endswith(COMPRESSED) else "raw"
    info = args.camera_info or camera_info_of(topic)
    words = ["-r", f"__ns:={NODES}", "-r", f"image_raw:={topic}", "-r", f"camera_info:={info}"]
    for name, value in {**parameters, "image_transport": transport}.items():
        words += ["-p", f"{name}:={json.dumps(value)}"]
    return [sys.executable, "-m", "posemo_ros.nodes", node, "--ros-args", *words]


def _together(commands: Sequence[Sequence[str]]) -> int:
    """Run programs until one ends, end the others, and return its code."""
    running = [subprocess.Popen(command, preexec_fn=_end_with_parent) for command in commands]
    try:
        while all(process.poll() is None for process in running):
            time.sleep(WAIT_S)
        return next(process.returncode for process in running if process.returncode is not None)
    except KeyboardInterrupt:
        return 0  # they have got it, too
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def _end_with_parent() -> None:
    """In a program that was just started: Linux ends it when this one is killed; nobody else would."""
    with contextlib.suppress(OSError, AttributeError):  # only Linux has it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


COMMAND = Command(
    help="show a camera, video or topic with all results in the browser or in rerun's viewer",
    examples=(
        ("posemo live", "the first camera of this machine"),
        ("posemo live walk.mp4 --loop --privacy blur", "a video, again and again, faces blurred"),
    ),
    run=_run,
    add_options=_options,
)
