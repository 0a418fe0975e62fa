"""A source through the chain onto the page, without ROS."""

from __future__ import annotations

import time
from typing import Any

from ..draw.privacy import Background, Privacy
from ..image_check import complaint
from ..pipeline import Pipeline
from ..replay.source import Source
from ..types import Frame, FrameResult
from .moment import message_of, people_of, picture, welcome
from .newest import Arrived, Newest
from .pace import ENDED, RUNNING, WAITING, Pace
from .server import LiveServer

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

    def play(self, server: LiveServer, *, loop: bool = False) -> None:
        """Until the source ends, or for ever.

        Raises:
            InputError: The source can give no more images.
        """
        images = Newest(self._source, loop=loop)
        last = time.monotonic()
        state = ENDED
        try:
            for arrived in images:
                if arrived is not None:
                    last = time.monotonic()
                    self._work(arrived, images.left_out, server)
                elif time.monotonic() - last > SILENT_S:
                    last = time.monotonic()
                    server.show(message_of(self._status(images.left_out, WAITING)))
        except Exception as error:
            state = f"{ENDED}: {error}"
            raise
        finally:
            images.stop()
            server.show(message_of(self._status(images.left_out, state)))

    def _work(self, arrived: Arrived, left_out: int, server: LiveServer) -> None:
        result = self._pipeline.step(arrived.frame)
        self._pace.add(time.monotonic() - arrived.at_s)
        self._check(arrived.frame)
        if server.viewers and not result.late:
            server.show(self._message(arrived.frame, result, left_out))

    def _check(self, frame: Frame) -> None:
        now = time.monotonic()
        if now - self._checked > LOOK_S:
            self._checked = now
            self._complaint = complaint(frame)

    def _message(self, frame: Frame, result: FrameResult, left_out: int) -> bytes:
        facts = self._status(left_out, RUNNING)
        facts["people"] = people_of(result.people, result.skeletons, result.emotions)
        if result.people.view.camera_assumed:
            facts["warnings"].append(
                f"camera not calibrated: {self._pipeline.settings.hfov_deg:g}° assumed, metres are rough"
            )
        return message_of(
            facts, picture(self._background.of(frame, result.people), result.people, result.emotions)
        )

    def _status(self, left_out: int, state: str) -> dict[str, Any]:
        dropped = left_out + len(self._source.losses)
        return self._pace.status(state, dropped, (self._complaint, *self._source.notes))
