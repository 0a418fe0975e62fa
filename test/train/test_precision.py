"""``python -m train precision``: what a lower precision loses, and where that is written."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("pycocotools")

from posemo_ros.errors import InputError
from posemo_ros.inference.manifest import load_manifest
from posemo_ros.inference.runtimes import computes_bfloat16
from posemo_ros.inference.sessions import open_session
from posemo_ros.inference.store import ModelStore
from posemo_ros.tuning import MAX_LOSS
from train import precision
from train.cli import main
from train.data.people import Person, Photo
from train.precision import EVERYBODY, Loss, box_ap, stated, write_loss

ROOT = Path(__file__).parents[2]
DATA = ROOT / "../shared/data"


def test_less_is_better_for_errors_and_worse_for_precision() -> None:
    assert Loss("a", "AP", 10, 0.5, 0.49).relative == pytest.approx(0.02)
    assert Loss("a", "MPJPE", 10, 50.0, 49.0).relative == pytest.approx(-0.02)


def test_everybody_together_counts_where_there_are_several_sets() -> None:
    small, large = Loss("few", "AP", 10, 0.5, 0.4), Loss("many", "AP", 90, 0.5, 0.51)
    assert stated([small, large]) == 0.2
    assert stated([Loss(EVERYBODY, "AP", 100, 0.5, 0.498), small, large]) == 0.004


def test_average_precision_of_boxes() -> None:
    truth = [np.array([[0, 0, 100, 200], [200, 0, 300, 200]], np.float32)]
    right = (truth[0], np.array([0.9, 0.8], np.float32))
    assert box_ap(truth, [right]) == pytest.approx(1.0)
    half = (truth[0][:1], right[1][:1])
    assert 0.4 < box_ap(truth, [half]) < 0.6
    assert box_ap(truth, [(truth[0][:0], right[1][:0])]) == 0.0


def test_a_loss_is_written_beside_others_and_nothing_else_changes(tmp_path: Path) -> None:
    manifest = tmp_path / "models.yaml"
    text = (ROOT / "config/models.yaml").read_text(encoding="utf-8")
    manifest.write_text(text, encoding="utf-8")
    write_loss(manifest, "posemo-keypoints-fast", "bf16", 0.0042)
    write_loss(manifest, "posemo-keypoints-fast", "int8", -0.001)
    before, after = load_manifest(ROOT / "config/models.yaml"), load_manifest(manifest)
    assert after["posemo-keypoints-fast"].precision_loss == {"bf16": 0.0042, "int8": -0.001}
    del before["posemo-keypoints-fast"], after["posemo-keypoints-fast"]
    assert {n: repr(e) for n, e in after.items()} == {n: repr(e) for n, e in before.items()}
    changed = set(manifest.read_text(encoding="utf-8").splitlines()) - set(text.splitlines())
    assert changed == {"    precision_loss: {bf16: 0.0042, int8: -0.001}"}


def test_a_loss_of_an_unknown_entry_is_refused(tmp_path: Path) -> None:
    manifest = tmp_path / "models.yaml"
    manifest.write_text("models: {}\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected an entry 'posemo-lifter'"):
        write_loss(manifest, "posemo-lifter", "bf16", 0.001)


def test_8_bits_are_calibrated_on_people_to_train_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many inputs as people, prepared as the stations prepare them; the others are not for photos."""
    asked = []

    def read_coco(data: Path, part: str) -> list[Person]:
        asked.append(part)
        photo = Photo("p", cv2.imencode(".png", np.full((60, 40, 3), 90, np.uint8))[1].tobytes())
        box, none = np.array([5, 5, 35, 55], np.float32), np.zeros((0, 2), np.float32)
        nobody = np.zeros((17, 3), np.float32)
        return 5 * [Person(photo, box, nobody, 1.0, np.ones(17, bool), none, 1, 1, "train")]

    monkeypatch.setattr(precision, "read_coco", read_coco)
    monkeypatch.setattr(precision, "CALIBRATED_ON", 3)
    store = ModelStore()
    for name in ("posemo-detector", "posemo-keypoints-fast"):
        entry = store.spec(name)
        session = open_session(store.path(name), threads=1)
        (found,) = precision.calibration(entry, session, DATA).values()
        size = entry.spec.input
        assert found.shape == (3, 3, size.height, size.width)
        assert np.ptp(found) > 0
    assert asked == ["train", "train"]
    name = "posemo-lifter"
    with pytest.raises(InputError, match="8 bits are for detectors and keypoint networks"):
        precision.calibration(store.spec(name), open_session(store.path(name), threads=1), DATA)


def test_float32_is_not_measured_as_bfloat16(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It would lose nothing, and say so in the manifest."""
    assert main(["precision", "posemo-detector", "--runtime", "onnxruntime"]) == 1
    assert "--runtime onnxruntime computes in float32" in capsys.readouterr().err
    pytest.importorskip("openvino")
    if computes_bfloat16():
        pytest.skip("this processor computes in bfloat16")
    manifest = tmp_path / "models.yaml"
    manifest.write_text((ROOT / "config/models.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    before = manifest.read_bytes()
    assert main(["precision", "posemo-detector", "--data", str(DATA), "--write", str(manifest)]) == 1
    assert "does not compute in bfloat16 on this processor" in capsys.readouterr().err
    assert manifest.read_bytes() == before


def test_small_networks_have_nothing_to_gain(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("openvino")
    assert main(["precision", "posemo-emotion"]) == 1
    assert "too small to gain" in capsys.readouterr().err


@pytest.mark.skipif(not DATA.is_dir(), reason="the development data is not here")
def test_the_manifest_states_what_the_detector_loses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The quickest of them measured again; the others with the command of their cards."""
    pytest.importorskip("openvino")
    if not computes_bfloat16():
        pytest.skip("this processor does not compute in bfloat16")
    manifest = tmp_path / "models.yaml"
    manifest.write_text((ROOT / "config/models.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    command = ["precision", "posemo-detector", "--data", str(DATA), "--write", str(manifest)]
    assert main(command) == 0
    assert "AP 0." in capsys.readouterr().out
    measured = load_manifest(manifest)["posemo-detector"].precision_loss["bf16"]
    assert measured == pytest.approx(
        load_manifest(ROOT / "config/models.yaml")["posemo-detector"].precision_loss["bf16"], abs=0.003
    )
    assert measured < MAX_LOSS
