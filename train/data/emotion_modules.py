"""Lightning data modules of the fusion task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from posemo_ros.emotion.descriptors import describe
from posemo_ros.errors import InputError
from posemo_ros.inference.manifest import EmotionSpec
from posemo_ros.inference.store import ModelStore
from posemo_ros.settings import Models
from posemo_ros.types import NEUTRAL

from . import bvh, cmu, moemo_files, video_emotion
from .emotion import as_lifted, movements, soft_labels
from .emotion_clips import EmotionClip, EmotionWindows, Occlusion, check_splits
from .files import need
from .modules import Data
from .sampling import Batch, Drawn, Draws

NOTHING = Occlusion()
Labelled = TypeVar("Labelled", EmotionClip, video_emotion.LabelledVideo)


class EmotionData(Data):
    """Windows of labelled movement; which clips, say the subclasses.

    Args:
        hidden, test_hidden: What is hidden in training, and in validation and test.
        shuffle_context: A control experiment, see ``EmotionWindows``.
        shared_actors: Allow actors and recordings in both train and test.
        dimensions: 3; or 2: the depth of every joint is set to 0, as 2D poses have none (``axes: image``).
        others: See ``Data``.
    """

    epochs = True
    val_is_test = False

    def __init__(
        self,
        *,
        hidden: Occlusion = NOTHING,
        test_hidden: Occlusion = NOTHING,
        shuffle_context: bool = False,
        shared_actors: bool = False,
        dimensions: int = 3,
        **others: Any,
    ) -> None:
        super().__init__(**others)
        if dimensions not in (2, 3):
            raise InputError(f"dimensions: {dimensions}; expected 2 or 3")
        self.dimensions = dimensions
        self.train_hidden, self.test_hidden = hidden, test_hidden
        self.shuffle_context, self.shared_actors = shuffle_context, shared_actors

    @property
    def fixed_settings(self) -> dict[str, Any]:
        """See ``Data``."""
        return {"axes": "image"} if self.dimensions == 2 else {}

    @property
    def title(self) -> str:
        """See ``Data``; with all that makes a figure another one."""
        said = {
            "checkpoint chosen on the test's clips": self.val_is_test,
            "actors shared with the training": self.shared_actors,
            "before scenes of other clips": self.shuffle_context,
            "depth set to 0": self.dimensions == 2,
            "partly hidden": self.test_hidden != NOTHING,
        }
        return ", ".join([super().title, *(words for words, holds in said.items() if holds)])

    def clips(self, part: str) -> list[EmotionClip]:
        """Of ``train``, ``val`` or ``test``."""
        raise NotImplementedError

    def make(self, part: str) -> EmotionWindows:
        """Windows as the network wants them."""
        spec, train = self.spec(EmotionSpec), part == "train"
        clips, axes = self.clips(part), spec.axes
        if self.dimensions == 2 and axes != "image":
            raise InputError(f"dimensions: 2 leaves no {axes!r} axes; take them out of the model's settings")
        if spec.context_frames:
            self._check_tokens(clips)
        if train and not self.shared_actors:
            check_splits(self.clips, val_is_test=self.val_is_test)
        return EmotionWindows(
            clips,
            spec.frames,
            spec.rate_hz,
            axes=axes,
            context_frames=spec.context_frames,
            random_start=train,
            occlusion=self.train_hidden if train else self.test_hidden,
            shuffle_context=self.shuffle_context,
            seed=self.seed,
        )

    def _check_tokens(self, clips: Sequence[EmotionClip]) -> None:
        entry = self.trainer.lightning_module.describe(self.fixed_settings)
        wanted = tuple(entry.inputs["context"].shape[2:])
        for clip in (c for c in clips if len(c.context)):
            if clip.context.shape[1:] != wanted:
                raise InputError(
                    f"{clip.name}: {entry.settings['context_model']!r} encodes an image as "
                    f"{' x '.join(map(str, clip.context.shape[1:]))} numbers, the network reads "
                    f"{' x '.join(map(str, wanted))}: set context_tokens and context_width of its options, "
                    "or take the encoder that it was made for"
                )


class EmotionVideos(EmotionData):
    """Folders of acted clips, see ``video_emotion``.

    Args:
        folder: With ``train``, ``test`` and perhaps ``val``, and ``actors.csv``.
        val_actors: Actors of ``train`` kept for validation where there is no ``val`` folder.
        context: Name of the context encoder in the model manifest; empty: movement alone.
        context_rate_hz: Its encodings per second of video.
        detector, keypoints, lifter: Networks the poses come from, names in the model manifest; the
            lifter may be P-STMO, paper A's source of poses.
        delay_frames: Images that the lifter waits for; run the chain with as many.
        manifests: More model manifests.
        others: See ``EmotionData``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        val_actors: tuple[str, ...] = (),
        context: str = "",
        context_rate_hz: float = 7.5,
        detector: str = Models.detector,
        keypoints: str = Models.keypoints,
        lifter: str = Models.lifter,
        delay_frames: int = Models.delay_frames,
        manifests: tuple[Path, ...] = (),
        **others: Any,
    ) -> None:
        super().__init__(**others)
        self.folder, self.val_actors = Path(folder), frozenset(val_actors)
        self.networks = {"detector": detector, "keypoints": keypoints, "lifter": lifter}
        self.manifests, self.delay_frames = [Path(m) for m in manifests], delay_frames
        if context and not 0 < context_rate_hz < float("inf"):  # 0 would be "any will do" in the chain
            raise InputError(f"context_rate_hz: {context_rate_hz}; expected more than 0, as MoEmo's 7.5")
        self.context, self.context_rate_hz = context, context_rate_hz
        self.extractor: video_emotion.Extractor | None = None
        self._read: dict[str, list[EmotionClip]] = {}

    @property
    def fixed_settings(self) -> dict[str, Any]:
        """See ``Data``."""
        fixed = super().fixed_settings
        if self.context:
            fixed |= {"context_model": self.context, "context_rate_hz": self.context_rate_hz}
        return fixed

    @property
    def sources(self) -> dict[str, Any]:
        """See ``Data``."""
        if self.extractor is None:  # images alone
            return {}
        return {"poses": self.networks["lifter"], "trained_behind": dict(self.extractor.files)}

    def clips(self, part: str) -> list[EmotionClip]:
        """See ``EmotionData``."""
        return self.choose(part, self._split)

    def choose(self, part: str, read: Callable[[str], list[Labelled]]) -> list[Labelled]:
        """What a part takes of the folders; without ``val`` some actors of ``train`` are for validation."""
        if part == "test" or (part == "val" and (self.folder / "val").exists()):
            return read(part)
        clips = read("train")
        if (self.folder / "val").exists():
            return clips
        chosen = [c for c in clips if (c.actor in self.val_actors) == (part == "val")]
        if not chosen:
            raise InputError(
                f"{self.folder}: nothing to validate on; add a folder 'val' or name val_actors among "
                f"{sorted({c.actor for c in clips})}"
            )
        return chosen

    def _split(self, split: str) -> list[EmotionClip]:
        if split not in self._read:
            need(self.folder, "a folder with train, test and actors.csv", video_emotion.SECTION)
            for path in self.manifests:
                what = "the manifest of an exported network (the configuration begins with the command)"
                need(path, what, video_emotion.SECTION)
            self.extractor = self.extractor or video_emotion.chain_extractor(
                **self.networks,
                context=self.context,
                context_rate_hz=self.context_rate_hz,
                delay_frames=self.delay_frames,
                store=ModelStore(self.manifests),
            )
            self._read[split] = video_emotion.load_clips(self.folder, split, self.extractor)
        return self._read[split]


class MoEmoFiles(EmotionData):
    """MoEmo's own prepared files, see ``moemo_files``; without a split ``val`` it is validated on the test.

    Args:
        folder: With the tensors of the splits and ``joints``.
        fps: Of the recordings; every fourth frame has a pose. The files do not tell.
        others: See ``EmotionData``.
    """

    def __init__(self, folder: Path, *, fps: float = moemo_files.FPS, **others: Any) -> None:
        super().__init__(**others)
        if not 0 < fps < float("inf"):
            raise InputError(f"fps: {fps}; expected the frames per second of the recordings")
        self.folder, self.rate_hz = Path(folder), fps / moemo_files.EVERY
        self.val_is_test = not moemo_files.split_folder(self.folder, "val").exists()

    @property
    def fixed_settings(self) -> dict[str, Any]:
        """See ``Data``."""
        scene = {"context_model": "clip-vit-b32", "context_rate_hz": self.rate_hz}
        return {**super().fixed_settings, "rate_hz": self.rate_hz, **scene}

    @property
    def sources(self) -> dict[str, Any]:
        """See ``Data``."""
        return {"poses": "MoEmo's own files"}

    def clips(self, part: str) -> list[EmotionClip]:
        """See ``EmotionData``."""
        split = "test" if part == "val" and self.val_is_test else part
        return moemo_files.load_clips(self.folder, split, self.rate_hz)


class EmotionBvh(EmotionData):
    """Acted motion capture, see ``bvh``: some actors to test on, some to validate on, the rest to train.

    Args:
        folder: Of BVH files named like F01A0V1.bvh.
        val_actors, test_actors: Such as F01.
        unit_m: Metres per unit of the files.
        others: See ``EmotionData``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        val_actors: Sequence[str],
        test_actors: Sequence[str],
        unit_m: float = 0.01,
        **others: Any,
    ) -> None:
        super().__init__(**others)
        self.folder, self.unit_m = Path(folder), unit_m
        self.apart = {"val": frozenset(val_actors), "test": frozenset(test_actors)}
        self._read: list[EmotionClip] = []

    @property
    def sources(self) -> dict[str, Any]:
        """See ``Data``."""
        return {"poses": "motion capture"}

    def clips(self, part: str) -> list[EmotionClip]:
        """See ``EmotionData``."""
        self._read = self._read or bvh.load_clips(self.folder, unit_m=self.unit_m)
        everywhere = self.apart["val"] | self.apart["test"]
        wanted = self.apart.get(part)
        clips = [
            c for c in self._read if (c.actor in wanted if wanted is not None else c.actor not in everywhere)
        ]
        if not clips:
            actors = sorted({c.actor for c in self._read})
            raise InputError(f"{self.folder}: no clips for '{part}'; the actors are {', '.join(actors)}")
        return clips


class CmuExpression(Data):
    """Made-up expression (``expression``) on CMU clips, anew for every step; a half is neutral.

    The train clips are trained on; of the test clips every other one is for validation, where the
    answers are calibrated, the others for the test.

    Args:
        folder: The development data's folder.
        steps: Batches between two validations.
        held_out: Movements to validate on, and as many to test on.
        others: See ``Data``.
    """

    def __init__(self, folder: Path, *, steps: int = 500, held_out: int = 6000, **others: Any) -> None:
        super().__init__(**others)
        self.folder, self.steps, self.held_out = Path(folder), steps, held_out

    def make(self, part: str) -> Draws | Drawn:
        """See ``Data``."""
        if part == "train":
            motion = cmu.load(self.folder, "train")
            return Draws(lambda rng, n: self._rows(motion, rng, rng, n), self.batch, self.steps, self.seed)
        half = ("val", "test").index(part)
        motion = cmu.load(self.folder, "test")
        clips = set(sorted(set(motion.clips))[half::2])
        rng = np.random.default_rng(100 + half)
        seen = np.random.default_rng(7)
        return Drawn(self._rows(motion.only(lambda clip: clip in clips), rng, seen, self.held_out))

    def _rows(
        self, motion: cmu.Motion, rng: np.random.Generator, seen: np.random.Generator, count: int
    ) -> Batch:
        """``movement`` (poses or descriptors), soft ``target`` and ``label`` (-1 where neutral)."""
        spec = self.spec(EmotionSpec)
        samples = movements(motion, spec.frames, spec.rate_hz, rng, count)
        poses = as_lifted(samples.bodies, spec, seen)
        by_words = spec.reads == "descriptors"
        return {
            "movement": describe(poses, spec.rate_hz) if by_words else poses,
            "target": soft_labels(samples, neutral=NEUTRAL in spec.labels),
            "label": np.where(samples.intensity > 0, samples.emotions, -1),
        }
