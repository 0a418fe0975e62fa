"""SHA-256 of files, remembered so that start-up does not read hundreds of megabytes again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
from pathlib import Path

from ..text_files import json_of


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's contents."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class ChecksumCache:
    """Remembers checksums by path, size and modification time in one small JSON file.

    A cache file that cannot be read or written only costs time: the checksum is computed again.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def sha256(self, path: Path) -> str:
        """Hexadecimal SHA-256 of a file; computed only when its size or time has changed."""
        stat = path.stat()
        state = [stat.st_size, stat.st_mtime_ns]
        known = self._load().get(str(path.resolve()))
        if isinstance(known, list) and known[:2] == state and len(known) == 3:
            return str(known[2])
        digest = sha256_of(path)
        self._store(path, [*state, digest])
        return digest

    def _load(self) -> dict[str, object]:
        try:
            data = json_of(self._file)
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def _store(self, path: Path, value: list[object]) -> None:
        with contextlib.suppress(OSError):
            write_atomically(self._file, json.dumps({**self._load(), str(path.resolve()): value}, indent=1))


def write_atomically(path: Path, content: str | bytes | memoryview) -> None:
    """Write a file so that a reader sees the old contents or the new ones, never a part.

    Others may read it as they may read any new file (``umask``).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with part.open("xb") as file:
            file.write(data)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
