import math

import pytest

torch = pytest.importorskip("torch")

from train.models.losses import heatmap_loss, lifting_loss, position_error  # noqa: E402


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
