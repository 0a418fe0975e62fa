"""The chain: image in; 2D keypoints, 3D skeletons and emotions out.

``Pipeline`` runs all stations in one process. The ``build_*`` functions make the stations one by
one, for those that spread them over several processes: the same stations, the same numbers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol, TypeVar, cast

from .budget import Budget
from .detect.beside import BesideSchedule
from .detect.detector import Detector
from .detect.scheduler import BoxSchedule
from .detect.tracker import PersonTracker
from .emotion.context import ContextEncoder
from .emotion.estimator import CONTEXT_RATE_TOLERANCE, EmotionEstimator
from .errors import ModelError
from .fit import check_fit
from .inference.manifest import (
    TASKS,
    ContextSpec,
    DetectSpec,
    EmotionSpec,
    KeypointSpec,
    LiftSpec,
    TaskSpec,
)
from .inference.session import Session
from .inference.store import ModelStore
from .keypoints.estimator import KeypointEstimator
from .lift.ground import Ground
from .lift.lifter import Lifter
from .people import PeopleFinder
from .settings import BESIDE_THREADS, CONTEXT_RATE_HZ
from .settings import Models as Models
from .settings import Settings as Settings
from .stage_clock import StageClock as StageClock
from .timeline import Timeline
from .trained_behind import is_called
from .tuning import open_model
from .types import Emotions, Frame, FrameResult, People2D, Skeletons3D

Spec = TypeVar("Spec", bound=TaskSpec)


def build_people(models: Models, store: ModelStore, settings: Settings) -> PeopleFinder:
    """Detector, tracker and keypoint network."""
    detector, keypoints = build_detector(models, store), build_keypoints(models, store)
    schedule = BesideSchedule() if models.real_time else BoxSchedule()
    finder = PeopleFinder(detector, schedule, PersonTracker(), keypoints)
    apply_people(finder, settings)
    return finder


def build_detector(models: Models, store: ModelStore) -> Detector:
    """The person detector alone, with the model's own threshold; beside the keypoints it has one thread."""
    if models.real_time:
        models = replace(models, threads=BESIDE_THREADS)
    return Detector(*_load(models, store, models.detector, DetectSpec))


def build_keypoints(models: Models, store: ModelStore) -> KeypointEstimator:
    """The keypoint network alone."""
    return KeypointEstimator(*_load(models, store, models.keypoints, KeypointSpec))


def apply_people(finder: PeopleFinder, settings: Settings) -> None:
    """Hand changed settings to the people finder."""
    detector = finder.detector
    detector.score_threshold = (
        detector.spec.score_threshold if settings.detector_threshold is None else settings.detector_threshold
    )
    detector.tiles = settings.detector_tiles
    finder.schedule.detect_every = settings.detect_every
    finder.schedule.min_score = settings.keypoint_threshold
    finder.max_people = settings.max_people
    finder.smoothing_hz = settings.keypoint_smoothing_hz
    finder.hfov_deg = settings.hfov_deg


def apply_budget(finder: PeopleFinder, budget: Budget) -> None:
    """Leave out in the next frame what the budget says."""
    finder.level = budget.level
    finder.schedule.stretch = 2 if budget.level else 1


def build_lifter(models: Models, store: ModelStore, settings: Settings | None = None) -> Lifter | None:
    """The lifter, or None when no lifter is named."""
    if not models.lifter:
        return None
    session, spec = _load(models, store, models.lifter, LiftSpec)
    lifter = Lifter(session, spec, delay_frames=models.delay_frames, smoothing_hz=models.smoothing_hz)
    apply_lifter(lifter, settings or Settings())
    return lifter


def apply_lifter(lifter: Lifter, settings: Settings) -> None:
    """Hand settings on to a lifter."""
    lifter.min_score = settings.keypoint_threshold
    known = settings.camera_height_m > 0
    lifter.know(Ground(settings.camera_height_m, settings.camera_tilt_deg) if known else None)


def build_context(models: Models, store: ModelStore, settings: Settings) -> ContextEncoder | None:
    """The context encoder, or None when none is named."""
    if not models.context:
        return None
    session, spec = _load(models, store, models.context, ContextSpec)
    rate_hz = context_rate(models, store, settings)
    return ContextEncoder(session, spec, models.context, rate_hz=rate_hz)


def context_rate(models: Models, store: ModelStore, settings: Settings) -> float:
    """Encodings of the scene per second; see ``Settings.context_rate_hz``."""
    spec = store.spec(models.emotion).spec if models.emotion else None
    own = spec.context_rate_hz if isinstance(spec, EmotionSpec) else 0.0
    return settings.context_rate_hz or own or CONTEXT_RATE_HZ


def build_emotion(
    models: Models, store: ModelStore, settings: Settings | None = None
) -> EmotionEstimator | None:
    """The emotion network, or None when none is named.

    Raises:
        ModelError: Also when it looks at the scene and no encoder is named, or another one than it
            was trained with, or another rate.
    """
    if not models.emotion:
        return None
    check_context(models, store, settings or Settings())
    session, spec = _load(models, store, models.emotion, EmotionSpec)
    _check_tokens(models, store, session, spec)
    return EmotionEstimator(session, spec, max_context_age_s=(settings or Settings()).context_max_age_s)


def check_context(models: Models, store: ModelStore, settings: Settings) -> None:
    """Compare what the emotion network was trained with and what it would be given.

    Raises:
        ModelError: Encoder or rate differ; it says what to name.
    """
    spec = store.spec(models.emotion).spec
    if not isinstance(spec, EmotionSpec) or not spec.context_frames:
        return
    wanted = spec.context_model
    if not is_called(models.context, wanted):
        given = f"the context {models.context!r} is another" if models.context else "no context is named"
        raise ModelError(
            f"emotion network {models.emotion!r} looks at the scene through the encoder {wanted!r}, "
            f"but {given}: name it (option --context {wanted}, parameter context), "
            "or choose an emotion network that needs none"
        )
    rate, own = settings.context_rate_hz, spec.context_rate_hz
    if rate and own and not 1 / CONTEXT_RATE_TOLERANCE <= rate / own <= CONTEXT_RATE_TOLERANCE:
        raise ModelError(
            f"emotion network {models.emotion!r} was trained with {own:g} encodings of the scene per second, "
            f"context_rate_hz is {rate:g}; set it to 0 (the network's own) or to about {own:g}"
        )


def _check_tokens(models: Models, store: ModelStore, session: Session, spec: EmotionSpec) -> None:
    """The encoder's answer has the shape of the emotion network's second input."""
    if not spec.context_frames:
        return
    encoder = store.spec(models.context).spec
    if not isinstance(encoder, ContextSpec) or len(session.inputs) < 2:
        return  # an error of its own, where it is loaded
    wanted, have = session.inputs[1].shape[2:], (encoder.tokens, encoder.width)
    if any(w not in (-1, h) for w, h in zip(wanted, have, strict=False)):
        raise ModelError(
            f"emotion network {models.emotion!r} takes encodings of {wanted[0]} x {wanted[1]} numbers, "
            f"{models.context!r} gives {have[0]} x {have[1]}"
        )


class Network(NamedTuple):
    """What a station runs: name in the manifest, runtime and precision."""

    model: str
    runtime: str
    precision: str

    def __str__(self) -> str:
        return f"{self.model} ({self.runtime}, {self.precision})"


def networks_of(models: Models, sessions: Mapping[str, Session]) -> dict[str, Network]:
    """What each loaded station runs."""
    return {n: Network(getattr(models, n), s.runtime, s.precision) for n, s in sessions.items()}


class Pipeline:
    """All stations in one process.

    Attributes:
        models: Which networks.
        budget: What is left out at the moment (``Settings.deadline_ms``).

    Raises:
        ModelError: A model is not in the manifest, not on this machine, or does not fit its task.
    """

    def __init__(
        self, models: Models | None = None, settings: Settings | None = None, store: ModelStore | None = None
    ) -> None:
        self.models = models or Models()
        store = store or ModelStore()
        self._settings = settings or Settings()
        self._timeline = Timeline(late_s=self._settings.late_s, gap_s=self._settings.gap_s)
        self.budget = Budget(self._settings.deadline_ms)
        self._people = build_people(self.models, store, self._settings)
        self._lifter = build_lifter(self.models, store, self._settings)
        self._context = build_context(self.models, store, self._settings)
        self._own_context_rate = context_rate(self.models, store, Settings())
        self._emotion = build_emotion(self.models, store, self._settings) if self._lifter else None
        if self._emotion and self.models.real_time:
            self._emotion.rest_s = 0.9 / self._emotion.rate_hz  # the network's own rate

    @property
    def settings(self) -> Settings:
        """The settings in force; assign new ones at any time between two steps."""
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        apply_people(self._people, settings)
        self._timeline.late_s, self._timeline.gap_s = settings.late_s, settings.gap_s
        self.budget.deadline_ms = settings.deadline_ms
        if self._lifter:
            apply_lifter(self._lifter, settings)
        if self._context:
            self._context.rate_hz = settings.context_rate_hz or self._own_context_rate
        if self._emotion:
            self._emotion.max_context_age_s = settings.context_max_age_s
        self._settings = settings

    @property
    def people(self) -> PeopleFinder:
        """The stations from the image to 2D people."""
        return self._people

    @property
    def lifter(self) -> Lifter | None:
        """The station from 2D to 3D."""
        return self._lifter

    @property
    def stations(self) -> dict[str, HasSession]:
        """The stations that run a network, by name."""
        stations: dict[str, HasSession | None] = {
            "detector": self._people.detector,
            "keypoints": self._people.keypoints,
            "lifter": self._lifter,
            "context": self._context,
            "emotion": self._emotion,
        }
        return {name: station for name, station in stations.items() if station is not None}

    @property
    def sessions(self) -> dict[str, Session]:
        """The loaded networks by station."""
        return {name: station.session for name, station in self.stations.items()}

    @property
    def networks(self) -> dict[str, Network]:
        """What each loaded station runs: model, runtime and precision."""
        return networks_of(self.models, self.sessions)

    def step(self, frame: Frame) -> FrameResult:
        """Everything about one frame; frames come in the order of their stamps (see ``Timeline``)."""
        owed: list[tuple[Skeletons3D, Emotions | None]] = []
        if not self._timeline.admits(frame.stamp_ns, lambda: owed.extend(self._start_anew())):
            return FrameResult(People2D(view=frame.view(self._settings.hfov_deg)), late=True)
        clock, start = StageClock(), time.perf_counter()
        people = self._people.find(frame, clock)
        skeletons = emotions = None
        if self._context:
            with clock("context"):
                context = self._context.encode(frame)
            if self._emotion:
                self._emotion.remember(context)
        if self._lifter:
            with clock("lifter"):
                skeletons = self._lifter.lift(people)
        if skeletons is not None and self._emotion:
            with clock("emotion"):
                emotions = self._emotion.judge(skeletons)
        self.budget.spent((time.perf_counter() - start) * 1e3)
        apply_budget(self._people, self.budget)
        self._people.schedule.begin()
        return FrameResult(people, skeletons, emotions, clock.timings_ms, owed=tuple(owed))

    def flush(self) -> Iterator[tuple[Skeletons3D, Emotions | None]]:
        """What is still due when no more frames come (``delay_frames`` > 0)."""
        for skeletons in self._lifter.flush() if self._lifter else ():
            yield skeletons, self._emotion.judge(skeletons) if self._emotion else None

    def start(self) -> None:
        """As new, for another recording: the same images give the same results, ids from p1 on."""
        self.reset()
        self._people.start()

    def reset(self) -> None:
        """Forget everybody. Ids go on counting: in a stream none is used twice."""
        self._timeline.reset()
        for station in (self._people, self._lifter, self._context, self._emotion):
            if station is not None:
                station.reset()

    def _start_anew(self) -> list[tuple[Skeletons3D, Emotions | None]]:
        """Forget everybody in the middle of a stream; what was still due."""
        owed = list(self.flush())
        self._people.reset()
        if self._context:
            self._context.reset()
        if self._emotion:
            self._emotion.forget_people()
        return owed


def _load(models: Models, store: ModelStore, name: str, kind: type[Spec]) -> tuple[Session, Spec]:
    entry = store.spec(name)
    if not isinstance(entry.spec, kind):
        wanted = next(task for task, spec in TASKS.items() if spec is kind)
        raise ModelError(
            f"model {name!r} is for the task '{entry.task}'; a model for the task "
            f"'{wanted}' is needed here (see `posemo models list`)"
        )
    session = open_model(store, name, runtime=models.runtime, threads=models.threads)
    check_fit(session, entry)
    return session, cast(Spec, entry.spec)


class HasSession(Protocol):
    """A station that runs a network."""

    session: Session
