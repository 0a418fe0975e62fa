"""Which files of a folder are one bag."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from ..errors import InputError
from ..text_files import yaml_of
from .source import BAG_SUFFIXES, natural

METADATA = "metadata.yaml"
_KEY = "rosbag2_bagfile_information"


@dataclass(frozen=True)
class BagFolder:
    """The files of the one bag in a folder.

    Attributes:
        files: In order.
        stated: Messages by topic as metadata.yaml states them.
        notes: What is missing or left alone, in sentences.
    """

    files: tuple[Path, ...]
    stated: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def is_bag_file(name: str) -> bool:
    """By its name."""
    return name.lower().endswith(BAG_SUFFIXES) or ".bag.active" in name


def is_bag_folder(folder: Path) -> bool:
    """Whether there are bag files in it, or rosbag2's metadata.yaml; data sets have files of that name."""
    names = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    if any(map(is_bag_file, names)) or names == [METADATA]:
        return True
    try:
        return METADATA in names and _KEY in (folder / METADATA).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def single_bags(folder: Path) -> list[Path]:
    """The bag files of a folder that are a recording each; none where they are parts of one."""
    if not is_bag_folder(folder) or (folder / METADATA).exists():
        return []
    bags = _bags_in(folder)
    return bags if len(bags) > 1 and len({_recording(p.name) for p in bags}) == len(bags) else []


def files_of(folder: Path) -> BagFolder:
    """The files that metadata.yaml lists and further parts of theirs; without it, those of the one recording.

    Raises:
        InputError: There is none, or there are several recordings.
    """
    found = _bags_in(folder)
    if not (folder / METADATA).exists():
        return _unlisted(found)
    try:
        listed, stated = _read(folder / METADATA)
    except (OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        if not found:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{METADATA} cannot be read ({why})") from error
        return _unlisted(found)
    there = [folder / name for name in listed if (folder / name).exists()]
    if not there and not found:
        raise InputError(f"the files that {METADATA} lists are not there: {', '.join(listed[:3])}")
    if not there:  # renamed
        return BagFolder(_unlisted(found).files, stated)
    return _with_further(there, found, listed, stated)


def _bags_in(folder: Path) -> list[Path]:
    bags = (p for p in folder.iterdir() if is_bag_file(p.name) and not p.name.startswith("."))
    return sorted(bags, key=lambda p: natural(p.name))


def _read(metadata: Path) -> tuple[list[str], dict[str, int]]:
    entry = yaml_of(metadata)[_KEY]
    topics = entry["topics_with_message_count"]
    stated = {str(t["topic_metadata"]["name"]): int(t["message_count"]) for t in topics}
    return [Path(str(name)).name for name in entry["relative_file_paths"]], stated


def _with_further(
    there: Sequence[Path], found: Sequence[Path], listed: Sequence[str], stated: dict[str, int]
) -> BagFolder:
    """With parts that are not listed: a recorder was killed, or somebody unpacked them by hand."""
    recordings, stems = {_recording(name) for name in listed}, {_stem(p.name) for p in there}
    others = [p for p in found if p not in there and _stem(p.name) not in stems]
    further = [p for p in others if _recording(p.name) in recordings]
    aside = [p.name for p in others if p not in further]
    known = stems | {_stem(p.name) for p in further}
    missing = [name for name in listed if _stem(name) not in known]
    unlisted = [p.name for p in further if _stem(p.name) not in set(map(_stem, listed))]
    notes = [
        f"{METADATA} lists {', '.join(missing[:3])}, not there: a part is missing" if missing else "",
        f"{METADATA} does not list {', '.join(unlisted[:3])}: read, too" if unlisted else "",
        f"{METADATA} does not list {', '.join(aside[:3])}: left alone" if aside else "",
    ]
    return BagFolder((*there, *further), stated, tuple(filter(None, notes)))


def _unlisted(found: Sequence[Path]) -> BagFolder:
    """The parts of one recording, each once.

    Raises:
        InputError: They are of several.
    """
    recordings = sorted({_recording(p.name) for p in found}, key=natural)
    if len(recordings) > 1:
        raise InputError(
            f"several recordings in one folder ({', '.join(p.name for p in found[:4])}"
            f"{', …' if len(found) > 4 else ''}); name one of the files"
        )
    files = list({_stem(p.name): p for p in reversed(found)}.values())[::-1]
    again = [p.name for p in found if p not in files]
    numbers = [int(n) for p in files if (n := _number(p.name))]
    gaps = [str(n) for a, b in pairwise(numbers) for n in range(a + 1, b)]
    notes = [
        f"{', '.join(again[:3])}: the same as another file under its name, left alone" if again else "",
        f"no file {recordings[0]}_{' or _'.join(gaps[:3])}: a part is missing" if gaps else "",
    ]
    return BagFolder(tuple(files), {}, tuple(filter(None, notes)))


def _stem(name: str) -> str:
    """``rec_2`` of ``rec_2.db3.zstd``."""
    return re.sub(r"(\.(mcap|db3|bag))(\.zstd?|\.active.*)?$", "", name, flags=re.IGNORECASE)


def _recording(name: str) -> str:
    """``rec`` of ``rec_2.mcap``: recorders number the parts of one."""
    return re.sub(r"_[0-9]+$", "", _stem(name))


def _number(name: str) -> str:
    return _stem(name)[len(_recording(name)) + 1 :]
