"""Start the chain: people's keypoints, 3D skeletons and emotions from a camera's images.

ros2 launch posemo_ros pipeline.launch.py image:=/camera/color/image_raw
ros2 launch posemo_ros pipeline.launch.py source:=clip.mp4 rviz:=true
ros2 launch posemo_ros pipeline.launch.py source:=clip.mp4 lockstep:=true record:=results.mcap
ros2 launch posemo_ros pipeline.launch.py --show-args
"""

import os
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
    TimerAction,
)
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode

from posemo_ros.draw.privacy import CHOICES, EVERY_IMAGE, Privacy
from posemo_ros.inference.runtimes import AUTO, RUNTIMES
from posemo_ros.live.screen import PORT, VIEWERS
from posemo_ros.nodes.base import AGAIN
from posemo_ros.nodes.declaration import Parameter
from posemo_ros.nodes.launch_arguments import (
    at_home,
    existing_file,
    number,
    parameter,
    refuse_bytes,
    refuse_endings,
    refuse_idle,
    refuse_no_topics,
    strict,
    transport_of,
)
from posemo_ros.nodes.launch_ending import PATIENCE, Ending
from posemo_ros.nodes.parameters import NODES
from posemo_ros.nodes.transport import PROFILE_VARIABLES
from posemo_ros.presets import load_preset, preset_files
from posemo_ros.topics import COMPRESSED, EMOTIONS, MARKERS, OVERLAY, PEOPLE, SKELETONS

SHARE = Path(get_package_share_directory("posemo_ros"))
YES_NO = ["true", "false"]
PASSED_ON = ("image_transport", "runtime", "privacy", "target_frame", "depth_topic", "viewer", "save")
PATHS = ("params_file", "preset", "source", "record", "save")
NO_SOURCE = "is for a source that the launch file plays, and none is given (source:=)"
NEEDS = {
    "topic": ("source", f"{NO_SOURCE}; the topic of a camera that is there already is image:="),
    **dict.fromkeys(("rate", "loop", "lockstep"), ("source", NO_SOURCE)),
    "save": ("viewer", "is for viewer:=rerun"),
}
NUMBERS = {
    "port": parameter("viewer", "port"),
    "rate": parameter("camera", "rate"),
    "respawn_delay": Parameter("respawn_delay", 1.0, "", 0, 3600),
}
MODELS = {
    "detector": "Person detector",
    "keypoints": "Keypoint network",
    "lifter": "Lifter to 3D",
    "emotion": "Emotion network",
    "context": "Context encoder (composition:=stations starts the node context only where this is given)",
}

ARGUMENTS = [
    DeclareLaunchArgument(
        "image",
        default_value="/camera/image_raw",
        description="Image to look at; with /compressed at its end, its JPEGs (image_transport:=compressed).",
    ),
    DeclareLaunchArgument(
        "image_transport",
        default_value="",
        choices=["", "raw", "compressed"],
        description="How images come; compressed subscribes <image>/compressed. Empty: as in params_file.",
    ),
    DeclareLaunchArgument(
        "camera_info", default_value="/camera/camera_info", description="Intrinsics of that camera."
    ),
    DeclareLaunchArgument(
        "depth_topic",
        default_value="",
        description="Depth images aligned with the image, for true sizes and distances; raw, or a topic that "
        "ends in /compressedDepth. Empty: none.",
    ),
    DeclareLaunchArgument(
        "namespace", default_value="posemo", description="Namespace of nodes and results; / for none."
    ),
    DeclareLaunchArgument(
        "params_file",
        default_value=str(SHARE / "config" / "pipeline.yaml"),
        description="Parameters of all nodes.",
    ),
    DeclareLaunchArgument(
        "preset",
        default_value="",
        description=f"Networks and settings of a whole chain: {', '.join(preset_files())}, or a file. "
        "It goes before params_file; a network named here singly goes before it.",
    ),
    DeclareLaunchArgument(
        "use_sim_time", default_value="false", choices=YES_NO, description="Time from /clock, for bags."
    ),
    DeclareLaunchArgument(
        "runtime",
        default_value="",
        choices=["", AUTO, *RUNTIMES],
        description="What runs the networks. Empty: as in params_file.",
    ),
    DeclareLaunchArgument(
        "real_time",
        default_value="",
        choices=["", *YES_NO],
        description="The detector runs beside the keypoints (see the parameter). Empty: true for a "
        "camera that is there already, in real time; as in params_file for a source and for simulated time.",
    ),
    *(
        DeclareLaunchArgument(
            name,
            default_value="",
            description=f"{what}: a name in the model manifest. Empty: as in params_file.",
        )
        for name, what in MODELS.items()
    ),
    DeclareLaunchArgument(
        "autostart",
        default_value="true",
        choices=YES_NO,
        description="The nodes configure and activate themselves; false leaves that to a lifecycle manager.",
    ),
    DeclareLaunchArgument(
        "composition",
        default_value="single",
        choices=["single", "stations"],
        description="The whole chain in one process, or a process per station.",
    ),
    DeclareLaunchArgument(
        "markers", default_value="true", choices=YES_NO, description="Publish markers and overlay for RViz."
    ),
    DeclareLaunchArgument(
        "viewer",
        default_value="",
        choices=["", *VIEWERS],
        description="browser: a page on this machine shows all live; rerun: the same for rerun's "
        "viewer; see the node viewer. Empty: no.",
    ),
    DeclareLaunchArgument(
        "port", default_value="", description=f"Port of the viewer. Empty: as in params_file ({PORT})."
    ),
    DeclareLaunchArgument(
        "save",
        default_value="",
        description="With viewer:=rerun: write this .rrd file instead of waiting for a viewer. Empty: no.",
    ),
    DeclareLaunchArgument(
        "tf",
        default_value="false",
        choices=YES_NO,
        description="Publish people as frames: body_<id> and <joint>_<id>, where tf2_msgs is installed.",
    ),
    DeclareLaunchArgument(
        "target_frame",
        default_value="",
        description="Frame of markers and skeletons_in_target_frame, where tf2 is installed. Empty: the "
        "camera's.",
    ),
    DeclareLaunchArgument(
        "frame_prefix", default_value="", description="Before the names of the frames that tf publishes."
    ),
    DeclareLaunchArgument(
        "rviz", default_value="false", choices=YES_NO, description="Start RViz, where it is installed."
    ),
    DeclareLaunchArgument(
        "fixed_frame",
        default_value="camera_optical_frame",
        description="Frame that RViz shows: the frame_id of the images.",
    ),
    DeclareLaunchArgument(
        "log_level",
        default_value="info",
        choices=["debug", "info", "warn", "error", "fatal"],
        description="Least severe messages to log.",
    ),
    DeclareLaunchArgument(
        "source",
        default_value="",
        description="Start a camera that plays this: video, image folder, rosbag2 or camera number. "
        "It publishes image and camera_info; at its end everything ends. Empty: there is a camera already.",
    ),
    DeclareLaunchArgument("topic", default_value="", description="Image topic of a bag as source."),
    DeclareLaunchArgument("rate", default_value="0.0", description="Images per second; 0: the source's own."),
    DeclareLaunchArgument(
        "lockstep",
        default_value="false",
        choices=YES_NO,
        description="The source waits for the results of each image: none is lost on a slow machine.",
    ),
    DeclareLaunchArgument(
        "record", default_value="", description="Write images and results into this .mcap file. Empty: no."
    ),
    DeclareLaunchArgument(
        "privacy",
        default_value="",
        choices=["", *CHOICES],
        description="What overlay and recording show of people: blur hides faces (the detector then runs on "
        "every image), skeleton shows no pixels at all. Empty: as in params_file.",
    ),
    DeclareLaunchArgument(
        "manifests",
        default_value="",
        description="More model manifests, separated by commas. Empty: as in params_file.",
    ),
    DeclareLaunchArgument(
        "respawn",
        default_value="true",
        choices=YES_NO,
        description="Start a node again that was killed or crashed.",
    ),
    DeclareLaunchArgument(
        "respawn_delay", default_value="1.0", description="Seconds until a killed node is started again."
    ),
    DeclareLaunchArgument(
        "loop", default_value="false", choices=YES_NO, description="Play the source again and again."
    ),
]


def generate_launch_description() -> LaunchDescription:
    entities: list[LaunchDescriptionEntity] = [*ARGUMENTS]
    if not any(name in os.environ for name in PROFILE_VARIABLES):
        profile = str(SHARE / "config" / "fastdds.xml")
        entities += [SetEnvironmentVariable(name, profile) for name in PROFILE_VARIABLES]
    return strict([*entities, OpaqueFunction(function=start)], __file__)


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The processes that the arguments ask for."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    refuse_bytes(given)
    given = transport_of(at_home(given, PATHS))
    refuse_idle(given, NEEDS)
    refuse_endings(given, {"record": ".mcap", "save": ".rrd"})
    refuse_no_topics(given, ("image", "camera_info", "depth_topic"))
    existing_file("params_file", given["params_file"])
    for name, like in NUMBERS.items():  # known now, and not when some nodes have started
        if given[name] or name != "port":
            number(given, name, like)
    names = stations(given) + (["markers"] if given["markers"] == "true" else [])
    names += ["viewer"] if given["viewer"] else []
    names += ["frames"] if given["tf"] == "true" or given["target_frame"] else []
    names += ["recorder"] if given["record"] else []
    names += ["camera"] if given["source"] else []
    ending = Ending()
    entities = ending.entities()
    for name in names:
        entities += watched(name, given, names, ending)
    return entities + ([rviz(given)] if given["rviz"] == "true" else [])


def stations(given: dict[str, str]) -> list[str]:
    """Names of the nodes of the chain."""
    if given["composition"] == "single":
        return ["pipeline"]
    context = given["context"] or load_preset(given["preset"]).models.get("context")
    return ["keypoints", "lifter", *(["context"] if context else []), "emotion"]


def watched(
    name: str, given: dict[str, str], names: list[str], ending: Ending
) -> list[LaunchDescriptionEntity]:
    """A node, and what happens when its process ends.

    Killed by a signal, or given up because work hung, it is started again. When it ended by itself, it
    could not start or, the camera, has played its source: then everything ends, for a chain that lacks
    a link helps nobody.
    """

    def on_exit(event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        code = event.returncode
        if context.is_shutdown:
            return []
        if (code < 0 or code == AGAIN) and given["respawn"] == "true":
            ending.forgive(name)
            again = watched(name, given, names, ending)
            how = f"was ended by signal {-code}" if code < 0 else "has given up"
            log = LogInfo(msg=f"{name} {how}; starting it again")
            delay_s = number(given, "respawn_delay", NUMBERS["respawn_delay"])
            return [log, TimerAction(period=delay_s, actions=again)]
        reason = f"{name} has ended with {code}"
        return [LogInfo(msg=f"{reason}: ending everything"), EmitEvent(event=Shutdown(reason=reason))]

    return ending.watched(node(name, given, names), name, on_exit)


def node(name: str, given: dict[str, str], names: list[str]) -> LifecycleNode:
    """A lifecycle node of this package.

    It brings itself up: requests to change state that launch sends at start get lost on a busy
    machine (their responses time out), and a chain of which one link sleeps helps nobody.
    """
    # What the command line says wins over the file, and single networks over the preset.
    parameters = preset_parameters(given)
    parameters |= {key: given[key] for key in (*PASSED_ON, *MODELS) if given[key]}
    if given["privacy"] == Privacy.BLUR:
        parameters |= EVERY_IMAGE
    live = not given["source"] and given["use_sim_time"] == "false" and given["privacy"] != Privacy.BLUR
    if given["real_time"] or live:
        parameters["real_time"] = (given["real_time"] or "true") == "true"
    if given["manifests"]:
        parameters["manifests"] = given["manifests"].split(",")
    if given["port"]:
        parameters["port"] = number(given, "port", NUMBERS["port"])
    known = {parameter.name for parameter in NODES[name]}
    parameters = {key: value for key, value in parameters.items() if key in known}
    parameters |= {"use_sim_time": given["use_sim_time"] == "true", "autostart": given["autostart"] == "true"}
    if name == "camera":
        parameters |= camera_parameters(given, names)
    if name == "frames":
        parameters |= {"tf": given["tf"] == "true", "frame_prefix": given["frame_prefix"].lstrip("/")}
    if name == "recorder":
        parameters["output"] = given["record"]
    return LifecycleNode(
        package="posemo_ros",
        executable=name,
        name=name,
        namespace=given["namespace"],
        parameters=[given["params_file"], parameters],
        remappings=[("image_raw", given["image"]), ("camera_info", given["camera_info"])],
        ros_arguments=["--log-level", given["log_level"]],
        **PATIENCE,
        output="screen",
    )


def camera_parameters(given: dict[str, str], names: list[str]) -> dict[str, object]:
    """The source, and who has to be ready before it plays."""
    looking = [name for name in names if name in ("pipeline", "keypoints", "context", "recorder")]
    results = [PEOPLE, SKELETONS, EMOTIONS]
    if given["record"] and "markers" in names:
        looking += ["markers"] * (given["privacy"] != Privacy.SKELETON)  # which never looks at an image
        results += [MARKERS, OVERLAY + COMPRESSED]
    return {
        "source": given["source"],
        "topic": given["topic"],
        "rate": number(given, "rate", NUMBERS["rate"]),
        "loop": given["loop"] == "true",
        "lockstep": given["lockstep"] == "true",
        "wait_for": looking,
        "lockstep_topics": results,
    }


def preset_parameters(given: dict[str, str]) -> dict[str, object]:
    """What the preset says, of all nodes."""
    chosen = load_preset(given["preset"])
    parameters: dict[str, object] = {**chosen.models, **chosen.settings}
    if chosen.manifests:
        parameters["manifests"] = [str(path) for path in chosen.manifests]
    if given["preset"] and not any(given[model] for model in MODELS):
        parameters["preset"] = given["preset"]  # its words about models that are not here
    return parameters


def rviz(given: dict[str, str]) -> LaunchDescriptionEntity:
    """RViz with this package's displays, or a word where it is missing."""
    names = ("namespace", "fixed_frame", "use_sim_time")
    source = PythonLaunchDescriptionSource(str(SHARE / "launch" / "rviz.launch.py"))
    return IncludeLaunchDescription(source, launch_arguments=[(name, given[name]) for name in names])
