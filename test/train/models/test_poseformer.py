import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from train.models.interaction import SpatialAttentionModule, TemporalAttentionModule  # noqa: E402
from train.models.poseformer import POSITIONS, PoseFormer  # noqa: E402


def count(module):
    return sum(p.numel() for p in module.parameters())


# Frames -> parameters; measured on the released network; then paper B's (Table IX prints 9.85, 9.86, 9.86 M).
RELEASED = {9: 9_563_645, 27: 9_573_455, 81: 9_602_885, 243: 9_691_175}
PAPER_B = {9: 9_848_317, 27: 9_858_127, 81: 9_887_557}


@pytest.mark.parametrize("frames", RELEASED)
def test_parameters_of_the_released_network(frames):
    assert count(PoseFormer(frames)) == RELEASED[frames]


@pytest.mark.parametrize("frames", PAPER_B)
def test_parameters_with_sam_and_tam(frames):
    network = PoseFormer(frames, sam="after_msa", tam="after_msa")
    assert count(network) == PAPER_B[frames]


@pytest.mark.parametrize("position", POSITIONS[1:])
def test_position_changes_the_function_but_not_the_size(position):
    torch.manual_seed(0)
    both = PoseFormer(9, width=8, depth=1, heads=2, sam=position, tam=position).eval()
    reference = PoseFormer(9, width=8, depth=1, heads=2, sam="after_msa", tam="after_msa").eval()
    reference.load_state_dict(both.state_dict())
    x = torch.randn(1, 9, 17, 2)
    assert torch.equal(both(x), reference(x)) == (position == "after_msa")


def test_unknown_position_names_the_known_ones():
    with pytest.raises(ValueError, match="after_msa"):
        PoseFormer(9, sam="behind")


@pytest.mark.parametrize(("head", "poses"), [("weighted", 1), ("sequence", 9)])
def test_shapes_and_gradients(head, poses):
    network = PoseFormer(
        9, channels=3, width=8, depth=2, heads=2, sam="before_msa", tam="after_mlp", head=head
    )
    out = network(torch.randn(4, 9, 17, 3))
    assert out.shape == (4, poses, 17, 3)
    out.square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_sam_is_equation_5():
    torch.manual_seed(1)
    sam = SpatialAttentionModule(4, groups=2).double()
    for p in sam.parameters():
        torch.nn.init.normal_(p)
    x = torch.randn(1, 6, 4).double()

    def convolve(y, conv):  # y (J, D), one filter of 5 taps per channel
        padded = np.pad(y, ((2, 2), (0, 0)))
        w, b = conv.weight.detach().numpy()[:, 0], conv.bias.detach().numpy()
        return np.stack([(padded[j : j + 5] * w.T).sum(0) + b for j in range(len(y))])

    y = convolve(x[0].numpy(), sam.conv1)
    y = y * 0.5 * (1 + np.vectorize(math.erf)(y / math.sqrt(2)))
    groups = y.reshape(6, 2, 2)
    mean = groups.mean((0, 2), keepdims=True)
    groups = (groups - mean) / np.sqrt(groups.var((0, 2), keepdims=True) + 1e-5)
    y = groups.reshape(6, 4) * sam.norm.weight.detach().numpy() + sam.norm.bias.detach().numpy()
    y = convolve(y, sam.conv2) + x[0].numpy()
    np.testing.assert_allclose(sam(x)[0].detach().numpy(), y, atol=1e-12)


@pytest.mark.parametrize("norm", ["softmax", "dot"])
def test_tam_correlates_every_pair_of_frames(norm):
    torch.manual_seed(2)
    tam = TemporalAttentionModule(4, rank=3, groups=1, norm=norm).double()
    x = torch.randn(1, 5, 4).double()
    p = x[0].numpy()
    k, q, v = (p @ getattr(tam, n).weight.detach().numpy()[..., 0].T for n in "kqv")  # eq. 7
    c = np.array([[q[i] @ k[j] for j in range(5)] for i in range(5)])
    if norm == "softmax":
        c = np.exp(c / math.sqrt(3))
        c = c / c.sum(1, keepdims=True)
    else:
        c = c / 5
    y = c @ v @ tam.proj.weight.detach().numpy()[..., 0].T
    y = (y - y.mean()) / np.sqrt(y.var() + 1e-5)
    np.testing.assert_allclose(tam(x)[0].detach().numpy(), p + y, atol=1e-12)
