"""What of the shared memory between processes limits images, and what to do about it."""

from __future__ import annotations

import fcntl
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
# Fast DDS 2 (Jazzy) and Fast DDS 3 (Kilted and later) look at one each.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
# A camera and one node that takes its images.
PROCESSES = 2
MIB = 2**20
# Beside every segment lies a lock file, locked as long as its process lives ("fastdds shm clean" uses it).
LOCKS = "fastrtps_" + "[0-9a-f]" * 16 + "_[es]l"
NEW_S = 60  # a segment may be there a moment before its lock is taken


@dataclass(frozen=True)
class Limits:
    """Bytes, from the Fast DDS profile in use.

    Attributes:
        segment: Shared memory of a process.
        message: Largest message that goes through it.
    """

    segment: int
    message: int


def limits() -> Limits | None:
    """The limits of the profile that the environment names; None when it names none."""
    for variable in PROFILE_VARIABLES:
        try:
            text = Path(os.environ.get(variable) or "/").read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
        found = [re.search(rf"<{name}>\s*(\d+)", text) for name in ("segment_size", "maxMessageSize")]
        if all(found):
            segment, message = (int(match[1]) for match in found if match)
            return Limits(segment, message)
    return None


def complaint(folder: Path = SHARED_MEMORY) -> str:
    """Why images may get lost in shared memory; empty when they should not."""
    profile = limits()
    try:
        size = os.statvfs(folder).f_frsize * os.statvfs(folder).f_blocks
    except OSError:
        return ""
    if profile is None or size >= PROCESSES * profile.segment:
        return ""
    return (
        f"{folder} has {size / MIB:.0f} MiB, but the Fast DDS profile wants {profile.segment / MIB:.0f} "
        "for every process: images get lost. Start the container with --ipc=host or --shm-size=1g, or with "
        "config/fastdds_container.xml (docs/containers.md)"
    )


def size_hint(width: int, height: int) -> str:
    """What to say of raw images of this size that do not arrive."""
    profile, size = limits(), width * height * 3
    if profile is None:
        return (
            f"a raw image of {width} x {height} pixels has {size / MIB:.1f} MiB, more than Fast DDS takes by "
            "default: set FASTRTPS_DEFAULT_PROFILES_FILE for every process (config/fastdds.xml)"
        )
    if size > profile.message:
        return (
            f"a raw image of {width} x {height} pixels has {size / MIB:.0f} MiB, the Fast DDS profile lets "
            f"{profile.message / MIB:.0f} through: raise maxMessageSize and segment_size in it, use "
            "image_transport:=compressed, or smaller images"
        )
    return ""


def remove_leftovers(folder: Path = SHARED_MEMORY) -> int:
    """Remove the segments of processes that were killed, which nothing else does; the bytes they had.

    Whoever still reads such a segment keeps it until it ends; what another user left stays.
    """
    return sum(_remove(lock) for lock in folder.glob(LOCKS) if _is_left_over(lock))


def _is_left_over(lock: Path) -> bool:
    try:
        with lock.open("rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return time.time() - os.fstat(file.fileno()).st_mtime > NEW_S
    except OSError:
        return False


def _remove(lock: Path) -> int:
    segment = lock.with_name(lock.name[:-3])
    try:
        size = segment.stat().st_size
        segment.unlink()
        lock.unlink()
    except OSError:
        return 0
    return size
