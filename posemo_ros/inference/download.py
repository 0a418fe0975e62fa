"""Fetch one file over HTTP; an interrupted download goes on where it stopped.

Resuming follows RFC 9110: ``Range`` with ``If-Range``, so that a file that changed on the server
is fetched again from the start. (The usual helpers for model files, pooch among them, cannot
resume.)
"""

from __future__ import annotations

import errno
import http.client
import json
import logging
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from ..errors import ModelError
from .checksum import write_atomically

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes in all (0 when the server does not say)."""

TIMEOUT_S = 30.0
_BLOCK = 1 << 16
_FRUITLESS_ATTEMPTS = 3
_PERMANENT = (400, 401, 403, 404, 405, 410)

_log = logging.getLogger(__name__)


def download(url: str, target: Path, *, progress: Progress | None = None, pause_s: float = 1.0) -> None:
    """Fetch ``url`` to ``target``.

    While it is under way the data lies in ``target`` + ``.part``; what is there from an earlier
    try is kept. A connection that breaks is tried again as long as data comes, and three times
    without any.

    Args:
        url: http or https.
        target: File to write; appears only when complete.
        progress: Told about every block.
        pause_s: Wait before another try.

    Raises:
        ModelError: The server refused, could not be reached, kept breaking off, or the disk is full.
    """
    if not url.startswith(("https://", "http://")):
        raise ModelError(f"cannot download {url!r}: expected an http or https address")
    part = target.with_name(target.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    fruitless = 0
    while True:
        before = _size(part)
        try:
            _transfer(url, part, progress)
            break
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            fruitless = 0 if _size(part) > before else fruitless + 1
            if _is_permanent(error) or fruitless >= _FRUITLESS_ATTEMPTS:
                raise ModelError(f"cannot download {url}: {_reason(error)}") from error
            _log.info("download of %s broke off (%s), trying again", url, _reason(error))
            time.sleep(pause_s)
        except OSError as error:
            raise ModelError(f"cannot store {url} in {part.parent}: {_disk_reason(error, part)}") from error
    part.replace(target)
    _notes(part).unlink(missing_ok=True)


def _transfer(url: str, part: Path, progress: Progress | None) -> None:
    """One connection: from the end of ``part`` to the end of the file."""
    with _connect(url, part) as response:
        have = _size(part) if response.status == 206 else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else 0
        _check_space(part, total - have)
        if not have:
            validator = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
            write_atomically(_notes(part), json.dumps({"url": url, "validator": validator}))
        with part.open("ab" if have else "wb") as file:
            while block := response.read(_BLOCK):
                file.write(block)
                have += len(block)
                if progress:
                    progress(have, total)
    if total and have < total:
        raise ConnectionError(f"the connection ended after {have} of {total} bytes")


def _connect(url: str, part: Path) -> http.client.HTTPResponse:
    have, validator = _size(part), _validator(url, part)
    headers = {"User-Agent": "posemo_ros", "Accept-Encoding": "identity"}
    # A weak validator (W/"...") does not promise equal bytes, so it must not join two parts.
    if have and validator and not validator.startswith("W/"):
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S
        )
    except urllib.error.HTTPError as error:
        if error.code == 416:  # what is here does not fit the file there: begin again
            part.unlink(missing_ok=True)
            raise ConnectionError("the partial file did not fit") from error
        raise
    expected = f"bytes {have}-"
    if response.status == 206 and not response.headers.get("Content-Range", "").startswith(expected):
        response.close()
        part.unlink(missing_ok=True)
        raise ConnectionError("the server sent another range than the one asked for")
    return response


def _validator(url: str, part: Path) -> str:
    """ETag or date of the file that ``part`` is the beginning of; empty when unknown."""
    try:
        notes = json.loads(_notes(part).read_text(encoding="utf-8"))
        return str(notes["validator"]) if notes["url"] == url else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _notes(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check_space(part: Path, needed: int) -> None:
    if needed > shutil.disk_usage(part.parent).free:
        raise OSError(errno.ENOSPC, f"{needed / 1e6:.0f} MB are needed")


def _is_permanent(error: Exception) -> bool:
    return isinstance(error, urllib.error.HTTPError) and error.code in _PERMANENT


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered HTTP {error.code} {error.reason}"
    return str(getattr(error, "reason", "") or error or type(error).__name__)


def _disk_reason(error: OSError, part: Path) -> str:
    if error.errno != errno.ENOSPC:
        return str(error)
    free = shutil.disk_usage(part.parent).free
    return f"no space left ({error.strerror}; {free / 1e6:.0f} MB are free)"
