"""Shows what running nodes find, live in a browser or in rerun's viewer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from posemo_msgs.msg import EmotionArray, Person2DArray, Skeleton3DArray
from sensor_msgs.msg import CompressedImage, Image

from .. import diagnostics as keys
from ..draw.privacy import Background, Privacy, plain
from ..errors import InputError
from ..inference.manifest import STATIONS
from ..live.browser import Browser
from ..live.moment import welcome
from ..live.pace import RUNNING, WAITING, Pace
from ..live.screen import RERUN, Moment, Screen
from ..live.server import LiveServer
from ..messages import (
    emotions_from_message,
    frame_from_message,
    people_from_message,
    skeletons_from_message,
    stamp_of,
)
from ..topics import DIAGNOSTICS, EMOTIONS, PEOPLE, SKELETONS
from ..types import Emotions, People2D, Skeletons3D
from . import qos
from .by_stamp import ByStamp
from .image_input import IMAGE_TOPIC, image_topic
from .monitor import OK
from .parameters import ViewerParameters
from .result_input import ResultStation

SILENT_TICKS = 10
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")


class ViewerNode(ResultStation[ViewerParameters, Screen]):
    """people, skeletons, emotions, image_raw, /diagnostics -> a page at http://host:port/, or rerun.

    Images are only subscribed while somebody looks (with rerun: always), and never with privacy skeleton.
    """

    kind = "viewer"
    _showing: _Showing | None = None

    def load(self) -> Screen:
        """Open the port, or the file."""
        params = self.params
        screen, how = self._screen()
        self.on_free(screen.close)
        self.get_logger().info(how)
        if not params.save and params.host not in LOOPBACK_NAMES:
            self.get_logger().warning(f"everybody who reaches this machine at {params.host} can look")
        return screen

    def _screen(self) -> tuple[Screen, str]:
        """What shows it, and how to look."""
        params = self.params
        title = self.resolve_topic_name(IMAGE_TOPIC)
        if params.save and params.viewer != RERUN:
            raise InputError("the parameter save names a file for rerun's viewer: set viewer to rerun, too")
        if params.viewer != RERUN:
            server = LiveServer(welcome(title, params.privacy), params.host, params.port)
            return Browser(server), f"look at {server.url}"
        from ..live.rerun_screen import RerunFile, RerunServer

        if params.save:
            return RerunFile(title, Path(params.save)), f"writing {params.save}"
        served = RerunServer(title, params.host, params.port)
        return served, f"look with: rerun {served.url}"

    def start(self, loaded: Screen) -> None:
        """Subscribe results."""
        self.on_stop(self._forget)
        self._showing = _Showing(self, loaded)
        self.tick()

    def _forget(self) -> None:
        self._showing = None

    def tick(self) -> None:
        """Subscribe or leave the image, as somebody looks or not."""
        super().tick()
        if self._showing is not None:
            self._showing.tick()


class _Showing:
    """What waits for its counterparts while the node is active."""

    def __init__(self, node: ViewerNode, screen: Screen) -> None:
        self._node = node
        self._screen = screen
        self._pace = Pace()
        self._silent = 0
        self._latency_ms = math.nan
        self._emotions: Emotions | None = None
        self._images = ByStamp[Image | CompressedImage]()
        self._people = ByStamp[People2D]()
        self._skeletons = ByStamp[Skeletons3D]()
        self._warnings: dict[str, str] = {}
        self._dropped: dict[str, int] = {}
        self._work_ms: dict[str, float] = {}
        self._background = Background(Privacy(node.params.privacy))
        self._image_topic, kind = image_topic(node)
        topics: dict[str, Any] = {
            DIAGNOSTICS: (DiagnosticArray, self._take_diagnostics),
            EMOTIONS: (EmotionArray, self._take_emotions),
            SKELETONS: (Skeleton3DArray, self._take_skeletons),
            PEOPLE: (Person2DArray, self._take_people),
            self._image_topic: (kind, self._take_image),
        }
        self._input = node.listen(
            topics=topics, required=(PEOPLE,), optional={self._image_topic: qos.newest(5)}
        )

    def tick(self) -> None:
        hidden = self._background.privacy is Privacy.SKELETON
        self._input.want(self._image_topic, self._screen.viewers > 0 and not hidden)
        self._silent += 1
        if self._silent > SILENT_TICKS and self._screen.viewers:
            self._silent = 0
            self._screen.tell(self._status(WAITING))

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        own, namespace = self._node.get_fully_qualified_name(), self._node.get_namespace().rstrip("/") + "/"
        for status in message.status:
            if not status.name.startswith(namespace) or status.name == own:
                continue
            self._warnings[status.name] = "" if status.level == OK else f"{status.name}: {status.message}"
            values = {value.key: value.value for value in status.values}
            if keys.STATE not in values:  # not of this package: what it calls so may be anything
                continue
            self._dropped[status.name] = int(values.get(keys.DROPPED, 0))
            work = {station: values.get(keys.work_ms(station)) for station in STATIONS}
            self._work_ms |= {station: float(ms) for station, ms in work.items() if ms}

    def _take_emotions(self, message: EmotionArray) -> None:
        self._emotions = emotions_from_message(message)

    def _take_skeletons(self, message: Skeleton3DArray) -> None:
        if self._screen.viewers:
            self._skeletons.keep(stamp_of(message), skeletons_from_message(message))
            self._show_whole()

    def _take_people(self, message: Person2DArray) -> None:
        stamp = stamp_of(message)
        self._silent = 0
        self._latency_ms = self._node.latency_ms(stamp)
        self._pace.add(self._latency_ms * 1e-3)
        self._node.measure(stamp, {}, len(message.people))
        if self._screen.viewers:
            self._people.keep(stamp, people_from_message(message))
            self._show_whole()

    def _take_image(self, message: Image | CompressedImage) -> None:
        self._images.keep(stamp_of(message), message)
        self._show_whole()

    def _show_whole(self) -> None:
        """Show the newest stamp of which all is there; older ones will never be whole."""
        parts: list[ByStamp[Any]] = [self._people]
        if self._background.privacy is not Privacy.SKELETON:
            parts.append(self._images)
        if self._node.count_publishers(SKELETONS):
            parts.append(self._skeletons)
        whole = set(parts[0]).intersection(*parts[1:])
        if not whole:
            return
        stamp = max(whole)
        self._show(stamp)
        for store in (self._people, self._images, self._skeletons):
            for old in [s for s in store if s <= stamp]:
                del store[old]

    def _show(self, stamp: int) -> None:
        people = self._people[stamp]
        if self._background.privacy is Privacy.SKELETON:
            ground = plain(people.view.width, people.view.height)
        else:
            ground = self._background.of(frame_from_message(self._images[stamp]), people)
        self._screen.show(
            Moment(
                ground,
                people,
                self._skeletons.get(stamp),
                self._emotions,
                self._status(RUNNING),
                self._work_ms,
                self._latency_ms,
                self._node.params.score_threshold,
            )
        )
        self._node.monitor.count(keys.PUBLISHED)

    def _status(self, state: str) -> dict[str, Any]:
        return self._pace.status(state, sum(self._dropped.values()), list(self._warnings.values()))
