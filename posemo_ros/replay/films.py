"""One pass over the images of a recording: the films, and the pictures that a report shows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..draw import Background, Privacy, View3D, overlay, scene
from ..errors import InputError, is_disk_full
from ..types import Frame, People2D
from .bag import Recording
from .progress import Progress
from .video_writer import VideoWriter

SMALL_BYTES = 2_900_000  # of the small film, to aim at; the encoder takes up to a third more
SMALL_KILOBITS = (60.0, 700.0)  # bounds of its rate
SMALL_HEIGHT = 480
TIGHT_KILOBITS, TIGHT_HEIGHT = 200.0, 360

Picture = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Films:
    """What was drawn.

    Attributes:
        stamps: Of all images, nanoseconds, as the keys of the recording.
        times_s: When each is shown in the small film; shorter where that had to stop.
        pictures: Overlay and 3D view, BGR, of the images that were asked for, by stamp.
        problems: Why a film is missing or short, in sentences.
    """

    stamps: list[int]
    times_s: list[float] = field(default_factory=list)
    pictures: dict[int, tuple[Picture, Picture]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def draw_films(
    recording: Recording,
    overlay_path: Path,
    small_path: Path,
    view: View3D,
    wanted: Collection[int],
    progress: Progress,
    privacy: Privacy = Privacy.NONE,
) -> Films:
    """Draw every image of a recording.

    A film is never worth the results: when one cannot be written, that is reported and the rest goes on,
    but where there is no space left on the disk.

    Args:
        recording: Results with images.
        overlay_path: Film of the overlay beside the 3D view.
        small_path: Film of the overlay alone, small enough to lie inside a page.
        view: Of the 3D view.
        wanted: Stamps of the pictures to keep.
        progress: Shows how far it is.
        privacy: What may be seen of the images.

    Raises:
        InputError: The recording has no images.
    """
    background = Background(privacy)
    rate_hz = usual_rate(sorted(recording.people))
    kilobits = small_rate(len(recording.people) / rate_hz)
    height = SMALL_HEIGHT if kilobits > TIGHT_KILOBITS else TIGHT_HEIGHT
    films = Films([])
    both = _Film(overlay_path, films.problems, VideoWriter(overlay_path, rate_hz=rate_hz))
    small = _Film(
        small_path, films.problems, VideoWriter(small_path, rate_hz=rate_hz, kilobits=kilobits, height=height)
    )
    for frame in progress.over(recording.frames(), "drawing", len(recording.people)):
        drawn, seen = _pictures(recording, frame, background, view)
        both.write(np.concatenate([drawn, seen], axis=1), frame.stamp_ns)
        small.write(drawn, frame.stamp_ns)
        films.stamps.append(frame.stamp_ns)
        if frame.stamp_ns in wanted:
            films.pictures[frame.stamp_ns] = (drawn, seen)
    both.close()
    small.close()
    if not films.stamps:
        raise InputError(f"{recording.path} has results but no images to draw them on")
    films.times_s.extend(small.writer.times_s)
    return films


class _Film:
    def __init__(self, path: Path, problems: list[str], writer: VideoWriter) -> None:
        self._path, self._problems, self.writer = path, problems, writer
        self._works = True

    def write(self, picture: Picture, stamp_ns: int) -> None:
        if not self._works:
            return
        try:
            self.writer.write(picture, stamp_ns)
        except Exception as error:
            if is_disk_full(error):
                raise
            self._stop(f"stops at image {len(self.writer.times_s) + 1}: {error}")

    def close(self) -> None:
        try:
            self.writer.close()
        except Exception as error:
            if is_disk_full(error):
                raise
            if self._works:
                self._stop(f"could not be finished: {error}")

    def _stop(self, reason: str) -> None:
        self._works = False
        self._problems.append(f"{self._path.name} {reason}")


def _pictures(
    recording: Recording, frame: Frame, background: Background, view: View3D
) -> tuple[Picture, Picture]:
    """2D overlay and, as high, the 3D view."""
    people = recording.people.get(frame.stamp_ns)
    picture = background.of(frame, people)
    drawn = overlay(picture, people or People2D(), recording.emotions.get(frame.stamp_ns))
    return drawn, scene(recording.skeletons.get(frame.stamp_ns), (frame.height, frame.height), view)


def usual_rate(stamps: list[int]) -> float:
    """Images per second, from the median distance of the stamps; 25 where there is none."""
    gaps = np.diff(stamps)
    return float(np.clip(1e9 / np.median(gaps), 1, 120)) if len(gaps) and np.median(gaps) > 0 else 25.0


def small_rate(seconds: float) -> float:
    """Kilobits per second of the small film, so that it stays under ``SMALL_BYTES`` where it can."""
    low, high = SMALL_KILOBITS
    return float(np.clip(SMALL_BYTES * 8e-3 / max(seconds, 1e-3), low, high))
