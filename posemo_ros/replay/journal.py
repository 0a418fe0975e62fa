"""A run that was killed goes on where it was: the networks' answers are written down as they come.

The chain itself is cheap and deterministic; its networks take the time. So nothing of the chain's
state is saved. The journal holds what the networks answered, image by image. When the run starts
again, the chain sees all images again, and the networks' answers come from the journal until it ends;
from there on they are computed. Whatever the stations remember (tracks, windows, filters) is thereby
the same to the last bit, and a station that learns to remember more needs no change here.
"""

from __future__ import annotations

import io
import json
import os
import struct
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..inference.session import Feeds, Outputs, Session
from ..pipeline import Pipeline
from ..types import Detections, Floats, Frame, FrameResult

Answer = Sequence[NDArray[Any]]
_HEAD = struct.Struct("<4sII")  # mark, bytes of the entry, their CRC-32
_MARK = b"pj01"


@dataclass
class _Entry:
    """What was asked about one image.

    Attributes:
        stamp_ns: Of the image.
        asked: Station and number of arrays of every answer, in order.
        arrays: All arrays of all answers, in order.
        ms: Wall time of the step.
        timings_ms: The same by station.
    """

    stamp_ns: int
    asked: list[tuple[str, int]]
    arrays: list[NDArray[Any]]
    ms: float = 0.0
    timings_ms: dict[str, float] | None = None

    def pack(self) -> bytes:
        """As bytes, with its length and checksum before it."""
        body = io.BytesIO()
        header = [self.stamp_ns, self.asked, self.ms, self.timings_ms]
        body.write(json.dumps(header).encode() + b"\n")
        for array in self.arrays:
            np.save(body, array, allow_pickle=False)
        raw = body.getvalue()
        return _HEAD.pack(_MARK, len(raw), zlib.crc32(raw)) + raw

    @classmethod
    def unpack(cls, raw: bytes) -> _Entry:
        """The opposite of ``pack``, without length and checksum."""
        body = io.BytesIO(raw)
        stamp_ns, asked, ms, timings_ms = json.loads(body.readline())
        pairs = [(str(name), int(count)) for name, count in asked]
        arrays = [np.load(body, allow_pickle=False) for _ in range(sum(n for _, n in pairs))]
        return cls(stamp_ns, pairs, arrays, ms, timings_ms)


class Journal:
    """The networks' answers of one run, in an append-only file.

    Every entry is one write, with a checksum: an entry that a kill or a full disk cut off is dropped,
    and computed again.

    Args:
        path: The file; made where there is none.
        without: Stations whose answers are not written down; they are asked again when the run goes on.

    Attributes:
        kept: Number of images that were in it at the start.
    """

    def __init__(self, path: Path, without: Collection[str] = ()) -> None:
        self._path, self._without = path, without
        path.touch()
        self.kept, end = _intact(path)
        os.truncate(path, end)
        self._entries = _read(path, self.kept)
        self._file = path.open("ab", buffering=0)
        self._old: _Entry | None = None
        self._new: _Entry | None = None
        self._at = 0

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @contextmanager
    def attached(self, pipeline: Pipeline) -> Iterator[None]:
        """Inside the block, the pipeline's networks are asked through this journal."""
        people = pipeline.people
        detect, estimate = people.detector.candidates, people.keypoints.estimate

        def detections(frame: Frame) -> Detections:
            def ask() -> Answer:
                found = detect(frame)
                return found.boxes, found.scores

            boxes, scores = self._ask("detector", ask)
            return Detections(boxes, scores)

        def keypoints(frame: Frame, boxes: Floats) -> Floats:
            (found,) = self._ask("keypoints", lambda: (estimate(frame, boxes),))
            if len(found) != len(boxes):
                raise self._unfit(f"{len(found)} people where there are {len(boxes)} now")
            return np.asarray(found, np.float32)

        sessions = pipeline.sessions
        others = ("detector", "keypoints", *self._without)
        stations = {n: s for n, s in pipeline.stations.items() if n not in others}
        # Not the sessions of these two: heat maps are a hundred times larger than the keypoints in them.
        people.detector.candidates = detections  # type: ignore[method-assign]
        people.keypoints.estimate = keypoints  # type: ignore[method-assign]
        for name, station in stations.items():
            station.session = _JournalSession(station.session, name, self._ask)
        try:
            yield
        finally:
            del people.detector.candidates, people.keypoints.estimate  # the methods of their classes again
            for name, station in stations.items():
                station.session = sessions[name]

    def step(self, pipeline: Pipeline, frame: Frame) -> tuple[FrameResult, float]:
        """``pipeline.step`` and the milliseconds it took, now or when it was first done.

        Raises:
            InputError: The journal was written for other images or another chain.
        """
        self._old, self._at = next(self._entries, None), 0
        if self._old is not None and self._old.stamp_ns != frame.stamp_ns:
            raise self._unfit(f"an image at {self._old.stamp_ns} ns where there is {frame.stamp_ns} ns now")
        self._new = _Entry(frame.stamp_ns, [], []) if self._old is None else None
        start = time.perf_counter()
        result = pipeline.step(frame)
        ms = (time.perf_counter() - start) * 1e3
        old, new = self._old, self._new
        self._old = self._new = None
        if old is not None:
            return replace(result, timings_ms=dict(old.timings_ms or {})), old.ms
        if new is not None:
            new.ms, new.timings_ms = ms, dict(result.timings_ms)
            self._file.write(new.pack())
        return result, ms

    def _ask(self, station: str, ask: Callable[[], Answer]) -> Answer:
        if self._old is not None:
            return self._recall(self._old, station)
        answer = ask()
        if self._new is not None:  # None: the end of the recording, see Pipeline.flush
            self._new.asked.append((station, len(answer)))
            self._new.arrays.extend(np.array(a) for a in answer)
        return answer

    def _recall(self, entry: _Entry, station: str) -> Answer:
        if self._at >= len(entry.asked) or entry.asked[self._at][0] != station:
            raise self._unfit(f"no answer of {station} for the image at {entry.stamp_ns} ns")
        count = entry.asked[self._at][1]
        self._at += 1
        answer, entry.arrays = entry.arrays[:count], entry.arrays[count:]
        return answer

    def _unfit(self, what: str) -> InputError:
        return InputError(f"{self._path} does not fit this run: it has {what}; start anew with --overwrite")


class _JournalSession:
    """A session that is asked through a journal."""

    def __init__(
        self, session: Session, station: str, ask: Callable[[str, Callable[[], Answer]], Answer]
    ) -> None:
        self.session, self._station, self._ask = session, station, ask
        self.runtime, self.precision = session.runtime, session.precision
        self.inputs, self.outputs = session.inputs, session.outputs

    def run(self, feeds: Feeds) -> Outputs:
        """As the session does, or as it did."""
        names = [spec.name for spec in self.outputs]

        def ask() -> Answer:
            answer = self.session.run(feeds)
            return [answer[name] for name in names]

        return dict(zip(names, self._ask(self._station, ask), strict=True))


def _read(path: Path, count: int) -> Iterator[_Entry]:
    """The first so many entries."""
    with path.open("rb") as file:
        for _ in range(count):
            _, size, _ = _HEAD.unpack(file.read(_HEAD.size))
            yield _Entry.unpack(file.read(size))


def _intact(path: Path) -> tuple[int, int]:
    """Number of whole entries from the start on, and where they end."""
    count = end = 0
    with path.open("rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            mark, size, checksum = _HEAD.unpack(head)
            raw = file.read(size) if mark == _MARK else b""
            if len(raw) != size or zlib.crc32(raw) != checksum or not raw:
                break
            count, end = count + 1, file.tell()
    return count, end
