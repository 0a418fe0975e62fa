import pytest

torch = pytest.importorskip("torch")

from train.models.attention import PLACEMENTS, AttentionModule, Placement  # noqa: E402
from train.models.hrnet import AttentionOptions, HRNet  # noqa: E402

EVERY_BRANCH = (0, 1, 2, 3)
SMALL = {"width": 8, "blocks": 2, "modules": (1, 1, 1)}


def build(width=32, **options):
    with torch.device("meta"):
        return HRNet(width, **options)


def count(module):
    return sum(p.numel() for p in module.parameters())


def norm(name):
    return [f"{name}.{p}" for p in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")]


def released_keys():
    """The names in pose_hrnet_w32_256x192.pth, written from its architecture."""
    keys = [
        "conv1.weight",
        *norm("bn1"),
        "conv2.weight",
        *norm("bn2"),
        "final_layer.weight",
        "final_layer.bias",
    ]

    def pair(name):
        keys.extend([f"{name}.0.weight", *norm(f"{name}.1")])

    for block in range(4):
        for i in (1, 2, 3):
            keys.extend([f"layer1.{block}.conv{i}.weight", *norm(f"layer1.{block}.bn{i}")])
    for name in (
        "layer1.0.downsample",
        "transition1.0",
        "transition1.1.0",
        "transition2.2.0",
        "transition3.3.0",
    ):
        pair(name)
    for stage, modules in ((2, 1), (3, 4), (4, 3)):
        for module in range(modules):
            for branch in range(stage):
                for block in range(4):
                    for i in (1, 2):
                        at = f"stage{stage}.{module}.branches.{branch}.{block}"
                        keys.extend([f"{at}.conv{i}.weight", *norm(f"{at}.bn{i}")])
            for target in range(1 if (stage, module) == (4, 2) else stage):
                for source in range(stage):
                    path = f"stage{stage}.{module}.fuse_layers.{target}.{source}"
                    if source > target:
                        pair(path)
                    for step in range(target - source):
                        pair(f"{path}.{step}")
    return keys


def test_names_are_those_of_the_released_weights():
    keys = released_keys()
    assert len(keys) == 1754
    assert set(build().state_dict()) == set(keys)


@pytest.mark.parametrize(
    ("placement", "number", "w32", "w48"),
    [
        ("none", 0, 28_536_113, 63_595_745),
        ("six", 6, 28.540e6, 63.604e6),
        ("sixteen", 16, 28.590e6, 63.718e6),
        (Placement(EVERY_BRANCH, last_module=False), 52, 28.932e6, 64.487e6),
        (Placement(EVERY_BRANCH, blocks=4, last_module=False), 104, 29.329e6, 65.379e6),
        ("all", 108, 29_476_145, 65.526e6),
    ],
)
def test_parameters_and_number_of_attention_modules(placement, number, w32, w48):
    for width, expected in ((32, w32), (48, w48)):
        network = build(width, attention=AttentionOptions(placement))
        assert count(network) == pytest.approx(expected, abs=600 if isinstance(expected, float) else 0)
        assert sum(isinstance(m, AttentionModule) for m in network.modules()) == number


def test_w48_reaches_the_papers_number_with_another_ratio_only():
    assert count(build(48, attention=AttentionOptions("all", s=3))) == 66_208_993


def test_placement_by_subnetwork_and_stage():
    def places(placement):
        network = build(attention=AttentionOptions(placement))
        return {n.rsplit(".", 2)[0] for n, m in network.named_modules() if isinstance(m, AttentionModule)}

    assert places(Placement((1,))) == {"stage2.0.branches.1", "stage3.3.branches.1", "stage4.2.branches.1"}
    assert places(Placement(EVERY_BRANCH, stages=(3,))) == {f"stage3.3.branches.{b}" for b in range(3)}
    assert places(PLACEMENTS["six"]) == {"stage2.0.branches.0", "stage3.3.branches.0", "stage4.2.branches.0"}


def test_attention_is_a_thirty_second_of_a_basic_block():  # eq. 2
    block = build().stage2[0].branches[0][0]
    convolutions = count(block.conv1) + count(block.conv2)
    assert count(AttentionModule(32)) * 32 == convolutions


def test_attention_by_hand():
    module = AttentionModule(4, s=2).double()
    x = torch.randn(1, 4, 3, 5).double()
    weights = [getattr(module, n).weight.detach()[..., 0, 0] for n in ("shrink", "middle", "expand")]
    g = x.mean(dim=(2, 3))[0]
    g = weights[2] @ (weights[1] @ (weights[0] @ g).clamp(min=0)).clamp(min=0)
    expected = x * (1 / (1 + torch.exp(-g)))[None, :, None, None]
    torch.testing.assert_close(module(x), expected)


def test_without_pooling_every_place_has_its_own_gate():
    module = AttentionModule(8, pool=False)
    for weight in module.parameters():
        weight.data.abs_()  # so that no ReLU is dead by chance
    x = torch.rand(1, 8, 4, 4) + 0.5
    gate = module(x) / x
    torch.testing.assert_close(module(x[..., 1:2, 2:3]), (gate * x)[..., 1:2, 2:3])
    assert gate.std(dim=(2, 3)).max() > 0


def test_identity_start_changes_nothing_at_first():
    plain = HRNet(**SMALL).eval()
    gated = HRNet(**SMALL, attention=AttentionOptions("all", identity_start=True)).eval()
    missing, unexpected = gated.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert all(".attention." in k for k in missing)
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(gated(x), plain(x))


@pytest.mark.parametrize("options", [{}, {"pre_add": True}, {"pool": False}])
def test_small_variant_shapes_and_gradients(options):
    torch.manual_seed(0)
    network = HRNet(**SMALL, attention=AttentionOptions("all", **options))
    for name, weight in network.named_parameters():
        if ".attention." in name:  # so narrow that all its ReLUs may happen to rest
            weight.data.abs_().mul_(0.1)
    heatmaps = network(torch.randn(2, 3, 96, 64))
    assert heatmaps.shape == (2, 17, 24, 16)
    heatmaps.square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_unknown_placement_names_the_known_ones():
    with pytest.raises(ValueError, match="sixteen"):
        HRNet(**SMALL, attention=AttentionOptions("seven"))


def test_small_layer1_is_that_of_w18_small_v1():
    """HRNet's code for classification: one bottleneck of 32 narrow channels, 128 wide."""
    network = HRNet(16, blocks=2, modules=(1, 1, 1), layer1=(1, 32))
    assert network.layer1[0].conv2.weight.shape == (32, 32, 3, 3)
    assert network.transition1[0][0].weight.shape == (16, 128, 3, 3)
    assert network(torch.zeros(1, 3, 128, 96)).shape == (1, 17, 32, 24)
