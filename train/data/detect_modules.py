"""Photos and the boxes of their people as a Lightning data module: what the starter detector learns from.

Photos are rarely labelled to the last person, so the people whom a published detector finds besides the
labelled ones count as people, too (self-training); photos without people teach what is none.

Symbols: B batch, n people of a photo, (h, w) the network's input in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from posemo_ros.detect.boxes import areas, iou
from posemo_ros.detect.detector import Detector, letterbox
from posemo_ros.inference.manifest import DetectSpec, ImageInput
from posemo_ros.inference.sessions import open_session
from posemo_ros.types import Frame

from . import lspet
from .demo_people import read_demo
from .modules import Data
from .people import Photo, by_photo
from .sampling import Batch, Draws
from .starter_people import read_coco, read_empty

SHARES = {"coco": 0.45, "lspet": 0.3, "empty": 0.25}
SMALLEST = 8.0  # pixels; people smaller than this in the input teach nothing
TEACHER_SIDE = 320  # px of its input
TEACHER_SCORE = 0.4  # from which on the teacher's finds count as people
UNSEEN = 0.25  # of a box: those of whom less is left in a view teach nothing

Boxes = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Scene:
    """A photo and the boxes (n, 4) xyxy px of its people."""

    photo: Photo
    boxes: Boxes


class StarterScenes(Data):
    """COCO and LSPET photos, photos without people; half of those kept apart choose.

    Args:
        folder: The development data's folder.
        teacher: ONNX file of RTMDet-nano (person), as published; what it finds besides the labelled people
            counts as people. None: the labels alone.
        steps: Batches between two validations.
        shares: How often a batch's photos come from each source.
        lspet_photos: So many of LSPET's photos are trained on.
        demo: Folder of the demo clip, whose people are looked at in the test, too.
        others: See ``Data``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        teacher: Path | None = None,
        steps: int = 70,
        shares: dict[str, float] | None = None,
        lspet_photos: int = 2000,
        demo: Path | None = None,
        **others: Any,
    ) -> None:
        super().__init__(**others)
        self.folder, self.teacher = Path(folder), None if teacher is None else Path(teacher)
        self.steps, self.shares, self.lspet_photos = steps, {**SHARES, **(shares or {})}, lspet_photos
        self.demo = None if demo is None else Path(demo)

    def make(self, part: str) -> Any:
        """See ``Data``."""
        spec = self.spec(DetectSpec).input
        if part == "train":
            return Draws(
                Views(self._to_train(spec), self.shares, spec).draw, self.batch, self.steps, self.seed
            )
        groups = {"coco": [Scene(*row) for row in by_photo(read_coco(self.folder, part))]}
        if part == "test" and self.demo is not None:
            groups["demo"] = [Scene(*row) for row in by_photo(read_demo(self.demo))]
        groups["empty"] = _without_people(read_empty(self.folder, part))
        return Letterboxed(groups, spec)

    def _to_train(self, spec: ImageInput) -> dict[str, list[Scene]]:
        sport = lspet.read_people(self.folder / "lspet", "train")[: self.lspet_photos]
        labelled = {"coco": read_coco(self.folder, "train"), "lspet": sport}
        teacher = None
        if self.teacher is not None:
            own = replace(spec, width=TEACHER_SIDE, height=TEACHER_SIDE)
            published = DetectSpec(own, "nms", score_threshold=TEACHER_SCORE)
            teacher = Detector(open_session(self.teacher, runtime="onnxruntime"), published)
        scenes = {
            name: [Scene(photo, completed(photo, boxes, teacher)) for photo, boxes in by_photo(people)]
            for name, people in labelled.items()
        }
        return {**scenes, "empty": _without_people(read_empty(self.folder, "train"))}


def _without_people(photos: Sequence[Photo]) -> list[Scene]:
    return [Scene(photo, np.zeros((0, 4), np.float32)) for photo in photos]


def completed(photo: Photo, boxes: Boxes, teacher: Detector | None) -> Boxes:
    """Labelled boxes (n, 4), and behind them those that the teacher finds elsewhere in the photo."""
    if teacher is None:
        return boxes
    found = teacher.detect(Frame(photo.pixels())).boxes
    new = found[iou(found, boxes).max(axis=1, initial=0) < 0.5] if len(found) else found
    return np.concatenate([boxes, new]).astype(np.float32)


class Views:
    """Draws random views of photos from several groups.

    Args:
        scenes: By group.
        shares: Relative frequency of each group.
        spec: Size and padding of the views.
    """

    def __init__(self, scenes: dict[str, list[Scene]], shares: dict[str, float], spec: ImageInput) -> None:
        self._scenes, self._spec = scenes, spec
        self._names = list(shares)
        weights = np.array(list(shares.values()))
        self._weights = weights / weights.sum()

    def draw(self, rng: np.random.Generator, count: int) -> Batch:
        """``images`` (B, h, w, 3) uint8 BGR, ``boxes`` (B, N, 4) px of the view, NaN behind each view's n."""
        names = rng.choice(self._names, count, p=self._weights)
        views = [self.view(self._scenes[n][rng.integers(len(self._scenes[n]))], rng) for n in names]
        boxes = np.full((count, max(len(b) for _, b in views), 4), np.nan, np.float32)
        for row, (_, own) in zip(boxes, views, strict=True):
            row[: len(own)] = own
        return {"images": np.stack([image for image, _ in views]), "boxes": boxes}

    def view(self, scene: Scene, rng: np.random.Generator) -> tuple[NDArray[np.uint8], Boxes]:
        """(h, w, 3) BGR and boxes (n, 4) in its pixels."""
        image, size = scene.photo.pixels(), (self._spec.width, self._spec.height)
        matrix = _random_place(image.shape[1], image.shape[0], size, rng)
        moved = cv2.warpAffine(image, matrix, size, borderValue=(self._spec.pad_value,) * 3)
        gain = rng.uniform(0.6, 1.4) * rng.uniform(0.9, 1.1, 3)
        relit = np.clip(moved * gain + rng.uniform(-20, 20), 0, 255).astype(np.uint8)
        return relit, seen_boxes(scene.boxes, matrix, size)


def _random_place(
    width: int, height: int, size: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float64]:
    """(2, 3) from a photo's pixels to the view's: scale, place and, half the time, a mirror."""
    scale = size[0] / max(width, height) * math.exp(rng.uniform(-0.7, 0.5))
    room = np.array([size[0] - width * scale, size[1] - height * scale])
    shift = np.where(room > 0, 0, rng.uniform(0, 1, 2) * room)
    if rng.random() < 0.5:
        return np.array([[-scale, 0, size[0] - 1 - shift[0]], [0, scale, shift[1]]])
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])


def seen_boxes(boxes: Boxes, matrix: NDArray[np.float64], size: tuple[int, int]) -> Boxes:
    """Boxes (n, 4) moved into a view and cut at its edges; without those hardly seen or tiny."""
    corners = boxes.reshape(-1, 2, 2) @ matrix[:, :2].T + matrix[:, 2]
    moved = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    inside = moved.clip(0, np.tile(size, 2))
    kept = areas(inside) > UNSEEN * areas(moved)
    kept &= (inside[:, 2:] - inside[:, :2]).max(axis=1, initial=0) > SMALLEST
    return np.asarray(inside[kept], np.float32)


@dataclass(frozen=True, eq=False)
class Letterboxed:
    """A torch data set of whole photos as the station scales them; asked for whole batches.

    Attributes:
        scenes: By group.
        spec: Of the network's input.
    """

    scenes: dict[str, list[Scene]]
    spec: ImageInput

    def __len__(self) -> int:
        return sum(map(len, self.scenes.values()))

    def groups(self) -> Iterator[tuple[str, list[Scene], slice]]:
        """Name, scenes and rows of each group."""
        start = 0
        for name, scenes in self.scenes.items():
            yield name, scenes, slice(start, start + len(scenes))
            start += len(scenes)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        """``images`` (B, h, w, 3) uint8 BGR, ``scales`` (B,) input px per photo px, ``index`` (B,)."""
        everything = [scene for scenes in self.scenes.values() for scene in scenes]
        pairs = [letterbox(everything[i].photo.pixels(), self.spec) for i in indices]
        images, scales = np.stack([p[0] for p in pairs]), np.array([p[1] for p in pairs], np.float32)
        return {"images": images, "scales": scales, "index": np.asarray(indices)}
