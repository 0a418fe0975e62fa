"""What the papers describe beside their main networks: equation 6, ablations, baselines, own files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from posemo_ros.errors import InputError
from posemo_ros.types import EMOTIONS
from train.cli import main
from train.data import emotion_modules, moemo_files
from train.data.emotion_clips import EmotionClip, EmotionWindows, check_disjoint
from train.data.emotion_frames import EmotionFrames, FrameWindows, read_small
from train.data.emotion_modules import EmotionVideos
from train.models import context, image_baselines
from train.models.losses import position_error, scaled_error, velocity_error
from train.models.poseformer import PoseFormer
from train.models.zoo import PIXELS_ALONE, build
from train.tables.command import load_config
from train.tables.papers import TABLES
from train.tasks.callbacks import draw_confusion
from train.tasks.fusion import Fusion

from .tasks.runs import BEFORE_THE_CAMERA, command


def test_equation_6_puts_sam_into_the_mlp() -> None:
    torch.manual_seed(0)
    network = PoseFormer(3, width=8, depth=1, heads=2, sam="in_mlp").eval()
    block = network.Spatial_blocks[0]
    x = torch.randn(2, 17, 8)
    attended = x + block.attn(block.norm1(x))
    normed = block.norm2(attended)
    hidden = normed @ block.mlp.fc1.weight.T + block.mlp.fc1.bias  # x W1 + a1
    y = hidden.transpose(1, 2)
    sam = block.interaction
    hidden = hidden + sam.conv2(sam.norm(torch.nn.functional.gelu(sam.conv1(y)))).transpose(1, 2)  # beta
    expected = attended + hidden @ block.mlp.fc2.weight.T + block.mlp.fc2.bias
    torch.testing.assert_close(block(x), expected)
    assert network.blocks[0].interaction is None
    with pytest.raises(ValueError, match="tam: 'in_mlp' is not one of"):
        PoseFormer(3, tam="in_mlp")


def test_losses_of_motionagformer() -> None:
    target = torch.randn(2, 5, 17, 3)
    assert scaled_error(target / 3, target) < 1e-6
    assert velocity_error(target + 7, target) < 1e-6
    moved = target.clone()
    moved[:, 1:] += torch.tensor([0.0, 0.0, 0.4])  # one of the four movements is 0.4 too long
    torch.testing.assert_close(velocity_error(moved, target), torch.tensor(0.1))
    assert velocity_error(target[:, :1], target[:, :1]) == 0
    assert scaled_error(moved, target) <= position_error(moved, target)
    for name in ("motionagformer/xs", "motionagformer/s"):
        config = load_config(name)
        arguments = config["model"]["init_args"]
        weights = [arguments[f"{k}_weight"] for k in ("sequence", "centre", "scale", "velocity")]
        assert weights == [1.0, 0.0, 0.5, 20.0]
        assert config["data"]["init_args"]["batch"] == 16
        assert config["data"]["init_args"]["stride"] == arguments["options"]["frames"] // 3


def test_ablations_of_the_released_network() -> None:
    torch.manual_seed(0)
    poses, scene = torch.randn(2, 16, 17, 3), torch.randn(2, 16, 50, 768)
    for fusion in ("cross", "concat", "pose", "context"):
        network = build("moemo_official", fusion=fusion).network.eval()
        answer = network(poses, scene)
        assert answer.shape == (2, 6)
        reads_scene = not torch.equal(answer, network(poses, scene + 1))
        reads_poses = not torch.equal(answer, network(poses + torch.rand(2, 16, 17, 3), scene))
        assert (reads_poses, reads_scene) == (fusion != "context", fusion != "pose"), fusion
    assert "context" not in build("moemo_official", fusion="pose").inputs
    assert sum(p.numel() for p in build("moemo_official").network.parameters()) == 25_305


class Backbone(torch.nn.Module):
    """Stands for a network of timm."""

    num_features = 3

    def __init__(self, pooled: bool, halved: bool) -> None:
        super().__init__()
        self.pooled = pooled
        self.pretrained_cfg = {"mean": (0.5,) * 3, "std": (0.5,) * 3} if halved else {}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        cells = torch.nn.functional.avg_pool2d(images, 32)
        return cells.mean(dim=(2, 3)) if self.pooled else cells


@pytest.fixture
def timm(monkeypatch: pytest.MonkeyPatch) -> None:
    def create_model(name: str, *, pretrained: bool, num_classes: int, global_pool: str = "avg") -> Backbone:
        return Backbone(bool(global_pool), name.startswith("vit"))

    for module in (context, image_baselines):
        monkeypatch.setattr(
            module, "import_vision_library", lambda *_: SimpleNamespace(create_model=create_model)
        )


@pytest.mark.usefixtures("timm")
def test_a_cnn_in_the_place_of_clip() -> None:
    image = torch.randn(2, 3, 224, 224)
    tokens = context.CnnEncoder("resnet50")(image)
    assert tokens.shape == (2, 50, 3)
    torch.testing.assert_close(tokens[:, 0], tokens[:, 1:].mean(dim=1))
    torch.testing.assert_close(
        tokens[:, 2], image[:, :, :32, 32:64].mean(dim=(2, 3))
    )  # second of the first row
    options = load_config("moemo_context/cnn")["model"]["init_args"]["options"]
    assert options["context_width"] == context.CNN_SHAPES["resnet50"][1]


def _film(path: Path, shades: list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30.0, (320, 240))
    for shade in shades:
        video.write(np.full((240, 320, 3), shade, np.uint8))
    video.release()


@pytest.mark.usefixtures("timm")
def test_baselines_see_what_their_weights_were_trained_on() -> None:
    """timm's ViT-B/16 wants -1 to 1, its ResNet-50 ImageNet's mean and deviation."""
    image = torch.rand(1, 1, 3, 224, 224)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    seen = []
    for name in ("resnet50", "vit"):
        network = image_baselines.ImageBaseline(name)
        network.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][0]))
        network((image - mean) / std)
    torch.testing.assert_close(seen[0], ((image - mean) / std)[0, 0])
    torch.testing.assert_close(seen[1], (image * 2 - 1)[0, 0])


@pytest.mark.usefixtures("timm")
def test_baselines_see_the_images_of_the_clips(tmp_path: Path) -> None:
    for split, actor in (("train", "a"), ("val", "b"), ("test", "c")):
        _film(tmp_path / split / "happy" / f"{actor}.avi", list(range(0, 240, 8)))
    (tmp_path / "actors.csv").write_text("clip,actor\na,A\nb,B\nc,C\n")
    task = Fusion("image_baseline", options={"images": 3})
    assert task.describe().task == PIXELS_ALONE  # no station runs it
    data = EmotionFrames(tmp_path, batch=1, workers=0)
    data.trainer = SimpleNamespace(lightning_module=task)  # type: ignore[assignment]
    windows = data.make("val")
    assert isinstance(windows, FrameWindows)
    batch = windows[[(0, 0)]]
    assert batch["images"].shape == (1, 3, 3, 224, 224)
    assert batch["label"].tolist() == [EMOTIONS.index("joy")]
    shades = batch["images"][0, :, 0].mean(axis=(1, 2)) * 58.395 + 123.675
    assert np.diff(shades) == pytest.approx([32, 32], abs=3)  # every fourth image: 7.5 a second
    assert shades.mean() == pytest.approx(116, abs=6)  # around the middle
    tensors = {k: torch.from_numpy(v) for k, v in batch.items()}
    assert task.logits(tensors).shape == (1, 6)
    assert torch.isfinite(task.loss(tensors))
    train = data.make("train")
    assert not np.array_equal(train[[(0, 0)]]["images"], train[[(1, 0)]]["images"])
    (tmp_path / "actors.csv").write_text("clip,actor\na,A\nb,B\nc,A\n")
    with pytest.raises(InputError, match=r"actors in both train and test: \['A'\]"):
        data.make("train")
    (tmp_path / "empty.avi").write_bytes(b"")
    with pytest.raises(InputError, match="no image can be read"):
        read_small(tmp_path / "empty.avi")


@pytest.mark.usefixtures("timm")
def test_baselines_learn_and_are_tested(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The shipped configuration, through the commands; only timm's networks are stand-ins."""
    for split, actor in (("train", "a"), ("val", "b"), ("test", "c")):
        for emotion in ("happy", "sad"):
            _film(tmp_path / split / emotion / f"{actor}_{emotion}.avi", list(range(0, 240, 8)))
    rows = [f"{actor}_{emotion},{actor}" for actor in "abc" for emotion in ("happy", "sad")]
    (tmp_path / "actors.csv").write_text("\n".join(["clip,actor", *rows]) + "\n")
    config = load_config("moemo_baselines/resnet50") | {"out": str(tmp_path / "run")}
    config["model"]["init_args"]["options"] |= {"images": 2, "pretrained": False}
    config["data"]["init_args"] |= {"folder": str(tmp_path), "batch": 2, "workers": 0}
    config["trainer"] |= {"max_epochs": 1, "accelerator": "cpu", "enable_progress_bar": False}
    command(config, tmp_path / "c.yaml")
    last = tmp_path / "run/checkpoints/last.ckpt"
    command(config, tmp_path / "c.yaml", f"--ckpt_path={last}", name="test")
    result = json.loads((tmp_path / "run/test.json").read_text())
    assert result["samples"] == 2
    assert np.sum(result["confusion"]) == 2
    assert (tmp_path / "run/confusion.png").exists()
    chain = ["--preset", "papers", "--emotion", str(tmp_path / "run"), "--out", str(tmp_path / "x")]
    for words in (chain, ["image_baseline", "--out", str(tmp_path / "x/y.onnx")]):
        assert main(["export", *words]) == 1
        assert "no station runs this network, a baseline on pixels alone" in capsys.readouterr().err


def _moemo(folder: Path, split: str, emotion: str, name: str) -> None:
    (folder / "tensor" / split / emotion).mkdir(parents=True, exist_ok=True)
    (folder / "joints").mkdir(exist_ok=True)
    torch.save(torch.full((16, 50, 768), 0.5), folder / "tensor" / split / emotion / f"{name}.pt")
    np.save(folder / "joints" / f"{name}_f16.npy", np.tile(BEFORE_THE_CAMERA, (16, 1, 1)))


def test_moemos_own_files(tmp_path: Path) -> None:
    _moemo(tmp_path, "train", "angry", "C0172_1")
    _moemo(tmp_path, "train", "happy", "C0173_1")
    _moemo(tmp_path, "test", "angry", "C0172_2")  # the same recording before another background
    train, test = (moemo_files.load_clips(tmp_path, split, 7.5) for split in ("train", "test"))
    assert [(EMOTIONS[c.emotion], c.motion) for c in train] == [("anger", "C0172"), ("joy", "C0173")]
    with pytest.raises(InputError, match=r"actors in both train and test: \['C0172'\]"):
        check_disjoint(train, test)
    assert train[0].context.shape == (16, 50, 768)
    assert train[0].context_times[-1] == 2.0

    data = emotion_modules.MoEmoFiles(tmp_path, shared_actors=True, batch=2, workers=0)
    task = Fusion("moemo_official")
    data.trainer = SimpleNamespace(lightning_module=task)  # type: ignore[assignment]
    batch = data.make("train")[[(0, 0), (0, 1)]]
    np.testing.assert_allclose(batch["movement"][0], np.load(tmp_path / "joints/C0172_1_f16.npy"), rtol=1e-5)
    assert batch["context"].shape == (2, 16, 50, 768)
    assert task.describe(data.fixed_settings).settings["context_rate_hz"] == 7.5

    assert data.title == "MoEmoFiles, checkpoint chosen on the test's clips, actors shared with the training"
    slower = emotion_modules.MoEmoFiles(tmp_path, fps=24.0)
    settings = task.describe(slower.fixed_settings).settings
    assert (settings["rate_hz"], settings["context_rate_hz"]) == (6.0, 6.0)
    with pytest.raises(InputError, match="fps: 0; expected the frames per second"):
        emotion_modules.MoEmoFiles(tmp_path, fps=0)

    (tmp_path / "tensor/train").rename(tmp_path / "train_tensor")  # as the released code has it
    assert len(moemo_files.load_clips(tmp_path, "train", 7.5)) == 2


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p[:15], r"the shape \(15, 17, 3\); expected \(16, 17, 3\)"),
        (lambda p: np.where(p > 0.1, np.nan, p), "numbers like NaN"),
        (
            lambda p: p[..., [0, 2, 1]] * [1, 1, -1],
            r"heads are on the side of \+z from the pelvis",
        ),
        (lambda p: p * [1, -1, -1], r"heads are on the side of \+y"),
        (lambda p: p + [0, 0, 0.9], "the pelvis is up to 0.9 from zero; expected the joints of test_3d_"),
        (lambda p: p * 1000, "heads are 660 above the pelvis; expected .* metres"),
    ],
    ids=["short", "nan", "z up", "y up", "on the floor", "millimetres"],
)
def test_what_moemos_joints_may_not_be(tmp_path: Path, spoil: Callable, message: str) -> None:  # type: ignore[type-arg]
    _moemo(tmp_path, "train", "angry", "C0172_1")
    moemo_files.load_clips(tmp_path, "train", 7.5)
    path = tmp_path / "joints/C0172_1_f16.npy"
    np.save(path, spoil(np.load(path)))
    with pytest.raises(InputError, match=message):
        moemo_files.load_clips(tmp_path, "train", 7.5)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK\x05\x06" + bytes(18), b"PK\x03\x04"])
def test_moemos_joints_that_are_no_array(tmp_path: Path, content: bytes) -> None:
    """Empty, cut off, or an archive, whole or not."""
    _moemo(tmp_path, "train", "angry", "C0172_1")
    (tmp_path / "joints/C0172_1_f16.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"C0172_1_f16.npy: .*; expected a .npy file"):
        moemo_files.load_clips(tmp_path, "train", 7.5)


def test_what_moemos_tokens_may_not_be(tmp_path: Path) -> None:
    _moemo(tmp_path, "train", "angry", "C0172_1")
    path = tmp_path / "tensor/train/angry/C0172_1.pt"
    for tokens, message in (
        (torch.zeros(16, 49, 768), r"the shape \(16, 49, 768\)"),
        (torch.full((16, 50, 768), torch.nan), "numbers like NaN"),
    ):
        torch.save(tokens, path)
        with pytest.raises(InputError, match=message):
            moemo_files.load_clips(tmp_path, "train", 7.5)
    for content, why in ((b"no tensor", ".+"), (b"", "the file is damaged, or not whole")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"C0172_1.pt: cannot be read \({why}\)"):
            moemo_files.load_clips(tmp_path, "train", 7.5)
    path.unlink()
    with pytest.raises(InputError, match=r"no files; expected <emotion>/<ID>.pt"):
        moemo_files.load_clips(tmp_path, "train", 7.5)


def test_only_what_is_read_is_compared_in_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that looks at the scene alone learns nothing of a lifter, and the other way round."""
    sources = {"poses": "pstmo", "trained_behind": {"keypoints": "c", "lifter": "a", "context": "b"}}
    monkeypatch.setattr(Fusion, "datamodule", SimpleNamespace(sources=sources))
    poses = ["keypoints", "lifter"]
    read = {"cross": [*poses, "context"], "pose": poses, "context": ["context"]}
    for fusion, stations in read.items():
        for network in ("moemo_official", "moemo_x"):
            task = Fusion(network, options={"fusion": fusion})
            task.on_fit_start()
            assert list(task.learned["trained_behind"]) == stations
            assert ("poses" in task.learned) == (fusion != "context")


def test_an_encoder_that_the_network_was_not_made_for(tmp_path: Path) -> None:
    _moemo(tmp_path, "train", "angry", "C0172_1")
    data = emotion_modules.MoEmoFiles(tmp_path, shared_actors=True)
    task = Fusion("moemo_x", options={"context_width": 2048, "width": 8, "depth": 1})
    data.trainer = SimpleNamespace(lightning_module=task)  # type: ignore[assignment]
    with pytest.raises(InputError, match=r"an image as 50 x 768 numbers, the network reads 50 x 2048: set"):
        data.make("train")


def test_two_dimensions() -> None:
    def windows(axes: str) -> EmotionWindows:
        none = np.zeros((0, 0, 0))
        poses = np.ones((2, 17, 3), "f4")
        clip = EmotionClip("c", 0, "a", "m", np.arange(2.0), poses, np.zeros(0), none, axes)
        return EmotionWindows([clip], 2, 1.0, axes="image")

    assert windows("camera")[[(0, 0)]]["movement"][0, 1, 3].tolist() == [1, 1, 0]
    with pytest.raises(InputError, match="world axes have no image plane"):
        windows("world")
    with pytest.raises(InputError, match="dimensions: 4; expected 2 or 3"):
        EmotionVideos(Path(), dimensions=4)
    assert EmotionVideos(Path(), dimensions=2).fixed_settings == {"axes": "image"}  # a station does the same


def test_poses_of_another_lifter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def extractor(**given: object) -> None:
        asked.update(given)
        raise InputError("far enough")

    (tmp_path / "test").mkdir()
    (tmp_path / "models.yaml").write_text(
        "models: {pstmo: {lifter: {frames: 243}, file: x.onnx, licence: MIT, source: x}}"
    )
    monkeypatch.setattr(emotion_modules.video_emotion, "chain_extractor", extractor)
    data = EmotionVideos(
        tmp_path, lifter="pstmo", manifests=(tmp_path / "models.yaml",), context="clip-vit-b32"
    )
    with pytest.raises(InputError, match="far enough"):
        data.clips("test")
    with pytest.raises(
        InputError, match=r"none.yaml not found: expected the manifest of an exported network"
    ):
        EmotionVideos(tmp_path, manifests=(tmp_path / "none.yaml",)).clips("test")
    assert asked["lifter"] == "pstmo"
    assert asked["store"].spec("pstmo").spec.frames == 243


def test_confusion_matrix_as_a_picture(tmp_path: Path) -> None:
    counts = np.zeros((6, 6), np.int64)
    draw_confusion(counts, EMOTIONS, tmp_path / "none.png")
    counts[np.arange(6), np.arange(6)] = 5
    draw_confusion(counts, EMOTIONS, tmp_path / "right.png")
    none, right = (cv2.imread(str(tmp_path / f"{name}.png")) for name in ("none", "right"))
    assert none.shape == right.shape
    assert (none != right).any(axis=2).mean() > 0.01


def test_every_row_has_a_configuration_that_is_there() -> None:
    for row in (r for t in TABLES.values() for r in t.rows if r.config):
        assert load_config(row.config)["out"] == f"runs/{row.config}"
