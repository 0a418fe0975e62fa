"""The live page as a screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..types import Emotions, Skeletons3D
from .moment import message_of, people_of, picture
from .screen import Moment


class Sender(Protocol):
    """What takes the page's messages: ``server.LiveServer``."""

    @property
    def viewers(self) -> int:
        """How many look."""

    def show(self, message: bytes) -> None:
        """Hand a message to all viewers."""

    def close(self) -> None:
        """Send what is still due, and end."""


class Browser:
    """Shows moments on the page.

    Args:
        server: Hands the messages out.
    """

    def __init__(self, server: Sender) -> None:
        self._server = server

    @property
    def viewers(self) -> int:
        """How many pages are open."""
        return self._server.viewers

    def show(self, moment: Moment) -> None:
        """The overlay, the people and how the chain does, in one message."""
        facts = dict(moment.status)
        facts["people"] = people_of(moment.people, moment.skeletons, moment.emotions)
        jpeg = picture(moment.ground, moment.people, moment.emotions, moment.min_score)
        self._server.show(message_of(facts, jpeg))

    def late(self, skeletons: Skeletons3D, emotions: Emotions | None) -> None:
        """The page shows the present alone."""

    def tell(self, status: Mapping[str, Any]) -> None:
        """How the chain does."""
        self._server.show(message_of(status))

    def close(self) -> None:
        """End the server."""
        self._server.close()
