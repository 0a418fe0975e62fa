"""The chain on one recording or many; killed at any moment, it goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__, losses
from ..draw import Privacy
from ..errors import InputError, PosemoError, is_disk_full
from ..inference.manifest import STATIONS
from ..inference.store import ModelStore
from ..pipeline import Models, Pipeline, Settings
from ..types import Frame, FrameResult
from .bag import ResultBagWriter, read_results
from .choice import Choice
from .journal import Journal
from .progress import Progress
from .report import RunFigures, write_report
from .run_folder import BATCH, RESULT_BAG, RunFolder, fingerprint, make_folder
from .source import Source, without_password
from .source_list import folders_of, stem
from .sources import open_source
from .truth import Truths, read_truth


@dataclass(frozen=True)
class Outcome:
    """What came of one source.

    Attributes:
        source: As it was named; an address without password.
        folder: Where its results are.
        words: The summary; empty after an error.
        images: That have results.
        people: Track ids.
        losses: Images that were skipped.
        error: Why there are no results; empty when there are.
        again: It was finished by an earlier run, nothing was done now.
        tries: How often it was begun in this run: more than once where a worker died.
    """

    source: str
    folder: str
    words: str = ""
    images: int = 0
    people: int = 0
    losses: int = 0
    error: str = ""
    again: bool = False
    tries: int = 1


@dataclass(frozen=True)
class Plan:
    """A ``Runner`` before its networks are loaded: it can be sent to another machine.

    Attributes:
        models, settings, store: Of the chain.
        choice, truths, overwrite, privacy, films: As of the runner.
    """

    models: Models
    settings: Settings
    store: ModelStore
    choice: Choice
    truths: Truths | None = None
    overwrite: bool = False
    privacy: Privacy = Privacy.NONE
    films: bool = True

    def runner(self) -> Runner:
        """With the networks."""
        pipeline = Pipeline(self.models, self.settings, self.store)
        how = (self.choice, self.truths, self.overwrite, self.privacy, self.films)
        return Runner(pipeline, self.store, *how)


@dataclass(frozen=True)
class Runner:
    """What all sources of a run share.

    Attributes:
        pipeline: The chain.
        store: Its models.
        choice: What of a source is read.
        truths: Where the ground truth to compare with is; None: nowhere.
        overwrite: Results of another run may be thrown away.
        privacy: What the recorded images, films and pictures may show.
        films: False: no film, picture and page; True also draws those of a run that was finished without.
    """

    pipeline: Pipeline
    store: ModelStore
    choice: Choice
    truths: Truths | None = None
    overwrite: bool = False
    privacy: Privacy = Privacy.NONE
    films: bool = True

    def one(
        self, text: str, out: Path, progress: Progress | None = None, *, name: str = "", several: bool = False
    ) -> Outcome:
        """Run on one source; go on where an earlier run of the same was killed.

        Args:
            text: What to open, see ``open_source``.
            out: Folder for results.mcap, results.parquet, overlay.mp4, overview.png, summary.json.
            progress: Shows how far it is.
            name: Of the recording, to find its truth by; empty: the source's.
            several: It is one of several, so the truth cannot be a single file.

        Raises:
            InputError: The source cannot be opened or gave no frame, the truth cannot be read, or the
                folder holds another run.
        """
        progress = progress or Progress()
        with _full_disk_named(out), ExitStack() as stack:
            source = stack.enter_context(open_source(text, self.choice))
            if self.pipeline.lifter:
                self.pipeline.lifter.depth = source.depth
            truth = self._truth(name or stem(text), source, several=several)
            task = self._task(text, source, truth)
            folder = stack.enter_context(RunFolder(out, task, overwrite=self.overwrite))
            if folder.finished is not None and not (self.films and folder.undrawn):
                return replace(Outcome(**folder.finished), again=True)
            figures = RunFigures(**folder.undrawn) if folder.undrawn else self._run(source, folder, progress)
            found = read_results(out / RESULT_BAG)
            words, summary = write_report(
                found, out, truth, figures, progress, self.privacy, films=self.films
            )
            images, people = summary["frames"]["out"], len(summary["ids"])
            outcome = Outcome(
                without_password(text), str(out), words, images, people, summary["losses"]["images"]
            )
            folder.finish(asdict(outcome), None if self.films else asdict(figures))
        return outcome

    def _run(self, source: Source, folder: RunFolder, progress: Progress) -> RunFigures:
        """The chain; its answers are kept in a journal where the source can be played again."""
        with ExitStack() as stack:
            # Of what is encoded of a scene, a picture can be guessed; see nodes/pixels.py.
            without = () if self.privacy is Privacy.NONE else ("context",)
            journal = None if source.live else stack.enter_context(Journal(folder.journal, without))
            if journal is not None:
                stack.enter_context(journal.attached(self.pipeline))
            bag = folder.path / RESULT_BAG
            return run_chain(source, self.pipeline, bag, journal, progress, self.privacy)

    def many(self, texts: Sequence[str], out: Path) -> list[Outcome]:
        """Run on one source after another, each in a folder of its own; errors are kept, not raised.

        Args:
            texts: The sources.
            out: Folder of the folders, and of ``batch.json`` with all outcomes so far.

        Raises:
            InputError: With ``choice.strict``, the first error.
        """
        make_folder(out)
        outcomes = list[Outcome]()
        for number, (text, folder) in enumerate(zip(texts, folders_of(texts, out), strict=True), 1):
            bar = Progress(f"[{number}/{len(texts)}] {folder.name}")
            try:
                outcomes.append(self.one(text, folder, bar, name=folder.name, several=len(texts) > 1))
            except (PosemoError, OSError) as error:
                if self.choice.strict:
                    raise
                outcomes.append(Outcome(without_password(text), str(folder), error=str(error)))
            write_batch(out, outcomes)
        return outcomes

    def _truth(self, name: str, source: Source, *, several: bool) -> Path | None:
        if self.truths is None:
            return None
        truth = self.truths.of(name, several=several)
        if truth is None:
            problem = f"no truth for {name!r} in {self.truths.given}"
            if not several:
                raise InputError(f"{problem}; expected {name}.npz or {name}_truth.npz")
            source.note(problem)
        else:
            read_truth(truth)  # better known now than after an hour
        return truth

    def _task(self, text: str, source: Source, truth: Path | None) -> dict[str, Any]:
        """All that decides about the results."""
        models, settings = asdict(self.pipeline.models), asdict(self.pipeline.settings)
        names = {models[station] for station in STATIONS if models[station]}
        path = Path(text)
        choice = {k: v for k, v in asdict(self.choice).items() if k != "strict"}
        return {
            "posemo_ros": __version__,
            "source": without_password(text) if source.live or "://" in text else str(path.resolve()),
            "content": _content(text, source),
            "choice": [choice, fingerprint(Path(self.choice.camera_info)) if self.choice.camera_info else ""],
            "privacy": self.privacy.value,
            "truth": [str(truth), fingerprint(truth)] if truth else None,
            **{f"model {k}": v for k, v in models.items()},
            "files": {name: self.store.sha256(name) for name in sorted(names)},
            "networks": {station: str(network) for station, network in self.pipeline.networks.items()},
            **settings,
        }


@contextmanager
def _full_disk_named(out: Path) -> Iterator[None]:
    """Libraries do not say where there was no space left."""
    try:
        yield
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise InputError(
            f"{out} cannot be written (no space left on the disk): make room, and the same command goes on"
        ) from error


def _content(text: str, source: Source) -> str | list[str]:
    """Changes when there may be other images under the same name."""
    if source.live:
        return str(time.time_ns())
    if "://" in text:  # the query tells films apart; slow to guess from, for it may hold a password
        query = os.fsencode(text.partition("?")[2])
        return hashlib.scrypt(
            query, salt=os.fsencode(without_password(text)), n=2**14, r=8, p=1, dklen=16
        ).hex()
    path = Path(text)
    beside = path.parent / f"{path.name if path.is_dir() else path.stem}.json"
    return [fingerprint(path), fingerprint(beside)]


def run_chain(
    source: Source,
    pipeline: Pipeline,
    bag: Path,
    journal: Journal | None,
    progress: Progress,
    privacy: Privacy = Privacy.NONE,
) -> RunFigures:
    """Everything in the source through the chain, into a bag.

    A live source ends with an interrupt, like any other source with its last image.

    Raises:
        InputError: The source gave no frame, or the journal does not fit it.
    """
    pipeline.start()
    times, stages, ids = list[float](), dict[str, list[float]](), set[str]()
    last: Frame | None = None
    full = 0
    with ResultBagWriter(bag, pipeline.models, privacy) as writer:
        try:
            for frame in progress.over(source, "running", source.length):
                result, ms = journal.step(pipeline, frame) if journal else _step(pipeline, frame)
                for skeletons, emotions in result.owed:
                    writer.write_late(frame.stamp_ns, skeletons, emotions)
                if result.late:
                    source.losses.add(
                        "older than the image before", f"image of {frame.stamp_ns * 1e-9:.3f} s"
                    )
                    continue
                times.append(ms)
                for name, part in result.timings_ms.items():
                    stages.setdefault(name, []).append(part)
                writer.write(frame, result)
                last = frame
                ids.update(result.people.ids)
                full += len(result.people) >= pipeline.settings.max_people
                progress.people(len(ids))
        except KeyboardInterrupt:
            if not source.live:
                raise
        if last is None:
            lost = next(iter(source.losses), None)
            why = f": {len(source.losses)} images were lost, the first: {lost}" if lost else ""
            raise InputError(f"{source.name} gave no frame{why}")
        for skeletons, emotions in pipeline.flush():
            writer.write_late(last.stamp_ns, skeletons, emotions)
    if full:
        source.note(
            f"{full} images show as many people as --max-people allows ({pipeline.settings.max_people}): "
            "others may have been left out"
        )
    return RunFigures(
        latency="wall time of Pipeline.step",
        latencies_ms=times,
        stages="mean over the images in which the stage worked",
        stages_ms={name: float(np.mean(ms)) for name, ms in stages.items()},
        runtimes={station: str(network) for station, network in pipeline.networks.items()},
        source=source.name,
        input=_input(source, last, pipeline.settings.hfov_deg),
        losses=source.losses.as_dict(),
    )


def _step(pipeline: Pipeline, frame: Frame) -> tuple[FrameResult, float]:
    start = time.perf_counter()
    result = pipeline.step(frame)
    return result, (time.perf_counter() - start) * 1e3


def _input(source: Source, last: Frame, hfov_deg: float) -> dict[str, Any]:
    calibrated = last.camera is not None and not last.camera.assumed
    assumed = (
        f"not calibrated: assumed a horizontal field of view of {hfov_deg:g} degrees and no distortion, "
        "so distances and sizes are only roughly right"
    )
    return {
        **source.described(),
        "size": [last.width, last.height],
        "camera": "calibrated" if calibrated else assumed,
    }


def write_batch(out: Path, outcomes: Sequence[Outcome]) -> None:
    """``batch.json``: what came of each source so far."""
    items = [{k: v for k, v in asdict(o).items() if k not in ("words", "again")} for o in outcomes]
    part = out / f"{BATCH}.part"
    part.write_text(json.dumps({"items": items}, indent=2) + "\n", encoding="utf-8")
    part.replace(out / BATCH)


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0: all is well; 3: there were losses, or sources without results; 1: no source has results."""
    if all(o.error for o in outcomes):
        return 1
    return losses.exit_code(sum(bool(o.error) or o.losses for o in outcomes))
