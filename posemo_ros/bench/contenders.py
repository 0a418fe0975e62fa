"""What is compared: the chain as it ships, and the same networks used as scripts use them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingExtraError
from ..inference.manifest import ImageInput
from ..inference.runtimes import REFERENCE
from ..inference.session import Feeds, Outputs, Session, SessionLike, one_by_one
from ..inference.store import ModelStore
from ..pipeline import Models, Network, Pipeline, Settings
from ..types import Floats, Frame, FrameResult, PixelOrder, to_order

IN_STEP, REAL_TIME, NAIVE = "in step", "real time", "naive"
FLAT, FLAT_REFERENCE, RTMLIB = "2D, real time", "2D, same runtime", "rtmlib"
MEANING: Mapping[str, str] = {
    IN_STEP: "the chain as recordings use it: the detector holds its frame up",
    REAL_TIME: "the chain as cameras use it: the detector runs beside the keypoints",
    NAIVE: "the same networks: each on every frame, one person at a time, pixels prepared as PyTorch "
    "scripts do, ONNX Runtime in float32",
    FLAT: "detector and keypoints alone, as cameras use them",
    FLAT_REFERENCE: "detector and keypoints alone, in step, ONNX Runtime in float32",
    RTMLIB: "rtmlib's PoseTracker with the same two ONNX files, detector as often, ONNX Runtime in float32",
}


class Contender(Protocol):
    """Something that looks at frames."""

    @property
    def networks(self) -> Mapping[str, Network]:
        """What each station runs."""
        ...

    def reset(self) -> None:
        """Forget everybody."""
        ...

    def step(self, frame: Frame) -> FrameResult:
        """Look at the next frame."""
        ...


@dataclass(frozen=True)
class Chain:
    """Which networks, with which settings."""

    models: Models
    settings: Settings
    store: ModelStore

    def crowd(self, people: int) -> Chain:
        """The same for that many people."""
        most = max(self.settings.max_people, people)
        return replace(self, settings=replace(self.settings, max_people=most))


def make(name: str, chain: Chain) -> Contender:
    """One of ``MEANING``.

    Raises:
        MissingExtraError: rtmlib is asked for and not installed.
    """
    models, settings, store = chain.models, chain.settings, chain.store
    flat = replace(models, lifter="", emotion="", context="")
    if name == IN_STEP:
        return Pipeline(replace(models, real_time=False), settings, store)
    if name == REAL_TIME:
        return Pipeline(replace(models, real_time=True), settings, store)
    if name == FLAT:
        return Pipeline(replace(flat, real_time=True), settings, store)
    if name == FLAT_REFERENCE:
        return Pipeline(replace(flat, runtime=REFERENCE, real_time=False), settings, store)
    if name == RTMLIB:
        from .rtmlib_tracker import RtmlibTracker

        return RtmlibTracker(flat, settings, store)
    return naive(chain)


def needs(name: str) -> None:
    """Say at once that a library is missing.

    Raises:
        MissingExtraError: It is.
    """
    if name == RTMLIB:
        try:
            import rtmlib  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("rtmlib", "bench", "posemo bench --against rtmlib") from error


def naive(chain: Chain) -> Pipeline:
    """Every network on every frame, one person at a time, pixels prepared with float64 arithmetic."""
    models = replace(chain.models, runtime=REFERENCE, real_time=False)
    pipeline = Pipeline(models, replace(chain.settings, detect_every=1), chain.store)
    for name, station in pipeline.stations.items():
        if name not in ("detector", "context"):
            station.session = OneByOne(station.session)
    pipeline.people.detector.letterbox.write = pipeline.people.keypoints.write = write_naively
    return pipeline


class Wrapped(SessionLike):
    """A session around another one."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session


class OneByOne(Wrapped):
    """Runs a batch person by person."""

    def run(self, feeds: Feeds) -> Outputs:
        """See ``Session.run``."""
        return one_by_one(self._session, feeds)


class Metered(Wrapped):
    """Adds up the time of all runs: ``wall_s``, and ``cpu_s`` of all threads of the process."""

    wall_s = cpu_s = 0.0

    def run(self, feeds: Feeds) -> Outputs:
        """See ``Session.run``."""
        wall, cpu = time.perf_counter(), time.process_time()
        outputs = self._session.run(feeds)
        self.wall_s += time.perf_counter() - wall
        self.cpu_s += time.process_time() - cpu
        return outputs


def write_naively(image: NDArray[np.uint8], order: PixelOrder, spec: ImageInput, out: Floats) -> None:
    """As ``tensors.write_tensor``, with new arrays for every step, in float64."""
    scaled = to_order(image, order, spec.order) / 255.0
    scaled = (scaled - np.array(spec.mean) / 255.0) / (np.array(spec.std) / 255.0)
    out[:] = np.ascontiguousarray(scaled.transpose(2, 0, 1), np.float32)


Maker = Callable[[str, Chain], Contender]
