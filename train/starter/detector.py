"""Train, measure and export the starter person detector.

    python -m train.starter.detector fit    --data ../shared/data --run runs/detector --minutes 10
    python -m train.starter.detector test   --data ../shared/data --run runs/detector
    python -m train.starter.detector export --run runs/detector --out models/detector.onnx

It starts from the weights of the peer RTMDet-nano (Apache-2.0) and trains all layers on. Photos are
rarely labelled to the last person, so the people the peer finds besides the labelled ones count as
people, too (self-training); photos without people teach what is none. ``fit`` goes on from
``RUN/last.pt`` when that is there, and logs to ``RUN/log.csv``.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from posemo_ros.detect.boxes import iou
from posemo_ros.detect.detector import Detector
from posemo_ros.errors import ModelError
from posemo_ros.inference.manifest import DetectSpec, ImageInput
from posemo_ros.inference.sessions import open_session
from posemo_ros.types import Frame, PixelOrder
from train.data import coco, lspet
from train.data.people import Photo, by_photo
from train.data.starter_people import read_coco
from train.models.cspnext import RtmDet, load_from_onnx
from train.models.rtmdet_loss import loss_of
from train.starter import detector_report

PEER = Path("peers") / "rtmdet_nano_person.onnx"
INPUT = ImageInput(320, 320, PixelOrder.BGR, (103.53, 116.28, 123.675), (57.375, 57.12, 58.395))
PEER_SPEC = DetectSpec(INPUT, "nms", score_threshold=0.4)
SPEC = DetectSpec(INPUT, "rtmdet", score_threshold=0.5, weak_threshold=0.2)
BATCH, RATE, AVERAGE, WARM_UP = 16, 3e-5, 0.99, 30
SHARES = {"coco": 0.45, "lspet": 0.3, "background": 0.25}
SMALLEST = 8.0  # pixels; people smaller than this in the input teach nothing


@dataclass(frozen=True, eq=False)
class Scene:
    """A photo and the boxes (n, 4) xyxy px of its people."""

    photo: Photo
    boxes: NDArray[np.float32]


def read_scenes(data: Path, lspet_limit: int) -> dict[str, list[Scene]]:
    """Training photos by source, the peer's finds added to the labels."""
    peer = Detector(open_session(data / PEER, runtime="onnxruntime"), PEER_SPEC)
    photos = {"coco": read_coco(data, "train")}
    photos["lspet"] = lspet.read_people(data / "lspet", "train")[:lspet_limit]
    scenes = {
        name: [_scene(photo, boxes, peer) for photo, boxes in by_photo(p)] for name, p in photos.items()
    }
    empty, _ = coco.split_backgrounds(data / "backgrounds")
    scenes["background"] = [Scene(b, np.zeros((0, 4), np.float32)) for b in empty]
    return scenes


def _scene(photo: Photo, boxes: NDArray[np.float32], peer: Detector) -> Scene:
    found = peer.detect(Frame(photo.pixels())).boxes
    new = found[iou(found, boxes).max(axis=1, initial=0) < 0.5] if len(found) else found
    return Scene(photo, np.concatenate([boxes, new]).astype(np.float32))


def sample(scene: Scene, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A random view of a photo: (320, 320, 3) BGR and boxes (n, 4) in its pixels."""
    image = scene.photo.pixels()
    matrix = _random_view(image.shape[1], image.shape[0], rng)
    warped = cv2.warpAffine(image, matrix, (INPUT.width, INPUT.height), borderValue=(INPUT.pad_value,) * 3)
    gain = rng.uniform(0.6, 1.4) * rng.uniform(0.9, 1.1, 3)
    view = np.clip(warped * gain + rng.uniform(-20, 20), 0, 255).astype(np.uint8)
    return view, seen_boxes(scene.boxes, matrix)


def _random_view(width: int, height: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(2, 3) from a photo's pixels to the input's: size, place and, half the time, a mirror."""
    scale = INPUT.width / max(width, height) * math.exp(rng.uniform(-0.7, 0.5))
    room = np.array([INPUT.width - width * scale, INPUT.height - height * scale])
    shift = np.where(room > 0, 0, rng.uniform(0, 1, 2) * room)
    if rng.random() < 0.5:
        return np.array([[-scale, 0, INPUT.width - 1 - shift[0]], [0, scale, shift[1]]])
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])


def seen_boxes(boxes: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Boxes (n, 4) moved into a view and cut at its edges; without those hardly seen or tiny."""
    corners = boxes.reshape(-1, 2, 2) @ matrix[:, :2].T + matrix[:, 2]
    moved = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    inside = moved.clip(0, INPUT.width)
    kept = _area(inside) > 0.25 * _area(moved)
    kept &= (inside[:, 2:] - inside[:, :2]).max(axis=1, initial=0) > SMALLEST
    return np.asarray(inside[kept], np.float32)


def _area(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)


def batch_of(scenes: dict[str, list[Scene]], rng: np.random.Generator) -> tuple[Tensor, list[Tensor]]:
    """(B, 3, 320, 320) normalised, and each picture's boxes (n, 4)."""
    names = rng.choice(list(SHARES), BATCH, p=list(SHARES.values()))
    views = [sample(scenes[n][rng.integers(len(scenes[n]))], rng) for n in names]
    images = np.stack([v[0] for v in views]).astype(np.float32)
    images -= np.array(INPUT.mean, np.float32)
    images /= np.array(INPUT.std, np.float32)
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), [torch.from_numpy(v[1]) for v in views]


class Run:
    """A training run in a folder: weights, their running average, optimiser, progress."""

    def __init__(self, folder: Path, peer: Path) -> None:
        self.folder, self.step, self.seconds = folder, 0, 0.0
        self.model = load_from_onnx(RtmDet(), peer)
        self.average = deepcopy(self.model)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=RATE, weight_decay=0.02)
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "last.pt").exists():
            self._load(torch.load(folder / "last.pt", weights_only=True))

    def _load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = int(state["step"]), float(state["spent"])

    def save(self) -> None:
        """Write ``last.pt`` so that a crash leaves the old or the new one."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "spent": self.seconds,
        }
        torch.save(state, self.folder / "part.pt")
        (self.folder / "part.pt").replace(self.folder / "last.pt")

    def advance(self, images: Tensor, people: list[Tensor], progress: float) -> tuple[float, float]:
        """One optimisation step at ``progress`` (0 to 1) of the schedule; the two losses."""
        cosine = 0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, progress))) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * min(1, (self.step + 1) / WARM_UP) * cosine
        scores, sides = loss_of(self.model, images, people)
        self.optimizer.zero_grad(set_to_none=True)
        (scores + sides).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
        self.optimizer.step()
        self.step += 1
        self._average()
        return scores.item(), sides.item()

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(AVERAGE, self.step / (self.step + 9))
        for a, b in zip(self.average.parameters(), self.model.parameters(), strict=True):
            a.lerp_(b, 1 - decay)


def fit(args: argparse.Namespace) -> None:
    """Train for a time, from the peer or from ``RUN/last.pt``."""
    run = Run(args.run, args.data / PEER)
    scenes = read_scenes(args.data, args.lspet)
    budget, begin = args.minutes * 60, time.time() - run.seconds
    while run.seconds < budget:
        batch = batch_of(scenes, np.random.default_rng([args.seed, run.step]))
        losses = run.advance(*batch, run.seconds / budget)
        run.seconds = time.time() - begin
        if run.step % 25 == 0 or run.seconds >= budget:
            _log(args.run / "log.csv", run, losses)
            run.save()


def _log(path: Path, run: Run, losses: Sequence[float]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "seconds", "score_loss", "box_loss"])
        writer.writerow([run.step, round(run.seconds), *(round(v, 4) for v in losses)])


class Exported(nn.Module):
    """Per level person scores (1, 1, h, w) and distances (1, 4, h, w) px, see codec ``rtmdet``."""

    def __init__(self, model: RtmDet) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(1, 3, 320, 320) -> three score maps, three distance maps."""
        scores, distances = self.model(image)
        return (*(s.sigmoid() for s in scores), *distances)


def export(args: argparse.Namespace) -> None:
    """Write the averaged weights as ONNX and compare with PyTorch."""
    model = RtmDet()
    model.load_state_dict(torch.load(args.run / "last.pt", weights_only=True)["average"])
    export_model(model, args.out)


def export_model(model: RtmDet, path: Path) -> None:
    """``export`` for a network in memory.

    Raises:
        ModelError: The outputs differ by more than 1e-4 of their size.
    """
    net = Exported(model).eval()
    image = torch.randn(1, 3, INPUT.height, INPUT.width, generator=torch.Generator().manual_seed(0))
    names = [f"{kind}_{s}" for kind in ("scores", "distances") for s in RtmDet.strides]
    torch.onnx.export(
        net,
        (image,),
        str(path),
        input_names=["image"],
        output_names=names,
        opset_version=17,
        dynamo=False,
    )
    outputs = open_session(path, runtime="onnxruntime").run({"image": image.numpy()})
    with torch.no_grad():
        for name, expected in zip(names, net(image), strict=True):
            gap = np.abs(outputs[name] - expected.numpy()).max() / max(1.0, float(expected.abs().max()))
            if gap > 1e-4:
                raise ModelError(f"{path}: output {name} differs from PyTorch by {gap:.2e}")


def test(args: argparse.Namespace) -> None:
    """Print the figures of a model file beside those of the peer."""
    peer = Detector(open_session(args.data / PEER, runtime="onnxruntime"), PEER_SPEC)
    ours = Detector(open_session(args.model, runtime="onnxruntime"), SPEC)
    for row in detector_report.measure({"peer": peer, args.model.name: ours}, args.data, args.demo):
        print(json.dumps(row))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m train.starter.detector",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("fit")
    command.add_argument("--minutes", type=float, required=True)
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--lspet", type=int, default=2000, help="so many of its photos")
    command.set_defaults(run_command=fit)
    command = commands.add_parser("test")
    command.add_argument("--model", type=Path, default=Path("models/detector.onnx"))
    command.add_argument("--demo", type=Path, default=Path("demo"), help="folder of the demo clip")
    command.set_defaults(run_command=test)
    command = commands.add_parser("export")
    command.add_argument("--out", type=Path, required=True)
    command.set_defaults(run_command=export)
    for command in commands.choices.values():
        command.add_argument("--data", type=Path, default=Path("../shared/data"))
        command.add_argument("--run", type=Path, default=Path("runs/detector"))
    args = parser.parse_args(argv)
    args.run_command(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
