"""CMU clips (see ``cmu``) as videos: random virtual cameras that stand still, noisy COCO-17 keypoints.

The same protocol as for Human3.6M then applies: every frame of every view.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from posemo_ros.camera import Camera
from posemo_ros.interpolate import fill
from posemo_ros.lift.normalise import encode_screen
from posemo_ros.settings import KEYPOINT_THRESHOLD

from . import cmu
from .body import coco_keypoints
from .cameras import random_poses, see
from .corruption import PERFECT, Corruption, corrupt
from .sequences import Floats, Video

CAMERA = Camera.from_fov(640, 480, 60.0)
RATE_HZ = 30.0
_STRETCH = 60  # frames that share one draw of the noise
_NEAREST_M = 0.5


def load_videos(
    data: Path,
    split: str,
    *,
    views: int = 4,
    noise: Corruption = PERFECT,
    rays: bool = False,
    max_videos: int | None = None,
    seed: int = 0,
) -> list[Video]:
    """Every clip seen by ``views`` cameras; keypoints (T, 17, 3) with scores.

    Args:
        data: The development data's folder.
        split: ``train`` or ``test``.
        views: Cameras per clip; a clip that comes nearer than 0.5 m to one is left out there.
        noise: Of the 2D keypoints.
        rays: Keypoints as viewing rays at z = 1 instead of screen coordinates; those the station
            does not trust (``KEYPOINT_THRESHOLD``) then have score 0.
        max_videos: At most so many, evenly taken from all.
        seed: Of cameras and noise.

    Raises:
        InputError: The clips are not there.
    """
    motion = cmu.load(data, split)
    chance = np.random.default_rng((seed, split == "test"))
    videos = []
    for segment in range(len(motion)):
        frames = np.arange(motion.starts[segment], motion.ends[segment], motion.fps / RATE_HZ)
        body = cmu.read(motion, np.full(views, segment), np.broadcast_to(frames, (views, len(frames))))
        seen = see(body - body[:, len(frames) // 2, None, None, 0], *random_poses(chance, views))
        for number, view in enumerate(seen):
            if view[..., 2].min() > _NEAREST_M:
                name = f"{motion.clips[segment]} from frame {motion.starts[segment]} camera {number}"
                keypoints = _keypoints(view, noise, chance, rays=rays)
                joints = view[:, :17] - view[:, :1]
                videos.append(Video(name, motion.actions[segment], keypoints, joints, camera=str(number)))
    if max_videos is not None and len(videos) > max_videos:
        videos = [videos[i] for i in np.linspace(0, len(videos) - 1, max_videos).astype(int)]
    return videos


def _keypoints(view: Floats, noise: Corruption, rng: np.random.Generator, *, rays: bool) -> Floats:
    """(T, 22, 3) body in the camera's frame to (T, 17, 3) rays or screen coordinates and score."""
    pixels = CAMERA.project(coco_keypoints(view)).astype(np.float32)
    out = np.empty((*pixels.shape[:2], 3), np.float32)
    for part in np.array_split(np.arange(len(pixels)), max(len(pixels) // _STRETCH, 1)):
        xy, scores = (rows[0] for rows in corrupt(pixels[None, part], noise, rng))
        if rays:
            scores = np.where(scores >= KEYPOINT_THRESHOLD, scores, np.float32(0))
        xy = fill(np.arange(len(part)), xy, scores > 0)
        # Rays of joints never seen stay NaN: the ray 0, 0 would be somewhere beside the person.
        points = (
            CAMERA.rays(xy)[..., :2]
            if rays
            else np.nan_to_num(encode_screen(xy, CAMERA.width, CAMERA.height))
        )
        out[part, :, :2] = points
        out[part, :, 2] = scores
    return out
