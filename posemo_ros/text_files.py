"""JSON and YAML as people, tools and other systems write them."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

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
    return _parsed(yaml.safe_load, path)


def _parsed(parse: Callable[[str], Any], path: Path) -> Any:
    data = path.read_bytes()
    try:
        return parse(data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(" ".join(str(error).split())) from error
