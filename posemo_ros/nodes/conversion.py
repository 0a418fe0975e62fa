"""Makes the messages of rclpy; how to read them is in ``messages``."""

from __future__ import annotations

import array
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..messages import MessageMaker


def class_of(name: str) -> Any:
    """The class of a type such as ``sensor_msgs/msg/Image``."""
    package, kind, message = name.split("/")
    return getattr(import_module(f"{package}.{kind}"), message)


def sequence(values: NDArray[np.generic]) -> array.array[Any]:
    """The one type that rclpy takes whole; others are copied value by value: a second for one 1080p image."""
    data = array.array(values.dtype.char)
    if values.size:
        data.frombytes(np.ascontiguousarray(values).data.cast("B"))
    return data


MAKE = MessageMaker(class_of, sequence)
