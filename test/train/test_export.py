import hashlib

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

from posemo_ros.errors import InputError, MissingExtraError, ModelError  # noqa: E402
from posemo_ros.inference.manifest import LiftSpec, input_shapes, load_manifest  # noqa: E402
from posemo_ros.inference.onnxfile import precision_of  # noqa: E402
from posemo_ros.inference.sessions import open_session  # noqa: E402
from posemo_ros.inference.tensorrt_engine import build_engine, import_tensorrt  # noqa: E402
from train import export as exporting  # noqa: E402
from train.__main__ import main  # noqa: E402
from train.models.zoo import build  # noqa: E402

slow = pytest.mark.slow
# Small forms that keep every kind of layer; the larger ones take most of a minute.
CASES = [
    pytest.param("poseformer", {"frames": 9, "width": 8, "depth": 1, "sam": "after_msa", "tam": "after_msa"}),
    pytest.param("moemo_x", {"frames": 4, "width": 16, "depth": 1, "context_frames": 2}),
    pytest.param("motionagformer", {"frames": 9, "layers": 1, "width": 16}, marks=slow),
    pytest.param("pstmo", {"frames": 9, "layers": 1, "width": 16, "hidden": 16}, marks=slow),
    pytest.param("crossformer", {}, marks=slow),
    pytest.param("moemo_official", {}, marks=slow),
    pytest.param(
        "hrnet",
        {
            "width": 8,
            "blocks": 1,
            "modules": (1, 1, 1),
            "placement": "all",
            "crop_width": 64,
            "crop_height": 96,
        },
        marks=slow,
    ),
]
# Published sizes (of MotionAGFormer a quarter of the layers), float32 alone: minutes.
FULL = [
    pytest.param("hrnet", {"placement": "six"}, marks=slow),
    pytest.param("poseformer", {"frames": 81, "sam": "after_msa", "tam": "after_msa"}, marks=slow),
    pytest.param("pstmo", {}, marks=slow),
    pytest.param("motionagformer", {"layers": 3}, marks=slow),
    pytest.param("moemo_x", {}, marks=slow),
]


def samples_for(entry, count=6):
    rng = np.random.default_rng(0)
    return {k: rng.normal(size=(count, *v.shape[1:])).astype(np.float32) for k, v in entry.inputs.items()}


def tensorrt_builds(manifest):
    try:
        trt = import_tensorrt()
    except MissingExtraError as error:
        pytest.skip(f"not built in TensorRT: {error}")
    for spec in load_manifest(manifest).values():
        file = manifest.parent / spec.file
        engine = build_engine(trt, file, precision=precision_of(file), shapes=input_shapes(spec.spec))
        assert len(bytes(engine)) > 0


@pytest.mark.parametrize(("name", "options"), CASES)
def test_all_precisions(tmp_path, name, options):
    torch.manual_seed(0)
    entry = build(name, **options)
    path = tmp_path / "net.onnx"
    differences = exporting.export(
        entry, path, licence="MIT", source="a test", fp16=True, samples=samples_for(entry)
    )
    assert [p.name for p in differences] == ["net.onnx", "net-fp16.onnx", "net-int8.onnx"]
    assert differences[path] <= 1e-4
    assert differences[tmp_path / "net-fp16.onnx"] < 1e-2
    assert differences[tmp_path / "net-int8.onnx"] < 0.1  # of any processor, VNNI or not
    assert precision_of(path) == "fp32"
    assert precision_of(tmp_path / "net-int8.onnx") == "int8"
    for file in differences:
        session = open_session(file, runtime="onnxruntime", threads=1)
        assert [s.shape[0] for s in session.inputs] == [-1] * len(entry.inputs)
        for batch in (1, 5):
            feeds = {k: np.resize(v, (batch, *v.shape[1:])) for k, v in samples_for(entry).items()}
            assert len(next(iter(session.run(feeds).values()))) == batch
    tensorrt_builds(path.with_suffix(".yaml"))


@pytest.mark.parametrize(("name", "options"), FULL)
def test_published_sizes(tmp_path, name, options):
    path = tmp_path / "net.onnx"
    assert exporting.export(build(name, **options), path, licence="MIT", source="a test")[path] <= 1e-4
    tensorrt_builds(path.with_suffix(".yaml"))


@slow
def test_clip(tmp_path):
    try:
        entry = build("clip")
    except MissingExtraError as error:
        pytest.skip(str(error))
    path = tmp_path / "clip.onnx"
    assert exporting.export(entry, path, licence="MIT", source="a test")[path] <= 1e-4
    tensorrt_builds(path.with_suffix(".yaml"))


def test_manifest_entry_is_complete_and_true(tmp_path):
    entry = build("pstmo", frames=9, layers=1, width=16, hidden=16)
    path = tmp_path / "net.onnx"
    exporting.export(entry, path, licence="MIT", source="a test")
    spec = load_manifest(tmp_path / "net.yaml")["net"]
    assert spec.spec == LiftSpec(
        frames=9, input_joints="h36m17", normalisation="screen", channels=2, rate_hz=25.0
    )
    assert (spec.file, spec.licence, spec.source) == ("net.onnx", "MIT", "a test")
    assert spec.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    session = open_session(path, runtime="onnxruntime", threads=1, shapes=input_shapes(spec.spec))
    x = np.random.default_rng(0).normal(size=(3, 9, 17, 2)).astype(np.float32)
    (poses,) = session.run({"keypoints": x}).values()
    with torch.no_grad():
        centre, _ = entry.network(torch.from_numpy(x))
    np.testing.assert_allclose(poses, centre.numpy(), atol=1e-5)  # the answer is the centre frame's


def test_model_file_does_not_tell_where_it_was_made(tmp_path):
    exporting.export(
        build("moemo_x", frames=4, width=8, depth=1, fusion="pose"),
        tmp_path / "net.onnx",
        licence="MIT",
        source="a test",
    )
    assert b".py" not in (tmp_path / "net.onnx").read_bytes()


def test_wrong_translation_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "TOLERANCE", 0.0)
    entry = build("moemo_x", frames=4, width=8, depth=1, fusion="pose")
    with pytest.raises(ModelError, match=r"net\.onnx: ONNX Runtime differs from PyTorch"):
        exporting.export(entry, tmp_path / "net.onnx", licence="MIT", source="a test")
    assert not (tmp_path / "net.onnx").exists()


def test_calibration_samples_are_checked(tmp_path):
    entry = build("moemo_x", frames=4, width=8, depth=1, fusion="pose")
    np.savez(tmp_path / "s.npz", poses=np.zeros((3, 5, 17, 3)))
    with pytest.raises(InputError, match=r"'poses' of shape \(n, 4, 17, 3\).*\(3, 5, 17, 3\)"):
        exporting.load_samples(tmp_path / "s.npz", entry.inputs)
    for odd in (np.full((3, 4, 17, 3), np.nan), np.full((3, 4, 17, 3), "a")):
        np.savez(tmp_path / "s.npz", poses=odd)
        with pytest.raises(InputError, match=r"s\.npz: 'poses' has numbers like NaN, or none"):
            exporting.load_samples(tmp_path / "s.npz", entry.inputs)
    (tmp_path / "s.npz").write_text("no archive")
    with pytest.raises(InputError, match=r"cannot read samples .*s\.npz: it is no archive"):
        exporting.load_samples(tmp_path / "s.npz", entry.inputs)


def test_command(tmp_path, capsys):
    settings = ["fusion=pose", "frames=4", "width=8", "depth=1"]
    network = build("moemo_x", fusion="pose", frames=4, width=8, depth=1).network
    torch.save(network.state_dict(), tmp_path / "w.pth")
    command = ["export", "moemo_x", "--set", *settings, "--weights", str(tmp_path / "w.pth")]
    command += ["--entry", "rate_hz=10.0", "axes=upright"]
    assert main([*command, "--out", str(tmp_path / "a.onnx"), "--licence", "MIT"]) == 0
    said = capsys.readouterr().out
    assert "a.onnx: differs from PyTorch by" in said
    assert "M parameters, " in said
    entry = yaml.safe_load((tmp_path / "a.yaml").read_text())["models"]["a"]
    assert (entry["source"], entry["licence"], entry["emotion"]["frames"]) == ("w.pth", "MIT", 4)
    assert (entry["emotion"]["rate_hz"], entry["emotion"]["axes"]) == (10.0, "upright")
    poses = torch.randn(2, 4, 17, 3)
    session = open_session(tmp_path / "a.onnx", runtime="onnxruntime", threads=1)
    with torch.no_grad():
        expected = network.eval()(poses).numpy()
    np.testing.assert_allclose(session.run({"poses": poses.numpy()})["logits"], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hourglass"], "network: 'hourglass' is not one of rtmdet_nano, hrnet"),
        (["poseformer", "--set", "sam=behind"], "'behind' is not one of none, before_msa"),
        (["poseformer", "--set", "frames"], "--set 'frames': expected OPTION=VALUE"),
        (["poseformer", "--set", "depths=2"], "depths"),
        (["poseformer", "--weights", "absent.pth"], "absent.pth not found; expected a checkpoint"),
        (["poseformer", "--set", "frames=9", "width=8", "--entry", "knees=2"], "unknown key 'knees'"),
        (
            ["poseformer", "--set", "frames=9", "width=8", "--entry", "frames=27"],
            "the network was made for 9",
        ),
    ],
)
def test_command_says_what_is_wrong(tmp_path, capsys, arguments, message):
    assert main(["export", *arguments, "--out", str(tmp_path / "a.onnx")]) == 1
    assert message in capsys.readouterr().err
