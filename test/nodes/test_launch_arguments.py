"""What is given to the launch files; how ``ros2 launch`` then ends is in test/launch."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from posemo_ros.nodes import launch_arguments as arguments
from posemo_ros.nodes.launch_arguments import LaunchFailed

from ..loading import load

ROOT = Path(__file__).resolve().parents[2]


def test_unknown_names_are_told_with_the_nearest_right_one() -> None:
    known = ("image", "image_transport", "camera_info", "rate")
    assert arguments.unknown(["image:=/a", "rate:=5", "--debug"], known) == ""
    assert arguments.unknown(["imagee:=/a"], known) == "there is no argument imagee; did you mean image?"
    both = arguments.unknown(["zzz:=1", "rte:=a:=b"], known)
    assert both == "there is no argument zzz; --show-args lists those there are; " + (
        "there is no argument rte; did you mean rate?"
    )


RATE, PORT = arguments.parameter("camera", "rate"), arguments.parameter("viewer", "port")


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("0.5", 0.5), ("1e2", 100.0)])
def test_numbers(text: str, value: float) -> None:
    assert arguments.number({"rate": text}, "rate", RATE) == value


@pytest.mark.parametrize("text", ["fast", "", "-1", "nan", "inf", "1,5", "1001"])
def test_what_is_no_number_is_named(text: str) -> None:
    said = f"rate is {text!r}; it must be a number from 0 to 1000"
    with pytest.raises(LaunchFailed, match=re.escape(said)):
        arguments.number({"rate": text}, "rate", RATE)


@pytest.mark.parametrize("text", ["1.5", "abc", "-1", "65536", "8600.0"])
def test_a_port_is_a_whole_number(text: str) -> None:
    assert arguments.number({"port": "9000"}, "port", PORT) == 9000
    said = f"port is {text!r}; it must be a whole number from 0 to 65535"
    with pytest.raises(LaunchFailed, match=re.escape(said)):
        arguments.number({"port": text}, "port", PORT)


@pytest.mark.parametrize("name", ["/a b", "/1a", "a//b", "/a/", "/ü", "/a-b"])
def test_what_is_no_topic_is_named(name: str) -> None:
    arguments.refuse_no_topics({"a": "/eye/image_raw", "b": "image", "c": "", "d": "~/x"}, "abcd")
    with pytest.raises(
        LaunchFailed, match=f"image is {name!r}; it must be a topic such as /camera/image_raw"
    ):
        arguments.refuse_no_topics({"image": name}, ["image"])


def test_what_is_written_is_called_so() -> None:
    arguments.refuse_endings({"record": "", "save": "a.rrd"}, {"record": ".mcap", "save": ".rrd"})
    with pytest.raises(LaunchFailed, match="record is 'a.bag'; it must end in .mcap"):
        arguments.refuse_endings({"record": "a.bag"}, {"record": ".mcap"})


def test_what_has_no_effect_is_refused() -> None:
    needs = {"rate": ("source", "is for a source"), "save": ("viewer", "is for viewer:=rerun")}
    given = {"rate": "0.0", "save": "", "source": "", "viewer": ""}
    arguments.refuse_idle(given, needs)
    arguments.refuse_idle({**given, "rate": "5", "source": "0"}, needs)  # the first camera
    with pytest.raises(LaunchFailed) as caught:
        arguments.refuse_idle({**given, "rate": "5", "save": "a.rrd"}, needs)
    assert str(caught.value) == "rate is for a source; save is for viewer:=rerun"


def test_home_is_what_a_shell_would_make_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home")
    given = {"record": "~/walk.mcap", "source": "~other/x", "image": "~/x", "out": "a~/b", "bag": "~"}
    kept = arguments.at_home(given, ("record", "source", "out", "bag"))
    assert kept == {**given, "record": "/home/walk.mcap", "bag": "/home"}


def test_an_image_named_by_its_jpegs_is_compressed() -> None:
    raw = {"image": "/eye/image_raw", "image_transport": ""}
    assert arguments.transport_of(raw) == raw
    jpegs = {"image": "/eye/image_raw/compressed", "image_transport": "raw"}
    assert arguments.transport_of(jpegs) == {"image": "/eye/image_raw", "image_transport": "compressed"}


def test_names_that_are_no_text_are_refused() -> None:
    arguments.refuse_bytes({"source": "dä rk/it's #2: x.mp4"})
    with pytest.raises(LaunchFailed, match=r"source: b\\udcff.mp4 is not UTF-8"):
        arguments.refuse_bytes({"source": b"b\xff.mp4".decode(errors="surrogateescape")})


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    arguments.existing_file("params_file", __file__)
    with pytest.raises(LaunchFailed, match="params_file: there is no file .*none.yaml"):
        arguments.existing_file("params_file", str(tmp_path / "none.yaml"))


COMMAND = re.compile(r"ros2 launch posemo_ros (\w+\.launch\.py)((?:[^\n`]|(?<=\\)\n)*)")


def documented() -> list[tuple[str, str, tuple[str, ...]]]:
    """(page, launch file, names of the arguments) of every command that the pages show."""
    pages = [
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "launch").glob("*.py")),
    ]
    return [
        (str(page.relative_to(ROOT)), file, tuple(re.findall(r"([a-z_]+):=", words)))
        for page in sorted(pages)
        for file, words in COMMAND.findall(page.read_text(encoding="utf-8"))
    ]


@pytest.mark.skipif(importlib.util.find_spec("launch_ros") is None, reason="launch_ros comes with ROS")
@pytest.mark.parametrize(("page", "file", "names"), documented())
def test_pages_show_arguments_that_have_an_effect(page: str, file: str, names: tuple[str, ...]) -> None:
    module = load(ROOT / "launch" / file)
    known = {argument.name for argument in module.generate_launch_description().get_launch_arguments()}
    assert set(names) <= known
    given = dict.fromkeys(known, "") | dict.fromkeys(names, "x")
    arguments.refuse_idle(given, getattr(module, "NEEDS", {}))
