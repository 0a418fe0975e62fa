import numpy as np
import pytest

torch = pytest.importorskip("torch")

from train.models.moemo import (  # noqa: E402
    FUSIONS,
    JOINT_SUBSETS,
    MOVEMENTS,
    MoEmoOfficial,
    MoEmoX,
    movement_vectors,
    relative_positions,
)

CONTEXT = {"context_frames": 2, "context_tokens": 5, "context_width": 12}
SMALL = {"width": 16, "depth": 2, "heads": 2, **CONTEXT}


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_official_has_the_released_parameters_in_use():
    assert count(MoEmoOfficial()) == 25_305


def test_official_shapes_and_gradients():
    torch.manual_seed(0)
    network = MoEmoOfficial()
    logits = network(torch.randn(2, 16, 17, 3), torch.randn(2, 16, 50, 768))
    assert logits.shape == (2, 6)
    logits.square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_official_ignores_the_unused_layers_of_a_checkpoint():
    state = MoEmoOfficial().state_dict()
    state["end_conv.0.weight"] = torch.zeros(1)
    MoEmoOfficial().load_state_dict(state)  # strict


def test_relative_positions_depend_on_the_offset_alone():
    rows, columns = 3, 4
    index = relative_positions(rows, columns).numpy()
    seen = {}
    for a in range(12):
        for b in range(12):
            offset = (a // columns - b // columns, a % columns - b % columns)
            seen.setdefault(offset, set()).add(index[a, b])
    assert all(len(v) == 1 for v in seen.values())
    assert sorted(i for v in seen.values() for i in v) == list(range(5 * 7))


def test_movement_of_a_steady_walk():
    poses = torch.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 17, 3) * 0.1
    np.testing.assert_allclose(movement_vectors(poses, "delta"), 0.1, rtol=1e-6)
    both = movement_vectors(poses, "both")
    assert both.shape == (1, 3, 17, 9)
    np.testing.assert_allclose(both[0, 1, 4], [0.1] * 3 + [0.2] * 3 + [0.1] * 3, rtol=1e-6)


# Computed by hand for D = 256, 4 layers, 16 poses, CLIP ViT-B/32 tokens of 16 images.
LAYER = 4 * 256 * 256 + 4 * 256 + 8 * 256 * 256 + 5 * 256 + 4 * 256
MOVES = 6 * 256 + 256 + 17 * 256 + 15 * 256
SCENE = 2 * 768 + 768 * 256 + 256 + 50 * 256 + 16 * 256
ENDS = 256 + 2 * 256 + 6 * 256 + 6
EXPECTED = {
    "cross": 8 * LAYER + MOVES + SCENE + ENDS,
    "self": 4 * LAYER + MOVES + SCENE + ENDS,
    "concat": 4 * LAYER + MOVES + SCENE + ENDS + 6 * 256,
    "pose": 4 * LAYER + MOVES + ENDS,
    "context": 4 * LAYER + SCENE + ENDS,
}


@pytest.mark.parametrize("fusion", FUSIONS)
def test_parameters_of_the_extended_network(fusion):
    assert count(MoEmoX(fusion=fusion)) == EXPECTED[fusion]


def test_parameters_in_millions():
    assert f"{EXPECTED['cross'] / 1e6:.2f} {EXPECTED['self'] / 1e6:.2f}" == "6.55 3.39"


@pytest.mark.parametrize("fusion", FUSIONS)
def test_extended_gradients_reach_every_parameter(fusion):
    torch.manual_seed(0)
    network = MoEmoX(8, fusion=fusion, **SMALL)
    logits = network(torch.randn(3, 8, 17, 3), torch.randn(3, 2, 5, 12))
    assert logits.shape == (3, 6)
    logits.square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("frames", [4, 8, 12, 16])
@pytest.mark.parametrize("movement", MOVEMENTS)
def test_windows_and_movement(frames, movement):
    network = MoEmoX(frames, fusion="pose", movement=movement, width=8, depth=1, heads=2)
    assert network(torch.randn(2, frames, 17, 3)).shape == (2, 6)


@pytest.mark.parametrize(("joints", "number"), [("all", 17), ("no_head", 13), ("upper", 8), ("ends", 6)])
def test_joint_subset_alone_is_read(joints, number):
    subset = JOINT_SUBSETS[joints]
    assert len(subset) == len(set(subset)) == number
    network = MoEmoX(4, fusion="pose", joints=joints, width=8, depth=1, heads=2).eval()
    poses = torch.randn(1, 4, 17, 3, requires_grad=True)
    network(poses).sum().backward()
    assert tuple(poses.grad.abs().sum(dim=(0, 1, 3)).nonzero()[:, 0].tolist()) == subset


@pytest.mark.parametrize(("kind", "used"), [("all", 5), ("patch", 4), ("cls", 1)])
def test_context_tokens(kind, used):
    network = MoEmoX(4, context=kind, **SMALL).eval()
    context = torch.randn(1, 2, 5, 12, requires_grad=True)
    network(torch.randn(1, 4, 17, 3), context).square().sum().backward()
    read = context.grad.abs().sum(dim=(0, 1, 3)) > 0
    assert read.tolist() == [kind != "patch"] + [used > 1] * 4


def test_unknown_switch_names_the_known_ones():
    with pytest.raises(ValueError, match="fusion: 'add'.*cross"):
        MoEmoX(fusion="add")
