"""Which runtime is fastest for a network on this machine, and gives the right answers.

No runtime is taken on trust. At the first use on a machine every candidate runs the network on
golden inputs in a process of its own; those whose answers agree with float32 on the CPU are
compared by time, and the fastest is remembered, until the network, a runtime, the processor or
the GPU changes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .errors import ModelError, PosemoError
from .golden import Answers, Golden, golden_for
from .inference import cuda
from .inference.checksum import write_atomically
from .inference.manifest import ModelSpec, input_shapes
from .inference.runtimes import AUTO, REFERENCE, available, lower_precision, processor, versions
from .inference.session import Session
from .inference.sessions import cache_root, open_session, usable_cores
from .inference.store import ModelStore
from .inference.trial import Trial, try_runtime
from .text_files import json_of

RUNTIME_VARIABLE = "POSEMO_RUNTIME"
MAX_LOSS = 0.01  # relative loss of accuracy up to which a lower precision may be used
GAIN = 0.95  # another runtime must take at most this share of the reference's time
VERSION = 4  # of what is compared and how; another number makes every machine measure again

Try = Callable[[str], Trial]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """What came out of one runtime's trial.

    Attributes:
        runtime: One of ``runtimes.RUNTIMES``.
        ms: Milliseconds for the golden inputs; None when it gave no usable answer.
        reason: Empty when the answers agree, else what was wrong.
    """

    runtime: str
    ms: float | None
    reason: str = ""


@dataclass(frozen=True)
class Choice:
    """The runtime for a network on this machine, and what it was chosen from.

    Attributes:
        runtime: One of ``runtimes.RUNTIMES``.
        verdicts: Of all that were tried.
        unmeasured: Why none was tried; empty where there was nothing to choose from.
    """

    runtime: str
    verdicts: tuple[Verdict, ...] = ()
    unmeasured: str = ""


def open_model(store: ModelStore, name: str, *, runtime: str = AUTO, threads: int = 0) -> Session:
    """Load a model of the manifest.

    Args:
        store: Where its file and entry are.
        name: Of the entry.
        runtime: One of ``runtimes.RUNTIMES``, or ``auto``: the one of ``choose``, or of the
            environment variable ``POSEMO_RUNTIME`` where it is set. One that was chosen and cannot
            load it any more gives way to the reference.
        threads: CPU threads; 0 for all cores this process may use.

    Raises:
        ModelError: There is no such model, its file is missing, or the runtime cannot load it.
    """
    path, shapes = store.path(name), input_shapes(store.spec(name).spec)

    def opened(on: str) -> Session:
        return open_session(path, runtime=on, threads=threads, shapes=shapes)

    runtime = (os.environ.get(RUNTIME_VARIABLE) or AUTO) if runtime == AUTO else runtime
    if runtime != AUTO:
        return opened(runtime)
    chosen = choose(store, name, threads=threads).runtime
    try:
        return opened(chosen)
    except PosemoError as error:
        if chosen == REFERENCE:
            raise
        _log.warning(
            "%s runs on %s: %s, which was measured to be faster, does not load it now: %s "
            "(`posemo models tune --again %s` measures anew)",
            *(name, REFERENCE, chosen, error, name),
        )
        return opened(REFERENCE)


def choose(store: ModelStore, name: str, *, threads: int = 0, again: bool = False) -> Choice:
    """The fastest runtime that gives the right answers; measured once and remembered.

    Args:
        store, name, threads: See ``open_model``.
        again: Measure even if a choice is remembered.
    """
    entry = store.spec(name)
    candidates = available(earned(entry))
    threads = threads or usable_cores()
    if candidates == (REFERENCE,) and not again:
        return Choice(REFERENCE)
    path, file = store.path(name), cache_root() / "runtimes.json"
    key = _key(store.sha256(name), candidates, threads)
    known = None if again else _remembered(file, key, candidates)
    if known:
        return known
    if not _writable(file.parent):
        return _unmeasured(
            name,
            f"other runtimes are measured once and the result kept in {file.parent}, which cannot be "
            "written (set XDG_CACHE_HOME, or choose a runtime by name)",
        )
    with _one_at_a_time(file.parent):
        known = None if again else _remembered(file, key, candidates)
        if known:
            return known
        _log.info("%s: measuring %s, once on this machine", name, ", ".join(candidates))
        try:
            choice = _measure(path, entry, candidates, threads=threads, cache_dir=file.parent / "engines")
        except (PosemoError, OSError) as error:  # no demo clip, no second process: nothing to measure with
            return _unmeasured(name, f"runtimes cannot be measured here: {error}")
        _remember(file, key, name, choice)
    for verdict in choice.verdicts:
        if verdict.reason:
            _log.warning("%s: %s is not used: %s", name, verdict.runtime, verdict.reason)
    _log.info("%s runs on %s", name, choice.runtime)
    return choice


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Other processes wait, as the nodes of a launch: they would measure each other, and for good."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _unmeasured(name: str, why: str) -> Choice:
    _log.warning("%s runs on %s: %s", name, REFERENCE, why)
    return Choice(REFERENCE, unmeasured=why)


def _measure(
    path: Path, entry: ModelSpec, candidates: Sequence[str], *, threads: int, cache_dir: Path
) -> Choice:
    """Try the candidates on the golden inputs."""
    shapes = input_shapes(entry.spec)
    session = open_session(path, threads=threads, shapes=shapes)
    golden = golden_for(entry.spec)
    feeds = golden.feeds(session)

    def attempt(runtime: str) -> Trial:
        return try_runtime(path, runtime, feeds, threads=threads, shapes=shapes, cache_dir=cache_dir)

    return compare(candidates, attempt, golden, session)


def earned(entry: ModelSpec) -> frozenset[str]:
    """Lower precisions whose loss on held-out data, as the manifest states it, is small enough."""
    return frozenset(name for name, loss in entry.precision_loss.items() if loss < MAX_LOSS)


def compare(candidates: Sequence[str], attempt: Try, golden: Golden, session: Session) -> Choice:
    """Try the candidates, and take the fastest of those that agree with the reference.

    Args:
        candidates: Runtimes, the reference first.
        attempt: Runs one on the golden feeds; ModelError when it cannot.
        golden: Inputs and tolerance.
        session: The network on the reference; it describes inputs and outputs.

    Raises:
        ModelError: The reference itself cannot run the network.
    """
    truth = attempt(candidates[0])
    expected = golden.answers(session, truth.outputs)
    verdicts = [Verdict(candidates[0], truth.ms)]
    for runtime in candidates[1:]:
        try:
            trial = attempt(runtime)
            wrong = _wrong(golden, session, expected, trial, rounds=lower_precision(runtime))
            verdicts.append(Verdict(runtime, trial.ms, wrong))
        except ModelError as error:
            verdicts.append(Verdict(runtime, None, str(error)))
    right = [v for v in verdicts if not v.reason]
    fastest = min(right, key=lambda v: v.ms or 0.0)
    gain = (fastest.ms or 0.0) <= GAIN * truth.ms
    return Choice(fastest.runtime if gain else candidates[0], tuple(verdicts))


def _wrong(golden: Golden, session: Session, expected: Answers, trial: Trial, *, rounds: bool) -> str:
    """What is wrong with a trial's answers, in words; empty when they are right."""
    given = golden.answers(session, trial.outputs)
    if not rounds:
        return golden.difference(expected, given)
    wrong = golden.rounded(expected, given)
    if wrong or not trial.alone:
        return wrong
    uneven = golden.rounded(golden.answers(session, trial.alone), given)
    return f"several people at once get other answers than each alone: {uneven}" if uneven else ""


def _key(sha256: str, candidates: Sequence[str], threads: int) -> str:
    inputs = [VERSION, sha256, list(candidates), threads, processor(), cuda.gpu_name(), versions()]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _remembered(file: Path, key: str, candidates: Sequence[str]) -> Choice | None:
    """What was chosen before; None where nothing is, or nothing that can have been written here."""
    try:
        entry = _read(file)[key]
        verdicts = tuple(
            Verdict(str(v["runtime"]), None if v["ms"] is None else float(v["ms"]), str(v["reason"]))
            for v in entry["verdicts"]
        )
        runtime = entry["runtime"]
    except (KeyError, TypeError, ValueError):
        return None
    right = any(v.runtime == runtime and v.ms is not None and not v.reason for v in verdicts)
    return Choice(runtime, verdicts) if right and runtime in candidates else None


def _remember(file: Path, key: str, name: str, choice: Choice) -> None:
    with contextlib.suppress(OSError):
        entry = {"model": name, **asdict(choice)}
        write_atomically(file, json.dumps({**_read(file), key: entry}, indent=1))


def _read(file: Path) -> dict[str, Any]:
    try:
        data = json_of(file)
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
