"""Training of the starter keypoint network: losses, batches, teacher, one step, export, figures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from posemo_ros.inference.sessions import open_session
from posemo_ros.keypoints.estimator import KeypointEstimator
from posemo_ros.types import Frame
from train.data.augment import Augmentation
from train.data.people import Person, Photo
from train.models.keypoint_net import KeypointNet
from train.starter import keypoint_metrics, keypoints, teacher
from train.starter.people_loader import Batch, Sampler, batches
from train.starter.teacher import learn_from

PLAIN = Augmentation(0, 0, 0, 0, 0, 0, 0, photometric=False)


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


def sampler(augmentation: Augmentation, empty_share: float = 0.0) -> Sampler:
    shares = {"coco": 1 - empty_share, "empty": empty_share}
    nobody = Photo("grey", b"", np.full((300, 300, 3), 60, np.uint8))
    return Sampler({"coco": [person()]}, shares, [nobody], keypoints.SIZE, augmentation, seed=0)


def test_samples_keep_the_wrist_on_its_side_also_mirrored() -> None:
    flips = set()
    for number in range(12):
        crop, points, weights, _ = sampler(PLAIN).sample(number)
        blue, _, red = np.moveaxis(crop.astype(int), 2, 0)
        rows, columns = np.nonzero(blue - red > 100)
        spot = np.array([columns.mean(), rows.mean()])
        ends = np.linalg.norm(points[[9, 10], :2] - spot, axis=1)
        flips.add(int(ends.argmin()))
        assert ends.min() < 1
        assert weights[[9, 10], 0].all()
    assert flips == {0, 1}


def test_nobody_teaches_low_scores_and_no_places() -> None:
    batch = sampler(PLAIN, empty_share=1.0).batch(0, 3)
    assert not batch.place.any()
    assert batch.judge.all()


def test_batches_can_be_taken_up_again() -> None:
    stream = batches(sampler(Augmentation()), 0, 2, ahead=2)
    later = batches(sampler(Augmentation()), 2, 2, ahead=2)
    for _ in range(2):
        next(stream)
    np.testing.assert_array_equal(next(stream).images, next(later).images)


def test_place_loss_is_least_at_the_gaussian() -> None:
    """Cross-entropy of a distribution with itself is its entropy."""
    points = torch.tensor([[[40.0, 60.0]]])
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(36.0), indexing="ij")
    right = -((x - 10) ** 2 + (y - 15) ** 2) / (2 * 1.5**2)
    distribution = right.flatten().softmax(0)
    entropy = -(distribution * distribution.clamp(min=1e-30).log()).sum()
    weight = torch.ones(1, 1)
    loss = keypoints.place_loss(right[None, None], points, weight, 1.5)
    assert loss.item() == pytest.approx(entropy.item(), rel=1e-4)
    assert keypoints.place_loss(right.roll(2, 1)[None, None], points, weight, 1.5) > loss
    assert keypoints.place_loss(right[None, None], points, 0 * weight, 1.5) == 0


def test_judgement_is_coco_similarity_of_the_highest_cell() -> None:
    maps = torch.zeros(1, 17, 48, 36)
    maps[0, :, 10, 20] = 1
    points = torch.tensor([80.0, 40.0]).repeat(17, 1)[None]
    points[0, 0, 0] += 5
    place = torch.ones(1, 17)
    place[0, 16] = 0
    found = keypoints.judgement(maps, points, place, torch.tensor([2500.0]))
    nose = np.exp(-25 / (2 * 2500 * (2 * 0.026) ** 2))
    assert found[0].tolist() == pytest.approx([nose, *[1] * 15, 0], abs=1e-5)


def test_the_teacher_adds_the_face_and_corrects_sides() -> None:
    labelled, teacher = person("lspet"), figure()
    teacher[:, 2] = 0.9
    labelled.keypoints[:5] = 0
    points, verdict = learn_from(labelled, teacher)
    assert verdict == "agreed"
    np.testing.assert_array_equal(points, figure())
    labelled.keypoints[[9, 10, 5, 6, 7, 8, 11, 12]] = figure()[[10, 9, 6, 5, 8, 7, 12, 11]]
    points, verdict = learn_from(labelled, teacher)
    assert verdict == "swapped"
    np.testing.assert_array_equal(points[9], figure()[9])
    teacher[:, :2] += 300
    points, verdict = learn_from(labelled, teacher)
    assert verdict == "kept"
    np.testing.assert_array_equal(points, labelled.keypoints)


def test_labels_meet_the_teacher_half_way_or_are_dropped() -> None:
    labelled, teacher = person("lspet"), figure()
    teacher[:, 2] = 0.9
    teacher[9, 0] += 2
    teacher[14, 1] += 200
    teacher[15, 1], teacher[15, 2] = teacher[15, 1] + 200, 0.5
    points, _ = learn_from(labelled, teacher)
    np.testing.assert_allclose(points[9, :2], figure()[9, :2] + (1, 0))
    assert points[14, 2] == 0
    np.testing.assert_array_equal(points[15], figure()[15])


def test_figures_of_perfect_and_missing_answers() -> None:
    people, truth = [person()], figure()[None]
    assert keypoint_metrics.by_group(people, truth)["legs"]["AP"] == pytest.approx(1)
    assert keypoint_metrics.similarities(people, truth) == pytest.approx([1])
    worse = truth.copy()
    worse[0, 9, 0] += 7
    worse[0, 13:] = (np.nan, np.nan, 0)
    groups = keypoint_metrics.by_group(people, worse)
    assert groups["face"]["AP"] == pytest.approx(1)
    assert groups["legs"]["AP"] == 0
    errors = keypoint_metrics.pixel_errors(people, worse)
    assert sorted(errors) == pytest.approx([0] * 12 + [7] + [np.inf] * 4)


@pytest.fixture
def run(shared_data: Path, tmp_path: Path) -> keypoints.Run:
    return keypoints.Run(
        tmp_path / "run", keypoints.Recipe(warmup=1, rate=1e-3, old_rate=5e-4), shared_data / keypoints.PEER
    )


@pytest.mark.shared
def test_training_learns_and_goes_on(run: keypoints.Run, shared_data: Path) -> None:
    batch: Batch = sampler(PLAIN).batch(0, 4)
    losses = [sum(run.advance(batch, 0.0)) for _ in range(6)]
    assert losses[-1] < losses[0]
    run.save()
    again = keypoints.Run(run.folder, run.recipe, shared_data / keypoints.PEER)
    assert again.step == 6
    torch.testing.assert_close(run.mean.state_dict(), again.mean.state_dict())


@pytest.mark.shared
def test_a_second_schedule_starts_from_the_first_ones_weights(
    run: keypoints.Run, shared_data: Path, tmp_path: Path
) -> None:
    run.advance(sampler(PLAIN).batch(0, 2), 0.0)
    run.save()
    second = keypoints.Run(tmp_path / "second", run.recipe, shared_data / keypoints.PEER)
    second.start_from(run.folder / "last.pt")
    assert second.step == 0
    for net in (second.net, second.mean):
        torch.testing.assert_close(net.state_dict(), run.mean.state_dict())


def test_exported_file_answers_as_in_training(tmp_path: Path) -> None:
    """The station with the exported file finds what ``predict`` finds with the network."""
    torch.manual_seed(0)
    net = KeypointNet().eval()
    keypoints.export_net(net, tmp_path / "net.onnx")
    session = open_session(tmp_path / "net.onnx", runtime="onnxruntime")
    estimator = KeypointEstimator(session, keypoints.SPEC)
    someone = person()
    found = estimator.estimate(Frame(someone.photo.pixels()), someone.box[None])
    expected = keypoints.predict(net, [someone], flip=True)
    np.testing.assert_allclose(found[..., 2], expected[..., 2] * np.isfinite(found[..., 0]), atol=1e-3)
    inside = np.isfinite(found[..., 0])
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.1)


def test_two_teachers_count_where_they_agree() -> None:
    a, b = figure()[None].copy(), figure()[None].copy()
    a[..., 2], b[..., 2] = 0.9, 0.5
    b[0, 9, 0] += 2
    b[0, 10, 0] += 200
    both = teacher.agreed(a, b, np.array([person().area]))
    np.testing.assert_allclose(both[0, 9], (*(figure()[9, :2] + (1, 0)), 0.9), rtol=1e-5)
    assert both[0, 10, 2] == 0
