"""What is shown of one image, and what it is shown on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..draw.style import Picture
from ..types import Emotions, People2D, Skeletons3D

VIEWERS = (BROWSER, RERUN) = ("browser", "rerun")
PORT = 8600  # where they listen, if nothing else is said
MIN_SCORE = 0.3


@dataclass(frozen=True, eq=False)
class Moment:
    """One image with what was found in it.

    Attributes:
        ground: (H, W, 3) BGR to draw on: what of the image may be seen, see ``draw.privacy.Background``.
        people: Who is in it; its stamp is the moment's.
        skeletons: With a view of their own; None where there are none.
        emotions: The newest, matched by id.
        status: How the chain does, see ``Pace.status``.
        work_ms: Milliseconds of work by station.
        latency_ms: From the image's arrival (with ROS: its stamp) to its results; NaN where nobody knows.
        min_score: Keypoints and joints below this score are not drawn.
    """

    ground: Picture
    people: People2D
    skeletons: Skeletons3D | None
    emotions: Emotions | None
    status: Mapping[str, Any]
    work_ms: Mapping[str, float] = field(default_factory=dict)
    latency_ms: float = math.nan
    min_score: float = MIN_SCORE


class Screen(Protocol):
    """What shows moments; from any thread, and nobody waits for it."""

    @property
    def viewers(self) -> int:
        """How many look; nothing need be drawn for nobody."""

    def show(self, moment: Moment) -> None:
        """What was found in an image."""

    def late(self, skeletons: Skeletons3D, emotions: Emotions | None) -> None:
        """What is known of an earlier image; for screens that show more than the present."""

    def tell(self, status: Mapping[str, Any]) -> None:
        """How the chain does, where there is no image."""

    def close(self) -> None:
        """Show what is still due, and end."""
