"""Look at the results in RViz: skeletons, overlay, and a frame with z up to look from.

ros2 launch posemo_ros rviz.launch.py fixed_frame:=camera_optical_frame

Included by the other launch files for rviz:=true; alone it shows what another machine publishes.
"""

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix, get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from posemo_ros.nodes.launch_arguments import strict

CONFIG = Path(get_package_share_directory("posemo_ros")) / "config" / "posemo.rviz"
ARGUMENTS = [
    DeclareLaunchArgument("namespace", default_value="posemo", description="Namespace of the results."),
    DeclareLaunchArgument(
        "fixed_frame",
        default_value="camera_optical_frame",
        description="Frame that RViz shows: the frame_id of the images.",
    ),
    DeclareLaunchArgument(
        "use_sim_time", default_value="false", choices=["true", "false"], description="Time from /clock."
    ),
]


def generate_launch_description() -> LaunchDescription:
    return strict([*ARGUMENTS, OpaqueFunction(function=start)], __file__)


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """RViz and its frame; a word where it is missing."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:
        return [LogInfo(msg="rviz2 is not installed; going on without it")]
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
        arguments=["-d", str(CONFIG), "-f", given["fixed_frame"]],
        parameters=[{"use_sim_time": given["use_sim_time"] == "true"}],
        remappings=[(f"/posemo/{name}", f"{base.rstrip('/')}/{name}") for name in ("markers", "overlay")],
    )
    return [view, window]
