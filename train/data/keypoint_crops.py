"""Crops and heatmap targets to train the 2D keypoint network on: HRNet's recipe.

Sun et al., CVPR 2019, with the half-body augmentation of the released code (leoxiaobin/deep-high-
resolution-net.pytorch). ``augment`` is the recipe of the starter network; this is the papers'.
Symbols: B people, J = 17 joints of COCO-17, a crop of w x h pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from posemo_ros.errors import InputError
from posemo_ros.inference.manifest import ImageInput, KeypointSpec
from posemo_ros.keypoints.codecs import codec_for
from posemo_ros.keypoints.crop import place
from posemo_ros.keypoints.points import PointsCodec
from posemo_ros.skeleton import COCO17
from posemo_ros.tensors import write_tensor
from posemo_ros.types import PixelOrder

from .augment import UPPER, mirror, transform
from .people import Person, Photo

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Recipe:
    """HRNet's augmentation; the numbers are the released ones.

    Attributes:
        half_body: Share of people with more than ``half_body_joints`` visible joints of whom only
            the upper body (69 %) or the lower one is cut out.
        scale, rotation: Standard deviations of the relative size, cut at once the deviation, and of
            the turn in degrees, cut at twice.
        turned: Share of crops that are turned at all.
        flip: Share of mirrored crops.
    """

    half_body: float = 0.3
    half_body_joints: int = 8
    scale: float = 0.35
    rotation: float = 45.0
    turned: float = 0.6
    flip: float = 0.5


HRNET = Recipe()
PLAIN = Recipe(half_body=0, scale=0, rotation=0, turned=0, flip=0)


@dataclass(frozen=True, eq=False)
class Crop:
    """Where a crop lies.

    Attributes:
        matrix: (2, 3) photo px to crop px.
        flipped: Whether it is mirrored afterwards.
    """

    matrix: NDArray[np.float64]
    flipped: bool = False


def half_body_box(person: Person, box_scale: float, rng: np.random.Generator) -> Floats | None:
    """(4,) xyxy whose crop is 1.5 times the upper or the lower half; None if hardly visible."""
    seen = person.keypoints[:, 2] > 0
    upper = np.isin(np.arange(17), UPPER[:11]) & seen
    lower = np.isin(np.arange(17), UPPER[:11], invert=True) & seen
    wanted = upper if rng.standard_normal() < 0.5 and upper.sum() > 2 else lower
    chosen = wanted if wanted.sum() > 2 else upper
    if chosen.sum() < 2:
        return None
    points = person.keypoints[chosen, :2]
    low, high = points.min(0), points.max(0)
    centre, size = points.mean(0), 1.5 / box_scale * np.maximum(high - low, 1)
    return np.concatenate([centre - size / 2, centre + size / 2]).astype(np.float32)


def hrnet_crop(person: Person, spec: KeypointSpec, recipe: Recipe, rng: np.random.Generator) -> Crop:
    """HRNet's crop to train on; ``PLAIN`` gives the one used at run time."""
    box = person.box
    if (person.keypoints[:, 2] > 0).sum() > recipe.half_body_joints and rng.random() < recipe.half_body:
        half = half_body_box(person, spec.box_scale, rng)
        box = box if half is None else half
    factor = np.clip(1 + recipe.scale * rng.standard_normal(), 1 - recipe.scale, 1 + recipe.scale)
    limit = 2 * recipe.rotation
    angle = np.clip(recipe.rotation * rng.standard_normal(), -limit, limit) * (rng.random() < recipe.turned)
    matrix = plain_matrix(box, spec)
    centre = transform(matrix, (box[:2] + box[2:]) / 2).astype(np.float64)
    c, s = np.cos(np.radians(angle)) / factor, np.sin(np.radians(angle)) / factor
    turn = np.array([[c, -s], [s, c]])
    turned = np.column_stack((turn @ matrix[:, :2], turn @ (matrix[:, 2] - centre) + centre))
    return Crop(turned, bool(rng.random() < recipe.flip))


def plain_matrix(box: Floats, spec: KeypointSpec) -> NDArray[np.float64]:
    """(2, 3) photo px to crop px, as the keypoint station places its crops."""
    size = spec.input
    return place(
        box[None],
        width=size.width,
        height=size.height,
        box_scale=spec.box_scale,
        unbiased=spec.codec == "udp",
    ).matrices[0]


def cut(person: Person, crop: Crop, spec: ImageInput, out: Floats) -> None:
    """Write the normalised crop into ``out`` (3, h, w)."""
    photo = person.photo
    if isinstance(photo.encoded, Path):  # decoded anew: the photos of COCO do not fit into memory
        photo = Photo(photo.name, photo.encoded, size=photo.size)
    image = cv2.warpAffine(
        photo.pixels(),
        crop.matrix,
        (spec.width, spec.height),
        flags=cv2.INTER_LINEAR,
        borderValue=(spec.pad_value,) * 3,
    )
    if crop.flipped:
        image = cv2.flip(image, 1)
    write_tensor(np.asarray(image, np.uint8), PixelOrder.BGR, spec, out)


def keypoints_in(person: Person, crop: Crop, width: int) -> Floats:
    """(J, 3) crop px and visibility."""
    points = np.column_stack((transform(crop.matrix, person.keypoints[:, :2]), person.keypoints[:, 2]))
    points = points.astype(np.float32)
    return mirror(points, width) if crop.flipped else points


class KeypointCrops:
    """A torch data set of whole batches (``sampling.EpochSampler`` with epochs).

    The augmentation of a person depends on (seed, epoch, index) only.

    Args:
        people: With labels, or boxes of a detector with all labels 0.
        spec: Crop, normalisation and codec of the network.
        recipe: ``PLAIN`` for evaluation.
        seed: Of the augmentation.
        threads: That cut crops side by side; OpenCV lets go of Python's lock while it works.

    Raises:
        InputError: The network answers with points: there is no target for them here.
    """

    def __init__(
        self,
        people: Sequence[Person],
        spec: KeypointSpec,
        recipe: Recipe,
        *,
        seed: int = 0,
        threads: int = 1,
    ) -> None:
        self.people, self.spec, self.recipe, self.seed = tuple(people), spec, recipe, seed
        codec = codec_for(spec)
        if isinstance(codec, PointsCodec):
            raise InputError(
                "codec: 'points' has no target to learn; expected one of heat maps or bins, as hrnet's"
            )
        self.codec = codec
        self._threads = threads

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, keys: Sequence[tuple[int, int]]) -> dict[str, NDArray[np.generic]]:
        """A batch.

        Args:
            keys: (epoch, index) of every person.

        Returns:
            ``images`` (B, 3, h, w), the codec's targets ``target0`` (and ``target1`` for SimCC),
            ``weights`` (B, J), ``keypoints`` (B, J, 3) crop px, ``matrices`` (B, 2, 3) float64
            photo to crop px, ``index`` (B,).
        """
        size = self.spec.input
        images = np.empty((len(keys), 3, size.height, size.width), np.float32)
        matrices, points = np.empty((len(keys), 2, 3)), np.empty((len(keys), len(COCO17), 3), np.float32)

        def fill(row: int) -> None:
            epoch, index = keys[row]
            person = self.people[index]
            crop = hrnet_crop(
                person, self.spec, self.recipe, np.random.default_rng((self.seed, epoch, index))
            )
            cut(person, crop, size, images[row])
            matrices[row], points[row] = crop.matrix, keypoints_in(person, crop, size.width)

        if self._threads > 1:
            with ThreadPoolExecutor(self._threads) as pool:
                list(pool.map(fill, range(len(keys))))
        else:
            list(map(fill, range(len(keys))))
        *targets, weights = self.codec.encode(points[..., :2], points[..., 2] > 0)
        return {
            "images": images,
            **{f"target{i}": target for i, target in enumerate(targets)},
            "weights": weights,
            "keypoints": points,
            "matrices": matrices,
            "index": np.array([index for _, index in keys], np.int64),
        }
