"""A camera for demos and tests: plays a video, image folder, bag or webcam."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from rclpy.lifecycle import LifecyclePublisher
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from .. import diagnostics as keys
from ..errors import InputError
from ..losses import Loss
from ..replay.choice import Choice
from ..replay.source import Source, without_password
from ..replay.sources import open_source
from ..topics import COMPRESSED
from ..types import Frame, View
from .base import PosemoNode
from .conversion import MAKE
from .declaration import Value
from .graph import publishes_results
from .guard import DISCOVERY_S, LockstepGuard
from .image_input import CAMERA_INFO_TOPIC, IMAGE_TOPIC
from .monitor import WARN
from .parameters import CameraParameters

JPEG_QUALITY = 90
RESULT_TIMEOUT_S = 10.0
RESENDS = 2
POLL_S = 0.05
SETTLED_S = 0.5  # a recorder looks for new topics every 0.1 s
HEAR_S = 5.0
PROGRESS_S = 5.0
LOSS_PERIOD_S = 1.0


@dataclass(frozen=True)
class Loaded:
    """Between configure and cleanup."""

    source: Source
    image: LifecyclePublisher
    compressed: LifecyclePublisher
    info: LifecyclePublisher
    clock: LifecyclePublisher | None


class CameraNode(PosemoNode[CameraParameters, Loaded]):
    """-> image_raw, image_raw/compressed (while somebody subscribes), camera_info.

    The stamp of an image is the time of its publication; in lockstep, it is the time of the first
    publication plus the image's time in the source, however long the results take: the chain then
    sees movements at their true speed on a slow machine, too. With ``clock``, the time of a bag is
    kept and published, so that whoever has ``use_sim_time`` lives in it.
    """

    kind = "camera"

    def shown(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """The source without user, password and query."""
        self._source = str(values.get("source", ""))
        return {"source": without_password(self._source)} if self._source else {}

    def load(self) -> Loaded:
        """Open the source."""
        params = self.params
        if not params.source:
            raise InputError(
                "parameter source is empty; it must name a video, pictures, bag, camera number or stream"
            )
        choice = Choice(params.rate or None, params.topic, params.camera_info)
        source = open_source(self._source, choice)
        source.losses.on_loss = lambda loss: self._say_loss(source, loss)
        self.on_free(source.close)
        self.monitor.set(keys.SOURCE, source.name)
        self.monitor.set(keys.INPUT, json.dumps(source.described()))
        self.monitor.set(keys.LOCKSTEP, str(params.lockstep).lower())
        return Loaded(
            source,
            self.publisher(Image, IMAGE_TOPIC),
            self.publisher(CompressedImage, self.resolve_topic_name(IMAGE_TOPIC) + COMPRESSED),
            self.publisher(CameraInfo, CAMERA_INFO_TOPIC),
            self.publisher(Clock, "/clock") if params.clock else None,
        )

    def _say_loss(self, source: Source, loss: Loss) -> None:
        self.monitor.problem("loss", str(loss), WARN)
        self.monitor.set(keys.LOSSES, json.dumps(source.losses.as_dict()))
        self.get_logger().warning(f"skipped: {loss}", throttle_duration_sec=LOSS_PERIOD_S)

    def start(self, loaded: Loaded) -> None:
        """Play."""
        guard = LockstepGuard(self, self.params.lockstep_topics if self.params.lockstep else ())
        player = _Player(self, loaded, guard)
        thread = threading.Thread(target=player.play, name="posemo camera", daemon=True)
        discovery = self.create_timer(DISCOVERY_S, guard.subscribe_new)
        self.on_stop(lambda: self.destroy_timer(discovery))
        self.on_stop(thread.join)
        self.on_stop(player.stop)
        thread.start()


class _Player:
    """Publishes the images of the source when they are due; one thread's work while the node is active."""

    def __init__(self, node: CameraNode, loaded: Loaded, guard: LockstepGuard) -> None:
        self._node = node
        self._params = node.params
        self._loaded = loaded
        self._source = loaded.source
        self._stopping = threading.Event()
        self._guard = guard
        self._unanswered = 0
        self._origin_ns: int | None = None
        self._said = 0.0

    def stop(self) -> None:
        """Make ``play`` return."""
        self._stopping.set()

    def play(self) -> None:
        start, published = time.monotonic(), 0
        self._said = start
        try:
            self._await_subscribers()
            start = self._said = time.monotonic()
            for frame in self._paced_frames():
                self._publish(frame)
                published += 1
                self._say_progress(published, start)
        except InputError as error:
            self._node.report("source", str(error))
            self._node.finish(1)
            return
        if not self._stopping.is_set():
            self._say_end(published, time.monotonic() - start)

    def _say_end(self, published: int, seconds: float) -> None:
        node, losses = self._node, self._source.losses
        node.get_logger().info(
            f"finished: {published} images of {self._source.name} published in {seconds:.1f} s"
            + (f", {len(losses)} lost" if losses else "")
        )
        if self._unanswered:
            node.report("lockstep", f"{self._unanswered} of {published} images got no result")
        node.publish_diagnostics()
        node.finish(1 if self._unanswered else 0)

    def _await_subscribers(self) -> None:
        """Until the named nodes look at the images, and the results that lockstep needs are announced.

        Who records finds the topics of results a moment after they are announced. With lockstep, where
        nothing may be missed, named nodes that publish no results get ``HEAR_S`` to subscribe some, and
        the subscribers must not have changed for ``SETTLED_S``.
        """
        logged, known, since, there = "", frozenset[tuple[str, str]](), 0.0, time.monotonic()
        while not self._stopping.is_set():
            missing = self._missing()
            if missing and missing != logged:
                self._node.get_logger().info(f"waiting for {missing}")
            logged = missing or logged
            now, listeners = time.monotonic(), self._guard.listeners()
            if missing:
                there = now
            if missing or listeners != known:
                known, since = listeners, now
            patient = now - there < HEAR_S and self._deaf(listeners)
            if not missing and (not listeners or (now - since >= SETTLED_S and not patient)):
                return
            self._stopping.wait(POLL_S)

    def _deaf(self, listeners: frozenset[tuple[str, str]]) -> bool:
        """Whether a named node neither publishes results nor hears any of those that are waited for."""
        listening = {part for _, name in listeners for part in (name, name.rpartition("/")[2])}
        silent = [name for name in self._params.wait_for if name and name not in listening]
        return any(not publishes_results(self._node, name) for name in silent)

    def _missing(self) -> str:
        publishers = (self._loaded.image, self._loaded.compressed, self._loaded.info)
        looking = [
            info for p in publishers for info in self._node.get_subscriptions_info_by_topic(p.topic_name)
        ]
        names = {
            name for i in looking for name in (i.node_name, f"{i.node_namespace.rstrip('/')}/{i.node_name}")
        }
        nodes = [name for name in self._params.wait_for if name and name not in names]
        if nodes:
            return f"the node{'s' * (len(nodes) > 1)} {', '.join(nodes)}"
        if sum(p.get_subscription_count() for p in publishers) < len(looking):
            return "connections with the subscribers"
        topics = self._guard.missing()
        return f"somebody to publish {', '.join(topics)}" if topics else ""

    def _paced_frames(self) -> Iterator[Frame]:
        """Frames when they are due.

        What lockstep held back is made up for as soon as the results come fast enough.
        """
        due, last_ns = time.monotonic(), None
        again = self._params.loop and not self._source.live
        for frame in rounds(self._source) if again else self._source:
            due += 0 if last_ns is None else self._period_s(frame.stamp_ns - last_ns)
            last_ns = frame.stamp_ns
            if not self._source.live:
                self._stopping.wait(max(0.0, due - time.monotonic()))
            if self._stopping.is_set():
                return
            yield frame

    def _period_s(self, between_ns: int) -> float:
        rate, speed = self._params.rate, self._params.speed
        seconds = 1 / rate if rate else between_ns / 1e9
        return seconds / speed if speed else 0.0

    def _publish(self, frame: Frame) -> None:
        stamp = self._stamp_of(frame)
        self._guard.expect(stamp)
        self._send(frame, stamp)
        self._node.monitor.count(keys.PUBLISHED)
        for again in range(RESENDS + 1):
            if self._guard.wait(RESULT_TIMEOUT_S, self._stopping):
                return
            missing = ", ".join(self._guard.unanswered())
            what = f"no result on {missing} within {RESULT_TIMEOUT_S:g} s of the image"
            if again == RESENDS:
                self._unanswered += 1
                self._node.get_logger().error(f"{what}; going on without")
                return
            self._node.get_logger().warning(f"{what}; sending it again")
            self._send(frame, stamp)

    def _send(self, frame: Frame, stamp: int) -> None:
        view = View(stamp, frame.frame_id, frame.camera, frame.width, frame.height)
        bgr = frame.bgr()
        if self._loaded.clock is not None:
            self._loaded.clock.publish(Clock(clock=MAKE.camera_info(view).header.stamp))
        self._loaded.info.publish(MAKE.camera_info(view))
        self._loaded.image.publish(MAKE.image(bgr, view))
        if self._loaded.compressed.get_subscription_count():
            _, jpeg = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
            self._loaded.compressed.publish(MAKE.jpeg(np.asarray(jpeg, np.uint8), view))

    def _stamp_of(self, frame: Frame) -> int:
        now_ns = int(self._node.get_clock().now().nanoseconds)
        if self._params.clock and hasattr(self._source, "topic"):  # a bag, whose stamps are true
            return frame.stamp_ns
        if not (self._params.lockstep or self._params.clock) or self._source.live:
            return now_ns
        if self._origin_ns is None:
            self._origin_ns = now_ns - frame.stamp_ns
            self._node.monitor.set(keys.ORIGIN, self._origin_ns)
        return self._origin_ns + frame.stamp_ns

    def _say_progress(self, published: int, start: float) -> None:
        now, total = time.monotonic(), self._source.length
        if total and not self._params.loop and now - self._said > PROGRESS_S:
            self._said = now
            self._node.get_logger().info(f"{published} of {total} images in {now - start:.0f} s")


def rounds(source: Source) -> Iterator[Frame]:
    """The frames of a source again and again, their stamps growing from round to round."""
    shift_ns = 0
    while True:
        stamps: list[int] = []
        for frame in source:
            stamps = [*stamps[:1], frame.stamp_ns]
            yield replace(frame, stamp_ns=frame.stamp_ns + shift_ns)
        if not stamps:
            return
        shift_ns += stamps[-1] - stamps[0] + round(1e9 / source.rate_hz)  # a bag does not begin at 0
