"""Lightning data modules: which files a task is trained, validated and tested on.

Sizes that the network fixes (crop, window, rate) are read from the task's ``entry.settings``, so
they stand in a configuration once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Sampler

from posemo_ros import metrics
from posemo_ros.errors import InputError
from posemo_ros.inference.manifest import KeypointSpec, LiftSpec, Spec
from posemo_ros.skeleton import H36M17, h36m_from_coco

from . import cmu, cmu_videos, coco, h36m, mpi_inf_3dhp
from .corruption import PERFECT, Corruption
from .detections import read_detections
from .files import need
from .keypoint_crops import HRNET, PLAIN, KeypointCrops, Recipe
from .lifting import Mixed, Noise, training_batch
from .mistakes import Mistakes
from .people import Person, need_photos
from .sampling import Batch, Draws, EpochSampler, ResumableLoader, StepSampler
from .sequences import COCO_TO_H36M, H36M, H36M_NO_NOSE, Layout, PersonWindows, Video, Windows
from .sightings import Sightings


def at_least(smallest: int, **numbers: int) -> None:
    """Refuse options that are too small.

    Raises:
        InputError: It names the first.
    """
    for name, number in numbers.items():
        if number < smallest:
            raise InputError(f"{name}: {number}; expected {smallest} or more")


class Data(lightning.LightningDataModule):
    """What all have in common: three data sets, made into loaders.

    Args:
        batch: Samples per step and process.
        eval_batch: The same for validation and test.
        workers: Processes that prepare batches; 0: none.
        seed: Of order and augmentation.
    """

    datasets: dict[str, Any]
    trainer: Any  # Lightning sets it before it asks for anything
    epochs = False  # whether the data sets ask for (epoch, index)

    def __init__(
        self, *, batch: int = 32, eval_batch: int | None = None, workers: int = 4, seed: int = 0
    ) -> None:
        super().__init__()
        self.batch, self.eval_batch = batch, batch if eval_batch is None else eval_batch
        self.workers, self.seed = workers, seed
        at_least(1, batch=self.batch, eval_batch=self.eval_batch)
        at_least(0, workers=workers, seed=seed)
        self.datasets = {}

    def make(self, part: str) -> Any:
        """The data set ``train``, ``val`` or ``test``."""
        raise NotImplementedError

    def setup(self, stage: str) -> None:
        """Read what a stage needs, once."""
        parts = {"fit": ("train", "val"), "validate": ("val",)}.get(stage, ("test",))
        for part in parts:
            if part not in self.datasets:
                self.datasets[part] = self.make(part)

    @property
    def fixed_settings(self) -> dict[str, Any]:
        """What the data fix of the manifest's settings: a network is run on what it was trained on."""
        return {}

    @property
    def title(self) -> str:
        """What a network was tested on, in some words; results carry it."""
        return type(self).__name__

    @property
    def sources(self) -> dict[str, Any]:
        """Settings of the manifest that say what the data were made with; a run keeps them as they were."""
        return {}

    @property
    def settings(self) -> dict[str, Any]:
        """The manifest's settings of the network that is trained on these data."""
        settings: dict[str, Any] = self.trainer.lightning_module.describe(self.fixed_settings).settings
        return settings

    def spec(self, kind: type[Spec]) -> Spec:
        """The same as the task's dataclass.

        Raises:
            ModelError: The settings are not those of that task.
        """
        spec: Spec = self.trainer.lightning_module.describe(self.fixed_settings).spec(kind)
        return spec

    def loader(self, part: str) -> DataLoader[Any]:
        """Batches of this process."""
        return ResumableLoader(
            self.datasets[part],
            sampler=self._sampler(part),
            batch_size=None,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=self.trainer.accelerator.auto_device_count() > 0 and self.on_gpu,
        )

    def _sampler(self, part: str) -> Sampler[Any]:
        dataset, train = self.datasets[part], part == "train"
        own = {"rank": self.trainer.global_rank, "world": self.trainer.world_size}
        if isinstance(dataset, Draws):
            return StepSampler(dataset.steps, **own)
        batch = self.batch if train else self.eval_batch
        return EpochSampler(len(dataset), batch, shuffle=train, seed=self.seed, with_epoch=self.epochs, **own)

    @property
    def on_gpu(self) -> bool:
        """Whether batches go to a GPU."""
        return self.trainer.strategy.root_device.type == "cuda"

    def train_dataloader(self) -> DataLoader[Any]:
        """See ``loader``."""
        return self.loader("train")

    def val_dataloader(self) -> DataLoader[Any]:
        """See ``loader``."""
        return self.loader("val")

    def test_dataloader(self) -> DataLoader[Any]:
        """See ``loader``."""
        return self.loader("test")

    def predict_dataloader(self) -> DataLoader[Any]:
        """The test set."""
        return self.loader("test")


class VideoData(Data):
    """Windows of 2D keypoints with 3D joints; which videos, say the subclasses.

    Args:
        stride: Every so many frames are trained on.
        val_stride: The same for validation; the test takes every frame.
        step: Frames of the video from one frame of a window to the next, in training and test.
        flip: Train on the mirror images too.
        others: See ``Data``.
    """

    layout: Layout = H36M
    joint_set, rate_hz = "h36m17", 0.0

    def __init__(
        self, *, stride: int = 1, val_stride: int = 8, step: int = 1, flip: bool = True, **others: Any
    ) -> None:
        super().__init__(**others)
        at_least(1, stride=stride, val_stride=val_stride, step=step)
        self.stride, self.val_stride, self.step, self.flip = stride, val_stride, step, flip

    @property
    def fixed_settings(self) -> dict[str, Any]:
        """See ``Data``."""
        rate_hz = self.rate_hz / self.step
        return {"input_joints": self.joint_set, "normalisation": "screen", "rate_hz": rate_hz}

    def videos(self, part: str) -> list[Video]:
        """Of ``train``, ``val`` or ``test``."""
        raise NotImplementedError

    def make(self, part: str) -> Any:
        """Windows as long as the network wants them."""
        frames, channels = self.settings["frames"], self.settings["channels"]
        stride = {"train": self.stride, "val": self.val_stride}.get(part, 1)
        network = self.trainer.lightning_module.describe(self.fixed_settings).network
        wanted = getattr(network, "input_joints", self.joint_set)
        if wanted != self.joint_set:
            raise InputError(f"the network sees joints as a graph of {wanted}; the data are {self.joint_set}")
        videos = [replace(v, keypoints=v.keypoints[..., :channels]) for v in self.videos(part)]
        if not videos:
            raise InputError(f"{type(self).__name__}: no videos for '{part}'")
        have = videos[0].keypoints.shape[-1]
        if have < channels:
            raise InputError(
                f"the network takes {channels} numbers per keypoint, {videos[0].name} has {have}; "
                f"set channels: {have} in the network's options"
            )
        joints = self.settings.get("joints", len(H36M17))
        if videos[0].keypoints.shape[1] != joints:
            raise InputError(
                f"the network takes {joints} joints, {videos[0].name} has {videos[0].keypoints.shape[1]}; "
                f"set joints: {videos[0].keypoints.shape[1]} in the network's options"
            )
        flip = part == "train" and self.flip
        return Windows(videos, frames, self.layout, stride=stride, step=self.step, flip=flip)


class Human36M(VideoData):
    """Human3.6M in VideoPose3D's files: train S1 5 6 7 8, test S9 11.

    Args:
        folder: See ``h36m``.
        keypoints: Kind of 2D keypoints, ``gt`` or ``cpn_ft_h36m_dbb`` or another. Those of stacked
            hourglass (``sh_...``) are 16: the nose is missing, in 3D too (the network's ``joints: 16``);
            those with ``coco`` in their name are COCO's, as a network on photos finds them.
        val_subjects: Training subjects kept for validation. None: every ``val_stride``-th frame of
            the test subjects, as the published recipes do, which chooses the best epoch on the test.
        others: See ``VideoData``.
    """

    rate_hz = h36m.FPS

    def __init__(
        self,
        folder: Path,
        *,
        keypoints: str = "cpn_ft_h36m_dbb",
        val_subjects: tuple[str, ...] = (),
        **others: Any,
    ) -> None:
        super().__init__(**others)
        self.folder, self.keypoints, self.val_subjects = Path(folder), keypoints, tuple(val_subjects)
        order = h36m.order_of(keypoints)
        if order is h36m.HOURGLASS_ORDER:
            self.layout = H36M_NO_NOSE
        if order is h36m.COCO_ORDER:
            self.layout, self.joint_set = COCO_TO_H36M, "coco17"

    @property
    def title(self) -> str:
        """See ``Data``; true keypoints or found ones."""
        return f"{super().title} {self.keypoints}"

    def videos(self, part: str) -> list[Video]:
        """See ``VideoData``."""
        train = tuple(s for s in h36m.TRAIN_SUBJECTS if s not in self.val_subjects)
        subjects = {"train": train, "val": self.val_subjects or h36m.TEST_SUBJECTS}
        return h36m.load_videos(self.folder, self.keypoints, subjects.get(part, h36m.TEST_SUBJECTS))


class Mpi3dhp(VideoData):
    """MPI-INF-3DHP in P-STMO's files; validated on every ``val_stride``-th frame of the test videos.

    Args:
        folder: See ``mpi_inf_3dhp``.
        others: See ``VideoData``.
    """

    layout, joint_set = mpi_inf_3dhp.LAYOUT, mpi_inf_3dhp.JOINT_SET

    def __init__(self, folder: Path, **others: Any) -> None:
        super().__init__(**others)
        self.folder = Path(folder)

    def videos(self, part: str) -> list[Video]:
        """See ``VideoData``."""
        return mpi_inf_3dhp.load_videos(self.folder, "train" if part == "train" else "test")


class Cmu(VideoData):
    """CMU clips seen by random virtual cameras that stand still.

    Args:
        folder: The development data's folder.
        views: Cameras per clip.
        noise: Of the 2D keypoints: ``perfect`` or ``detector`` (see ``corruption.Corruption``).
        normalisation: Of the network's input, ``screen`` or ``person``.
        joints: Of the keypoints: ``coco17``, or ``h36m17`` made of these as the station does.
        held_out_every: Every so many training clips are for validation instead.
        max_videos: For trials: at most so many.
        others: See ``VideoData``.
    """

    layout, joint_set, rate_hz = COCO_TO_H36M, "coco17", cmu_videos.RATE_HZ

    def __init__(
        self,
        folder: Path,
        *,
        views: int = 4,
        noise: str = "detector",
        normalisation: str = "screen",
        joints: str = "coco17",
        held_out_every: int = 8,
        max_videos: int | None = None,
        **others: Any,
    ) -> None:
        super().__init__(**others)
        if joints not in ("coco17", "h36m17") or (joints == "h36m17" and normalisation != "screen"):
            raise InputError(f"joints: {joints}; expected coco17, or h36m17 with normalisation: screen")
        if joints == "h36m17":
            self.layout, self.joint_set = H36M, joints
        kinds = {"perfect": PERFECT, "detector": Corruption()}
        if noise not in kinds:
            raise InputError(f"noise: {noise!r} is unknown (known: {', '.join(kinds)})")
        at_least(1, views=views, held_out_every=held_out_every)
        self.folder, self.views, self.noise = Path(folder), views, kinds[noise]
        self.normalisation, self.held_out_every, self.max_videos = normalisation, held_out_every, max_videos

    @property
    def fixed_settings(self) -> dict[str, Any]:
        """See ``Data``."""
        return {**super().fixed_settings, "normalisation": self.normalisation}

    def make(self, part: str) -> Any:
        """See ``VideoData``; windows of rays where the network wants them seen by a virtual camera."""
        if self.normalisation == "screen":
            return super().make(part)
        train = part == "train"
        stride = {"train": self.stride, "val": self.val_stride}.get(part, 1)
        how = {"stride": stride, "step": self.step, "flip": train and self.flip}
        return PersonWindows(self.videos(part), self.spec(LiftSpec), self.layout, **how)

    def videos(self, part: str) -> list[Video]:
        """See ``VideoData``."""
        videos = cmu_videos.load_videos(
            self.folder,
            "test" if part == "test" else "train",
            views=self.views,
            noise=self.noise,
            rays=self.normalisation == "person",
            max_videos=self.max_videos,
        )
        if self.joint_set == "h36m17":
            videos = [replace(v, keypoints=h36m_from_coco(v.keypoints)) for v in videos]
        if part == "test":
            return videos
        # All views of a clip stay together.
        kept = self._held_out(v.name.split(" ")[0] for v in videos)
        return [v for v in videos if (v.name.split(" ")[0] in kept) == (part == "val")]

    def _held_out(self, clips: Iterable[str]) -> set[str]:
        """Training clips that are for validation."""
        return set(sorted(set(clips))[:: self.held_out_every])


class CmuBodies(Cmu):
    """Other bodies in other poses, made of CMU clips anew for every step, see ``lifting``.

    Validation and test are those of ``Cmu``.

    Args:
        folder: The development data's folder.
        steps: Batches between two validations.
        sightings: File of ``python -m train scenes films``: 60 % of the windows get errors measured
            there, 30 % the invented ones of ``noise``, 10 % none.
        others: See ``Cmu``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        steps: int = 500,
        normalisation: str = "person",
        sightings: Path | None = None,
        **others: Any,
    ) -> None:
        super().__init__(folder, normalisation=normalisation, **others)
        if self.joint_set != "coco17":
            raise InputError(f"joints: {self.joint_set}; keypoints made anew for every step are coco17 alone")
        self.steps = steps
        self.sightings = None if sightings is None else Path(sightings)

    def make(self, part: str) -> Any:
        """See ``Data``."""
        if part != "train":
            return super().make(part)
        everything = cmu.load(self.folder, "train")
        kept = self._held_out(everything.clips)
        motion, spec = everything.only(lambda clip: clip not in kept), self.spec(LiftSpec)
        noise = self._noise(spec.frames + 1)

        def draw(rng: np.random.Generator, count: int) -> Batch:
            rows = training_batch(motion, spec, noise, rng, count)
            return {**rows, "joints": rows["joints"][:, None]}

        return Draws(draw, self.batch, self.steps, self.seed)

    def _noise(self, frames: int) -> Noise:
        if self.sightings is None:
            return self.noise
        measured = Mistakes.of(Sightings.load(self.sightings), frames)
        return Mixed(((measured, 0.6), (self.noise, 0.3), (PERFECT, 0.1)))


class Keypoints(Data):
    """People in COCO's format.

    Args:
        train_annotations, train_images: Annotation file and folder of photos.
        val_annotations, val_images: The same for validation and test.
        detections: Boxes of a detector to validate and test on; None: the labelled boxes.
        recipe: Augmentation.
        limit: For trials: at most so many people to train on.
        threads: Per worker.
        others: See ``Data``.
    """

    epochs = True

    def __init__(
        self,
        train_annotations: Path,
        train_images: Path,
        val_annotations: Path,
        val_images: Path,
        *,
        detections: Path | None = None,
        recipe: Recipe = HRNET,
        limit: int | None = None,
        threads: int = 1,
        **others: Any,
    ) -> None:
        super().__init__(**others)
        self.train_files = Path(train_annotations), Path(train_images)
        self.val_files = Path(val_annotations), Path(val_images)
        self.detections = None if detections is None else Path(detections)
        self.recipe = recipe
        self.limit, self.threads = limit, threads
        self.box_scores: np.ndarray = np.zeros(0, np.float32)

    def make(self, part: str) -> KeypointCrops:
        """See ``Data``."""
        spec = self.spec(KeypointSpec)
        if part == "train":
            people = self._labelled(*self.train_files)[: self.limit]
            need_photos(people)
            return KeypointCrops(people, spec, self.recipe, seed=self.seed, threads=self.threads)
        people = self._to_judge()
        need_photos(people)
        return KeypointCrops(people, spec, PLAIN, threads=self.threads)

    @property
    def title(self) -> str:
        """See ``Data``; whose boxes makes a difference."""
        return f"{super().title}, {self.detections.stem if self.detections else 'labelled boxes'}"

    def judge(
        self, part: str, index: NDArray[np.int64], keypoints: NDArray[np.float32], area: NDArray[np.float32]
    ) -> dict[str, float]:
        """COCO's metrics of answers.

        Args:
            part: ``val`` or ``test``.
            index: (N,) which of its people each answer is for.
            keypoints: (N, 17, 3) photo px and score.
            area: (N,) px² of the crops in the photos.
        """
        people = [self.datasets[part].people[i] for i in index.tolist()]
        results = metrics.coco_results([p.image_id for p in people], keypoints, self.box_scores[index], area)
        return metrics.coco_keypoint_ap(self.val_files[0], results)

    def _labelled(self, annotations: Path, images: Path) -> list[Person]:
        need(annotations, "an annotation file in COCO's format", "COCO keypoints")
        need(images, "the folder of its photos", "COCO keypoints")
        return coco.read_people(annotations, images)

    def _to_judge(self) -> list[Person]:
        if self.detections is None:
            people = self._labelled(*self.val_files)
            self.box_scores = np.ones(len(people), np.float32)
            return people
        people, self.box_scores = read_detections(self.detections, *self.val_files)
        return people
