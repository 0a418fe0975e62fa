import math

import pytest

torch = pytest.importorskip("torch")

from train.models.losses import heatmap_loss, heatmap_targets, lifting_loss, position_error  # noqa: E402


def test_heatmap_targets_cell_by_cell():
    targets, weights = heatmap_targets(torch.tensor([[[10.4, 5.6], [-1.0, 3.0]]]), (16, 20))
    assert targets.shape == (1, 2, 16, 20)
    for joint, (cx, cy) in enumerate([(10, 6), (-1, 3)]):
        for y in range(16):
            for x in range(20):
                near = abs(x - cx) <= 6 and abs(y - cy) <= 6
                expected = math.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 8) if near else 0.0
                assert targets[0, joint, y, x].item() == pytest.approx(expected, abs=1e-6)
    assert weights.tolist() == [[1, 1]]


def test_gaussians_wholly_outside_do_not_count():
    far = torch.tensor([[[-7.0, 3.0], [-6.0, 3.0], [25.0, 3.0], [26.0, 3.0], [4.0, 22.0]]])
    targets, weights = heatmap_targets(far, (16, 20))
    assert weights.tolist() == [[0, 1, 1, 0, 0]]
    assert (targets.sum(dim=(2, 3)) > 0).tolist() == [[False, True, True, False, False]]


def test_heatmap_loss_skips_unlabelled_joints():
    predicted, target = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    predicted[0, 0, 0, 0], predicted[0, 1] = 2.0, 100.0
    assert heatmap_loss(predicted, target, torch.tensor([[1.0, 0.0]])).item() == pytest.approx(0.5 * 4 / 8)


def test_lifting_loss_adds_the_centre_frame():
    target = torch.zeros(1, 3, 2, 3)
    sequence = target.clone()
    sequence[0, 0, 0] = torch.tensor([3.0, 4.0, 0.0])  # 5 away, one of six joints
    centre = torch.ones(1, 1, 2, 3)
    assert position_error(sequence, target).item() == pytest.approx(5 / 6)
    loss = lifting_loss(sequence, centre, target, sequence_weight=0.6, centre_weight=2.0)
    assert loss.item() == pytest.approx(0.6 * 5 / 6 + 2 * math.sqrt(3))
