"""JSON and YAML as people, tools and other systems write them."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from .errors import reason

# libyaml's, where PyYAML was built with it: every start reads the models' manifest, in 2 ms instead of 36.
_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):  # type: ignore[misc, valid-type]
    """Knows OpenCV's matrices."""


_Loader.add_constructor(
    "tag:yaml.org,2002:opencv-matrix", lambda loader, node: loader.construct_mapping(node, deep=True)
)

_MERGE = "tag:yaml.org,2002:merge"
_GZIP = b"\x1f\x8b"
TOO_DEEP = "it is nested too deeply"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # what PowerShell's > writes


def json_of(path: Path) -> Any:
    """What a JSON file says.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no JSON; says why in one line.
    """
    return _parsed(json.loads, path)


def yaml_of(path: Path) -> Any:
    """What a YAML file says; JSON is YAML, too.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no YAML; says why in one line.
    """
    return _parsed(_safe_load, path)


def first_yaml_of(path: Path) -> Any:
    """As ``yaml_of``, of the first document of several: `ros2 topic echo` prints one for each message."""
    return _parsed(lambda text: _safe_load(text, first=True), path)


def text_of(path: Path) -> str:
    """What a text file says, with or without byte order mark.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no text; says why in one line.
    """
    return str(_parsed(str, path))


def _safe_load(text: str, *, first: bool = False) -> Any:
    """``yaml.safe_load``, which has no libyaml; takes what OpenCV and `ros2 topic echo` write."""
    if text.startswith("%YAML:"):
        text = text.partition("\n")[2]
    loader = _Loader(text.rstrip().removesuffix("\n---"))
    try:
        node = _first_node(loader) if first else loader.get_single_node()
        _refuse_repeated_keys(node, set())
        return None if node is None else loader.construct_document(node)
    finally:
        loader.dispose()


def _first_node(loader: Any) -> Any:
    return loader.get_node() if loader.check_node() else None


def _refuse_repeated_keys(node: Any, seen: set[int]) -> None:
    """YAML forbids them, and PyYAML takes the last of each without a word."""
    if id(node) in seen or not isinstance(node, yaml.CollectionNode):
        return
    seen.add(id(node))
    known = set[tuple[str, str]]()
    for item in node.value:
        key, value = item if isinstance(node, yaml.MappingNode) else (None, item)
        _refuse_repeated_keys(value, seen)
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
            continue
        if (key.tag, key.value) in known:
            raise ValueError(f"the key {key.value!r} is there twice, again in line {key.start_mark.line + 1}")
        known.add((key.tag, key.value))


def _parsed(parse: Callable[[str], Any], path: Path) -> Any:
    data = path.read_bytes()
    if data.startswith(_GZIP):
        raise ValueError("it is packed by gzip; unpack it first (`gunzip`)")
    try:
        return parse(data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig"))
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    except (ValueError, yaml.YAMLError) as error:
        why = reason(error)
        about_a_tab = "cannot start any token" in why or "tab character" in why
        if tab := re.search(rb"^ *\t", data, re.MULTILINE) if about_a_tab else None:
            why = f"a tab is at the beginning of line {data[: tab.start()].count(10) + 1}; YAML wants blanks"
        raise ValueError(TOO_DEEP if "maximum nesting depth" in why else why) from error
