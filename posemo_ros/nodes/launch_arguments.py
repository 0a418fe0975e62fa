"""Arguments of the launch files as people give them: what would have no effect is refused.

``ros2 launch`` takes any name, and one that no file declares changes nothing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..topics import COMPRESSED
from .declaration import Parameter, checked
from .parameters import NODES

if TYPE_CHECKING:
    from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

_TOPIC = re.compile(r"(~?/)?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)
NOT_GIVEN = ("", "false", "0", "0.0")


class LaunchFailed(Exception):
    """What went wrong, a line for each thing; launch logs it and returns 1."""


def strict(entities: Sequence[LaunchDescriptionEntity], file: str) -> LaunchDescription:
    """A launch description that fails when the command line has a name that it does not declare.

    Nothing is refused where another launch file includes it: that has arguments of its own.
    """
    from launch import LaunchDescription
    from launch.actions import OpaqueFunction

    description = LaunchDescription(entities)
    check = OpaqueFunction(function=lambda context: _refuse_unknown(context, description, file))
    return LaunchDescription([check, *entities])


def _refuse_unknown(context: LaunchContext, description: LaunchDescription, file: str) -> None:
    if any(Path(word).name == Path(file).name for word in sys.argv[1:]):
        known = [argument.name for argument in description.get_launch_arguments()]
        if wrong := unknown(context.argv, known):
            raise LaunchFailed(wrong)


def unknown(words: Iterable[str], known: Collection[str]) -> str:
    """What is wrong with the names in words such as ``rate:=5``; empty when they are all known."""
    names = [word.partition(":=")[0] for word in words if ":=" in word]
    return "; ".join(_no_argument(name, known) for name in names if name not in known)


def _no_argument(name: str, known: Collection[str]) -> str:
    nearest = get_close_matches(name, known, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else "--show-args lists those there are"
    return f"there is no argument {name}; {hint}"


def refuse_idle(given: Mapping[str, str], needs: Mapping[str, tuple[str, str]]) -> None:
    """Refuse arguments that have no effect without another one.

    Args:
        given: Value by name.
        needs: The other argument, and what to say, by name.

    Raises:
        LaunchFailed: Names all of them.
    """
    idle = [
        f"{name} {why}"
        for name, (other, why) in needs.items()
        if given[name] not in NOT_GIVEN and given[other] == ""
    ]
    if idle:
        raise LaunchFailed("; ".join(idle))


def refuse_bytes(given: Mapping[str, str]) -> None:
    """Refuse file names that are not UTF-8: no node could be told of them.

    Raises:
        LaunchFailed: Names one.
    """
    for name, value in given.items():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            shown = value.encode(errors="backslashreplace").decode()
            raise LaunchFailed(
                f"{name}: {shown} is not UTF-8, which ROS wants of names; rename the file or link it"
            ) from error


def number(given: Mapping[str, str], name: str, like: Parameter) -> float:
    """The value of an argument that is a number.

    Args:
        given: Value by name.
        name: Of the argument.
        like: The parameter that it becomes, with its type and range.

    Raises:
        LaunchFailed: It is no such number.
    """
    whole = isinstance(like.default, int)
    try:
        value = int(given[name]) if whole else float(given[name])
        checked(like, value)
    except (ValueError, InputError):
        kind = "a whole number" if whole else "a number"
        raise LaunchFailed(
            f"{name} is {given[name]!r}; it must be {kind} from {like.minimum:g} to {like.maximum:g}"
        ) from None
    return value


def parameter(node: str, name: str) -> Parameter:
    """A parameter of a node of this package."""
    return next(p for p in NODES[node] if p.name == name)


def refuse_no_topics(given: Mapping[str, str], names: Iterable[str]) -> None:
    """Refuse what can be no topic's name: every node would end with what rcl's parser says of it.

    Raises:
        LaunchFailed: Names the argument.
    """
    for name in names:
        if given[name] and not _TOPIC.fullmatch(given[name]):
            raise LaunchFailed(
                f"{name} is {given[name]!r}; it must be a topic such as /camera/image_raw: letters, digits "
                "and _ between slashes"
            )


def refuse_endings(given: Mapping[str, str], endings: Mapping[str, str]) -> None:
    """Refuse files to write that are called otherwise than what is written.

    Args:
        given: Value by name.
        endings: Such as ``.mcap``, by name.

    Raises:
        LaunchFailed: Names the argument.
    """
    for name, ending in endings.items():
        if given[name] and not given[name].endswith(ending):
            raise LaunchFailed(f"{name} is {given[name]!r}; it must end in {ending}")


def existing_file(argument: str, path: str) -> None:
    """Launch would go on without a parameter file that is missing.

    Raises:
        LaunchFailed: There is no such file.
    """
    if not Path(path).is_file():
        raise LaunchFailed(f"{argument}: there is no file {path}")


def at_home(given: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """The arguments, with the home folder for ``~`` in paths; a shell leaves it in ``record:=~/a``."""
    return {name: str(Path(v).expanduser()) if _is_home(name, v, names) else v for name, v in given.items()}


def _is_home(name: str, value: str, names: Collection[str]) -> bool:
    return name in names and (value == "~" or value.startswith("~/"))


def transport_of(given: Mapping[str, str]) -> dict[str, str]:
    """The arguments, with ``image`` and ``image_transport`` for an image that is named by its JPEG topic."""
    image = given["image"]
    if not image.endswith(COMPRESSED):
        return dict(given)
    return {**given, "image": image.removesuffix(COMPRESSED), "image_transport": "compressed"}
