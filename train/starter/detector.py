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
import math
import sys
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from posemo_ros.detect.boxes import iou
from posemo_ros.detect.detector import Detector
from posemo_ros.errors import ModelError
from posemo_ros.inference.manifest import DetectSpec, ImageInput
from posemo_ros.inference.sessions import open_session
from posemo_ros.types import Frame, PixelOrder
from train.data import coco, lspet
from train.data.people import Person, Photo
from train.models.cspnext import RtmDet, load_from_onnx

PEER = Path("peers") / "rtmdet_nano_person.onnx"
INPUT = ImageInput(320, 320, PixelOrder.BGR, (103.53, 116.28, 123.675), (57.375, 57.12, 58.395))
PEER_SPEC = DetectSpec(INPUT, "nms", score_threshold=0.4)
SPEC = DetectSpec(INPUT, "rtmdet", score_threshold=0.45)
BATCH, RATE, AVERAGE, WARM_UP = 16, 2e-4, 0.995, 30
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
    people = coco.read_people(data / "coco_train/person_keypoints.json", data / "coco_train/images")
    hidden = coco.held_out([p.image_id for p in people])
    photos = {"coco": [p for p in people if p.image_id not in hidden]}
    photos["lspet"] = lspet.read_people(data / "lspet", "train")[:lspet_limit]
    scenes = {
        name: [_scene(photo, boxes, peer) for photo, boxes in _by_photo(p)] for name, p in photos.items()
    }
    backgrounds = [b for i, b in enumerate(coco.read_backgrounds(data / "backgrounds")) if i % 6 != 2]
    scenes["background"] = [Scene(b, np.zeros((0, 4), np.float32)) for b in backgrounds]
    return scenes


def _by_photo(people: Sequence[Person]) -> list[tuple[Photo, NDArray[np.float32]]]:
    grouped: dict[int, list[Person]] = {}
    for person in people:
        grouped.setdefault(person.image_id, []).append(person)
    return [(group[0].photo, np.stack([p.box for p in group])) for group in grouped.values()]


def _scene(photo: Photo, boxes: NDArray[np.float32], peer: Detector) -> Scene:
    found = peer.detect(Frame(photo.pixels())).boxes
    new = found[iou(found, boxes).max(axis=1, initial=0) < 0.5] if len(found) else found
    return Scene(photo, np.concatenate([boxes, new]).astype(np.float32))


def sample(scene: Scene, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A random view of a photo: (320, 320, 3) BGR and boxes (n, 4) in its pixels."""
    image = scene.photo.pixels()
    height, width = image.shape[:2]
    scale = INPUT.width / max(width, height) * math.exp(rng.uniform(-0.7, 0.5))
    room = np.array([INPUT.width - width * scale, INPUT.height - height * scale])
    shift = np.where(room > 0, 0, rng.uniform(0, 1, 2) * room)
    flip = rng.random() < 0.5
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    if flip:
        matrix[0] = [-scale, 0, INPUT.width - 1 - shift[0]]
    view = cv2.warpAffine(image, matrix, (INPUT.width, INPUT.height), borderValue=(INPUT.pad_value,) * 3)
    gain = rng.uniform(0.6, 1.4) * rng.uniform(0.9, 1.1, 3)
    view = np.clip(view * gain + rng.uniform(-20, 20), 0, 255).astype(np.uint8)
    corners = scene.boxes.reshape(-1, 2, 2) @ matrix[:, :2].T + matrix[:, 2]
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    inside = boxes.clip(0, INPUT.width)
    kept = _area(inside) > 0.25 * _area(boxes)
    kept &= (inside[:, 2:] - inside[:, :2]).max(axis=1, initial=0) > SMALLEST
    return view, inside[kept].astype(np.float32)


def _area(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)


def batch_of(scenes: dict[str, list[Scene]], rng: np.random.Generator) -> tuple[Tensor, list[Tensor]]:
    """(B, 3, 320, 320) normalised, and each picture's boxes (n, 4)."""
    names = rng.choice(list(SHARES), BATCH, p=list(SHARES.values()))
    views = [sample(scenes[n][rng.integers(len(scenes[n]))], rng) for n in names]
    images = np.stack([v[0] for v in views]).astype(np.float32)
    images = (images - np.float32(INPUT.mean)) / np.float32(INPUT.std)
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), [torch.from_numpy(v[1]) for v in views]


def cells(shapes: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """Centres (A, 2) and strides (A,) of all cells of all levels, px."""
    points, strides = [], []
    for (h, w), stride in zip(shapes, RtmDet.strides, strict=True):
        y, x = torch.meshgrid(torch.arange(h) * stride, torch.arange(w) * stride, indexing="ij")
        points.append(torch.stack([x, y], -1).reshape(-1, 2).float())
        strides.append(torch.full((h * w,), float(stride)))
    return torch.cat(points), torch.cat(strides)


def flatten(scores: list[Tensor], distances: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits (B, A), boxes (B, A, 4), centres (A, 2), strides (A,)."""
    centres, strides = cells([(s.shape[2], s.shape[3]) for s in scores])
    logits = torch.cat([s.flatten(1) for s in scores], 1)
    sides = torch.cat([d.flatten(2).transpose(1, 2) for d in distances], 1)
    return logits, torch.cat([centres - sides[..., :2], centres + sides[..., 2:]], -1), centres, strides


def overlap(a: Tensor, b: Tensor, generalised: bool = False) -> Tensor:
    """IoU or GIoU of boxes (..., 4), broadcast."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    both = (high - low).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).clamp(min=0).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - both
    value = both / union.clamp(min=1e-6)
    if not generalised:
        return value
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    hull = hull.clamp(min=0).prod(-1).clamp(min=1e-6)
    return value - (hull - union) / hull


@torch.no_grad()
def assign(
    logits: Tensor, boxes: Tensor, centres: Tensor, strides: Tensor, people: Tensor
) -> tuple[Tensor, Tensor]:
    """Which cells answer for which person: RTMDet's dynamic soft label assignment (sec. 3.3).

    Args:
        logits, boxes: (A,), (A, 4) of one picture; centres (A, 2), strides (A,).
        people: (n, 4) labelled boxes.

    Returns:
        (A,) index of the person, -1 for none; (A,) IoU with it, 0 for none.
    """
    owner, quality = torch.full((len(logits),), -1), torch.zeros(len(logits))
    if not len(people):
        return owner, quality
    inside = ((centres[:, None] > people[:, :2]) & (centres[:, None] < people[:, 2:])).all(-1)  # (A, n)
    shared = overlap(boxes[:, None], people)
    distance = (centres[:, None] - (people[:, :2] + people[:, 2:]) / 2).norm(dim=-1) / strides[:, None]
    soft = F.binary_cross_entropy_with_logits(logits[:, None].expand_as(shared), shared, reduction="none")
    cost = (
        soft * (shared - logits.sigmoid()[:, None]).abs() ** 2
        - 3 * (shared + 1e-7).log()
        + 10 ** (distance - 3)
    )
    cost[~inside] = 1e8
    for person in range(len(people)):
        best = shared[:, person].masked_fill(~inside[:, person], 0)
        count = max(1, int(best.topk(min(13, len(best))).values.sum()))
        chosen = cost[:, person].topk(count, largest=False).indices
        chosen = chosen[cost[chosen, person] < 1e8]
        better = shared[chosen, person] > quality[chosen]
        owner[chosen[better]], quality[chosen[better]] = person, shared[chosen[better], person]
    return owner, quality


def loss_of(model: RtmDet, images: Tensor, people: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Quality focal loss of the scores and GIoU loss of the boxes, per answering cell."""
    logits, boxes, centres, strides = flatten(*model(images))
    scores, sides, weight = logits.new_zeros(()), logits.new_zeros(()), 0.0
    for row, labelled in enumerate(people):
        owner, quality = assign(logits[row], boxes[row], centres, strides, labelled)
        modulation = (quality - logits[row].sigmoid()).abs() ** 2
        bce = F.binary_cross_entropy_with_logits(logits[row], quality, reduction="none")
        scores = scores + (modulation.detach() * bce).sum()
        answering = owner >= 0
        gap = 1 - overlap(boxes[row][answering], labelled[owner[answering]], generalised=True)
        sides = sides + (gap * quality[answering]).sum()
        weight += float(quality.sum())
    return scores / max(weight, 1), 2 * sides / max(weight, 1)


def fit(args: argparse.Namespace) -> None:
    """Train for a time, from the peer or from ``RUN/last.pt``."""
    torch.manual_seed(args.seed)
    scenes = read_scenes(args.data, args.lspet)
    model = load_from_onnx(RtmDet(), args.data / PEER)
    average = deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.02)
    step, spent, last = 0, 0.0, args.run / "last.pt"
    args.run.mkdir(parents=True, exist_ok=True)
    if last.exists():
        state = torch.load(last, weights_only=True)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = int(state["step"]), float(state["spent"])
    while spent < args.minutes * 60:
        begin = time.time()
        progress = spent / (args.minutes * 60)
        rate = RATE * min(1, (step + 1) / WARM_UP) * (0.02 + 0.98 * (1 + math.cos(math.pi * progress)) / 2)
        for group in optimizer.param_groups:
            group["lr"] = rate
        losses = loss_of(model, *batch_of(scenes, np.random.default_rng([args.seed, step])))
        optimizer.zero_grad()
        sum(losses, torch.zeros(())).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        with torch.no_grad():
            for a, b in zip(average.parameters(), model.parameters(), strict=True):
                a.lerp_(b, 1 - min(AVERAGE, (step + 1) / (step + 10)))
        step, spent = step + 1, spent + time.time() - begin
        if step % 25 == 0 or spent >= args.minutes * 60:
            _log(args.run / "log.csv", step, spent, [float(v.detach()) for v in losses])
            torch.save(
                {
                    "model": model.state_dict(),
                    "average": average.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": step,
                    "spent": spent,
                },
                last,
            )


def _log(path: Path, step: int, spent: float, losses: list[float]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "seconds", "score_loss", "box_loss"])
        writer.writerow([step, round(spent), *(round(v, 4) for v in losses)])


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
    """Write the averaged weights as ONNX and compare with PyTorch.

    Raises:
        ModelError: The outputs differ by more than 1e-4 of their size.
    """
    model = RtmDet()
    model.load_state_dict(torch.load(args.run / "last.pt", weights_only=True)["average"])
    net = Exported(model).eval()
    image = torch.randn(1, 3, INPUT.height, INPUT.width, generator=torch.Generator().manual_seed(0))
    names = [f"{kind}_{s}" for kind in ("scores", "distances") for s in RtmDet.strides]
    torch.onnx.export(
        net,
        (image,),
        str(args.out),
        input_names=["image"],
        output_names=names,
        opset_version=17,
        dynamo=False,
    )
    outputs = open_session(args.out, runtime="onnxruntime").run({"image": image.numpy()})
    with torch.no_grad():
        for name, expected in zip(names, net(image), strict=True):
            gap = float(
                np.abs(outputs[name] - expected.numpy()).max() / max(1.0, float(expected.abs().max()))
            )
            if gap > 1e-4:
                raise ModelError(f"{args.out}: output {name} differs from PyTorch by {gap:.2e}")


def measure(detector: Detector, data: Path) -> dict[str, float]:
    """Recall on held-out COCO persons and quiet on held-out backgrounds.

    Returns:
        ``persons``: labelled, at least 60 px high; ``recall``: share found with IoU >= 0.5;
        ``backgrounds``: photos; ``clean``: share in which nobody was found.
    """
    people = coco.read_people(data / "coco_train/person_keypoints.json", data / "coco_train/images")
    hidden = coco.held_out([p.image_id for p in people])
    found = []
    for photo, boxes in _by_photo([p for p in people if p.image_id in hidden]):
        tall = boxes[boxes[:, 3] - boxes[:, 1] >= 60]
        detected = detector.detect(Frame(photo.pixels())).boxes
        found += [float(iou(box[None], detected).max(initial=0)) >= 0.5 for box in tall]
    quiet = [
        len(detector.detect(Frame(b.pixels()))) == 0
        for i, b in enumerate(coco.read_backgrounds(data / "backgrounds"))
        if i % 6 == 2
    ]
    return {
        "persons": len(found),
        "recall": float(np.mean(found)),
        "backgrounds": len(quiet),
        "clean": float(np.mean(quiet)),
    }


def test(args: argparse.Namespace) -> None:
    """Print the figures of a model file beside those of the peer."""
    peer = Detector(open_session(args.data / PEER, runtime="onnxruntime"), PEER_SPEC, score_threshold=0.5)
    ours = Detector(open_session(args.model, runtime="onnxruntime"), SPEC)
    for name, detector in (("peer", peer), (args.model, ours)):
        print(name, measure(detector, args.data))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m train.starter.detector", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("fit")
    command.add_argument("--minutes", type=float, required=True)
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--lspet", type=int, default=2000, help="so many of its photos")
    command.set_defaults(run_command=fit)
    command = commands.add_parser("test")
    command.add_argument("--model", type=Path, default=Path("models/detector.onnx"))
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
