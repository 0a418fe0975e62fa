"""Weights of the context encoder, and a torchvision for CUDA beside a torch without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from posemo_ros.errors import ModelError  # noqa: E402
from train.models import context  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]


class OpenClip:
    """Stands for the library: remembers how a model was asked for; nothing can be fetched."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def list_pretrained_tags_by_model(self, name: str) -> list[str]:
        return ["openai", "laion2b_e16"]

    def get_pretrained_cfg(self, name: str, tag: str) -> dict[str, Any]:
        return {"quick_gelu": True} if tag == "openai" else {}

    def create_model(self, name: str, **asked: Any) -> SimpleNamespace:
        self.asked = asked
        if asked["pretrained"] == "laion2b_e16":
            raise RuntimeError("Name or service not known")
        if asked["pretrained"] == __file__:
            raise RuntimeError(
                "Error(s) in loading state_dict for CLIP:\n\tMissing key(s): " + "visual, " * 999
            )
        return SimpleNamespace(visual=torch.nn.Identity())


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> OpenClip:
    fake = OpenClip()
    monkeypatch.setattr(context, "import_vision_library", lambda *_: fake)
    return fake


def test_a_file_is_run_with_the_activation_it_was_trained_with(library: OpenClip, tmp_path: Path) -> None:
    file = tmp_path / "ViT-B-32.pt"
    file.write_bytes(b"")
    for pretrained, said, expected in (
        ("openai", None, True),
        (str(file), None, True),
        (str(file), False, False),
        ("", None, True),
    ):
        context.ClipEncoder("ViT-B-32", pretrained, said)
        assert library.asked == {"pretrained": pretrained or None, "force_quick_gelu": expected}


def test_weights_that_cannot_be_had(library: OpenClip) -> None:
    with pytest.raises(
        ModelError, match=r"no weights from 'laion2b_e16' \(Name or service not known\); fetch"
    ):
        context.ClipEncoder("ViT-B-32", "laion2b_e16")
    with pytest.raises(ModelError) as caught:
        context.ClipEncoder("ViT-B-32", __file__)  # weights of another network
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="'openia' is neither a file nor a tag of open_clip"):
        context.ClipEncoder("ViT-B-32", "openia")


@pytest.mark.skipif(torch.version.cuda is not None, reason="a torch without CUDA is needed")
def test_torchvision_for_cuda_beside_a_torch_without(tmp_path: Path) -> None:
    """As the released wheel: registering a shape function for an operator that is not compiled in."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "version.py").write_text("__version__ = '0.28.0+cu130'\n")
    (package / "__init__.py").write_text(
        "import torch\ntorch.library.register_fake('torchvision::nms')(lambda *_: None)\n"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    for first, works in (("", False), ("import train; ", True)):  # and so does Lightning, which imports it
        run = subprocess.run(
            [sys.executable, "-c", f"{first}import torchvision"],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (run.returncode == 0) == works, run.stderr
        assert works or "torchvision::nms does not exist" in run.stderr
