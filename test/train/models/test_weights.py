from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from posemo_ros.errors import ModelError  # noqa: E402
from train.models.hrnet import HRNet  # noqa: E402
from train.models.weights import IMAGENET_ONLY, read_state  # noqa: E402
from train.tasks.checkpoint import learned_settings, start_from  # noqa: E402


class Evil:
    def __reduce__(self):
        return (print, ("code from the file ran",))


@pytest.fixture
def network():
    return torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))


def test_the_forms_released_checkpoints_come_in(tmp_path, network):
    state = {k: torch.randn_like(v) for k, v in network.state_dict().items()}
    parallel = {f"module.{k}": v for k, v in state.items()}
    poseformer = {"epoch": 3, "lr": 1e-4, "optimizer": None, "model_pos": parallel}
    poseformer["random_state"] = np.random.RandomState(1)
    for form in (state, parallel, {"state_dict": state}, {"model": parallel}, poseformer):
        torch.save(form, tmp_path / "w.bin")
        start_from(network, tmp_path / "w.bin")
        assert learned_settings(tmp_path / "w.bin") == {}
        assert all(torch.equal(v, state[k]) for k, v in network.state_dict().items())


def test_code_in_a_checkpoint_is_refused(tmp_path, capsys):
    torch.save({"state_dict": {}, "extra": Evil()}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"w\.pth"):
        read_state(tmp_path / "w.pth")
    assert capsys.readouterr().out == ""


def test_damaged_and_empty_files(tmp_path):
    (tmp_path / "w.pth").write_bytes(b"no checkpoint")
    with pytest.raises(ModelError, match="cannot read"):
        read_state(tmp_path / "w.pth")
    torch.save({"epoch": 1}, tmp_path / "e.pth")
    with pytest.raises(ModelError, match="holds no weights"):
        read_state(tmp_path / "e.pth")


def test_misfits_are_named(tmp_path, network):
    state = network.state_dict()
    del state["0.bias"]
    state["2.weight"] = torch.zeros(1)
    state["1.weight"] = torch.zeros(1, 4)
    torch.save(state, tmp_path / "w.pth")
    expected = r"missing: 0\.bias; unknown: 2\.weight; shapes: 1\.weight is \(1, 4\), expected \(1, 3\)"
    with pytest.raises(ModelError, match=expected):
        start_from(network, tmp_path / "w.pth")


def test_what_may_be_missing_keeps_its_start(tmp_path, network):
    torch.save({k: v + 1 for k, v in network.state_dict().items() if k.startswith("0.")}, tmp_path / "w.pth")
    before = network[1].weight.clone()
    start_from(network, tmp_path / "w.pth", may_miss=["1.*"])
    assert torch.equal(network[1].weight, before)
    with pytest.raises(ModelError, match=r"missing: 1\.weight"):
        start_from(network, tmp_path / "w.pth", may_miss=["1.bias"])


def test_imagenet_weights_without_the_classifier(tmp_path):
    small = {"width": 8, "blocks": 1, "modules": (1, 1, 3)}
    state = {k: v + 1 for k, v in HRNet(**small).state_dict().items() if not k.startswith("final_layer")}
    for extra in ("incre_modules.0.0.conv1.weight", "final_layer.0.weight", "classifier.weight"):
        state[extra] = torch.zeros(1)
    state["stage4.2.fuse_layers.3.0.0.0.weight"] = torch.zeros(1)  # the classifier needs all branches
    torch.save(state, tmp_path / "hrnet.pth")
    network = HRNet(**small)
    with pytest.raises(ModelError, match="unknown: incre_modules"):
        start_from(network, tmp_path / "hrnet.pth", may_miss=["final_layer.*"])
    start_from(network, tmp_path / "hrnet.pth", may_miss=["final_layer.*"], may_have=IMAGENET_ONLY)
    assert torch.equal(network.conv1.weight, state["conv1.weight"])


def test_a_run_that_was_not_trained_yet_is_named_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P-STMO begins with its pre-training, which is a run of its own."""
    monkeypatch.chdir(tmp_path)
    wanted = r"runs/pstmo/pretrain not found; train it first: .* train/configs/pstmo/pretrain.yaml$"
    with pytest.raises(ModelError, match=wanted):
        start_from(torch.nn.Linear(2, 2), Path("runs/pstmo/pretrain"))
    with pytest.raises(
        ModelError, match=r"runs/mine not found; expected a checkpoint or the folder of a run$"
    ):
        start_from(torch.nn.Linear(2, 2), Path("runs/mine"))
