"""The detector against a published network, slow references and hand-made outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from posemo_ros.detect.codecs import decode, suppress
from posemo_ros.detect.detector import PIECE, Detector, Letterbox, tiles_of
from posemo_ros.errors import InputError, ModelError
from posemo_ros.inference.manifest import DetectSpec, ImageInput
from posemo_ros.inference.session import TensorSpec
from posemo_ros.types import Frame, PixelOrder, to_order

RAW = ImageInput(64, 64, PixelOrder.BGR, (0, 0, 0), (1, 1, 1))
PEER = DetectSpec(
    ImageInput(320, 320, PixelOrder.BGR, (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)), "nms"
)


class FakeSession:
    """Answers always the same and remembers what it was fed."""

    runtime, precision = "fake", "fp32"
    inputs = (TensorSpec("images", (1, 3, 64, 64), "float32"),)

    def __init__(self, outputs: Mapping[str, NDArray[np.generic]]) -> None:
        self.answer = dict(outputs)
        self.outputs = tuple(TensorSpec(k, v.shape, str(v.dtype)) for k, v in outputs.items())
        self.fed: list[NDArray[np.generic]] = []

    def run(self, feeds: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        self.fed.append(feeds["images"].copy())
        return self.answer


def nms_outputs(rows: list[list[float]], labels: list[int]) -> dict[str, NDArray[np.generic]]:
    dets = np.array(rows, np.float32).reshape(1, -1, 5)
    return {"dets": dets, "labels": np.array([labels], np.int64)}


# ---- picture to tensor ---------------------------------------------------------------------


def test_wide_picture_lies_at_the_top_and_grey_below() -> None:
    image = np.full((50, 100, 3), (10, 20, 30), np.uint8)
    spec = ImageInput(64, 64, PixelOrder.RGB, (1, 2, 3), (2, 4, 5), pad_value=114)
    tensor, scale = Letterbox(spec)(image, PixelOrder.BGR)
    assert scale == pytest.approx(0.64)
    assert tensor.shape == (1, 3, 64, 64)
    # R, G, B of the picture: (30 - 1) / 2, (20 - 2) / 4, (10 - 3) / 5; of the padding likewise.
    np.testing.assert_allclose(tensor[0, :, 31, 63], [14.5, 4.5, 1.4], rtol=1e-5)
    np.testing.assert_allclose(tensor[0, :, 32, 0], [56.5, 28.0, 22.2], rtol=1e-5)


def test_tall_picture_lies_at_the_left() -> None:
    tensor, scale = Letterbox(RAW)(np.full((640, 320, 3), 7, np.uint8), PixelOrder.BGR)
    assert scale == pytest.approx(0.1)
    assert (tensor[0, :, :, :32] == 7).all()
    assert (tensor[0, :, :, 32:] == 114).all()


@pytest.mark.parametrize("order", list(PixelOrder))
def test_pixel_orders_give_the_same_tensor(order: PixelOrder) -> None:
    grey = np.random.default_rng(0).integers(0, 255, (48, 64), np.uint8)
    image = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    image[..., 0] = grey if order is PixelOrder.GRAY else 255 - grey
    expected = Letterbox(PEER.input)(image, PixelOrder.BGR)[0].copy()
    given = to_order(image, PixelOrder.BGR, order)
    np.testing.assert_array_equal(Letterbox(PEER.input)(given, order)[0], expected)


def test_rows_with_padding_are_fine_and_stay_untouched() -> None:
    buffer = np.random.default_rng(1).integers(0, 255, (48, 200), np.uint8)
    view = np.lib.stride_tricks.as_strided(buffer, (48, 64, 3), (200, 3, 1), writeable=False)
    expected = Letterbox(RAW)(view.copy(), PixelOrder.BGR)[0].copy()
    before = buffer.copy()
    np.testing.assert_array_equal(Letterbox(RAW)(view, PixelOrder.BGR)[0], expected)
    np.testing.assert_array_equal(buffer, before)


# ---- whole detector ------------------------------------------------------------------------


def test_boxes_come_back_in_image_pixels_best_first_and_only_people() -> None:
    outputs = nms_outputs(
        [[0, 0, 10, 20, 0.6], [16, 8, 32, 40, 0.9], [1, 1, 5, 5, 0.95], [0, 0, 9, 9, 0.4]], [0, 0, 3, 0]
    )
    detector = Detector(FakeSession(outputs), DetectSpec(RAW, "nms"))
    found = detector.detect(Frame(np.zeros((96, 128, 3), np.uint8)))  # 128 px onto 64: times 2 back
    np.testing.assert_allclose(found.boxes, [[32, 16, 64, 80], [0, 0, 20, 40]])
    np.testing.assert_allclose(found.scores, [0.9, 0.6])
    assert found.boxes.dtype == found.scores.dtype == np.float32


def test_threshold_may_change_and_is_checked() -> None:
    session = FakeSession(nms_outputs([[0, 0, 10, 20, 0.6]], [0]))
    detector = Detector(session, DetectSpec(RAW, "nms"), score_threshold=0.7)
    frame = Frame(np.zeros((64, 64, 3), np.uint8))
    assert len(detector.detect(frame)) == 0
    detector.score_threshold = 0.5
    assert len(detector.detect(frame)) == 1
    with pytest.raises(InputError, match=r"1\.5; expected 0 to 1"):
        detector.score_threshold = 1.5


@pytest.mark.parametrize("codec", ["nms", "rtmdet", "yolox"])
def test_empty_outputs_give_empty_arrays(codec: str) -> None:
    empty = {
        "nms": nms_outputs([], []),
        "rtmdet": {k: v * 0 for k, v in rtmdet_outputs(np.random.default_rng(0), 1).items()},
        "yolox": {"output": np.zeros((1, 84, 6), np.float32)},
    }
    found = Detector(FakeSession(empty[codec]), DetectSpec(RAW, codec)).detect(  # type: ignore[arg-type]
        Frame(np.zeros((64, 64, 3), np.uint8))
    )
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == (0,)


def test_boxes_without_area_are_dropped() -> None:
    rows = [[5, 5, 5, 9, 0.9], [9, 9, 5, 5, 0.9], [0, 0, 9, 9, 0.8]]
    found = decode(nms_outputs(rows, [0, 0, 0]), DetectSpec(RAW, "nms"), 0.5)
    np.testing.assert_allclose(found.boxes, [[0, 0, 9, 9]])


def nan_scores(codec: str) -> dict[str, NDArray[np.generic]]:
    """What a network gives of which a number in the middle became too large for its precision."""
    if codec == "nms":
        return nms_outputs([[0, 0, 9, 9, math.nan], [0, 0, 9, 9, 0.8]], [0, 0])
    if codec == "yolox":
        return {"output": np.full((1, 84, 6), math.nan, np.float32)}
    outputs = rtmdet_outputs(np.random.default_rng(0), 1)
    outputs["cls_16"][0, 0, 1, 1] = math.nan
    return outputs


@pytest.mark.parametrize("codec", ["nms", "rtmdet", "yolox"])
def test_a_network_that_fails_is_not_one_that_sees_nobody(codec: str) -> None:
    """Otherwise everybody's face would be shown where faces are to be hidden."""
    spec = DetectSpec(RAW, codec)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="no finite number, so nobody knows who is in the image"):
        decode(nan_scores(codec), spec, 0.5)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_box_without_a_place_is_no_box_of_nobody(wrong: float) -> None:
    with pytest.raises(ModelError, match="no finite number"):
        decode(nms_outputs([[0, 0, wrong, 9, 0.9]], [0]), DetectSpec(RAW, "nms"), 0.5)


def test_rows_of_other_classes_and_below_the_threshold_may_hold_anything() -> None:
    rows = [[math.nan] * 5, [math.nan, 0, 1, 1, 0.1], [0, 0, 9, 9, 0.8]]
    found = decode(nms_outputs(rows, [-1, 0, 0]), DetectSpec(RAW, "nms"), 0.5)
    np.testing.assert_allclose(found.boxes, [[0, 0, 9, 9]])


@pytest.mark.parametrize("codec", ["nms", "rtmdet", "yolox"])
def test_outputs_of_another_form_are_explained(codec: str) -> None:
    spec = DetectSpec(RAW, codec)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=rf"put out logits \(1, 7, 7\).*codec '{codec}'.*correct the entry"):
        decode({"logits": np.zeros((1, 7, 7), np.float32)}, spec, 0.5)


# ---- raw heads against loops -----------------------------------------------------------------


def rtmdet_outputs(rng: np.random.Generator, classes: int) -> dict[str, NDArray[np.generic]]:
    outputs: dict[str, NDArray[np.generic]] = {}
    for kind, channels, top in (("cls", classes, 1.0), ("dist", 4, 30.0)):
        for stride in (8, 16, 32):
            size = (1, channels, 64 // stride, 64 // stride)
            outputs[f"{kind}_{stride}"] = rng.uniform(0, top, size).astype(np.float32)
    return outputs


def overlap(a: list[float], b: list[float]) -> float:
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return w * h / (area - w * h)


def greedy(rows: list[list[float]], limit: float) -> list[list[float]]:
    kept: list[list[float]] = []
    for row in sorted(rows, key=lambda r: -r[4]):
        if all(overlap(row, other) <= limit for other in kept):
            kept.append(row)
    return kept


def compare(found: object, kept: list[list[float]]) -> None:
    assert len(kept) > 3
    boxes, scores = found.boxes, found.scores  # type: ignore[attr-defined]
    np.testing.assert_allclose(boxes, [row[:4] for row in kept], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(scores, [row[4] for row in kept], rtol=1e-5)


@pytest.mark.parametrize(("classes", "person"), [(1, 0), (4, 2), (80, 5)])
def test_rtmdet_heads(classes: int, person: int) -> None:
    outputs = rtmdet_outputs(np.random.default_rng(classes), classes)
    rows = []
    for stride in (8, 16, 32):
        for row in range(64 // stride):
            for col in range(64 // stride):
                score = float(outputs[f"cls_{stride}"][0, person, row, col])
                left, top, right, bottom = outputs[f"dist_{stride}"][0, :, row, col]
                x, y = col * stride, row * stride
                if score >= 0.6:
                    rows.append([x - left, y - top, x + right, y + bottom, score])
    spec = DetectSpec(RAW, "rtmdet", person_class=person, nms_threshold=0.4)
    compare(decode(outputs, spec, 0.6), greedy(rows, 0.4))


def test_yolox_head() -> None:
    rng = np.random.default_rng(3)
    output = rng.uniform(-0.5, 1, (1, 84, 5 + 3)).astype(np.float32)
    output[..., 4:] = rng.uniform(0, 1, (1, 84, 4))
    rows, anchor = [], 0
    for stride in (8, 16, 32):
        for row in range(64 // stride):
            for col in range(64 // stride):
                x, y, w, h, objectness, _, person, _ = output[0, anchor].tolist()
                anchor += 1
                cx, cy = (x + col) * stride, (y + row) * stride
                w, h = math.exp(w) * stride, math.exp(h) * stride
                if objectness * person >= 0.3:
                    rows.append([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, objectness * person])
    spec = DetectSpec(RAW, "yolox", person_class=1, nms_threshold=0.3)
    compare(decode({"output": output}, spec, 0.3), greedy(rows, 0.3))


def test_suppression_keeps_what_barely_overlaps() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 8], [0, 5, 10, 15]], np.float32)  # IoU 0.8, 0.33
    assert suppress(boxes, np.array([0.9, 0.8, 0.7], np.float32), 0.65).tolist() == [0, 2]


# ---- a published network ---------------------------------------------------------------------


@pytest.mark.shared
@pytest.mark.parametrize("order", list(PixelOrder))
def test_published_rtmdet_on_a_coco_photo(shared_data: Path, order: PixelOrder) -> None:
    sessions = pytest.importorskip("posemo_ros.inference.sessions")
    detector = Detector(sessions.open_session(shared_data / "peers/rtmdet_nano_person.onnx", threads=1), PEER)
    image = cv2.imread(str(shared_data / "fixtures/coco/000000000785.jpg"))
    found = detector.detect(Frame(to_order(image, PixelOrder.BGR, order), pixel_order=order))
    assert len(found) == 1
    # The data's README: 281,42,493,379, score 0.86; without colours within a few pixels.
    tolerance = 3 if order is PixelOrder.GRAY else 0.5
    np.testing.assert_allclose(found.boxes[0], [281, 42, 493, 379], atol=tolerance)
    assert found.scores[0] == pytest.approx(0.86, abs=0.01)


# ---- tiles ---------------------------------------------------------------------------------


def test_tiles_cover_the_image_and_overlap() -> None:
    frame = Frame(np.zeros((480, 640, 3), np.uint8))
    for count in (1, 2, 3, 4):
        seen = np.zeros((480, 640), int)
        for x1, y1, x2, y2 in tiles_of(frame, count):
            seen[y1:y2, x1:x2] += 1
        assert seen.min() == 1
        assert len(tiles_of(frame, count)) == count**2
    (_, _, x2, _), (x1, *_), *_ = tiles_of(frame, 2)
    assert x2 - x1 == pytest.approx(0.25 * x2, abs=1)


@pytest.mark.parametrize("turned", [False, True])
def test_a_panorama_is_looked_at_in_pieces_along_it(turned: bool) -> None:
    """A robot's 3760 x 480: no piece longer than 16:9, each overlaps the next, nothing is left out."""
    shape = (3760, 480) if turned else (480, 3760)
    frame = Frame(np.zeros((*shape, 3), np.uint8))
    for count in (1, 2):
        seen = np.zeros(shape, int)
        for x1, y1, x2, y2 in tiles_of(frame, count):
            seen[y1:y2, x1:x2] += 1
            assert max(x2 - x1, y2 - y1) <= PIECE * min(x2 - x1, y2 - y1) + 2
        assert seen.min() == 1
        assert len(tiles_of(frame, count)) == 6 * count**2


@pytest.mark.parametrize("shape", [(480, 640), (720, 1280), (800, 1920), (640, 480), (1, 1), (480, 1200)])
def test_other_images_are_looked_at_as_a_whole(shape: tuple[int, int]) -> None:
    height, width = shape
    assert tiles_of(Frame(np.zeros((*shape, 3), np.uint8)), 1) == [(0, 0, width, height)]


@pytest.mark.parametrize("shape", [(1, 20000), (2, 9), (480, 1201), (40000, 2)])
def test_even_lines_have_pieces_with_something_in_them(shape: tuple[int, int]) -> None:
    tiles = tiles_of(Frame(np.zeros((*shape, 3), np.uint8)), 1)
    assert 1 < len(tiles) <= 16
    for x1, y1, x2, y2 in tiles:
        assert x2 > x1
        assert y2 > y1


def test_small_people_come_from_tiles_and_cut_ones_do_not() -> None:
    """The whole image shows nobody; each tile says the same two boxes, one of them at its left edge."""
    session = FakeSession(nms_outputs([[20, 20, 30, 40, 0.9], [0, 20, 10, 40, 0.8]], [0, 0]))
    detector = Detector(session, DetectSpec(RAW, "nms"))
    frame = Frame(np.zeros((128, 128, 3), np.uint8))
    whole = detector.detect(frame)
    assert len(whole.boxes) == 2
    detector.tiles = 2
    found = detector.detect(frame)
    assert len(session.fed) == 1 + 5
    left = found.boxes[found.scores < 0.85, 0]
    assert (left == 0).all()  # at the image's own edge they are whole
    scale = tiles_of(frame, 2)[0][2] / 64
    expected = [t[0] + 20 * scale for t in tiles_of(frame, 2)]
    for x in expected:
        assert np.abs(found.boxes[found.scores > 0.85, 0] - x).min() < 0.1
