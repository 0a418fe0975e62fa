"""Train, measure and export the starter 2D keypoint network.

    python -m train.starter.keypoints fit    --run runs/keypoints --minutes 60 --teacher runs/teacher.npz
    python -m train.starter.keypoints export --run runs/keypoints --out models/keypoints.onnx
    python -m train.starter.keypoints test   --model models/keypoints.onnx

``fit`` goes on from ``RUN/last.pt`` when that is there. It logs to ``RUN/log.csv``. ``test`` measures
through the station (``KeypointEstimator``), beside MoveNet Lightning.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from posemo_ros.inference.manifest import ImageInput, KeypointSpec
from posemo_ros.keypoints.codecs import codec_for
from posemo_ros.metrics import COCO_SIGMAS
from posemo_ros.skeleton import COCO17
from posemo_ros.types import PixelOrder
from train.data import coco, lspet
from train.data.augment import PAD, Augmentation, plain_crop, transform, trunk_angle, upright_crop, warp
from train.data.people import Person
from train.export import to_onnx
from train.models.keypoint_net import KeypointExport, KeypointNet
from train.models.movenet import load_from_tflite
from train.starter import keypoint_report, teacher
from train.starter.keypoint_data import People, read_people
from train.starter.keypoint_metrics import by_group, similarities
from train.starter.people_loader import MEAN, STD, Batch, Sampler, batches, normalise

PEER = Path("peers") / "movenet_singlepose_lightning_int8.tflite"
SIZE = (192, 256)  # of the crop, width and height
CELL = 4  # crop pixels per heatmap cell
SPEC = KeypointSpec(ImageInput(*SIZE, PixelOrder.RGB, MEAN, STD, PAD), "dark", flip_test=True)


@dataclass(frozen=True)
class Recipe:
    """What a run is determined by, with the data and its end.

    Attributes:
        batch: Samples per step.
        rate: Highest learning rate of the new layers.
        old_rate: The same for those that come from MoveNet.
        anchor: Pull of MoveNet's layers back to the published values, as weight decay pulls to zero.
        warmup: Steps of rising rates.
        sigma: Of the target, in heatmap cells.
        average: Decay of the averaged weights per step.
        shares: Of the groups people are drawn from.
    """

    batch: int = 32
    rate: float = 2e-3
    old_rate: float = 3e-4
    anchor: float = 2.0
    warmup: int = 100
    sigma: float = 1.5
    average: float = 0.998
    seed: int = 0
    lspet: float = 0.45
    coco: float = 0.25
    synthetic: float = 0.24
    empty: float = 0.06


def place_loss(maps: Tensor, points: Tensor, weight: Tensor, sigma: float) -> Tensor:
    """Cross-entropy between the map as a distribution over the cells and a Gaussian.

    Args:
        maps: (B, 17, h, w) logits.
        points: (B, 17, 2) crop px.
        weight: (B, 17).
    """
    h, w = maps.shape[-2:]
    cells = points / CELL
    across = -((torch.arange(w) - cells[..., :1]) ** 2) / (2 * sigma**2)  # (B, 17, w)
    down = -((torch.arange(h) - cells[..., 1:]) ** 2) / (2 * sigma**2)
    target = (down.softmax(-1)[..., :, None] * across.softmax(-1)[..., None, :]).flatten(2)
    entropy = -(target * maps.float().flatten(2).log_softmax(2)).sum(2)
    return (entropy * weight).sum() / weight.sum().clamp(min=1)


def judgement(maps: Tensor, points: Tensor, place: Tensor, area: Tensor) -> Tensor:
    """(B, 17) how right the highest cell is: the joint's object keypoint similarity, 0 if absent."""
    w = maps.shape[-1]
    best = maps.flatten(2).argmax(2)
    found = torch.stack((best % w, best // w), -1) * CELL
    squared = ((found - points) ** 2).sum(-1)
    spread = torch.from_numpy(2 * COCO_SIGMAS).float() ** 2
    return torch.exp(-squared / (2 * area[:, None] * spread)) * place


def losses(net: KeypointNet, batch: Batch, sigma: float) -> tuple[Tensor, Tensor]:
    """Loss of the places and of the scores."""
    points = torch.from_numpy(batch.keypoints[..., :2])
    place, judge = torch.from_numpy(batch.place), torch.from_numpy(batch.judge)
    images = torch.from_numpy(batch.images).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        maps, scores = net(images)
    target = judgement(maps.detach().float(), points, place, torch.from_numpy(batch.area))
    wrong = F.binary_cross_entropy_with_logits(scores.float(), target, reduction="none")
    return place_loss(maps, points, place, sigma), (wrong * judge).sum() / judge.sum().clamp(min=1)


@torch.no_grad()
def predict(
    net: KeypointNet, people: Sequence[Person], *, upright: bool = False, flip: bool = False
) -> NDArray[np.float32]:
    """(N, 17, 3) x px, y px, score in the photos, for the label boxes or for upright crops.

    ``flip``: the mean with the heatmaps of the mirrored crop.
    """
    exported, codec, answers = KeypointExport(net).eval(), codec_for(SPEC), []
    for start in range(0, len(people), 16):
        part = people[start : start + 16]
        matrices = [_crop(p, upright) for p in part]
        crops = np.stack([warp(p.photo.pixels(), m, SIZE) for p, m in zip(part, matrices, strict=True)])
        images = torch.from_numpy(normalise(crops)).contiguous(memory_format=torch.channels_last)
        maps = [exported(images).numpy()]
        if flip:
            mirrored = codec.flip([exported(images.flip(3)).numpy()], COCO17.flip_index)
            maps = [(maps[0] + mirrored[0]) / 2]
        found = codec.decode(maps)
        for answer, matrix in zip(found, matrices, strict=True):
            answer[:, :2] = transform(cv2.invertAffineTransform(matrix), answer[:, :2])
        answers.append(found)
    return np.concatenate(answers)


def _crop(person: Person, upright: bool) -> NDArray[np.float64]:
    if not upright:
        return plain_crop(person, SIZE, SPEC.box_scale)
    return upright_crop(person, SIZE, -trunk_angle(person.keypoints), 1.15)


class Run:
    """A training run in a folder: weights, their running average, optimiser, progress."""

    def __init__(self, folder: Path, recipe: Recipe, peer: Path) -> None:
        self.folder, self.recipe, self.step, self.seconds = folder, recipe, 0, 0.0
        torch.manual_seed(recipe.seed)
        self.net = KeypointNet().to(memory_format=torch.channels_last)
        load_from_tflite(self.net.movenet, peer)
        self.net.movenet.backbone.freeze_stem()
        self.mean = KeypointNet().to(memory_format=torch.channels_last)
        self.mean.load_state_dict(self.net.state_dict())
        parameters = {k: p for k, p in self.net.named_parameters() if p.requires_grad}
        old = [p for k, p in parameters.items() if k.startswith("movenet.")]
        new = [p for k, p in parameters.items() if not k.startswith("movenet.")]
        self.published = [(p, p.detach().clone()) for p in old]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": old, "lr": recipe.old_rate, "peak": recipe.old_rate, "weight_decay": 0.0},
                {"params": new, "lr": recipe.rate, "peak": recipe.rate, "weight_decay": 0.02},
            ]
        )
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "last.pt").exists():
            self._load(torch.load(folder / "last.pt", weights_only=True))

    def _load(self, state: dict[str, object]) -> None:
        self.net.load_state_dict(state["net"])  # type: ignore[arg-type]
        self.mean.load_state_dict(state["mean"])  # type: ignore[arg-type]
        peaks = [group["peak"] for group in self.optimiser.param_groups]
        self.optimiser.load_state_dict(state["optimiser"])  # type: ignore[arg-type]
        for group, peak in zip(self.optimiser.param_groups, peaks, strict=True):
            group["peak"] = peak  # of the recipe as given now
        self.step, self.seconds = int(state["step"]), float(state["seconds"])  # type: ignore[call-overload, arg-type]

    def start_from(self, weights: Path) -> None:
        """The averaged weights of another run, for a schedule of its own."""
        mean = torch.load(weights, weights_only=True)["mean"]
        self.net.load_state_dict(mean)
        self.mean.load_state_dict(mean)

    def save(self) -> None:
        """Write ``last.pt`` so that a crash leaves the old or the new one."""
        state = {
            "net": self.net.state_dict(),
            "mean": self.mean.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "recipe": asdict(self.recipe),
        }
        torch.save(state, self.folder / "part.pt")
        (self.folder / "part.pt").replace(self.folder / "last.pt")

    def advance(self, batch: Batch, progress: float) -> tuple[float, float]:
        """One optimisation step at ``progress`` (0 to 1) of the schedule; the two losses."""
        warm = min(1.0, (self.step + 1) / self.recipe.warmup)
        factor = warm * (0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, progress))) / 2)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * factor
        place, judge = losses(self.net, batch, self.recipe.sigma)
        self.optimiser.zero_grad(set_to_none=True)
        (place + 0.3 * judge).backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 3.0)
        self.optimiser.step()
        self.step += 1
        self._pull_back(self.recipe.anchor * self.optimiser.param_groups[0]["lr"])
        self._average()
        return place.item(), judge.item()

    @torch.no_grad()
    def _pull_back(self, share: float) -> None:
        for p, published in self.published:
            p.lerp_(published, share)

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        for a, b in zip(self.mean.parameters(), self.net.parameters(), strict=True):
            a.lerp_(b, 1 - decay)


def fit(args: argparse.Namespace) -> None:
    """Train until the wall-clock budget is used up."""
    torch.set_num_threads(args.threads)
    recipe = replace(Recipe(), **json.loads(args.set))
    run = Run(args.run, recipe, args.data / PEER)
    if args.start and run.step == 0:
        run.start_from(args.start)
    people = read_people(args.data, args.teacher, args.synthetic)
    budget, begin = args.minutes * 60, time.time() - run.seconds
    recent: list[tuple[float, float]] = []
    if run.step == 0:
        log(run, people, np.zeros(2))
    for batch in batches(_sampler(people, args.data, recipe), run.step, recipe.batch):
        recent.append(run.advance(batch, run.seconds / budget))
        run.seconds = time.time() - begin
        done = run.seconds >= budget
        if run.step % args.every == 0 or done:
            log(run, people, np.mean(recent, 0))
            recent.clear()
            run.save()
        if done:
            return


def _sampler(people: People, data: Path, recipe: Recipe) -> Sampler:
    return Sampler(
        {"lspet": people.lspet, "coco": people.coco, "synthetic": people.synthetic},
        {k: getattr(recipe, k) for k in ("lspet", "coco", "synthetic", "empty")},
        coco.read_backgrounds(data / "backgrounds")[1:],
        SIZE,
        Augmentation(),
        recipe.seed,
    )


def log(run: Run, people: People, loss: NDArray[np.float64]) -> None:
    """One line of ``log.csv``: the averaged weights on people kept apart."""
    photos, sport = people.held_out, people.lspet_val[::4]
    answers = predict(run.mean, photos)
    turned = predict(run.mean, sport, upright=True)
    row = {
        "step": run.step,
        "samples": run.step * run.recipe.batch,
        "seconds": round(run.seconds),
        "place_loss": round(float(loss[0]), 4),
        "score_loss": round(float(loss[1]), 4),
        "coco_oks": round(float(similarities(photos, answers).mean()), 4),
        "lspet_upright_oks": round(float(similarities(sport, turned).mean()), 4),
        "coco_ap": round(by_group(photos, answers)["all"]["AP"], 4),
    }
    path = run.folder / "log.csv"
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def export(args: argparse.Namespace) -> None:
    """Write the averaged weights as ONNX and compare with PyTorch.

    Raises:
        ModelError: The heatmaps differ by more than 1e-4.
    """
    state = torch.load(args.run / "last.pt", weights_only=True)
    net = KeypointNet()
    net.load_state_dict(state["mean"])
    print(f"step {state['step']}")
    export_net(net, args.out)


def export_net(net: KeypointNet, path: Path) -> None:
    """``export`` for a network in memory."""
    example = torch.randn(2, 3, SIZE[1], SIZE[0])
    shipped = KeypointExport(net).eval()
    to_onnx(shipped, {"image": example}, ["heatmaps"], path)


def ask(args: argparse.Namespace) -> None:
    """Store where a run and MoveNet agree about LSPET's training people: the next run's teacher."""
    torch.set_num_threads(args.threads)
    net = KeypointNet()
    net.load_state_dict(torch.load(args.run / "last.pt", weights_only=True)["mean"])
    people = lspet.read_people(args.data / "lspet", "train")
    own = predict(net, people, upright=True, flip=True)
    other = teacher.ask(people, teacher.MoveNet(args.data / teacher.MODEL))
    areas = np.array([p.area for p in people])
    teacher.store(args.out, people, teacher.agreed(own, other, areas))


def test(args: argparse.Namespace) -> None:
    """Print the figures of a model file and of MoveNet as JSON."""
    for row in keypoint_report.measure(args.model, SPEC, args.data, args.lspet, args.demo):
        print(json.dumps(row))


def main(argv: Sequence[str] | None = None) -> int:
    """The command line above."""
    parser = argparse.ArgumentParser(
        prog="python -m train.starter.keypoints",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True)
    p = commands.add_parser("fit", help="train, or go on training")
    p.add_argument("--run", type=Path, required=True)
    p.add_argument("--minutes", type=float, required=True, help="of the whole schedule")
    p.add_argument("--start", type=Path, help="last.pt of another run whose weights to begin with")
    p.add_argument("--teacher", type=Path, help="answers stored by train.starter.teacher, or by ask")
    p.add_argument("--synthetic", type=Path, help="folder with annotations.json and images/")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--every", type=int, default=500, help="steps between reports")
    p.add_argument("--set", default="{}", help="recipe values that differ, as JSON")
    p.set_defaults(call=fit)
    p = commands.add_parser("export", help="write ONNX")
    p.add_argument("--run", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    p.set_defaults(call=export)
    p = commands.add_parser("ask", help="store a run's answers, the teacher of the next run")
    p.add_argument("--run", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--threads", type=int, default=2)
    p.set_defaults(call=ask)
    p = commands.add_parser("test", help="measure a model file beside MoveNet")
    p.add_argument("--model", type=Path, default=Path("models/keypoints.onnx"))
    p.add_argument("--lspet", type=int, default=300, help="so many of its validation photos")
    p.add_argument("--demo", type=Path, default=Path("demo"), help="folder of the demo clip")
    p.set_defaults(call=test)
    for p in commands.choices.values():
        p.add_argument("--data", type=Path, default=Path("../shared/data"))
    args = parser.parse_args(argv)
    args.call(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
