"""A source through the chain onto a screen, without ROS."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ..draw.privacy import Background, Privacy
from ..image_check import complaint
from ..pipeline import Pipeline
from ..replay.source import Source
from ..types import Frame, FrameResult
from .moment import welcome
from .newest import Arrived, Newest
from .pace import ENDED, RUNNING, WAITING, Pace
from .screen import Moment, Screen

LOOK_S = 1.0
SILENT_S = 2.0


class Player:
    """Shows what the chain finds in a source.

    Args:
        source: Images.
        pipeline: The chain.
        privacy: What of the picture may be seen.
    """

    def __init__(self, source: Source, pipeline: Pipeline, privacy: Privacy = Privacy.NONE) -> None:
        self._source = source
        self._pipeline = pipeline
        self._background = Background(privacy)
        self._pace = Pace()
        self._checked = 0.0
        self._complaint = ""

    def welcome(self) -> dict[str, Any]:
        """What the page gets first."""
        models = [
            {"station": station, "name": network.model, "runtime": f"{network.runtime}, {network.precision}"}
            for station, network in self._pipeline.networks.items()
        ]
        return welcome(self._source.name, self._background.privacy.value, models)

    def play(self, screen: Screen, *, loop: bool = False, every: bool = False) -> None:
        """Until the source ends, or for ever.

        Args:
            screen: What shows it.
            loop: Begin again at the end.
            every: Leave no image of a recording out, and keep to no pace.

        Raises:
            InputError: The source can give no more images.
        """
        newest = Newest(self._source, loop=loop) if self._source.live or not every else None
        images: Iterable[Arrived | None] = newest or (Arrived(f, time.monotonic()) for f in self._source)
        last = time.monotonic()
        state = ENDED
        try:
            for arrived in images:
                if arrived is not None:
                    last = time.monotonic()
                    self._work(arrived, newest, screen)
                elif time.monotonic() - last > SILENT_S:
                    last = time.monotonic()
                    screen.tell(self._status(newest, WAITING))
            for skeletons, emotions in self._pipeline.flush():
                screen.late(skeletons, emotions)
        except Exception as error:
            state = f"{ENDED}: {error}"
            raise
        finally:
            if newest is not None:
                newest.stop()
            screen.tell(self._status(newest, state))

    def _work(self, arrived: Arrived, newest: Newest | None, screen: Screen) -> None:
        result = self._pipeline.step(arrived.frame)
        latency_s = time.monotonic() - arrived.at_s
        self._pace.add(latency_s)
        self._check(arrived.frame)
        for skeletons, emotions in result.owed:
            screen.late(skeletons, emotions)
        if screen.viewers and not result.late:
            screen.show(self._moment(arrived.frame, result, self._status(newest, RUNNING), latency_s))

    def _check(self, frame: Frame) -> None:
        now = time.monotonic()
        if now - self._checked > LOOK_S:
            self._checked = now
            self._complaint = complaint(frame)

    def _moment(self, frame: Frame, result: FrameResult, status: dict[str, Any], latency_s: float) -> Moment:
        if result.people.view.camera_assumed:
            status["warnings"].append(
                f"camera not calibrated: {self._pipeline.settings.hfov_deg:g}° assumed, metres are rough"
            )
        return Moment(
            self._background.of(frame, result.people),
            result.people,
            result.skeletons,
            result.emotions,
            status,
            result.timings_ms,
            latency_s * 1e3,
        )

    def _status(self, newest: Newest | None, state: str) -> dict[str, Any]:
        dropped = (newest.left_out if newest else 0) + len(self._source.losses)
        return self._pace.status(state, dropped, (self._complaint, *self._source.notes))
