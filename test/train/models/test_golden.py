"""The same weights give the same output as the public implementations.

Each record in ``golden/`` says which code was run beside ours, at which commit, with which weights
and input, what came out, and how far the two were apart. The numbers that fill weights and inputs
come from NumPy's frozen Mersenne generator, seeded by the tensor's name: the same everywhere and
for ever, whatever the order of the layers.
"""

import importlib
import json
import zlib
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

WEIGHT_RULE = (
    "u = RandomState(crc32(name)).uniform(-1, 1, shape), as float32. "
    "Integer and boolean tensors: unchanged. *running_var: 1 + 0.5 |u|. "
    "2 or more dimensions: u * sqrt(3 / product of all but the first). "
    "One dimension, name ends in weight, a_2, gamma1-4, layer_scale_1-2: 1 + 0.1 u. Else: 0.1 u."
)
INPUT_RULE = "RandomState(crc32(name)).uniform(-1, 1, shape), as float32"
SCALES = ("weight", "a_2", "gamma1", "gamma2", "gamma3", "gamma4", "layer_scale_1", "layer_scale_2")


def uniform(name, shape):
    state = np.random.RandomState(zlib.crc32(name.encode()))
    return torch.from_numpy(state.uniform(-1, 1, tuple(shape)).astype(np.float32))


def weight(name, old):
    if not old.is_floating_point():
        return old
    u = uniform(name, old.shape)
    if name.endswith("running_var"):
        return 1 + 0.5 * u.abs()
    if old.ndim >= 2:
        return u * (3 / old[0].numel()) ** 0.5
    return 1 + 0.1 * u if name.endswith(SCALES) else 0.1 * u


def filled(network):
    """The network in eval mode, with its weights filled by the rule."""
    network.load_state_dict({k: weight(k, v) for k, v in network.state_dict().items()})
    return network.eval()


RECORDS = sorted((Path(__file__).parent / "golden").glob("*.json"))


def make_input(name, value):
    if name == "hidden_frames":
        return torch.tensor(value, dtype=torch.bool)
    if name == "hidden_joints":
        mask = torch.zeros(len(value), 17, dtype=torch.bool)
        for frame, joints in enumerate(value):
            mask[frame, joints] = True
        return mask
    return uniform(name, value)


def test_records_exist_for_every_public_implementation():
    sources = {json.loads(r.read_text())["reference"]["repository"].split("/")[-1] for r in RECORDS}
    assert sources == {
        "deep-high-resolution-net.pytorch",
        "PoseFormer",
        "CrossFormer",
        "P-STMO",
        "MotionAGFormer",
        "MoEmo_Vision_Transformer",
    }


@pytest.mark.parametrize("path", RECORDS, ids=lambda p: p.stem)
def test_output_equals_the_reference(path):
    record = json.loads(path.read_text())
    assert record["largest_difference"] <= 1e-5
    assert (record["weight_rule"], record["input_rule"]) == (WEIGHT_RULE, INPUT_RULE)
    module, name = record["network"].split(".")
    network = filled(getattr(importlib.import_module(f"train.models.{module}"), name)(**record["options"]))
    with torch.no_grad():
        got = network(*(make_input(k, v) for k, v in record["inputs"].items()))
    for tensor, (key, expected) in zip(
        got if isinstance(got, tuple) else (got,), record["outputs"].items(), strict=True
    ):
        assert list(tensor.shape) == expected["shape"], key
        values = tensor.flatten()[expected["at"]].tolist()
        scale = max(1.0, expected["mean_abs"])
        assert values == pytest.approx(expected["values"], abs=1e-5 * scale), key
        assert tensor.abs().mean().item() == pytest.approx(expected["mean_abs"], rel=1e-5), key
