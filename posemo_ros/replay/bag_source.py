"""Frames out of the bags of ``bag_files``."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import topics
from ..camera_info import other_frame
from ..errors import InputError
from ..images import DEPTH_ENCODINGS, BitDepth
from ..losses import printable
from ..types import Frame
from .bag_depth import BagDepth
from .bag_files import Bag, open_bag
from .bag_images import COMPRESSED_KINDS, HELP, IMAGE_KINDS, RAW_KINDS, ImageReader, MessageTime, stamp_of
from .bag_topic import Topic
from .choice import Choice
from .intrinsics import CameraOfSize, Intrinsics, named
from .order import InOrder, Pace
from .source import Source

INFO_KINDS = (
    "sensor_msgs/msg/CameraInfo",
    "foxglove_msgs/msg/CameraCalibration",
    "foxglove.CameraCalibration",
)
OPTION = "--topic NAME (node: parameter topic)"
DEPTH_OPTION = "--depth-topic NAME"
_REASONS = ("cannot be decoded", "cut off", "empty", "does not fit its type", "before the first key frame")
_ENDS_EARLY = "the recording ends in the middle"
_MOST = 0.9
_SHOWN = 6  # topics in an error
_FASTEST_HZ = 1000.0
_LOOKED_AT = 100  # messages at the beginning in which a stamp is looked for


class BagSource(Source):
    """The images of one topic of a bag.

    Stamps are the header's; where that is zero, the time of recording. ``rate_hz`` is the mean
    over the bag, and of the images, without pauses, once all were read. Intrinsics are those of the
    ``camera_info`` topic beside the images: of the last calibrated message recorded before an image, of the
    first one for images before it, scaled to each image's size.

    Args:
        path: Bag folder or file.
        choice: What to read of it; without a topic there must be one only (``choose_topic``).

    Raises:
        InputError: Not a bag, no such topic, or several to choose from.
    """

    depth: BagDepth | None = None
    _info_topic = ""

    def __init__(self, path: Path, choice: Choice | None = None) -> None:
        choice = choice or Choice()
        self.name = printable(path.name)
        self._path, self._choice = path, choice
        with open_bag(path) as bag:
            for words in bag.notes:
                self.note(words)
            candidates = _looked_at(bag)
            self.topic = _chosen(bag, candidates, choice.topic, path)
            self.depth = self._depth_of(candidates)
            count = bag.topics[self.topic].count
            self._stated = max(bag.stated.get(self.topic, 0), count)
            self.length = self._stated
            if self.topic != choice.topic:
                self.note(f"images are those of {self.topic}", level=logging.INFO)
            self._camera_of = self._first_camera_of = CameraOfSize(self._intrinsics(bag), self.note)
            size, self._ahead_ns = _first_size(bag, self.topic), _ahead_ns(bag, self.topic)
            duration_s = bag.duration_s
        self.rate_hz = choice.rate_hz or max(count - 1, 1) / max(duration_s, 1e-3)
        self.time = (
            f"{choice.rate_hz:g} images per second (as asked)" if choice.rate_hz else "stamps of the messages"
        )
        self.camera = self._camera_of(*size) if size else None

    def _intrinsics(self, bag: Bag) -> Intrinsics | None:
        wanted = self._choice.camera_info
        if wanted and wanted not in bag.topics:
            if wanted.startswith("/") and not Path(wanted).exists():
                known = [t.name for t in bag.topics.values() if t.kind in INFO_KINDS]
                raise InputError(
                    f"{self._path} has no topic {wanted!r}; camera info in it: {', '.join(known) or 'none'}"
                )
            return replace(named(Path(wanted)), rectified=topics.is_rectified(self.topic))
        name = wanted or topics.camera_info_of(self.topic)
        topic = bag.topics.get(name)
        if topic is None or topic.kind not in INFO_KINDS:
            if wanted:
                raise InputError(f"{wanted} is no camera info but {topic.kind if topic else 'nothing'}")
            others = [t.name for t in bag.topics.values() if t.kind in INFO_KINDS and t.count]
            if others:
                self.note(f"no {name} beside the images; --camera-info takes {' or '.join(others)}")
            return None
        self._info_topic = name
        for _, _, raw in bag.messages([name]):
            with suppress(InputError):  # noted when the images are read
                if found := self._calibrated(bag.read(topic, raw)):
                    return found
        return None

    def _calibrated(self, message: Any) -> Intrinsics | None:
        """What a camera info says; None when nobody calibrated the camera."""
        info = _lower_case(message)
        frame_id = str(getattr(getattr(info, "header", info), "frame_id", ""))
        rectified = topics.is_rectified(self.topic)
        calibrated = np.any(info.k) or (rectified and np.any(info.p))
        return Intrinsics(info, frame_id, self._info_topic, rectified) if calibrated else None

    def _depth_of(self, candidates: Sequence[_Candidate]) -> BagDepth | None:
        if self._choice.depth_topic:
            return BagDepth(self._path, choose_depth(candidates, self._choice.depth_topic, self._path))
        usable = _with_depth(candidates)
        names = ", ".join(name for name in usable if not _has_raw_twin(name, usable))
        if names:
            self.note(f"depth is in {names}; aligned with the pictures, {DEPTH_OPTION} uses it", logging.INFO)
        return None

    def described(self) -> dict[str, Any]:
        """With what came of the depth images."""
        found = super().described()
        if self.depth:
            found["notes"] += self.depth.notes()
        return found

    def close(self) -> None:
        """Let go of the bag."""
        if self.depth:
            self.depth.close()

    def _frames(self) -> Iterator[Frame]:
        order, pace, last_ns, count, again = InOrder(), Pace(), 0, 0, 0
        for frame in order.sorted(self._as_recorded()):
            if frame is None:
                self.losses.add("older than the images before it", self.topic)
                continue
            again += bool(count) and frame.stamp_ns == last_ns
            if count:
                pace.add(frame.stamp_ns - last_ns)
            last_ns, count = frame.stamp_ns, count + 1
            yield frame
        if not self._choice.rate_hz:
            self._tell_rate(pace)
        if again:
            self.note(f"{again} images have the stamp of the image before; --rate HZ gives them times")
        if order.moved:
            self.note(f"{order.moved} images came after newer ones: sorted in by their stamps")

    def _tell_rate(self, pace: Pace) -> None:
        """The rate of the images: other topics may have lasted longer."""
        self.rate_hz = pace.rate_hz or self.rate_hz
        if pace.rate_hz > _FASTEST_HZ:
            self.note(
                f"the images come {self.rate_hz:.0f} times a second by their stamps, as no camera does: "
                "speeds and movements cannot be right; --rate HZ gives them times"
            )

    def _as_recorded(self) -> Iterator[Frame]:
        clock = MessageTime(self._choice.rate_hz, self._ahead_ns)
        depth = BitDepth()
        reader, number, time_ns, infos = ImageReader(depth), 0, 0, Counter[str]()
        self._camera_of = self._first_camera_of
        with open_bag(self._path) as bag:
            for topic, time_ns, raw in bag.messages([self.topic, *filter(None, [self._info_topic])]):
                if topic.name == self._info_topic:
                    infos[self._recalibrate(bag, topic, raw)] += 1
                    continue
                number += 1
                try:
                    for frame in reader.frames(bag.read(topic, raw), topic.kind, time_ns):
                        yield self._placed(frame, clock, time_ns)
                except InputError as error:
                    self.losses.add(_reason(error), f"image {number} of {self.topic}", str(error))
                    clock.skip()
            for frame in reader.flush():
                yield self._placed(frame, clock, time_ns)
            if reader.concealed:
                self.note(f"{reader.concealed} damaged images were repaired by the decoder and used")
            for cut in bag.cut_off:
                self._cut_off(cut, number)
        if 0 < depth.bits < 16:
            self.note(f"images of 16 bits use {depth.bits}: scaled by that")
        if count := infos["changed"]:
            self.note(f"{self._info_topic} changes ({count} times): each image has what was sent before it")
        if count := infos["unreadable"]:
            self.note(f"{self._info_topic} has messages that cannot be read ({count}): those before hold on")
        if clock.without_stamp:
            self.note(f"{clock.without_stamp} images have no stamp: placed by the time they were recorded")

    def _recalibrate(self, bag: Bag, topic: Topic, raw: bytes) -> str:
        """Take over what a camera info says; whether it "changed", is the "same", or is "unreadable"."""
        try:
            found = self._calibrated(bag.read(topic, raw))
        except InputError:
            return "unreadable"
        if found is None or self._camera_of.is_of(found):
            return "same"
        self._camera_of = CameraOfSize(found, self.note)
        return "changed"

    def _cut_off(self, cut: str, number: int) -> None:
        lost = max(self._stated - number, 1)
        self.length = None  # the loss below says it already
        file, _, why = cut.partition(": ")
        what = "a part of the recording is damaged" if "damaged" in why else _ENDS_EARLY
        self.losses.add(what, file, why, count=lost)

    def _placed(self, frame: Frame, clock: MessageTime, time_ns: int) -> Frame:
        camera, stamp = self._camera_of(frame.width, frame.height), clock.stamp(frame.stamp_ns, time_ns)
        if self._info_topic and camera and (another := other_frame(self._camera_of.frame_id, frame.frame_id)):
            self.note(f"{self._info_topic}: {another}")
        return Frame(frame.image, stamp, frame.frame_id, camera, frame.pixel_order)


def _first_size(bag: Bag, name: str) -> tuple[int, int] | None:
    """Width and height of the first image that can be read."""
    reader = ImageReader(BitDepth())
    for topic, time_ns, raw in bag.messages([name]):
        try:
            for frame in reader.frames(bag.read(topic, raw), topic.kind, time_ns):
                return frame.width, frame.height
        except InputError:
            continue
    return None


def _ahead_ns(bag: Bag, name: str) -> int:
    """How far the first stamp lies ahead of the time that its message was recorded; 0 where there is none."""
    for topic, time_ns, raw in islice(bag.messages([name]), _LOOKED_AT):
        try:
            stamp = stamp_of(bag.read(topic, raw))
        except InputError:
            continue
        if stamp > 0:
            return stamp - time_ns
    return 0


def _reason(error: InputError) -> str:
    for words in _REASONS:
        if words in str(error):
            return f"image: {words}"
    return "image cannot be used"


def _lower_case(info: Any) -> Any:
    """The fields of ROS 2's CameraInfo, also of a message of ROS 1 or Foxglove."""
    if hasattr(info, "k"):
        return info
    nothing = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    return SimpleNamespace(
        width=info.width,
        height=info.height,
        k=info.K,
        d=info.D,
        p=info.P,
        distortion_model=info.distortion_model,
        binning_x=getattr(info, "binning_x", 0),
        binning_y=getattr(info, "binning_y", 0),
        roi=getattr(info, "roi", nothing),
        frame_id=getattr(info, "frame_id", ""),
        **({"header": info.header} if hasattr(info, "header") else {}),
    )


def _chosen(bag: Bag, candidates: list[_Candidate], wanted: str, path: Path) -> str:
    try:
        return choose_topic(candidates, wanted, path)
    except InputError as error:
        others = [f"{t.name} ({t.kind or 'without type'})" for t in bag.topics.values()]
        in_it = f"; topics in it: {', '.join(sorted(others)[:_SHOWN])}" if others and not candidates else ""
        more = ", …" if in_it and len(others) > _SHOWN else ""
        raise InputError(f"{error}{in_it}{more}{f'; {bag.damage}' if bag.damage else ''}") from error


class _Candidate:
    """An image topic as far as its first message tells."""

    def __init__(self, topic: Topic, depth: bool, problem: str) -> None:
        self.topic, self.depth, self.problem = topic, depth, problem


def _looked_at(bag: Bag) -> list[_Candidate]:
    """The image topics of a bag, depth told by type and encoding."""
    found = []
    for topic in bag.topics.values():
        if topic.kind in HELP:
            found.append(_Candidate(topic, False, HELP[topic.kind]))
        elif topic.kind in IMAGE_KINDS:
            depth, problem = _first_message(bag, topic)
            found.append(_Candidate(topic, depth, problem))
    return found


def _first_message(bag: Bag, topic: Topic) -> tuple[bool, str]:
    if topic.encoding not in ("cdr", "ros1"):
        return False, HELP.get(topic.encoding, f"its messages are in {topic.encoding!r}, expected cdr")
    for _, _, raw in bag.messages([topic.name]):
        try:
            message = bag.read(topic, raw)
        except InputError as error:
            return False, str(error)
        form = str(getattr(message, "encoding", "") or getattr(message, "format", ""))
        # Of compressed images the format begins with the encoding: "16UC1; png compressed".
        return form.split(";")[0].strip() in DEPTH_ENCODINGS or "compressedDepth" in form, ""
    return False, ""


def choose_topic(candidates: list[_Candidate], wanted: str, path: Path) -> str:
    """The image topic to read.

    Depth images are no candidates, by their encoding and not by their name; nor is the overlay of
    this package beside other images. Of a raw topic and its compressed twin the raw one is taken, unless
    much of it was lost.

    Args:
        candidates: The image topics of the bag.
        wanted: What the user asked for, or "".
        path: Of the bag, for the message.

    Raises:
        InputError: No such topic or no single candidate; the message lists the topics and the option.
    """
    by_name = {c.topic.name: c for c in candidates}
    if wanted:
        return _named(by_name, wanted, path)
    usable = {n: c for n, c in by_name.items() if c.topic.count and not c.depth and not c.problem}
    usable = {n: c for n, c in usable.items() if not _has_better_twin(n, usable)}
    usable = {n: c for n, c in usable.items() if topics.OVERLAY not in n.split("/")} or usable
    if len(usable) == 1:
        return next(iter(usable))
    if usable:
        raise InputError(
            f"{path}: several image topics, choose one with {OPTION}; image topics (messages): "
            f"{_listed(usable.values())}"
        )
    raise InputError(
        f"{path}: no image topic that can be read; image topics (messages): {_listed(candidates)}"
    )


def choose_depth(candidates: Sequence[_Candidate], wanted: str, path: Path) -> str:
    """The depth topic of this name.

    Raises:
        InputError: There is none, or it has no depth that can be read; the message lists those that have.
    """
    by_name = {c.topic.name: c for c in candidates}
    usable = _with_depth(candidates)
    names = (wanted, f"/{wanted}", *(wanted + form for form in (topics.COMPRESSED_DEPTH, topics.COMPRESSED)))
    found = next((by_name[name] for name in names if name in by_name), None)
    if found and found.topic.name in usable:
        return found.topic.name
    depths = _listed(usable.values())
    if found is None:
        raise InputError(f"{path} has no topic {wanted!r} with images; its depth topics (messages): {depths}")
    why = found.problem or "no depth (16UC1 or 32FC1)"
    raise InputError(f"{path}: {found.topic.name} is {why}; depth topics in it (messages): {depths}")


def _with_depth(candidates: Iterable[_Candidate]) -> dict[str, _Candidate]:
    return {
        c.topic.name: c for c in candidates if c.depth and c.topic.kind in (*RAW_KINDS, *COMPRESSED_KINDS)
    }


def _named(by_name: Mapping[str, _Candidate], wanted: str, path: Path) -> str:
    for name in (wanted, f"/{wanted}", wanted + topics.COMPRESSED):
        if name in by_name:
            if by_name[name].problem:
                raise InputError(
                    f"{path}: topic {name} ({by_name[name].topic.kind}): {by_name[name].problem}"
                )
            return name
    listed = _listed(by_name.values())
    raise InputError(f"{path} has no image topic {wanted!r}; its image topics (messages): {listed}")


def _listed(candidates: Iterable[_Candidate]) -> str:
    return ", ".join(sorted(map(_described, candidates))) or "none"


def _described(candidate: _Candidate) -> str:
    topic = candidate.topic
    more = candidate.problem or ("depth" if candidate.depth else "")
    return f"{topic.name} ({topic.count})" + (f": {topic.kind}, {more}" if more else "")


def _has_better_twin(name: str, candidates: Mapping[str, _Candidate]) -> bool:
    """Recorders lose large raw images first: one that has far fewer than its compressed twin is not taken."""
    count = candidates[name].topic.count
    if _has_raw_twin(name, candidates):
        return candidates[name.rpartition("/")[0]].topic.count >= _MOST * count
    twins = [name + form for form in topics.TRANSPORTS if name + form in candidates]
    return any(count < _MOST * candidates[twin].topic.count for twin in twins)


def _has_raw_twin(name: str, candidates: Mapping[str, Any]) -> bool:
    base = name.rpartition("/")[0]
    return name.endswith(topics.TRANSPORTS) and base in candidates
