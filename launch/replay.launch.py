"""Play a bag into the chain, record the results beside it, and end with the report.

ros2 launch posemo_ros replay.launch.py bag:=walk_2024_05_01
ros2 launch posemo_ros replay.launch.py bag:=walk.mcap topic:=/front/image_raw rate:=0 out:=out/walk

The bag is played by this package's own camera node, on the time of the bag (/clock), one image when the
results of the one before are there: nothing is lost, and the numbers are those of ``posemo run``.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.events import matches_action
from launch.events.process import SignalProcess
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode

from posemo_ros.draw.privacy import CHOICES, EVERY_IMAGE, Privacy
from posemo_ros.nodes.launch_arguments import (
    LaunchFailed,
    at_home,
    existing_file,
    number,
    parameter,
    refuse_bytes,
    strict,
)
from posemo_ros.nodes.launch_ending import PATIENCE, Ending, OnExit
from posemo_ros.nodes.transport import PROFILE_VARIABLES
from posemo_ros.replay.run_folder import make_folder

SHARE = Path(get_package_share_directory("posemo_ros"))
IMAGE, CAMERA_INFO = "/camera/image_raw", "/camera/camera_info"
YES_NO = ["true", "false"]
PATHS = ("bag", "camera_info", "truth", "out", "params_file")

ARGUMENTS = [
    DeclareLaunchArgument("bag", description="Bag to play: folder or file; any other recording works too."),
    DeclareLaunchArgument("topic", default_value="", description="Image topic of a bag with several."),
    DeclareLaunchArgument(
        "camera_info",
        default_value="",
        description="Intrinsics: topic of the bag, or a file. Empty: the bag's.",
    ),
    DeclareLaunchArgument(
        "rate", default_value="1.0", description="Speed: 2 plays twice as fast, 0 as fast as results come."
    ),
    DeclareLaunchArgument(
        "loop", default_value="false", choices=YES_NO, description="Again and again; no report then."
    ),
    DeclareLaunchArgument("truth", default_value="", description="Ground truth (.npz) to compare with."),
    DeclareLaunchArgument(
        "out", default_value="", description="Folder of the results. Empty: BAG-posemo beside the bag."
    ),
    DeclareLaunchArgument(
        "privacy",
        default_value=Privacy.NONE.value,
        choices=list(CHOICES),
        description="What the results show of people: blur hides faces, skeleton shows no pixels at all.",
    ),
    DeclareLaunchArgument("rviz", default_value="false", choices=YES_NO, description="Start RViz."),
    DeclareLaunchArgument(
        "fixed_frame",
        default_value="camera_optical_frame",
        description="Frame that RViz shows: the frame_id of the bag's images.",
    ),
    DeclareLaunchArgument(
        "params_file",
        default_value=str(SHARE / "config" / "pipeline.yaml"),
        description="Parameters of all nodes.",
    ),
]


def generate_launch_description() -> LaunchDescription:
    entities: list[LaunchDescriptionEntity] = [*ARGUMENTS]
    if not any(name in os.environ for name in PROFILE_VARIABLES):
        profile = str(SHARE / "config" / "fastdds.xml")
        entities += [SetEnvironmentVariable(name, profile) for name in PROFILE_VARIABLES]
    return strict([*entities, OpaqueFunction(function=start)], __file__)


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The processes, and what follows when one has ended."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    refuse_bytes(given)
    given = at_home(given, PATHS)
    existing_file("params_file", given["params_file"])
    if given["truth"]:
        existing_file("truth", given["truth"])  # is wanted only at the end
    bag = Path(given["bag"]).resolve()
    if not bag.exists():
        raise LaunchFailed(f"bag: there is no file or folder {bag}")
    out = Path(given["out"] or bag.with_name(f"{bag.name}-posemo")).resolve()
    make_folder(out)
    privacy = {"privacy": given["privacy"]}
    recorder = node("recorder", given, {"output": str(out / "results.mcap"), **privacy})
    reliable = {f"qos_overrides.{IMAGE}.subscription.reliability": "reliable"}
    every_image = EVERY_IMAGE if given["privacy"] == Privacy.BLUR else {}
    pipeline = node("pipeline", given, {**reliable, **every_image})
    markers = node("markers", given, {**reliable, **privacy})
    camera = node("camera", given, played(given, bag))
    report = ExecuteProcess(cmd=report_command(out, given["truth"], given["privacy"]), output="screen")
    # Whether a process has ended well or not, the next one follows: what was recorded is worth a report.
    ending = Ending()
    entities = [
        *ending.entities(),
        *ending.watched(recorder, "recorder", then(lambda: ending.watched(report, "report", end()))),
        *ending.watched(pipeline, "pipeline", then(stop(markers))),
        *ending.watched(markers, "markers", then(stop(recorder))),
        *ending.watched(camera, "camera", then(stop(pipeline))),
    ]
    if given["rviz"] == "true":
        source = PythonLaunchDescriptionSource(str(SHARE / "launch" / "rviz.launch.py"))
        shown = [("use_sim_time", "true"), ("fixed_frame", given["fixed_frame"])]
        entities.append(IncludeLaunchDescription(source, launch_arguments=shown))
    return entities


def played(given: dict[str, str], bag: Path) -> dict[str, object]:
    """Parameters of the camera node, which waits for all others."""
    return {
        "source": str(bag),
        "topic": given["topic"],
        "camera_info": given["camera_info"],
        "speed": number(given, "rate", parameter("camera", "speed")),
        "loop": given["loop"] == "true",
        "lockstep": True,
        "clock": True,
        # With privacy skeleton, markers never looks at an image.
        "wait_for": ["pipeline", "recorder"] + ["markers"] * (given["privacy"] != Privacy.SKELETON),
        "use_sim_time": False,
    }


def node(name: str, given: dict[str, str], parameters: dict[str, object]) -> LifecycleNode:
    """A node of this package that lives in the time of the bag."""
    return LifecycleNode(
        package="posemo_ros",
        executable=name,
        name=name,
        namespace="camera" if name == "camera" else "posemo",
        parameters=[given["params_file"], {"use_sim_time": True, **parameters}],
        remappings=[("image_raw", IMAGE), ("camera_info", CAMERA_INFO), ("people", "/posemo/people")]
        if name == "camera"
        else [("image_raw", IMAGE), ("camera_info", CAMERA_INFO)],
        **PATIENCE,
        output="screen",
    )


def report_command(out: Path, truth: str, privacy: str) -> list[str]:
    """``posemo report`` on what was recorded."""
    # Not the command posemo: a colcon workspace does not put it onto the path.
    command = [sys.executable, "-m", "posemo_ros.cli", "report", str(out / "results.mcap"), "--out", str(out)]
    command += ["--privacy", privacy]
    return [*command, "--truth", truth] if truth else command


def then(follow: Callable[[], list[LaunchDescriptionEntity]]) -> OnExit:
    """What follows when a process has ended; nothing while everything ends."""
    return lambda event, context: [] if context.is_shutdown else follow()


def end() -> OnExit:
    """After the report."""
    return then(lambda: [Shutdown(reason="the report is made")])


def stop(process: LifecycleNode) -> Callable[[], list[LaunchDescriptionEntity]]:
    """Ask a node to end; it passes on what it still has first."""
    request = SignalProcess(signal_number=signal.SIGINT, process_matcher=matches_action(process))
    return lambda: [EmitEvent(event=request)]
