"""The people of the starter keypoint networks as a Lightning data module."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posemo_ros.detect.detector import Detector
from posemo_ros.inference.manifest import DetectSpec, KeypointSpec
from posemo_ros.inference.sessions import open_session
from posemo_ros.inference.store import ModelStore
from posemo_ros.types import Frame

from . import lspet
from .augment import Augmentation, Matrix, plain_crop, warp
from .keypoint_crops import HRNET, PLAIN, KeypointCrops, Recipe
from .keypoint_protocol import by_group, similarities
from .modules import Data
from .people import Person, Photo
from .samples import Nobody, Sampler
from .sampling import Batch, Draws
from .starter_people import half, read_coco, read_empty, read_lspet, read_rendered

SHARES = {"lspet": 0.45, "coco": 0.25, "synthetic": 0.2, "empty": 0.1}


class StarterPeople(Data):
    """LSPET, COCO photos, rendered people, photos without people; half of those kept apart choose.

    Args:
        folder: The development data's folder.
        teacher: Answers of ``python -m train teach``; only LSPET's people in it are trained on then.
        rendered: Folder of ``python -m train scenes pictures``.
        detector: Name of a model: photos without people are mostly seen where it
            is mistaken. None: anywhere.
        steps: Batches between two validations.
        shares: How often a batch's people come from each source.
        augmentation: Of the crops.
        lspet_every: Every so many of LSPET's validation people are looked at.
        others: See ``Data``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        teacher: Path | None = None,
        rendered: Path | None = None,
        detector: str | None = None,
        steps: int = 300,
        shares: dict[str, float] | None = None,
        augmentation: Augmentation | None = None,
        lspet_every: int = 8,
        **others: Any,
    ) -> None:
        super().__init__(**others)
        self.folder, self.teacher, self.rendered = Path(folder), _path(teacher), _path(rendered)
        self.detector, self.steps, self.shares = detector, steps, {**SHARES, **(shares or {})}
        self.augmentation, self.lspet_every = augmentation or Augmentation(), lspet_every

    def make(self, part: str) -> Any:
        """See ``Data``."""
        spec = self.spec(KeypointSpec)
        size = spec.input.width, spec.input.height
        if part == "train":
            return Draws(self._sampler_of(size).draw, self.batch, self.steps, self.seed)
        sport = lspet.read_people(self.folder / "lspet", "val")[:: self.lspet_every]
        groups = {"coco": read_coco(self.folder, part), "lspet": half(sport, part)}
        return Crops(groups, read_empty(self.folder, part), size, spec.box_scale)

    def _sampler_of(self, size: tuple[int, int]) -> Sampler:
        groups = {
            "lspet": read_lspet(self.folder, self.teacher),
            "coco": read_coco(self.folder, "train"),
            "synthetic": read_rendered(self.rendered),
        }
        photos = read_empty(self.folder, "train")
        boxes = (
            mistakes(self.detector, photos) if self.detector else [np.zeros((0, 4), np.float32)] * len(photos)
        )
        empty = [Nobody(p, b) for p, b in zip(photos, boxes, strict=True)]
        return Sampler(groups, self.shares, empty, size, self.augmentation)


class TaughtPeople(Data):
    """The same photos for networks with heat maps (``tasks.keypoints.Keypoints``): LSPET's people with the
    joints that a teacher sees, COCO's with their labels.

    Half of those kept apart choose, as in ``StarterPeople``.

    Args:
        folder: The development data's folder.
        teacher: Answers of ``python -m train teach``.
        coco_times: How often COCO's few people stand in an epoch.
        recipe: Augmentation.
        lspet_every: Every so many of LSPET's validation people are looked at.
        others: See ``Data``.
    """

    epochs = True

    def __init__(
        self,
        folder: Path,
        teacher: Path,
        *,
        coco_times: int = 4,
        recipe: Recipe = HRNET,
        lspet_every: int = 8,
        **others: Any,
    ) -> None:
        super().__init__(**others)
        self.folder, self.teacher, self.recipe = Path(folder), Path(teacher), recipe
        self.coco_times, self.lspet_every = coco_times, lspet_every

    def make(self, part: str) -> KeypointCrops:
        """See ``Data``."""
        spec = self.spec(KeypointSpec)
        if part == "train":
            people = [*read_lspet(self.folder, self.teacher), *self.coco_times * read_coco(self.folder, part)]
            return KeypointCrops(people, spec, self.recipe, seed=self.seed)
        sport = lspet.read_people(self.folder / "lspet", "val")[:: self.lspet_every]
        return KeypointCrops([*read_coco(self.folder, part), *half(sport, part)], spec, PLAIN)

    def judge(
        self, part: str, index: NDArray[np.int64], keypoints: NDArray[np.float32], area: NDArray[np.float32]
    ) -> dict[str, float]:
        """COCO's metrics of COCO's people, label boxes, and as ``lspet_...`` of LSPET's."""
        people = [self.datasets[part].people[i] for i in index.tolist()]
        figures: dict[str, float] = {}
        for source, prefix in (("coco", ""), ("lspet", "lspet_")):
            rows = [i for i, p in enumerate(people) if p.source == source]
            chosen = [people[i] for i in rows]
            found = by_group(chosen, keypoints[rows])["all"]
            figures |= {f"{prefix}{k}": found[k] for k in ("AP", "AP50", "AP75", "AR")}
            figures[f"{prefix}oks"] = float(np.nanmean(similarities(chosen, keypoints[rows])))
        return figures


def mistakes(detector: str, photos: Sequence[Photo], threshold: float = 0.1) -> list[NDArray[np.float32]]:
    """Where a detector sees somebody in photos without people, if ever so weakly."""
    store = ModelStore()
    spec = store.spec(detector).spec
    assert isinstance(spec, DetectSpec)
    station = Detector(
        open_session(store.path(detector), runtime="onnxruntime"), spec, score_threshold=threshold
    )
    return [station.detect(Frame(p.pixels())).boxes for p in photos]


@dataclass(frozen=True, eq=False)
class Crops:
    """A torch data set of plain crops to judge on; asked for whole batches.

    Attributes:
        people: By group, label boxes.
        empty: Photos without people; their middle is looked at.
        size: (w, h) of the crops.
        box_scale: Enlargement of the boxes.
    """

    people: dict[str, list[Person]]
    empty: list[Photo]
    size: tuple[int, int]
    box_scale: float

    def __len__(self) -> int:
        return sum(map(len, self.people.values())) + len(self.empty)

    def groups(self) -> Iterator[tuple[str, list[Person], slice]]:
        """Name, people (none for the empty photos) and rows of each group."""
        start = 0
        for name, people in self.people.items():
            yield name, people, slice(start, start + len(people))
            start += len(people)
        yield "empty", [], slice(start, start + len(self.empty))

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        """``images`` (B, h, w, 3) uint8 BGR, ``matrices`` (B, 2, 3) photo to crop px, ``index`` (B,)."""
        everybody = [p for people in self.people.values() for p in people]
        crops, matrices = [], []
        for i in indices:
            photo = everybody[i].photo if i < len(everybody) else self.empty[i - len(everybody)]
            matrix = self._matrix(everybody[i]) if i < len(everybody) else self._middle(photo)
            crops.append(warp(photo.pixels(), matrix, self.size))
            matrices.append(matrix)
        return {"images": np.stack(crops), "matrices": np.stack(matrices), "index": np.asarray(indices)}

    def _matrix(self, person: Person) -> Matrix:
        return plain_crop(person, self.size, self.box_scale)

    def _middle(self, photo: Photo) -> Matrix:
        h, w = photo.pixels().shape[:2]
        scale = min(self.size[0] / w, self.size[1] / h)
        middle = np.array(self.size) / 2 - scale * np.array([w, h]) / 2
        return np.array([[scale, 0, middle[0]], [0, scale, middle[1]]])


def _path(value: Path | None) -> Path | None:
    return None if value is None else Path(value)
