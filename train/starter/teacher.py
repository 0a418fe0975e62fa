"""MoveNet Lightning as a teacher and as the model to compare with.

    python -m train.starter.teacher --data ../shared/data --out runs/teacher.npz

asks it for the people of LSPET, turned upright by their labels, and stores what it says:
``keypoints`` (N, 17, 3) float32 x px, y px, score in the photo, ``person_id`` (N,).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from posemo_ros.errors import MissingExtraError
from posemo_ros.metrics import keypoint_similarity, oks
from posemo_ros.skeleton import COCO17
from train.data import lspet
from train.data.augment import Matrix, crop_matrix, transform, trunk_angle, upright_crop, warp
from train.data.people import Person

SIZE = 192
MODEL = Path("peers") / "movenet_singlepose_lightning_int8.tflite"


class MoveNet:
    """The peer in ../shared/data/peers, run by ai-edge-litert."""

    def __init__(self, path: Path) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise MissingExtraError("ai-edge-litert", "train", "MoveNet, the teacher,") from error
        self._net: Any = Interpreter(model_path=str(path), num_threads=1)
        self._net.allocate_tensors()
        self._input = self._net.get_input_details()[0]["index"]
        self._output = self._net.get_output_details()[0]["index"]

    def __call__(self, image: NDArray[np.uint8], matrix: Matrix) -> NDArray[np.float32]:
        """(17, 3) x px, y px, score in the photo, for the crop of 192 x 192 that a matrix cuts."""
        crop = cv2.cvtColor(warp(image, matrix, (SIZE, SIZE)), cv2.COLOR_BGR2RGB)
        self._net.set_tensor(self._input, crop[None])
        self._net.invoke()
        yxs = self._net.get_tensor(self._output)[0, 0]
        inverse = cv2.invertAffineTransform(matrix)
        points = transform(inverse, yxs[:, 1::-1] * SIZE)
        return np.column_stack((points, yxs[:, 2])).astype(np.float32)


def box_crop(box: NDArray[np.float32], box_scale: float = 1.25) -> Matrix:
    """The square crop MoveNet sees of a person's box."""
    x1, y1, x2, y2 = box.astype(np.float64)
    side = max(x2 - x1, y2 - y1) * box_scale
    return crop_matrix(np.array([x1 + x2, y1 + y2]) / 2, (side, side), 0.0, (SIZE, SIZE))


def learn_from(person: Person, teacher: NDArray[np.float32]) -> tuple[NDArray[np.float32], str]:
    """A person's labels after hearing the teacher.

    When the labels with left and right exchanged agree much better, they are exchanged. When
    the teacher agrees with the limbs, its sure face joints become labels (visibility 2), limb joints
    on which both agree move half-way to the teacher's, and those that a very sure teacher sees
    elsewhere lose their label: LSPET's labels are inaccurate.

    Args:
        person: With (17, 3) labels.
        teacher: (17, 3) x, y, score in the same photo.

    Returns:
        New (17, 3) labels, and what was done: ``swapped``, ``agreed`` or ``kept``.
    """
    labels, swapped = person.keypoints, person.keypoints[COCO17.flip_index]
    same, other = _agreement(labels, teacher, person.area), _agreement(swapped, teacher, person.area)
    exchanged = other > 0.5 and other > same + 0.25
    out = (swapped if exchanged else labels).copy()
    sure = teacher[:5, 2] > 0.4
    agrees = (other if exchanged else same) > 0.4
    if agrees:
        out[5:] = _settled(out, teacher, person.area)[5:]
    if agrees and sure.any():
        out[:5][sure, :2] = teacher[:5][sure, :2]
        out[:5][sure, 2] = 2
    return out, "swapped" if exchanged else "agreed" if agrees else "kept"


def _agreement(labels: NDArray[np.float32], teacher: NDArray[np.float32], area: float) -> float:
    """Object keypoint similarity of the limbs; 0 when none is labelled."""
    limbs = labels.copy()
    limbs[:5, 2] = 0
    return float(np.nan_to_num(oks(teacher, limbs, area)))


def _settled(labels: NDArray[np.float32], teacher: NDArray[np.float32], area: float) -> NDArray[np.float32]:
    """Half-way to the teacher where both agree; no label where a sure teacher differs."""
    alike = keypoint_similarity(teacher, labels, area)
    out = labels.copy()
    near = (alike > 0.5) & (teacher[:, 2] > 0)
    out[near, :2] = (labels[near, :2] + teacher[near, :2]) / 2
    out[(alike < 0.05) & (teacher[:, 2] > 0.7), 2] = 0
    return out


def agreed(
    a: NDArray[np.float32], b: NDArray[np.float32], areas: NDArray[np.floating]
) -> NDArray[np.float32]:
    """What two teachers say alike.

    Args:
        a, b: (N, 17, 3) x, y, score.
        areas: (N,) px².

    Returns:
        (N, 17, 3) their mean and the higher score; score 0 where they differ.
    """
    out = (a + b) / 2
    out[..., 2] = np.where(keypoint_similarity(a, b, areas) > 0.5, np.maximum(a[..., 2], b[..., 2]), 0)
    return np.nan_to_num(out)


def ask(people: Sequence[Person], net: MoveNet) -> NDArray[np.float32]:
    """(N, 17, 3) answers for people turned upright by their labels."""
    crops = (upright_crop(p, (SIZE, SIZE), -trunk_angle(p.keypoints), 1.15) for p in people)
    return np.stack([net(p.photo.pixels(), crop) for p, crop in zip(people, crops, strict=True)])


def store(path: Path, people: Sequence[Person], answers: NDArray[np.float32]) -> None:
    """Write answers (N, 17, 3), and print how often ``learn_from`` does what with them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, keypoints=answers, person_id=np.array([p.person_id for p in people], np.int64))
    verdicts = [learn_from(p, a)[1] for p, a in zip(people, answers, strict=True)]
    print({v: verdicts.count(v) for v in sorted(set(verdicts))})


def main(argv: Sequence[str] | None = None) -> None:
    """Ask about LSPET's training people and store the answers."""
    parser = argparse.ArgumentParser(description="MoveNet's keypoints for LSPET's training photos")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int)
    args = parser.parse_args(argv)
    people = lspet.read_people(args.data / "lspet", "train", args.limit)
    store(args.out, people, ask(people, MoveNet(args.data / MODEL)))


if __name__ == "__main__":
    main()
