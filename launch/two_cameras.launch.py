"""Start the chain for two cameras, each in a namespace of its own.

ros2 launch posemo_ros two_cameras.launch.py left_image:=/front/image_raw right_image:=/rear/image_raw
ros2 launch posemo_ros two_cameras.launch.py --show-args

Every argument of pipeline.launch.py that is not one camera's own (image, camera_info, namespace,
frame_prefix, depth_topic, record, port, save) may be given and holds for both. Somebody seen
by both cameras has an id in each: nothing joins them.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from posemo_ros.live.screen import PORT
from posemo_ros.nodes.launch_arguments import strict

PIPELINE = Path(get_package_share_directory("posemo_ros")) / "launch" / "pipeline.launch.py"
CAMERAS = ("left", "right")


def generate_launch_description() -> LaunchDescription:
    arguments = [argument for camera in CAMERAS for argument in arguments_of(camera)]
    return strict([*arguments, *map(pipeline, CAMERAS)], __file__)


def arguments_of(camera: str) -> list[DeclareLaunchArgument]:
    """What differs from camera to camera."""
    said = {
        "namespace": (camera, "Namespace of its nodes and results, and prefix of its people's frames"),
        "image": (f"/{camera}/image_raw", "Image to look at"),
        "camera_info": (f"/{camera}/camera_info", "Intrinsics of that camera"),
        "depth_topic": ("", "Depth images aligned with the image. Empty: none"),
        "record": ("", "Write images and results into this .mcap file. Empty: no"),
        "port": (str(PORT + CAMERAS.index(camera)), "With viewer: its port"),
        "save": ("", "With viewer:=rerun: write this .rrd file. Empty: no"),
    }
    return [
        DeclareLaunchArgument(f"{camera}_{name}", default_value=default, description=f"{what}.")
        for name, (default, what) in said.items()
    ]


def pipeline(camera: str) -> GroupAction:
    """The chain of one camera; a group, so that its arguments do not reach the other's."""

    def own(name: str) -> LaunchConfiguration:
        return LaunchConfiguration(f"{camera}_{name}")

    names = ("namespace", "image", "camera_info", "depth_topic", "record", "port", "save")
    arguments = [(name, own(name)) for name in names] + [("frame_prefix", [own("namespace"), "_"])]
    source = PythonLaunchDescriptionSource(str(PIPELINE))
    return GroupAction([IncludeLaunchDescription(source, launch_arguments=arguments)])
