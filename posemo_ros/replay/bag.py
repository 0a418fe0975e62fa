"""Results in a rosbag2: written without ROS, read from any recording of the package's topics."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.rosbag2 import StoragePlugin, Writer

from .. import topics
from ..diagnostics import LOCKSTEP, ORIGIN, PUBLISHED
from ..draw import Background, Privacy
from ..draw.privacy import plain
from ..errors import InputError
from ..losses import Losses
from ..messages import (
    emotions_from_message,
    people_from_message,
    skeletons_from_message,
    stamp_of,
)
from ..settings import Models
from ..types import Emotions, Frame, FrameResult, People2D, Skeletons3D
from .bag_files import open_bag
from .bag_images import IMAGE_KINDS
from .bag_source import BagSource
from .bag_topic import Topic
from .choice import Choice
from .typestore import MAKE, typestore

JPEG_QUALITY = 90
WRITTEN_MS = 1e-3  # messages that lie at the stamps of their images were written, not received
SAME_CLOCK_MS = 60_000.0  # nobody waits longer for a result
BACK_MS = 1000.0  # that no result comes behind one of a newer image
SWAPPED_MS = 100.0  # by which a busy recorder may note an image later than the results about it
IMAGE = topics.IMAGE + topics.COMPRESSED
BLURRED = topics.absolute(topics.BLURRED) + topics.COMPRESSED
IMAGES = {Privacy.NONE: IMAGE, Privacy.BLUR: BLURRED, Privacy.SKELETON: ""}
PEOPLE, SKELETONS, EMOTIONS = "Person2DArray", "Skeleton3DArray", "EmotionArray"
RESULTS = (PEOPLE, SKELETONS, EMOTIONS)
KINDS = (*RESULTS, "DiagnosticArray", "CameraInfo")
TYPES = {
    IMAGE: "sensor_msgs/msg/CompressedImage",
    BLURRED: "sensor_msgs/msg/CompressedImage",
    topics.CAMERA_INFO: "sensor_msgs/msg/CameraInfo",
    topics.absolute(topics.PEOPLE): f"posemo_msgs/msg/{PEOPLE}",
    topics.absolute(topics.SKELETONS): f"posemo_msgs/msg/{SKELETONS}",
    topics.absolute(topics.EMOTIONS): f"posemo_msgs/msg/{EMOTIONS}",
}


class ResultBagWriter:
    """Writes images and results into one MCAP file, as the nodes would publish them.

    Messages lie at the time of the image they belong to.

    Args:
        path: The file; one that exists is replaced when the writer is closed.
        models: Names in the manifest.
        privacy: Of the images: as they are, with blurred faces (on another topic), or none at all.
    """

    def __init__(self, path: Path, models: Models, privacy: Privacy = Privacy.NONE) -> None:
        self._path, self._models = path, models
        self._image, self._background = IMAGES[privacy], Background(privacy)
        self._part = path.with_name(path.name + ".part")
        shutil.rmtree(self._part, ignore_errors=True)
        self._writer = Writer(self._part, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.open()
        self._connections = {
            topic: self._writer.add_connection(topic, kind, typestore=typestore())
            for topic, kind in TYPES.items()
            if topic not in IMAGES.values() or topic == self._image
        }

    def __enter__(self) -> ResultBagWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        next(self._part.glob("*.mcap")).replace(self._path)
        shutil.rmtree(self._part)

    def write(self, frame: Frame, result: FrameResult) -> None:
        """One image and what was found in it."""
        stamp, view = frame.stamp_ns, result.people.view
        calibration = replace(view, camera=None) if view.camera_assumed else view
        if self._image:
            picture = self._background.of(frame, result.people)
            self._put(self._image, stamp, MAKE.jpeg(_jpeg(picture), view))
        self._put(topics.CAMERA_INFO, stamp, MAKE.camera_info(calibration))
        self._put(topics.absolute(topics.PEOPLE), stamp, MAKE.people(result.people, self._models))
        self.write_late(stamp, result.skeletons, result.emotions)

    def write_late(self, time_ns: int, skeletons: Skeletons3D | None, emotions: Emotions | None) -> None:
        """3D results that became known with the image of that time; their own stamp may be older."""
        if skeletons is not None:
            message = MAKE.skeletons(skeletons, self._models)
            self._put(topics.absolute(topics.SKELETONS), time_ns, message)
        if emotions is not None:
            self._put(topics.absolute(topics.EMOTIONS), time_ns, MAKE.emotions(emotions, self._models))

    def _put(self, topic: str, time_ns: int, message: Any) -> None:
        raw = typestore().serialize_cdr(message, TYPES[topic])
        self._writer.write(self._connections[topic], time_ns, raw)


def _jpeg(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return np.asarray(data, np.uint8)


@dataclass(frozen=True, eq=False)
class Recording:
    """The results in a bag, by image stamp in nanoseconds.

    Of several images with one stamp, each later one is kept one nanosecond after the one before,
    so that none is lost; ``frames`` gives the images under the same stamps.

    Attributes:
        path: The bag.
        people, skeletons, emotions: What was found in the image of that stamp.
        arrived_ns: When the last message about an image was recorded.
        info_arrived_ns: When the image's CameraInfo was recorded.
        camera: Key/value pairs of this package's camera node; empty for another camera.
        models: Names in the manifest by station, as far as the messages say.
        diagnostics: Key/value pairs of the pipeline's status messages, oldest first.
        losses: Messages of the bag that could not be read, and where it ends too early.
        has_images: Whether there are images that the people were found in.
        topic: Of these images; empty where there is no choice.
        privacy: What the recorded images show of people, as the names of their topics tell.
        columns: Ids of the people of an ``.npz`` file, in its order, whether they are ever seen or not.
    """

    path: Path
    people: dict[int, People2D] = field(default_factory=dict)
    skeletons: dict[int, Skeletons3D] = field(default_factory=dict)
    emotions: dict[int, Emotions] = field(default_factory=dict)
    arrived_ns: dict[int, int] = field(default_factory=dict)
    info_arrived_ns: dict[int, int] = field(default_factory=dict)
    camera: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    diagnostics: list[dict[str, str]] = field(default_factory=list)
    losses: Losses = field(default_factory=Losses)
    has_images: bool = True
    topic: str = ""
    privacy: Privacy = Privacy.NONE
    columns: tuple[str, ...] = ()

    @property
    def in_lockstep(self) -> bool:
        """Whether the camera waited for results; its stamps then keep the source's time."""
        return self.camera.get(LOCKSTEP) == "true"

    @property
    def origin_ns(self) -> int | None:
        """Stamp of the source's first moment, as this package's camera node states it."""
        stated = self.camera.get(ORIGIN, "")
        return int(stated) if stated.lstrip("-").isdecimal() else None

    @property
    def published(self) -> int:
        """Images that this package's camera node says it has published; 0 for another camera."""
        stated = self.camera.get(PUBLISHED, "")
        return int(stated) if stated.isdecimal() else 0

    @property
    def complete_ns(self) -> dict[int, int]:
        """``arrived_ns`` of the images with a result of every kind that the recording has."""
        kinds = [kind for kind in (self.people, self.skeletons, self.emotions) if kind]
        return {stamp: at for stamp, at in self.arrived_ns.items() if all(stamp in kind for kind in kinds)}

    @property
    def gaps_ms(self) -> list[float]:
        """From each image to the arrival of the last message about it, as the stamps say.

        The image's time is its stamp, but in lockstep, where stamps may lie behind, the arrival
        of its CameraInfo, which the camera publishes at the same time; images without one do not count.
        Nor do those of whose results one is missing: the last one that came would look early.
        """
        ends = self.complete_ns
        starts = self.info_arrived_ns if self.in_lockstep else {stamp: stamp for stamp in ends}
        return [(end - starts[stamp]) * 1e-6 for stamp, end in ends.items() if stamp in starts]

    @property
    def latencies_ms(self) -> list[float]:
        """The same where they are latencies.

        Empty for a bag written by ``ResultBagWriter``, which knows no times but the images', and where
        stamps are of another clock than arrivals: results come after their images, within a minute, and
        in order (those of a bag that is played again with its old stamps do not).
        """
        gaps = self.gaps_ms
        if max(map(abs, gaps), default=0.0) <= WRITTEN_MS:
            return []
        same_clock = min(gaps) > -SWAPPED_MS and 0 <= np.median(gaps) <= SAME_CLOCK_MS
        return gaps if same_clock and (self.in_lockstep or self._back_ms < BACK_MS) else []

    @property
    def _back_ms(self) -> float:
        """How far stamps lie behind newer ones, in the order of their arrival."""
        stamps = np.array(sorted(self.arrived_ns, key=self.arrived_ns.__getitem__), np.int64)
        return float((np.maximum.accumulate(stamps) - stamps).max()) * 1e-6

    def frames(self) -> Iterator[Frame]:
        """The recorded images, with intrinsics; empty ones where people were recorded without images."""
        if not self.has_images:
            return (_empty(people, stamp) for stamp, people in sorted(self.people.items()))
        key, images = _Keys(), BagSource(self.path, Choice(topic=self.topic))
        return (replace(f, stamp_ns=key("image", f.stamp_ns)) for f in images)


def _empty(people: People2D, stamp_ns: int) -> Frame:
    view = people.view
    return Frame(plain(view.width, view.height), stamp_ns, view.frame_id, view.camera)


class _Keys:
    """Tells several messages of one stamp apart; see ``Recording``."""

    def __init__(self) -> None:
        self._taken: dict[str, set[int]] = {}

    def __call__(self, kind: str, stamp_ns: int) -> int:
        taken = self._taken.setdefault(kind, set())
        while stamp_ns in taken:
            stamp_ns += 1
        taken.add(stamp_ns)
        return stamp_ns


def read_results(path: Path, namespace: str = "", topic: str = "") -> Recording:
    """All results in a bag of the package's topics, under any name or namespace.

    A message that cannot be read is a loss; so is the missing end of a bag that was cut off.

    Args:
        path: The bag.
        namespace: Of the chain, where the bag has several: ``/left`` of ``/left/people``.
        topic: Images to show; empty: those of the namespace, or the only ones.

    Raises:
        InputError: It is no bag, or nobody's results are in it, or those of several chains.
    """
    key = _Keys()
    with open_bag(path) as bag:
        chain = _chosen(path, bag.topics.values(), namespace)
        images = [t.name for t in bag.topics.values() if _shows_people(t)]
        own = [name for name in images if chain and _is_within(name, chain)]
        topic = topic or (own[0] if len(own) == 1 else "")
        privacy = _privacy_of([topic] if topic else images)
        recording = Recording(path, has_images=bool(images), topic=topic, privacy=privacy)
        wanted = _of_chain(bag.topics.values(), chain)
        for source, received_ns, raw in bag.messages(wanted):
            try:
                _take(
                    recording, source.kind.rsplit("/", 1)[-1], bag.read(source, raw), received_ns, key, chain
                )
            except InputError as error:
                recording.losses.add("results that cannot be read", source.name, str(error))
            except AttributeError as error:
                reason = f"{error}: recorded by an older version of this package"
                recording.losses.add("results that cannot be read", source.name, reason)
        for cut in bag.cut_off:
            file, _, why = cut.partition(": ")
            recording.losses.add("the recording of the results ends in the middle", file, why)
    if not recording.people:
        unread = next(iter(recording.losses), None)
        raise InputError(
            f"{path}: {unread}"
            if unread
            else f"{path} has no posemo_msgs/Person2DArray messages; is it a recording of posemo_ros?"
        )
    return recording


def _chosen(path: Path, found: Iterable[Topic], namespace: str) -> str:
    """The namespace of the chain to read; empty where the bag has one only.

    Raises:
        InputError: Two cameras' results are in it, which would be taken for one's, or there is no such chain.
    """
    own = [t for t in found if t.name.rsplit("/", 1)[-1] != topics.IN_TARGET_FRAME]
    filled = [t for t in own if t.count] or own  # a bag that was cut off may not know any number
    names = {kind: sorted(t.name for t in filled if _kind(t) == kind) for kind in RESULTS}
    chains = sorted({name.rpartition("/")[0] or "/" for found in names.values() for name in found})
    wanted = f"/{namespace.strip('/')}" if namespace else ""
    if wanted:
        if not any(_is_within(chain, wanted) for chain in chains):
            raise InputError(
                f"{path} has no results of posemo_ros in {wanted}; in it are {', '.join(chains) or 'none'}"
            )
        names = {kind: [n for n in found if _is_within(n, wanted)] for kind, found in names.items()}
    for several in names.values():
        if len(several) > 1:
            raise InputError(
                f"{path} has the results of several chains ({', '.join(several)}): `posemo report` reads one "
                f"with --namespace {' or '.join(c for c in chains if not wanted or _is_within(c, wanted))}; "
                "for the rest keep those of one (ros2 bag convert)"
            )
    return wanted


def _of_chain(found: Iterable[Topic], chain: str) -> list[str]:
    """Names of the topics to read; diagnostics of all chains are on one topic."""
    chosen = [t for t in found if _kind(t) in KINDS and t.name.rsplit("/", 1)[-1] != topics.IN_TARGET_FRAME]
    return [t.name for t in chosen if _kind(t) not in RESULTS or not chain or _is_within(t.name, chain)]


def _kind(topic: Topic) -> str:
    return topic.kind.rsplit("/", 1)[-1]


def _is_within(name: str, namespace: str) -> bool:
    return name == namespace or name.startswith(f"{namespace.rstrip('/')}/")


def _shows_people(topic: Topic) -> bool:
    """Whether a topic has images that nothing was drawn on."""
    return topic.kind in IMAGE_KINDS and topics.OVERLAY not in topic.name.split("/")


def _privacy_of(images: Sequence[str]) -> Privacy:
    """What topics of images show."""
    if not images:
        return Privacy.SKELETON
    return Privacy.BLUR if all(topics.BLURRED in name.split("/") for name in images) else Privacy.NONE


def _take(recording: Recording, kind: str, message: Any, received_ns: int, key: _Keys, chain: str) -> None:
    if kind == "DiagnosticArray":
        statuses = [s for s in message.status if _is_within(f"/{s.name.lstrip('/')}", chain or "/")]
        recording.diagnostics.extend(
            {v.key: v.value for v in status.values} for status in statuses if _is_chain(status.name)
        )
        for status in statuses:
            if status.name.endswith("/camera"):
                recording.camera.update({v.key: v.value for v in status.values})
        return
    stamp = key(kind, stamp_of(message))
    if kind == "CameraInfo":
        recording.info_arrived_ns[stamp] = received_ns
        return
    recording.arrived_ns[stamp] = max(recording.arrived_ns.get(stamp, 0), received_ns)
    if kind == PEOPLE:
        recording.people[stamp] = people_from_message(message)
        recording.models.update(detector=message.detector_model, keypoints=message.keypoint_model)
    elif kind == SKELETONS:
        recording.skeletons[stamp] = skeletons_from_message(message)
        recording.models["lifter"] = message.lifter_model
    else:
        recording.emotions[stamp] = emotions_from_message(message)
        recording.models.update(emotion=message.emotion_model, context=message.context_model)


def _is_chain(name: str) -> bool:
    """Whether a diagnostic status comes from a node that computes."""
    return name.rsplit("/", 1)[-1] in ("pipeline", "keypoints", "lifter", "context", "emotion")
