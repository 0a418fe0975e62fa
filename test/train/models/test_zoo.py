import pytest

torch = pytest.importorskip("torch")

from posemo_ros.errors import InputError, ModelError  # noqa: E402
from train.models.weights import fill  # noqa: E402
from train.models.zoo import NETWORKS, build  # noqa: E402

# Small forms of every network of the zoo; CLIP has a test file of its own.
SMALL = {
    "rtmdet_nano": {"side": 64},
    "hrnet": {"width": 8, "blocks": 1, "modules": (1, 1, 1), "placement": "all", "crop_width": 64},
    "poseformer": {"frames": 9, "width": 8, "depth": 1, "sam": "after_msa", "tam": "after_msa"},
    "crossformer": {},
    "pstmo": {"frames": 9, "layers": 1, "width": 16, "hidden": 16},
    "motionagformer": {"frames": 9, "layers": 1, "width": 16},
    "thunder": {"crop_width": 64, "crop_height": 96},
    "lightning": {"crop_width": 64, "crop_height": 96},
    "keypoint_net": {"crop_width": 64, "crop_height": 96},
    "temporal_lifter": {"frames": 9, "width": 16},
    "descriptor_emotion": {"width": 16},
    "moemo_official": {},
    "moemo_x": {"frames": 4, "width": 16, "depth": 1, "context_frames": 2},
}


def test_every_network_is_tested():
    assert set(SMALL) == set(NETWORKS) - {"clip", "cnn_context", "image_baseline"}


@pytest.mark.parametrize("name", SMALL)
def test_evaluation_is_deterministic_and_samples_do_not_mix(name):
    torch.manual_seed(0)
    entry = build(name, **SMALL[name])
    network = entry.network.eval()

    def run(part):
        with torch.no_grad():
            out = network(*(v[part] for v in entry.inputs.values()))
        return out[0] if isinstance(out, tuple) else out

    whole = run(slice(0, 2))
    assert torch.equal(whole, run(slice(0, 2)))
    torch.testing.assert_close(run(slice(1, 2)), whole[1:], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(run([1, 0]), whole.flip(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_missing_parameters_are_named(name):
    network = build(name, **SMALL[name]).network
    state = network.state_dict()
    lost = [next(iter(state)), list(state)[-1]]
    for key in lost:
        del state[key]
    with pytest.raises(ModelError, match=rf"file\.pth does not fit \w+: missing: {lost[0]}, {lost[1]}$"):
        fill(network, state, "file.pth")


def test_unknown_network_names_the_known_ones():
    with pytest.raises(ValueError, match="'hourglass' is not one of .*hrnet, .*poseformer"):
        build("hourglass")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"nonsense": 1}, "the network poseformer has no option 'nonsense'"),
        ({"frames": "x"}, "poseformer cannot be made with frames='x': "),
        ({"frames": -3}, "poseformer cannot be made with frames=-3: "),
    ],
)
def test_options_that_no_network_has_are_named(options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        build("poseformer", **options)
