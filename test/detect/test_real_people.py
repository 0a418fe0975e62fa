"""People who walk through one after the other, with the detector resting while they are followed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from posemo_ros.detect.detector import Detector
from posemo_ros.detect.scheduler import BoxSchedule
from posemo_ros.detect.tracker import PersonTracker
from posemo_ros.errors import ModelError
from posemo_ros.inference.manifest import DetectSpec, ImageInput, KeypointSpec
from posemo_ros.inference.sessions import open_session
from posemo_ros.inference.store import ModelStore
from posemo_ros.keypoints.estimator import KeypointEstimator
from posemo_ros.people import PeopleFinder
from posemo_ros.types import Frame, People2D, PixelOrder

PEER = DetectSpec(
    ImageInput(320, 320, PixelOrder.BGR, (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)), "nms"
)
GAP = 10  # frames, 1 s: so long nobody is seen between two walk-throughs


def peer(shared_data: Path) -> Detector:
    return Detector(open_session(shared_data / "peers/rtmdet_nano_person.onnx", threads=1), PEER)


def frames(video: Path) -> Iterator[Frame]:
    capture = cv2.VideoCapture(str(video))
    number = 0
    while True:
        ok, image = capture.read()
        if not ok:
            return
        yield Frame(np.asarray(image, np.uint8), stamp_ns=number * 100_000_000)
        number += 1


def keypoints() -> KeypointEstimator:
    store = ModelStore()
    try:
        path, spec = store.path("posemo-keypoints"), store.spec("posemo-keypoints").spec
    except ModelError as error:
        pytest.skip(str(error))
    assert isinstance(spec, KeypointSpec)
    return KeypointEstimator(open_session(path, threads=1), spec)


def walks(seen: list[bool]) -> list[range]:
    """Stretches of frames with somebody, joined where the gap is short."""
    found: list[range] = []
    for i in np.flatnonzero(seen).tolist():
        if found and i - found[-1].stop < GAP:
            found[-1] = range(found[-1].start, i + 1)
        else:
            found.append(range(i, i + 1))
    return found


@pytest.mark.slow
@pytest.mark.shared
def test_everybody_who_walks_through_is_published_under_one_id(shared_data: Path) -> None:
    alone, counts = peer(shared_data), list[int]()
    finder = PeopleFinder(peer(shared_data), BoxSchedule(), PersonTracker(), keypoints())
    published: list[People2D] = []
    for frame in frames(shared_data / "video/one-by-one-person-detection.mp4"):
        counts.append(len(alone.detect(frame)))
        published.append(finder.find(frame))
    expected = np.array(counts) > 0
    got = np.array([len(p) > 0 for p in published])
    through = walks(expected.tolist())
    ids = {i for p in published for i in p.ids}
    assert (len(expected), len(through)) == (1394, 6)  # counted by eye
    assert (got & expected).sum() >= 0.95 * expected.sum()
    assert len(ids) <= 1.2 * len(through)
    for walk in through:
        names = [i for p in published[walk.start : walk.stop] for i in p.ids]
        assert max(names.count(n) for n in set(names)) >= 0.9 * len(walk)
    empty = np.ones(len(expected), np.bool_)
    for walk in through:  # somebody half out of the image may be followed for another moment
        empty[max(walk.start - 3, 0) : walk.stop + 7] = False
    assert empty.sum() > 200
    assert not got[empty].any()
