"""What people gave as parameters: wrong names and types are refused, what is not ours is left alone."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..text_files import yaml_of
from .declaration import Parameter, Value, checked
from .parameters import NODES

# Short names (rate, topic, source) are everybody's; a long one that looks like ours is meant for us.
_LONG_NAME = 8
_SIMILAR = 0.85
_ROS_OWN = ("use_sim_time", "start_type_description_service")
_QOS = "qos_overrides."
_OF_TOPIC = re.compile(r"(?P<topic>/.+)\.(?:publisher|subscription)\.(?P<policy>\w+)")
_POLICIES = {
    "reliability": ("reliable", "best_effort", "system_default"),
    "history": ("keep_last", "keep_all", "system_default"),
    "depth": (),
}
_TOPICS_OF_ROS = ("/parameter_events", "/clock", "/rosout")


def checked_values(
    known: Mapping[str, Parameter], given: Mapping[str, object], shared: Collection[str]
) -> tuple[dict[str, Value], list[str]]:
    """The given values of known parameters in their types, and what is worth a warning.

    Args:
        known: The node's parameters by name.
        given: Value by name, from parameter files, command line and program.
        shared: Names that only stand in sections of parameter files for many nodes (``/**``).

    Raises:
        InputError: Names that no node of this package has (in a section for this node, or in one
            for many and very like one of this node's), values of a wrong type or out of range.
    """
    wrong: list[str] = []
    warnings: list[str] = []
    values: dict[str, Value] = {}
    for name, value in given.items():
        if name in known:
            try:
                values[name] = checked(known[name], value)
            except InputError as error:
                wrong.append(str(error))
        elif name.startswith(_QOS):
            wrong += [] if name in shared else _wrong_quality(name, value)
        elif not _is_elsewhere(name):
            text, refused = _unknown(name, known, name in shared)
            (wrong if refused else warnings).append(text)
    if wrong:
        raise InputError("; ".join(wrong))
    return values, warnings


def _is_elsewhere(name: str) -> bool:
    ours = any(name == parameter.name for parameters in NODES.values() for parameter in parameters)
    return ours or name in _ROS_OWN


def _wrong_quality(name: str, value: object) -> list[str]:
    """What rclpy would leave unread, or fail at when the topic is subscribed."""
    found = _OF_TOPIC.fullmatch(name.removeprefix(_QOS))
    if found is None:
        form = f"{_QOS}/TOPIC.subscription (or publisher).POLICY"
        return [f"parameter {name} has no effect; its form is {form}"]
    if found["topic"] in _TOPICS_OF_ROS:
        return []
    if found["policy"] not in _POLICIES:
        return [f"parameter {name} has no effect; what can be overridden is {', '.join(_POLICIES)}"]
    words = _POLICIES[found["policy"]]
    if words:
        well, needed = str(value).lower() in words, f"one of {', '.join(words)}"
    else:
        well, needed = type(value) is int and value >= 0, "an integer, 0 or more"
    return [] if well else [f"parameter {name} is {value!r}; it must be {needed}"]


def _unknown(name: str, known: Collection[str], shared: bool) -> tuple[str, bool]:
    nearest = get_close_matches(name, known, n=1, cutoff=0.0 if not shared else 0.6)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    text = f"there is no parameter {name}{hint}"
    if not shared:
        return text, True
    if len(name) >= _LONG_NAME and get_close_matches(name, known, n=1, cutoff=_SIMILAR):
        return text, True
    return f"{text} (left alone: it stands in a section of a parameter file for many nodes)", False


def shared_names(arguments: Sequence[str]) -> set[str]:
    """Names that the parameter files of a command line give to many nodes (``/**``), and only so.

    Files that cannot be read are left out; rclpy says what is wrong with them.
    """
    many: set[str] = set()
    own: set[str] = {a.partition(":=")[0] for flag, a in _pairs(arguments) if flag in ("-p", "--param")}
    for flag, path in _pairs(arguments):
        if flag != "--params-file":
            continue
        try:
            content = yaml_of(Path(path))
        except (OSError, ValueError):
            continue
        for section, names in _sections(content, ""):
            (many if "*" in section else own).update(names)
    return many - own


def _pairs(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    return pairwise(arguments)


def _sections(content: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    """(path of the node, its parameters' names) of a parameter file."""
    if not isinstance(content, dict):
        return
    for key, inside in content.items():
        if key == "ros__parameters":
            yield path, list(_names(inside, ""))
        else:
            yield from _sections(inside, f"{path}/{key}")


def _names(content: Any, prefix: str) -> Iterator[str]:
    for key, inside in content.items() if isinstance(content, dict) else ():
        if isinstance(inside, dict):
            yield from _names(inside, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"
