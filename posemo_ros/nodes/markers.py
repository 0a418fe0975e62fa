"""Draws results for RViz: skeletons and probabilities as markers, and an image with an overlay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from posemo_msgs.msg import EmotionArray, Person2DArray, Skeleton3DArray
from rclpy.lifecycle import LifecyclePublisher
from sensor_msgs.msg import CompressedImage, Image
from visualization_msgs.msg import MarkerArray

from .. import diagnostics as keys
from ..draw.overlay import overlay
from ..draw.privacy import Background, Privacy, plain
from ..draw.style import Picture
from ..frames import OPTICAL_UP, transformed
from ..messages import (
    emotions_from_message,
    frame_from_message,
    people_from_message,
    skeletons_from_message,
    stamp_of,
)
from ..topics import BLURRED, COMPRESSED, EMOTIONS, MARKERS, OVERLAY, PEOPLE, SKELETONS
from ..types import Emotions, People2D, View
from . import qos
from .by_stamp import ByStamp
from .conversion import MAKE
from .image_input import image_topic
from .marker_shapes import SkeletonMarkers
from .parameters import MarkersParameters
from .result_input import ResultStation
from .transforms import Transforms


@dataclass(frozen=True)
class Pictures:
    """A topic of pictures, raw and as JPEG.

    Attributes:
        publishers: The two; each is only given what somebody subscribes.
    """

    publishers: tuple[LifecyclePublisher, LifecyclePublisher]

    @property
    def wanted(self) -> bool:
        """Whether somebody looks."""
        return any(p.get_subscription_count() for p in self.publishers)

    def publish(self, picture: Picture, view: View) -> None:
        """Publish an (H, W, 3) BGR picture."""
        raw, compressed = self.publishers
        if raw.get_subscription_count():
            raw.publish(MAKE.image(picture, view))
        if compressed.get_subscription_count():
            _, jpeg = cv2.imencode(".jpg", picture)
            compressed.publish(MAKE.jpeg(np.asarray(jpeg, np.uint8), view))


@dataclass(frozen=True)
class Loaded:
    """Between configure and cleanup."""

    markers: LifecyclePublisher
    overlay: Pictures
    blurred: Pictures | None
    transforms: Transforms | None

    @property
    def pictures_wanted(self) -> bool:
        """Whether somebody looks at pictures."""
        return self.overlay.wanted or (self.blurred is not None and self.blurred.wanted)


class MarkersNode(ResultStation[MarkersParameters, Loaded]):
    """people, skeletons, emotions, image_raw -> markers, overlay, overlay/compressed.

    Images are only subscribed while somebody subscribes a picture. With ``privacy`` blur there is the
    image itself, too, with blurred faces: image_blurred, image_blurred/compressed. With skeleton,
    images are never subscribed.
    """

    kind = "markers"
    _drawing: _Drawing | None = None

    def load(self) -> Loaded:
        """Make the publishers."""
        blurs, target = self.params.privacy == Privacy.BLUR, self.params.target_frame
        transforms = Transforms(self, target) if target else None
        if transforms is not None:
            self.on_free(transforms.close)
        return Loaded(
            self.publisher(MarkerArray, MARKERS),
            self._pictures(OVERLAY),
            self._pictures(BLURRED) if blurs else None,
            transforms,
        )

    def _pictures(self, topic: str) -> Pictures:
        compressed = self.resolve_topic_name(topic) + COMPRESSED
        return Pictures((self.publisher(Image, topic), self.publisher(CompressedImage, compressed)))

    def start(self, loaded: Loaded) -> None:
        """Subscribe results."""
        self.on_stop(self._forget)
        self._drawing = _Drawing(self, loaded)
        self.tick()

    def _forget(self) -> None:
        self._drawing = None

    def tick(self) -> None:
        """Subscribe or leave the image, as the overlay is wanted or not."""
        super().tick()
        if self._drawing is not None:
            self._drawing.tick()


class _Drawing:
    """What waits for its counterpart while the node is active."""

    def __init__(self, node: MarkersNode, loaded: Loaded) -> None:
        self._node = node
        self._loaded = loaded
        self._emotions: Emotions | None = None
        self._markers = SkeletonMarkers()
        self._images = ByStamp[Image | CompressedImage]()
        self._people = ByStamp[People2D]()
        self._background = Background(Privacy(node.params.privacy))
        self._image_topic, kind = image_topic(node)
        topics: dict[str, Any] = {
            EMOTIONS: (EmotionArray, self._take_emotions),
            SKELETONS: (Skeleton3DArray, self._draw_markers),
            PEOPLE: (Person2DArray, self._take_people),
        }
        optional = {}
        if self._background.privacy is not Privacy.SKELETON:
            topics[self._image_topic] = (kind, self._take_image)
            optional[self._image_topic] = qos.newest(5)
        self._input = node.listen(topics=topics, required=(PEOPLE,), optional=optional)

    def tick(self) -> None:
        if self._background.privacy is not Privacy.SKELETON:
            self._input.want(self._image_topic, self._loaded.pictures_wanted)

    def _take_emotions(self, message: EmotionArray) -> None:
        self._emotions = emotions_from_message(message)

    def _draw_markers(self, message: Skeleton3DArray) -> None:
        params, transforms = self._node.params, self._loaded.transforms
        skeletons, up = skeletons_from_message(message), OPTICAL_UP
        if transforms is not None:
            motion = transforms.to(message.header.frame_id, skeletons.stamp_ns)
            skeletons, up = transformed(skeletons, motion, transforms.target), motion.rotation @ OPTICAL_UP
        markers = self._markers.draw(
            MAKE.header(skeletons.view),
            skeletons,
            self._emotions,
            min_score=params.score_threshold,
            lifetime_s=params.lifetime_s,
            up=up,
        )
        self._loaded.markers.publish(MarkerArray(markers=markers))
        self._node.monitor.count(keys.PUBLISHED)

    def _take_people(self, message: Person2DArray) -> None:
        if not self._loaded.pictures_wanted:
            return
        people = people_from_message(message)
        if self._background.privacy is Privacy.SKELETON:
            self._publish_overlay(plain(people.view.width, people.view.height), people)
        else:
            self._people.keep(people.stamp_ns, people)
            self._draw_overlays()

    def _take_image(self, message: Image | CompressedImage) -> None:
        self._images.keep(stamp_of(message), message)
        self._draw_overlays()

    def _draw_overlays(self) -> None:
        for stamp in sorted(self._images.keys() & self._people.keys()):
            self._draw_pictures(self._images.pop(stamp), self._people.pop(stamp))

    def _draw_pictures(self, message: Image | CompressedImage, people: People2D) -> None:
        frame = frame_from_message(message)
        picture = self._background.of(frame, people)
        if self._loaded.blurred is not None:
            self._loaded.blurred.publish(picture, frame.view())
        if self._loaded.overlay.wanted:
            self._publish_overlay(picture, people)

    def _publish_overlay(self, picture: Picture, people: People2D) -> None:
        drawn = overlay(picture, people, self._emotions, min_score=self._node.params.score_threshold)
        self._loaded.overlay.publish(drawn, people.view)
        self._node.measure(people.stamp_ns, {})
