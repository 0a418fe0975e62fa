"""Images of acted clips, for the networks that see pixels alone (paper A's ResNet-50 and ViT)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from posemo_ros.emotion.context import centre_square
from posemo_ros.inference.manifest import ImageInput
from posemo_ros.types import PixelOrder

from .emotion_clips import check_splits
from .emotion_modules import EmotionVideos
from .files import malformed
from .video_emotion import SECTION, LabelledVideo, list_videos

INPUT = ImageInput(width=224, height=224)  # ImageNet's mean and deviation
KEPT_VIDEOS = 64


class FrameWindows:
    """A torch data set of whole batches: images at an even pace, from the clip's middle or anywhere.

    Args:
        videos: Labelled.
        images: T of a sample; 1 is the image form of paper A's baselines.
        rate_hz: Images per second of video.
        random_start: Begin anywhere; else in the middle.
        seed: Of the starts; they depend on (seed, epoch, index) only.
    """

    def __init__(
        self, videos: Sequence[LabelledVideo], images: int, rate_hz: float, *, random_start: bool, seed: int
    ) -> None:
        self.videos, self.images, self.rate_hz = tuple(videos), images, rate_hz
        self.random_start, self.seed = random_start, seed

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, keys: Sequence[tuple[int, int]]) -> dict[str, NDArray[np.generic]]:
        """``images`` (B, T, 3, 224, 224), ``label`` (B,), ``index`` (B,); keys are (epoch, index)."""
        return {
            "images": np.stack([self._images(epoch, index) for epoch, index in keys]),
            "label": np.array([self.videos[i].emotion for _, i in keys], np.int64),
            "index": np.array([i for _, i in keys], np.int64),
        }

    def _images(self, epoch: int, index: int) -> NDArray[np.float32]:
        frames, fps = read_small(self.videos[index].path)
        span = (self.images - 1) / self.rate_hz * fps
        slack = max(len(frames) - 1 - span, 0.0)
        rng = np.random.default_rng((self.seed, epoch, index))
        start = slack * (rng.random() if self.random_start else 0.5)
        at = np.minimum(start + np.arange(self.images) / self.rate_hz * fps, len(frames) - 1).astype(int)
        return np.concatenate([centre_square(frames[i], PixelOrder.BGR, INPUT) for i in at])


@lru_cache(maxsize=KEPT_VIDEOS)
def read_small(path: Path) -> tuple[NDArray[np.uint8], float]:
    """All images of a video, no larger than the network needs, and its frames per second.

    Raises:
        InputError: The video has no image that can be read.
    """
    video = cv2.VideoCapture(str(path))
    fps = video.get(cv2.CAP_PROP_FPS) or 30.0
    frames = []
    while True:
        ok, image = video.read()
        if not ok:
            break
        scale = INPUT.height / min(image.shape[:2])
        frames.append(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    video.release()
    if not frames:
        raise malformed(path, "no image can be read", "a video", SECTION)
    return np.asarray(frames, np.uint8), float(fps)


class EmotionFrames(EmotionVideos):
    """The images of ``EmotionVideos``' folders, without poses; see there."""

    def make(self, part: str) -> FrameWindows:  # type: ignore[override]
        """See ``Data``."""
        videos, settings = self._videos(part), self.settings
        if part == "train" and not self.shared_actors:
            check_splits(self._videos)
        return FrameWindows(
            videos, settings["images"], settings["rate_hz"], random_start=part == "train", seed=self.seed
        )

    def _videos(self, part: str) -> list[LabelledVideo]:
        return self.choose(part, lambda split: list_videos(self.folder, split))
