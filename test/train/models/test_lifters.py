import pytest

torch = pytest.importorskip("torch")

from train.models.counting import count_macs, count_parameters  # noqa: E402
from train.models.crossformer import UNUSED, CrossFormer  # noqa: E402
from train.models.hrnet import HRNet  # noqa: E402
from train.models.motionagformer import MotionAGFormer, joint_adjacency, most_similar  # noqa: E402
from train.models.poseformer import PoseFormer  # noqa: E402
from train.models.pstmo import PSTMO, StdNorm  # noqa: E402
from train.models.pstmo_pretraining import PSTMOPretraining, draw_masks  # noqa: E402
from train.models.weights import fill  # noqa: E402


def on_meta(build, *shapes):
    with torch.device("meta"):
        return build().eval(), [torch.empty(s) for s in shapes]


# Frames -> parameters with 3 and 4 layers (millions where the specification rounds), pre-training.
PSTMO_SIZES = {9: (4.664, 5.191), 27: (4.683, 5.210), 81: (5.527, 6.054), 243: (6.482278, 7.009382)}


@pytest.mark.parametrize("frames", PSTMO_SIZES)
def test_pstmo_parameters(frames):
    for layers, expected in zip((3, 4), PSTMO_SIZES[frames], strict=True):
        digits = 6 if frames == 243 else 3
        network, _ = on_meta(lambda layers=layers: PSTMO(frames, layers=layers))
        assert round(count_parameters(network) / 1e6, digits) == expected


def test_pstmo_pretraining_parameters():
    sizes = [count_parameters(on_meta(lambda n=n: PSTMOPretraining(243, layers=n))[0]) for n in (3, 4)]
    assert [round(n / 1e6, 3) for n in sizes] == [2.656, 3.316]


def test_motionagformer_parameters():
    xs, _ = on_meta(MotionAGFormer)
    s, _ = on_meta(lambda: MotionAGFormer(81, layers=26))
    assert [round(count_parameters(n) / 1e6, 2) for n in (xs, s)] == [2.24, 4.82]


def test_crossformer_parameters_are_the_released_ones_in_use():
    # 14,790,259 in the released class; the unused ones, counted from its constructor:
    once = (16 * 2 + 16) + (136 * 544 + 136) + 2 * 16 + (16 * 32 + 32) + 2 * 32 + 2 * 136 + (136 * 544 + 544)
    once += 2 * 544 + (2 * 32 + 32) + 2 * 544 + 2 * 17 + 2 * 352 + 2 * 11 + (17 * 17 + 17) + (11 * 11 + 11)
    once += 544 + 32 * 17 + 544 + 17 * 32 + 17 * 32 + 544 + 17 * 16 + 136 + 11 * 32 + 352
    spatial = 81 + 2 * 81 + 2 * 32 + 2 * 32 + (17 * 17 * 5 + 17)
    temporal = 81 + 2 * 81
    assert count_parameters(CrossFormer()) + once + 4 * (spatial + temporal) == 14_790_259


# Network, input, multiply-accumulates in 1e9 (layers, products), how many digits are given, source.
MACS = {
    "HRNet-W32": (lambda: HRNet(32), (1, 3, 256, 192), 7.645, None, 3),
    "HRNet-W32 384": (lambda: HRNet(32), (1, 3, 384, 288), 17.20, None, 2),
    "HRNet-W48": (lambda: HRNet(48), (1, 3, 256, 192), 15.692, None, 3),
    "HRNet-W48 384": (lambda: HRNet(48), (1, 3, 384, 288), 35.31, None, 2),
    "PoseFormer 9": (lambda: PoseFormer(9), (1, 9, 17, 2), 0.090, 0.001, 3),
    "PoseFormer 27": (lambda: PoseFormer(27), (1, 27, 17, 2), 0.271, 0.005, 3),
    "PoseFormer 81": (lambda: PoseFormer(81), (1, 81, 17, 2), 0.812, 0.035, 3),
    "MotionAGFormer-XS": (MotionAGFormer, (1, 27, 17, 3), 1.0, 0.1, 1),
}


@pytest.mark.parametrize("name", MACS)
def test_multiply_accumulates(name):
    build, shape, layers, products, digits = MACS[name]
    network, inputs = on_meta(build, shape)
    macs = count_macs(network, *inputs)
    assert round(macs.layers / 1e9, digits) == layers
    if products is not None:
        assert round(macs.products / 1e9, digits) == products


def test_motionagformer_s_multiply_accumulates():
    network, inputs = on_meta(lambda: MotionAGFormer(81, layers=26), (1, 81, 17, 3))
    # The paper says 6.6 G without saying what it counts; the layers alone come closest.
    assert count_macs(network, *inputs).layers / 1e9 == pytest.approx(6.6, rel=0.02)


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (CrossFormer, (2, 81, 17, 2)),
        (lambda: PSTMO(9, layers=1, width=16, hidden=16, heads=2), (3, 9, 17, 2)),
        (lambda: MotionAGFormer(9, layers=2, width=16, heads=2), (2, 9, 17, 3)),
    ],
    ids=["crossformer", "pstmo", "motionagformer"],
)
def test_gradients_reach_every_trained_parameter(build, shape):
    torch.manual_seed(0)
    network = build()
    out = network(torch.randn(shape))
    sum(o.square().sum() for o in (out if isinstance(out, tuple) else (out,))).backward()
    trained = {n: p for n, p in network.named_parameters() if p.requires_grad}
    assert [n for n, p in trained.items() if p.grad is None or not p.grad.any()] == []
    idle = {n for n, p in network.named_parameters() if not p.requires_grad}
    assert all(n.endswith(("model.norm.a_2", "model.norm.b_2")) for n in idle)


def test_pretraining_guesses_hidden_joints_from_the_seen_ones():
    torch.manual_seed(0)
    network = PSTMOPretraining(9, layers=2, width=16, hidden=16, heads=2).eval()
    frames, joints = draw_masks(9, 17, frame_ratio=0.6, joints_per_frame=2)
    keypoints = torch.randn(3, 9, 17, 2, requires_grad=True)
    guess = network(keypoints, frames, joints)
    assert guess.shape == (3, 9, 17, 2)
    guess.square().sum().backward()
    seen = ~frames[:, None] & ~joints
    assert torch.equal(keypoints.grad.abs().sum(dim=(0, 3)) > 0, seen)
    trained = {n: p for n, p in network.named_parameters() if p.requires_grad}
    assert [n for n, p in trained.items() if p.grad is None or not p.grad.any()] == []


def test_pretrained_weights_fit_the_lifter():
    sizes = {"layers": 2, "width": 16, "hidden": 16, "heads": 2}
    before = PSTMOPretraining(9, **sizes)
    wanted = {k: v for k, v in before.state_dict().items() if k.startswith(("encoder.", "Transformer."))}
    after = PSTMO(9, **sizes)
    fill(after, wanted, "pre-training", may_miss=["Transformer_reduce.*", "fcn*"])
    assert torch.equal(after.Transformer.pos_embedding, before.Transformer.pos_embedding)


@pytest.mark.parametrize(("released", "last"), [(True, 16), (False, 17)])
def test_masks(released, last):
    generator = torch.Generator().manual_seed(1)
    frames, joints = draw_masks(
        243, 17, frame_ratio=0.8, joints_per_frame=3, released=released, generator=generator
    )
    assert frames.sum() == int(243 * 0.8)
    assert (joints.sum(dim=1) == 3).all()
    assert torch.equal(joints.any(dim=0).nonzero()[:, 0], torch.arange(last))


def test_std_norm_is_the_unbiased_deviation_plus_epsilon():
    x = torch.randn(5, 8).double()
    expected = (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-6)
    torch.testing.assert_close(StdNorm(8).double()(x), expected)


def test_crossformer_can_repeat_the_forgotten_zeros():
    torch.manual_seed(0)
    plain, zeroing = CrossFormer().eval(), CrossFormer(zero_frames=True).eval()
    zeroing.load_state_dict(plain.state_dict())
    x = torch.randn(1, 81, 17, 2)
    blanked = x.clone()
    blanked[:, 10:16] = 0
    assert not torch.allclose(plain(x), zeroing(x))
    torch.testing.assert_close(plain(blanked), zeroing(x))


def test_crossformer_drops_unused_parameters_only():
    state = CrossFormer().state_dict()
    assert not [k for k in state if UNUSED.match(k)]
    CrossFormer().load_state_dict(
        {**state, "top_pos_embed": torch.zeros(1, 544), "blocks1.0.gamma4": torch.zeros(1)}
    )
    with pytest.raises(RuntimeError, match="blocks1.0.gamma5"):
        CrossFormer().load_state_dict({**state, "blocks1.0.gamma5": torch.zeros(1)})


def test_joint_graph_is_symmetric_unless_the_released_one_is_asked_for():
    ours, released = joint_adjacency(), joint_adjacency(released=True)
    assert torch.equal(ours, ours.T)
    assert ours.sum() == 2 * 16
    lacking = (ours - released).nonzero().tolist()
    assert lacking == [[0, 4], [8, 11], [8, 14]]  # pelvis from left hip, thorax from shoulders


def test_frames_look_at_the_most_similar_ones():
    x = torch.tensor([[[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]])
    assert most_similar(x, 2).tolist() == [[[1, 1, 0], [1, 1, 0], [0, 1, 1]]]
