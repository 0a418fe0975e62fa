"""The camera node's films that go on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

pytest.importorskip("rclpy")

from posemo_ros.nodes.camera import rounds
from posemo_ros.replay.source import Source
from posemo_ros.types import Frame

NOW = 1_700_000_000_000_000_000


class Bag(Source):
    """Three images of a camera that keeps the time of day."""

    rate_hz = 10.0
    stamps: tuple[int, ...] = (NOW, NOW + 100_000_000, NOW + 200_000_000)

    def _frames(self) -> Iterator[Frame]:
        return (Frame(np.zeros((2, 2, 3), np.uint8), stamp) for stamp in self.stamps)


def test_stamps_go_on_from_round_to_round() -> None:
    stamps = [frame.stamp_ns for frame in islice(rounds(Bag()), 7)]
    assert stamps == [NOW + n * 100_000_000 for n in range(7)]


def test_nothing_to_play_is_the_end() -> None:
    bag = Bag()
    bag.stamps = ()
    assert list(rounds(bag)) == []
