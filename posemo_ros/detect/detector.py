"""Person boxes from an ONNX detector."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..inference.manifest import DetectSpec, ImageInput
from ..inference.session import Session
from ..tensors import Writer, write_tensor
from ..types import Detections, Floats, Frame, PixelOrder
from .codecs import decode, suppress

Tile = tuple[int, int, int, int]
OVERLAP = 0.25  # of a tile: somebody so tall is whole in one of them
LONG = 2.5  # times as long as wide: a panorama, in which people are too small for one look
PIECE = 16 / 9  # length by width that a piece of a panorama has at most
PIECES = 16  # at most; a robot's panorama has six or seven
CUT_PX = 2  # a box that ends so near to an inner edge of a tile is of a person cut in two


class Detector:
    """Finds the people in an image.

    Attributes:
        session: The network.
        spec: Its input and the form of its outputs.
        tiles: The image is also looked at in so many rows and columns of pieces that overlap, which finds
            small people and costs ``tiles``² runs more; 1: the whole image alone. A panorama has
            ``tiles`` times as many along its long side as ``pieces`` says. May change at any time.
        letterbox: Makes its input of a picture.
    """

    def __init__(self, session: Session, spec: DetectSpec, *, score_threshold: float | None = None) -> None:
        self.session = session
        self.spec = spec
        self.score_threshold = spec.score_threshold if score_threshold is None else score_threshold
        self.tiles = 1
        self.letterbox = Letterbox(spec.input)

    @property
    def score_threshold(self) -> float:
        """Boxes below this score are dropped, 0 to 1; may change at any time.

        Raises:
            InputError: On assignment of a value outside 0 to 1.
        """
        return self._score_threshold

    @score_threshold.setter
    def score_threshold(self, value: float) -> None:
        if not 0 <= value <= 1:
            raise InputError(f"detector score threshold is {value}; expected 0 to 1")
        self._score_threshold = value

    def detect(self, frame: Frame) -> Detections:
        """Person boxes in image pixels, best first; they may reach beyond the image.

        Raises:
            ModelError: The network's outputs do not have the form the manifest says.
        """
        return self._detect(frame, self._score_threshold)

    def candidates(self, frame: Frame) -> Detections:
        """As ``detect``, with the weak boxes that may show a person (``DetectSpec.weak_threshold``)."""
        weak = self.spec.weak_threshold or self._score_threshold
        return self._detect(frame, min(weak, self._score_threshold))

    def _detect(self, frame: Frame, threshold: float) -> Detections:
        whole = self._look(frame.image, frame.pixel_order, threshold)
        tiles = tiles_of(frame, self.tiles)
        if len(tiles) == 1:
            return whole
        parts = [whole, *(self._in_tile(frame, tile, threshold) for tile in tiles)]
        boxes, scores = np.concatenate([p.boxes for p in parts]), np.concatenate([p.scores for p in parts])
        order = np.argsort(-scores, kind="stable")
        kept = order[suppress(boxes[order], scores[order], self.spec.nms_threshold)]
        return Detections(boxes[kept], scores[kept])

    def _look(self, image: NDArray[np.uint8], order: PixelOrder, threshold: float) -> Detections:
        tensor, scale = self.letterbox(image, order)
        outputs = self.session.run({self.session.inputs[0].name: tensor})
        found = decode(outputs, self.spec, threshold)
        return Detections(found.boxes / np.float32(scale), found.scores)

    def _in_tile(self, frame: Frame, tile: Tile, threshold: float) -> Detections:
        """Boxes in a piece of the image, without those that its inner edges cut."""
        x1, y1, x2, y2 = tile
        found = self._look(frame.image[y1:y2, x1:x2], frame.pixel_order, threshold)
        boxes = found.boxes + np.array([x1, y1, x1, y1], np.float32)
        inner = np.array([x1, y1, x2, y2], np.float32)
        inner[np.array(tile) == (0, 0, frame.width, frame.height)] = np.nan
        cut = (boxes[:, :2] < inner[:2] + CUT_PX) | (boxes[:, 2:] > inner[2:] - CUT_PX)
        whole = ~cut.any(axis=1)
        return Detections(boxes[whole], found.scores[whole])


def tiles_of(frame: Frame, count: int) -> list[Tile]:
    """Pieces x1, y1, x2, y2 px of an image, row by row; neighbours share ``OVERLAP`` of a piece.

    Args:
        frame: The image.
        count: Rows and columns; of a panorama's long side so many times ``pieces``.
    """

    def spans(size: int, other: int) -> list[tuple[int, int]]:
        number = count * pieces(size, other)
        length = size / (number - (number - 1) * OVERLAP)
        starts = [round(i * length * (1 - OVERLAP)) for i in range(number)]
        return [(start, min(round(start + length), size)) for start in starts]

    rows, columns = spans(frame.height, frame.width), spans(frame.width, frame.height)
    return [(x1, y1, x2, y2) for y1, y2 in rows for x1, x2 in columns]


def pieces(size: int, other: int) -> int:
    """In how many pieces of ``PIECE`` at most a side is divided: 1 but for the long side of a panorama."""
    if size <= LONG * other:
        return 1
    return min(math.ceil((size / other / PIECE - OVERLAP) / (1 - OVERLAP)), PIECES)


class Letterbox:
    """Scales pictures to fit a network's input, at its top left; the rest is padding.

    Attributes:
        write: Turns the scaled picture into a tensor.
    """

    def __init__(self, spec: ImageInput) -> None:
        self._spec = spec
        self.write: Writer = write_tensor
        self._tensor: Floats = np.empty((1, 3, spec.height, spec.width), np.float32)

    def __call__(self, image: NDArray[np.uint8], order: PixelOrder) -> tuple[Floats, float]:
        """The input tensor, good until the next call, and how much larger it is than the image.

        Args:
            image: (H, W, 3), or (H, W) for GRAY, uint8; only read.
            order: Channel order of ``image``.

        Returns:
            (1, 3, height, width) float32; network pixels per image pixel.
        """
        canvas, scale = letterbox(image, self._spec)
        self.write(canvas, order, self._spec, self._tensor[0])
        return self._tensor, scale


def letterbox(image: NDArray[np.uint8], spec: ImageInput) -> tuple[NDArray[np.uint8], float]:
    """The picture (H, W, ...) scaled to (height, width, ...), at its top left; how much larger it is."""
    height, width = image.shape[:2]
    scale = min(spec.width / width, spec.height / height)
    w = min(max(round(width * scale), 1), spec.width)
    h = min(max(round(height * scale), 1), spec.height)
    canvas = np.full((spec.height, spec.width, *image.shape[2:]), spec.pad_value, np.uint8)
    canvas[:h, :w] = cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR)
    return canvas, scale
