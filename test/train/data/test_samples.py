"""What the starter keypoint networks are trained on: crops, the teacher's labels, figures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from train.data import keypoint_protocol, teacher
from train.data.augment import PAD, Augmentation
from train.data.people import Person, Photo
from train.data.samples import Nobody, Sampler

PLAIN = Augmentation(0, 0, 0, 0, 0, 0, 0, 0, photometric=False)
SIZE = (192, 256)


def figure() -> np.ndarray:
    """(17, 3) of somebody who stands with spread arms, 120 px high."""
    xy = [
        (0, -50), (3, -53), (-3, -53), (6, -52), (-6, -52), (15, -35), (-15, -35), (35, -33), (-35, -33),
        (55, -34), (-55, -34), (9, 5), (-9, 5), (10, 35), (-10, 35), (11, 65), (-11, 65),
    ]  # fmt: skip
    return np.column_stack((np.array(xy, np.float32) + (100, 90), np.full(17, 2))).astype(np.float32)


def person(source: str = "coco") -> Person:
    """Somebody on a photo that has a blue dot at the left wrist alone."""
    pixels = np.full((180, 200, 3), 60, np.uint8)
    cv2.circle(pixels, (155, 56), 4, (255, 0, 0), -1)
    return Person(
        photo=Photo("drawn", b"", pixels),
        box=np.array([40, 30, 160, 160], np.float32),
        keypoints=figure(),
        area=8000.0,
        complete=np.ones(17, np.bool_),
        outline=np.zeros((0, 2), np.float32),
        image_id=1,
        person_id=1,
        source=source,
    )


def sampler(augmentation: Augmentation, empty_share: float = 0.0, boxes: int = 0) -> Sampler:
    shares = {"coco": 1 - empty_share, "empty": empty_share}
    pixels = np.full((300, 300, 3), 60, np.uint8)
    pixels[100:200, 120:160] = 200
    box = np.array([[120, 100, 160, 200]], np.float32)[:boxes]
    return Sampler(
        {"coco": [person()]}, shares, [Nobody(Photo("grey", b"", pixels), box)], SIZE, augmentation
    )


def test_samples_keep_the_wrist_on_its_side_also_mirrored() -> None:
    flips = set()
    for number in range(12):
        sample = sampler(PLAIN).sample(np.random.default_rng(number))
        blue, _, red = np.moveaxis(sample.crop.astype(int), 2, 0)
        rows, columns = np.nonzero(blue - red > 100)
        spot = np.array([columns.mean(), rows.mean()])
        ends = np.linalg.norm(sample.keypoints[[9, 10], :2] - spot, axis=1)
        flips.add(int(ends.argmin()))
        assert ends.min() < 1
        assert sample.place[[9, 10]].all()
    assert flips == {0, 1}


def test_nobody_teaches_low_scores_and_no_places() -> None:
    batch = sampler(PLAIN, empty_share=1.0).draw(np.random.default_rng(0), 3)
    assert not batch["place"].any()
    assert batch["judge"].all()


def test_nobody_is_looked_at_where_a_detector_is_mistaken() -> None:
    middles = []
    for number in range(20):
        crop = sampler(PLAIN, empty_share=1.0, boxes=1).sample(np.random.default_rng(number)).crop
        middles.append(int(crop[128, 96, 0]) == 200 and int(crop[128, 4, 0]) == 60)
    assert 5 < sum(middles) < 20


def test_batches_depend_on_the_generator_alone() -> None:
    first, again = (sampler(Augmentation()).draw(np.random.default_rng((0, 5)), 2) for _ in range(2))
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])


def test_what_the_edge_of_a_photo_cuts_off_is_not_there() -> None:
    cut = Augmentation(0, 0, 0, 0, 0, 0, 0, 1, photometric=False)
    sample = sampler(cut).sample(np.random.default_rng(1))
    bottom = np.flatnonzero((sample.crop != PAD).any((1, 2)))[-1] + 1
    below = sample.keypoints[:, 1] >= bottom
    assert below.any()
    assert not sample.place[below].any()
    assert sample.judge[below].all()


def test_the_teacher_adds_the_face_and_corrects_sides() -> None:
    labelled, said = person("lspet"), figure()
    said[:, 2] = 0.9
    labelled.keypoints[:5] = 0
    learner, verdict = teacher.learn_from(labelled, said)
    assert verdict == "agreed"
    np.testing.assert_array_equal(learner.keypoints, figure())
    assert not learner.rough.any()
    labelled.keypoints[[9, 10, 5, 6, 7, 8, 11, 12]] = figure()[[10, 9, 6, 5, 8, 7, 12, 11]]
    learner, verdict = teacher.learn_from(labelled, said)
    assert verdict == "swapped"
    np.testing.assert_array_equal(learner.keypoints[9], figure()[9])
    said[:, :2] += 300
    learner, verdict = teacher.learn_from(labelled, said)
    assert verdict == "kept"
    np.testing.assert_array_equal(learner.keypoints, labelled.keypoints)
    assert learner.rough[5:].all()


def test_labels_go_to_where_the_teacher_sees_them_or_are_dropped() -> None:
    labelled, said = person("lspet"), figure()
    said[:, 2] = 0.9
    said[9, 0] += 2
    said[14, 1] += 200
    said[15, 1], said[15, 2] = said[15, 1] + 200, 0.5
    learner, _ = teacher.learn_from(labelled, said)
    np.testing.assert_allclose(learner.keypoints[9, :2], figure()[9, :2] + (2, 0))
    assert learner.keypoints[14, 2] == 0
    assert not learner.complete[14]
    np.testing.assert_array_equal(learner.keypoints[15], figure()[15])
    assert learner.rough[15]
    assert not learner.rough[9]


def test_two_views_count_where_they_agree() -> None:
    a, b = figure()[None].copy(), figure()[None].copy()
    a[..., 2], b[..., 2] = 0.9, 0.5
    b[0, 9, 0] += 2
    b[0, 10, 0] += 200
    both = teacher.agreed(a, b, np.array([person().area]))
    np.testing.assert_allclose(both[0, 9], (*(figure()[9, :2] + (1, 0)), 0.9), rtol=1e-5)
    assert both[0, 10, 2] == 0


def test_a_teacher_is_asked_in_the_photo_and_in_the_mirror() -> None:
    """One that finds the blue dot puts it where it is, whichever side it calls it."""

    def dot(crops: np.ndarray) -> np.ndarray:
        out = np.ones((len(crops), 17, 3), np.float32)
        for row, crop in zip(out, crops.astype(int), strict=True):
            rows, columns = np.nonzero(crop[..., 0] - crop[..., 2] > 100)
            row[:, :2] = columns.mean(), rows.mean()
        return out

    found = teacher.ask([person()], dot, (256, 256))
    np.testing.assert_allclose(found[0, :, :2], [[155, 56]] * 17, atol=0.7)
    assert (found[..., 2] == 1).all()


def test_figures_of_perfect_and_missing_answers() -> None:
    people, truth = [person()], figure()[None]
    assert keypoint_protocol.by_group(people, truth)["legs"]["AP"] == pytest.approx(1)
    assert keypoint_protocol.similarities(people, truth) == pytest.approx([1])
    worse = truth.copy()
    worse[0, 9, 0] += 7
    worse[0, 13:] = (np.nan, np.nan, 0)
    groups = keypoint_protocol.by_group(people, worse)
    assert groups["face"]["AP"] == pytest.approx(1)
    assert groups["legs"]["AP"] == 0
