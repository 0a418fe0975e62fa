"""The starter lifter: 27 frames of COCO-17 keypoints to a 3D pose.

    python -m train.starter.lifter --data ../shared/data --out models/lifter.onnx

trains on the train split of the CMU clips (random bodies, cameras and keypoint noise, see
``train.data.lifting``), writes the ONNX file, and prints the errors on the test split beside
those of answers that look at nothing. ``--evaluate`` only does the last. Loss: MPJPE.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from posemo_ros import metrics
from posemo_ros.camera import Camera
from posemo_ros.inference.manifest import LiftSpec
from posemo_ros.inference.sessions import open_session
from posemo_ros.lift.lifter import Lifter
from posemo_ros.pipeline import Models
from posemo_ros.types import Frame, People2D, Skeletons3D
from train.data import cmu
from train.data.body import Floats, coco_keypoints
from train.data.cameras import random_poses, see
from train.data.lifting import training_batch
from train.data.noise import PERFECT, Noise, corrupt
from train.models.temporal import TemporalLifter

from .fitting import Plan, export, fit

SPEC = LiftSpec(frames=27, input_joints="coco17", normalisation="person", channels=3, rate_hz=30.0)
CAMERA = Camera.from_fov(640, 480, 60.0)
VIEWS = 4  # random cameras per test clip
_STRETCH = 60  # frames of a test clip that share one draw of the noise, two seconds


def position_error(predicted: Tensor, truth: Tensor) -> Tensor:
    """MPJPE of (B, 1, 17, 3) against (B, 17, 3), metres."""
    return (predicted[:, 0] - truth).norm(dim=-1).mean()


def train(data: Path, out: Path, run: Path, plan: Plan, *, batch: int, width: int, seed: int) -> None:
    """Train and export; prints the difference between the exported model and torch."""
    torch.manual_seed(seed)
    motion = cmu.load(data, "train")
    net = TemporalLifter(SPEC.frames, SPEC.channels, width=width)
    net = fit(
        net,
        lambda rng: training_batch(motion, SPEC, Noise(), rng, batch),
        position_error,
        plan,
        run,
        seed=seed,
    )
    example = torch.zeros(2, SPEC.frames, 17, SPEC.channels)
    difference = export(net, example, out, input_name="keypoints", output_name="joints")
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB, ONNX Runtime and torch differ by {difference:.1e} m")


def scenes(data: Path, noise: Noise, *, views: int = VIEWS, seed: int = 1) -> Iterator[tuple[Floats, Floats]]:
    """Test clips at the model's rate, each seen by some cameras that stand still.

    Yields:
        (T, 17, 3) keypoints in the pixels of ``CAMERA``, with scores; (T, 17, 3) joints in the
        camera frame, metres.
    """
    motion = cmu.load(data, "test")
    cameras, chance = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    for segment in range(len(motion)):
        frames = np.arange(motion.starts[segment], motion.ends[segment], motion.fps / SPEC.rate_hz)
        body = cmu.read(motion, np.full(views, segment), np.broadcast_to(frames, (views, len(frames))))
        rotation, position = random_poses(cameras, views)
        seen = see(body - body[:, len(frames) // 2, None, None, 0], rotation, position)
        for view in seen:
            if view[..., 2].min() > 0.5:
                yield noisy_keypoints(view, noise, chance), view[:, :17]


def noisy_keypoints(view: Floats, noise: Noise, rng: np.random.Generator) -> Floats:
    """(T, 17, 3) pixels of ``CAMERA`` and scores of a body in its frame, (T, 22, 3)."""
    pixels = CAMERA.project(coco_keypoints(view)).astype(np.float32)
    parts = np.array_split(pixels, max(len(pixels) // _STRETCH, 1))
    noisy = [corrupt(part[None], noise, rng) for part in parts]
    return np.concatenate([np.concatenate([xy[0], score[0, ..., None]], -1) for xy, score in noisy])


def lift_video(lifter: Lifter, keypoints: Floats) -> list[Skeletons3D]:
    """The station's answers for a video of one person, (T, 17, 3) keypoints."""
    image = np.zeros((CAMERA.height, CAMERA.width), np.uint8)[..., None].repeat(3, -1)
    answers = []
    for i, row in enumerate(keypoints):
        frame = Frame(image, round(i / SPEC.rate_hz * 1e9), camera=CAMERA)
        people = People2D(("p",), np.zeros((1, 4), np.float32), np.ones(1, np.float32), row[None])
        answers.append(lifter.update(people, frame))
    late = lifter.flush()
    return [a for a in answers if a is not None] + late


def _arrays(answers: Sequence[Skeletons3D]) -> tuple[Floats, Floats]:
    """(T, 17, 3) relative joints, (T, 3) roots."""
    return np.concatenate([a.relative for a in answers]), np.concatenate([a.roots for a in answers])


def evaluate(data: Path, model: Path) -> list[dict[str, object]]:
    """Errors of the lifting station with this model on the test clips, and of two blind answers."""
    mean_pose = _mean_pose(data)
    session = open_session(model, runtime="onnxruntime", threads=1)
    rows = []
    for name, noise in (("perfect", PERFECT), ("noisy", Noise())):
        videos = list(scenes(data, noise))
        for delay, smoothing_hz in ((0, 0.0), (0, Models().smoothing_hz), (SPEC.frames // 2, 0.0)):
            lifter = Lifter(session, SPEC, delay_frames=delay, smoothing_hz=smoothing_hz)
            answers = [_arrays(lift_video(lifter, keypoints)) for keypoints, _ in videos]
            how = {"model": model.name, "keypoints": name, "delay": delay, "smoothing_hz": smoothing_hz}
            rows.append({**how, **_errors(answers, videos)})
    blind = {"zero": np.zeros((17, 3), np.float32), "mean pose": mean_pose}
    for name, pose in blind.items():
        answers = [
            (np.broadcast_to(pose, truth.shape), np.full((len(truth), 3), np.nan)) for _, truth in videos
        ]
        how = {"model": name, "keypoints": "-", "delay": "-", "smoothing_hz": "-"}
        rows.append({**how, **_errors(answers, videos)})
    return rows


def _mean_pose(data: Path) -> Floats:
    """Mean training pose in the cameras' axes."""
    motion, rng = cmu.load(data, "train"), np.random.default_rng(0)
    return training_batch(motion, SPEC, PERFECT, rng, 2048)[1].mean(0)


def _errors(
    answers: Sequence[tuple[Floats, Floats]], videos: Sequence[tuple[Floats, Floats]]
) -> dict[str, object]:
    """Means over all frames of all videos; lengths in millimetres, roots in percent of the distance."""
    truths = [truth - truth[:, :1] for _, truth in videos]
    relative, truth = np.concatenate([a[0] for a in answers]), np.concatenate(truths)
    moves = np.concatenate([np.diff(a[0], axis=0) for a in answers])
    true_moves = np.concatenate([np.diff(t, axis=0) for t in truths])
    roots, true_roots = np.concatenate([a[1] for a in answers]), np.concatenate([t[:, 0] for _, t in videos])
    distance = np.linalg.norm(true_roots, axis=1)
    away = np.linalg.norm(roots - true_roots, axis=1) / distance
    placed = np.isfinite(away)
    return {
        "frames": len(truth),
        "mpjpe_mm": round(1000 * metrics.mpjpe(relative, truth), 1),
        "p_mpjpe_mm": round(1000 * metrics.p_mpjpe(relative, truth), 1),
        "mpjve_mm": round(1000 * metrics.mpjpe(moves, true_moves), 2),
        "pck150": round(metrics.pck(relative, truth), 4),
        "placed": round(float(placed.mean()), 4),
        "root_median_percent": round(100 * float(np.median(away[placed])), 2) if placed.any() else None,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """See the module's first lines."""
    parser = argparse.ArgumentParser(
        prog="python -m train.starter.lifter", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="the development data's folder")
    parser.add_argument("--out", type=Path, required=True, help="ONNX file to write, or to evaluate")
    parser.add_argument("--run", type=Path, default=Path("runs/lifter"), help="folder for log and checkpoint")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--evaluate", action="store_true", help="no training")
    options = parser.parse_args(argv)
    if not options.evaluate:
        plan = Plan(options.steps)
        train(
            options.data,
            options.out,
            options.run,
            plan,
            batch=options.batch,
            width=options.width,
            seed=options.seed,
        )
    for row in evaluate(options.data, options.out):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
