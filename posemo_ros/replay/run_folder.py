"""The folder of a run: what it was told to do, how far it is, and that only one process works in it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import InputError, reason
from ..text_files import json_of

STATE, JOURNAL = "run.json", "journal.part"
BATCH = "batch.json"
RESULT_BAG = "results.mcap"
SMALL_FILM = "overlay-small.mp4"  # lies inside the page in the end
DRAWN = ("overlay.mp4", SMALL_FILM, "overview.png", "report.html")
RESULTS = (RESULT_BAG, "results.parquet", *DRAWN, "summary.json")


class RunFolder:
    """Used as a ``with`` block while a run works in the folder.

    Args:
        path: The folder; made where there is none.
        task: All that decides about the results, as JSON knows it.
        overwrite: Throw away what another run left.

    Raises:
        InputError: The folder cannot be made or written, another process works in it, or it holds
            the results of another run.
    """

    def __init__(self, path: Path, task: Mapping[str, Any], *, overwrite: bool = False) -> None:
        self.path = path
        self._task = json.loads(json.dumps(task))  # tuples as the lists they come back as
        self._overwrite = overwrite
        self._lock: int | None = None
        self.finished: dict[str, Any] | None = None
        self.undrawn: dict[str, Any] | None = None

    @property
    def journal(self) -> Path:
        """Where the journal lies while the run is not finished."""
        return self.path / JOURNAL

    def __enter__(self) -> RunFolder:
        make_folder(self.path)
        self._lock = locked(self.path)
        try:
            self._enter()
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)

    def _enter(self) -> None:
        state = self._read()
        if state is not None and state.get("task") == self._task and not self._overwrite:
            self.finished, self.undrawn = state.get("finished"), state.get("undrawn")
            return
        there = [name for name in (*RESULTS, STATE) if (self.path / name).exists()]
        if there and not self._overwrite:
            raise InputError(
                f"{self.path} holds the results of another run ({self._difference(state)}); "
                "name another folder with --out, or throw them away with --overwrite"
            )
        for name in (*RESULTS, JOURNAL, STATE):
            (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self.path / f"{RESULT_BAG}.part", ignore_errors=True)
        self._write({"task": self._task, "finished": None})

    def finish(self, outcome: Mapping[str, Any], undrawn: Mapping[str, Any] | None) -> None:
        """The results are complete.

        Args:
            outcome: What ``finished`` will be the next time.
            undrawn: What ``undrawn`` will be: figures of the run for the report, whose films are missing.
        """
        self._write({"task": self._task, "finished": dict(outcome), "undrawn": undrawn})
        self.journal.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any] | None:
        try:
            state = json_of(self.path / STATE)
        except (OSError, ValueError):
            return None
        return state if isinstance(state, dict) else None

    def _write(self, state: Mapping[str, Any]) -> None:
        part = self.path / f"{STATE}.part"
        part.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        part.replace(self.path / STATE)

    def _difference(self, state: dict[str, Any] | None) -> str:
        """In words, what the other run was told otherwise."""
        if state is None or not isinstance(state.get("task"), dict):
            return "no run.json says of which"
        other = state["task"]
        keys = [k for k in {**other, **self._task} if other.get(k) != self._task.get(k)]
        return "; ".join(f"{k}: {_short(other.get(k))}, now {_short(self._task.get(k))}" for k in keys[:3])


def plain_name(text: str) -> str:
    """As a folder of results can be called: letters, digits, ``_ . -``."""
    return re.sub(r"[^\w.-]+", "_", text).strip("._")


def result_folders(path: Path) -> list[Path]:
    """The folders with results of a run: of one source itself, of many those that ``batch.json`` lists.

    Empty when it is no folder of a run (a bag is a folder, too).

    Raises:
        InputError: ``batch.json`` cannot be read, or no source has results.
    """
    batch = path / BATCH
    if not batch.is_file():
        return [path] if (path / RESULT_BAG).is_file() else []
    try:
        items = json_of(batch)["items"]
        names = [Path(item["folder"]).name for item in items if not item.get("error")]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"cannot read {batch}: {reason(error)}") from error
    if not names:
        raise InputError(f"{batch} lists no source with results")
    return [path / name for name in names]


def make_folder(path: Path) -> None:
    """Make a folder for results where there is none.

    Raises:
        InputError: It cannot be made, or nothing can be written in it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError("not writable")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot write into the folder {str(path)!r}: {reason}") from error


def fingerprint(path: Path) -> str:
    """Changes when a file, or the name, size or time of a file in a folder, changes; nothing is read."""
    if not path.exists():
        return ""
    files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        status = file.stat()
        digest.update(
            os.fsencode(f"{file.relative_to(path.parent)}\0{status.st_size}\0{status.st_mtime_ns}\0")
        )
    return digest.hexdigest()[:16]


def locked(folder: Path) -> int:
    """A handle that keeps other processes out of a folder until it is closed.

    Raises:
        InputError: Another process works in it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise InputError(f"another process works in {folder}; wait for it, or name another --out") from error
    return handle


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
