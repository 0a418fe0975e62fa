"""A network as a teacher: where it sees the joints of people whose labels are rough.

Symbols: N persons, J = 17 joints of COCO-17.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from posemo_ros.archives import read_npz
from posemo_ros.errors import InputError, ModelError
from posemo_ros.inference.manifest import KeypointSpec
from posemo_ros.inference.sessions import open_session
from posemo_ros.inference.store import ModelStore
from posemo_ros.keypoints.estimator import KeypointEstimator
from posemo_ros.metrics import keypoint_similarity, oks
from posemo_ros.skeleton import COCO17
from posemo_ros.types import Frame

from .augment import Matrix, mirror, transform, trunk_angle, upright_crop, warp
from .files import write_npz
from .people import Person

Answers = NDArray[np.float32]
Network = Callable[[NDArray[np.uint8]], Answers]  # (B, S, S, 3) BGR crops -> (B, J, 3) crop px, score
ALIKE = 0.5  # object keypoint similarity at which two answers, or an answer and a label, agree
SURE, VERY_SURE = 0.4, 0.7  # scores of a teacher who is believed about faces, and against a label
VIEWS = ((1.1, False), (1.25, True))  # enlargement of the crop, whether it is mirrored


def ask(
    people: Sequence[Person], network: Network, size: tuple[int, int], batch: int = 16, views: int = 2
) -> Answers:
    """What a network says of people turned upright by their labels, where its views agree.

    Args:
        people: N.
        network: The teacher.
        size: (w, h) of its crops, px.
        batch: Crops at a time.
        views: How many of ``VIEWS``; with one there is nothing to agree with.

    Returns:
        (N, J, 3) x px, y px in the photos, score; the score is 0 where the views differ.
    """
    areas = np.array([p.area for p in people])
    seen = [_view(people, network, size, batch, *view) for view in VIEWS[:views]]
    return agreed(seen[0], seen[-1], areas)


def _view(
    people: Sequence[Person],
    network: Network,
    size: tuple[int, int],
    batch: int,
    scale: float,
    mirrored: bool,
) -> Answers:
    answers: list[Answers] = []
    for start in range(0, len(people), batch):
        part = people[start : start + batch]
        matrices = [upright_crop(p, size, -trunk_angle(p.keypoints), scale) for p in part]
        crops = np.stack([warp(p.photo.pixels(), m, size) for p, m in zip(part, matrices, strict=True)])
        found = network(crops[:, :, ::-1] if mirrored else crops)
        answers += [_placed(a, m, size[0] if mirrored else 0) for a, m in zip(found, matrices, strict=True)]
    return np.stack(answers)


def station(model: str) -> tuple[Network, tuple[int, int]]:
    """A keypoint network of the manifest as a teacher, and the (w, h) of its crops.

    Raises:
        ModelError: It is unknown, not on this machine, or no keypoint network.
    """
    models = ModelStore()
    spec = models.spec(model).spec
    if not isinstance(spec, KeypointSpec):
        raise ModelError(f"{model}: a keypoint network is needed here; see `posemo models list`")
    estimator = KeypointEstimator(
        open_session(models.path(model), runtime="onnxruntime"), replace(spec, box_scale=1.0)
    )
    size = spec.input.width, spec.input.height
    whole = np.array([[0, 0, *size]], np.float32)

    def network(crops: NDArray[np.uint8]) -> Answers:
        found = [estimator.estimate(Frame(np.ascontiguousarray(crop)), whole)[0] for crop in crops]
        return np.nan_to_num(np.stack(found))

    return network, size


def _placed(answer: Answers, matrix: Matrix, mirrored: int) -> Answers:
    """(J, 3) of a crop, or of a mirrored crop so wide, in the photo."""
    out = mirror(answer, mirrored) if mirrored else answer.copy()
    out[:, :2] = transform(np.asarray(cv2.invertAffineTransform(matrix), np.float64), out[:, :2])
    return out


def agreed(a: Answers, b: Answers, areas: NDArray[np.floating]) -> Answers:
    """What two teachers say alike.

    Args:
        a, b: (N, J, 3) x, y, score.
        areas: (N,) px².

    Returns:
        (N, J, 3) their mean and the higher score; score 0 where they differ.
    """
    out = (a + b) / 2
    out[..., 2] = np.where(keypoint_similarity(a, b, areas) > ALIKE, np.maximum(a[..., 2], b[..., 2]), 0)
    return np.nan_to_num(out)


def learn_from(person: Person, teacher: Answers) -> tuple[Person, str]:
    """Somebody's labels after hearing the teacher: labels say roughly where, the teacher exactly.

    When the labels with left and right exchanged agree much better, they are exchanged. When
    the teacher agrees with the limbs, its sure face joints become labels (visibility 2), limb joints
    on which both agree move to where the teacher sees them, and those that a very sure teacher sees
    elsewhere lose their label. Labels that stay as they were are ``rough``.

    Args:
        person: With (J, 3) labels.
        teacher: (J, 3) x, y, score in the same photo.

    Returns:
        The person with new labels, and what was done: ``swapped``, ``agreed`` or ``kept``.
    """
    labels, swapped = person.keypoints, person.keypoints[COCO17.flip_index]
    same, other = _agreement(labels, teacher, person.area), _agreement(swapped, teacher, person.area)
    exchanged = other > 0.5 and other > same + 0.25
    out = (swapped if exchanged else labels).copy()
    rough = out[:, 2] > 0
    if max(same, other if exchanged else 0.0) > SURE:
        alike = keypoint_similarity(teacher, out, person.area)
        near = (alike > ALIKE) & (teacher[:, 2] > 0)
        elsewhere = (alike < 0.05) & (teacher[:, 2] > VERY_SURE)
        face = (np.arange(len(out)) < 5) & (teacher[:, 2] > SURE)
        out[near | face, :2] = teacher[near | face, :2]
        out[face, 2] = 2
        out[elsewhere & ~face, 2] = 0
        rough &= ~near & ~face
    dropped = (person.keypoints[:, 2] > 0) & (out[:, 2] == 0)  # visible, but nobody knows where
    done = "swapped" if exchanged else "agreed" if same > SURE else "kept"
    return replace(person, keypoints=out, complete=person.complete & ~dropped, rough=rough), done


def _agreement(labels: Answers, teacher: Answers, area: float) -> float:
    """Object keypoint similarity of the limbs; 0 when none is labelled."""
    limbs = labels.copy()
    limbs[:5, 2] = 0
    return float(np.nan_to_num(oks(teacher, limbs, area)))


def store(path: Path, people: Sequence[Person], answers: Answers) -> dict[str, int]:
    """Write answers (N, J, 3); how often ``learn_from`` does what with them."""
    write_npz(path, keypoints=answers, person_id=np.array([p.person_id for p in people], np.int64))
    verdicts = [learn_from(p, a)[1] for p, a in zip(people, answers, strict=True)]
    return {v: verdicts.count(v) for v in sorted(set(verdicts))}


def taught(people: Sequence[Person], path: Path) -> list[Person]:
    """Those people whom stored answers know, with the labels that ``learn_from`` makes.

    Raises:
        InputError: The file cannot be read, or has no answers.
    """
    what = "what `python -m train teach` wrote"
    arrays = read_npz(path, what)
    if not {"person_id", "keypoints"} <= arrays.keys():
        raise InputError(f"{path}: expected {what}, with the arrays person_id and keypoints")
    by_id = dict(zip(arrays["person_id"].tolist(), arrays["keypoints"], strict=True))
    return [learn_from(p, by_id[p.person_id])[0] for p in people if p.person_id in by_id]
