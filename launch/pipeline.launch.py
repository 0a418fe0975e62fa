"""Start the chain: people's keypoints, 3D skeletons and emotions from a camera's images.

ros2 launch posemo_ros pipeline.launch.py image:=/camera/color/image_raw
ros2 launch posemo_ros pipeline.launch.py source:=clip.mp4 rviz:=true
ros2 launch posemo_ros pipeline.launch.py --show-args
"""

import os
from pathlib import Path

from ament_index_python.packages import (
    PackageNotFoundError,
    get_package_prefix,
    get_package_share_directory,
)
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node

from posemo_ros.inference.runtimes import AUTO, RUNTIMES

SHARE = Path(get_package_share_directory("posemo_ros"))
# Fast DDS 2 (Jazzy) and Fast DDS 3 (Kilted and later) look at one each.
PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
YES_NO = ["true", "false"]
MODELS = {
    "detector": "Person detector",
    "keypoints": "Keypoint network",
    "lifter": "Lifter to 3D",
    "emotion": "Emotion network",
    "context": "Context encoder (composition:=stations starts the node context only where this is given)",
}

ARGUMENTS = [
    DeclareLaunchArgument("image", default_value="/camera/image_raw", description="Image to look at."),
    DeclareLaunchArgument(
        "image_transport",
        default_value="",
        choices=["", "raw", "compressed"],
        description="How images come; compressed subscribes <image>/compressed. Empty: as in params_file.",
    ),
    DeclareLaunchArgument(
        "camera_info", default_value="/camera/camera_info", description="Intrinsics of that camera."
    ),
    DeclareLaunchArgument("namespace", default_value="posemo", description="Namespace of nodes and results."),
    DeclareLaunchArgument(
        "params_file",
        default_value=str(SHARE / "config" / "pipeline.yaml"),
        description="Parameters of all nodes.",
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
    DeclareLaunchArgument("rviz", default_value="false", choices=YES_NO, description="Start RViz."),
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
        "It publishes image and camera_info. Empty: there is a camera already.",
    ),
    DeclareLaunchArgument(
        "loop", default_value="false", choices=YES_NO, description="Play the source again and again."
    ),
]


def generate_launch_description() -> LaunchDescription:
    entities: list[LaunchDescriptionEntity] = [*ARGUMENTS]
    if not any(name in os.environ for name in PROFILES):
        profile = str(SHARE / "config" / "fastdds.xml")
        entities += [SetEnvironmentVariable(name, profile) for name in PROFILES]
    return LaunchDescription([*entities, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The processes that the arguments ask for."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    names = stations(given) + (["markers"] if given["markers"] == "true" else [])
    entities: list[LaunchDescriptionEntity] = [node(name, given) for name in names]
    if given["source"]:
        entities.append(node("camera", given))
    if given["rviz"] == "true":
        entities += rviz(given)
    return entities


def stations(given: dict[str, str]) -> list[str]:
    """Names of the nodes of the chain."""
    if given["composition"] == "single":
        return ["pipeline"]
    return ["keypoints", "lifter", *(["context"] if given["context"] else []), "emotion"]


def node(name: str, given: dict[str, str]) -> LifecycleNode:
    """A lifecycle node of this package.

    It brings itself up: requests to change state that launch sends at start get lost on a busy
    machine (their responses time out), and a chain of which one link sleeps helps nobody.
    """
    # What the command line says wins over the file.
    parameters: dict[str, object] = {
        key: given[key] for key in ("image_transport", "runtime", *MODELS) if given[key]
    }
    parameters |= {"use_sim_time": given["use_sim_time"] == "true", "autostart": given["autostart"] == "true"}
    if name == "camera":
        parameters |= {"source": given["source"], "loop": given["loop"] == "true", "wait_for": 2}
    return LifecycleNode(
        package="posemo_ros",
        executable=name,
        name=name,
        namespace=given["namespace"],
        parameters=[given["params_file"], parameters],
        remappings=[("image_raw", given["image"]), ("camera_info", given["camera_info"])],
        ros_arguments=["--log-level", given["log_level"]],
        output="screen",
    )


def rviz(given: dict[str, str]) -> list[LaunchDescriptionEntity]:
    """RViz with this package's displays, and a frame with z up to look from; a word where it is missing."""
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:
        return [LogInfo(msg="rviz:=true, but rviz2 is not installed; going on without it")]
    base = "/" + given["namespace"].strip("/")
    view = Node(
        package="tf2_ros",
        executable="static_transform_publisher",
        name="posemo_view",
        arguments=[
            *("--frame-id", given["fixed_frame"], "--child-frame-id", "posemo_view"),
            *("--qx", "0.5", "--qy", "-0.5", "--qz", "0.5", "--qw", "0.5"),
        ],
    )
    window = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(SHARE / "config" / "posemo.rviz"), "-f", given["fixed_frame"]],
        parameters=[{"use_sim_time": given["use_sim_time"] == "true"}],
        remappings=[(f"/posemo/{name}", f"{base.rstrip('/')}/{name}") for name in ("markers", "overlay")],
    )
    return [view, window]
