"""People who walk through one after the other, with the detector resting while they are followed."""

from __future__ import annotations

from collections import Counter
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
from posemo_ros.types import Frame, PixelOrder

PEER = DetectSpec(
    ImageInput(320, 320, PixelOrder.BGR, (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)), "nms"
)
# First image with somebody and first without: where the peer, asked alone about each image, sees somebody.
# Counted by eye, too: four people, one after the other. (Two more come later in the film.)
WALKS = ((61, 195), (228, 446), (503, 696), (745, 866))
IMAGES = 900


def peer(shared_data: Path) -> Detector:
    return Detector(open_session(shared_data / "peers/rtmdet_nano_person.onnx", threads=1), PEER)


def frames(video: Path) -> Iterator[Frame]:
    capture = cv2.VideoCapture(str(video))
    for number in range(IMAGES):
        ok, image = capture.read()
        assert ok
        yield Frame(np.asarray(image, np.uint8), stamp_ns=number * 100_000_000)


def keypoints() -> KeypointEstimator:
    store = ModelStore()
    try:
        path, spec = store.path("posemo-keypoints"), store.spec("posemo-keypoints").spec
    except ModelError as error:
        pytest.skip(str(error))
    assert isinstance(spec, KeypointSpec)
    return KeypointEstimator(open_session(path, threads=1), spec)


@pytest.mark.slow
@pytest.mark.shared
def test_everybody_who_walks_through_is_published_under_one_id(shared_data: Path) -> None:
    finder = PeopleFinder(peer(shared_data), BoxSchedule(), PersonTracker(), keypoints())
    film = shared_data / "video/one-by-one-person-detection.mp4"
    published = [finder.find(frame).ids for frame in frames(film)]
    assert len({i for names in published for i in names}) == len(WALKS)
    empty = np.ones(IMAGES, np.bool_)
    for start, stop in WALKS:
        names = published[start:stop]
        assert sum(map(bool, names)) >= 0.95 * len(names)
        counted = Counter(i for frame in names for i in frame)
        assert max(counted.values()) >= 0.9 * len(names)
        empty[start - 3 : stop + 7] = False  # half out of the image, one may be followed for a moment
    assert empty.sum() > 150
    assert not [i for i in np.flatnonzero(empty) if published[i]]
