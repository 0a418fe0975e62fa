"""The messages of ``rosbags``, which need no ROS; how to read them is in ``messages``."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from ..inference.resources import share_dir
from ..messages import MessageMaker


@lru_cache(maxsize=1)
def typestore() -> Typestore:
    """The common ROS 2 types and those of posemo_msgs."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for path in sorted(share_dir("msg").glob("*.msg")):
        types |= get_types_from_msg(path.read_text(encoding="utf-8"), f"posemo_msgs/msg/{path.stem}")
    store.register(types)
    return store


MAKE = MessageMaker(lambda name: typestore().types[name], np.ascontiguousarray)
