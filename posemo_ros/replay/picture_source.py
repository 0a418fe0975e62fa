"""Frames out of a folder of pictures, or one picture."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import InputError
from ..images import BitDepth
from ..losses import printable
from ..pictures import RAW_HELP, RAW_SUFFIXES, SUFFIXES, read_picture, to_8bit
from ..types import Frame
from . import intrinsics
from .bag_folder import is_bag_folder
from .choice import Choice
from .foreign import is_picture, what_it_is
from .page_source import pages_in
from .picture_times import lists_beside, times_of
from .source import ACCEPTED, DEFAULT_RATE_HZ, Source, natural

MOST_NAMINGS = 50  # more are names of no order
NUMBER = re.compile(r"((?:cam|camera|view|sensor|channel)[ _-]?[0-9]+(?![0-9]))|[0-9]+", re.IGNORECASE)
COLOUR = ("RGB", "RGBA", "P", "CMYK", "YCbCr")
VIDEO_SUFFIXES = (
    *(".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv", ".flv"),
    *(".mts", ".m2ts", ".vob", ".mxf", ".dv", ".3gp", ".3g2", ".ogv", ".asf", ".y4m", ".m2v"),
    *(".h264", ".264", ".h265", ".265", ".hevc", ".mjpeg", ".mjpg"),
)


class PictureSource(Source):
    """The pictures of a folder (or one picture), sorted by name with numbers in their order.

    Stamps are those of ``times_of``, else number of the picture / rate; the first is 0, and a picture
    that cannot be read keeps its place in time. Sizes may differ. Files and folders that are no pictures
    are left alone, so are hidden ones (``._name.jpg`` of macOS, ``.trashed-1-name.jpg`` of Android).

    Raises:
        InputError: There is no picture, or none can be read.
    """

    def __init__(self, path: Path, choice: Choice) -> None:
        self.name = printable(path.name or path.resolve().name)
        self._folder = path.is_dir()
        self._paths = self._pictures_in(path) if self._folder else [path]
        self.rate_hz = choice.rate_hz or DEFAULT_RATE_HZ
        self.length = len(self._paths)
        origin = "as asked" if choice.rate_hz else "assumed; --rate (node: parameter rate) sets another"
        self.time = f"{self.rate_hz:g} images per second ({origin})"
        self._stamps = [round(number * 1e9 / self.rate_hz) for number in range(self.length)]
        if self._folder and not choice.rate_hz:
            self._take_times(path)
        self._camera_of = intrinsics.of_file(path, choice.camera_info, self.note)
        self._depth = BitDepth()
        first = self._first_readable(path)
        self.camera = self._camera_of(first.width, first.height)

    def _take_times(self, folder: Path) -> None:
        times, origin = times_of(folder, self._paths)
        if not times:
            for file in lists_beside(folder):
                self.note(
                    f"{file.name} is not used: it has not one later time for each of {self.length} pictures"
                )
            return
        order = sorted(range(len(times)), key=times.__getitem__)  # names sort otherwise: 1.25 before 1.5
        self._paths = [self._paths[i] for i in order]
        self._stamps = [times[i] - times[order[0]] for i in order]
        self.rate_hz, self.time = (len(times) - 1) * 1e9 / self._stamps[-1], origin

    def _frames(self) -> Iterator[Frame]:
        for number, path in enumerate(self._paths):
            try:
                frame = self._read(number, path)
            except InputError as error:
                self.losses.add(_reason(error), path.name, what_it_is(path) or _detail(error))
                continue
            yield frame

    def _read(self, number: int, path: Path) -> Frame:
        image = read_picture(path)
        bits = self._depth(image)
        if self._depth.bits and self._depth.bits < 16:
            self.note(f"pictures of 16 bits use {self._depth.bits}: scaled by that")
        if self._folder and (several := pages_in(path)) > 1:
            self.note(
                f"{path.name} has {several} images, the first is read (and of others like it); name a file "
                "itself to read all"
            )
        height, width = image.shape[:2]
        return Frame(
            to_8bit(image, bits),
            self._stamps[number],
            self._camera_of.frame_id,
            self._camera_of(width, height),
        )

    def _first_readable(self, path: Path) -> Frame:
        problems = []
        for number, file in enumerate(self._paths):
            try:
                return self._read(number, file)
            except InputError as error:
                problems.append(f"{file.name}: {what_it_is(file) or error}")
        what = f"no picture of {len(self._paths)} can be used: " if self._folder else ""
        raise InputError(
            f"tried {str(path)!r} as an image: {what}{'; '.join(problems[:3])}; accepted are {ACCEPTED}"
        )

    def _pictures_in(self, folder: Path) -> Sequence[Path]:
        try:
            files = list(folder.iterdir())
        except OSError as error:
            raise InputError(f"cannot read the folder {str(folder)!r}: {error.strerror}") from error
        entries = [p for p in files if p.suffix.lower() in (*SUFFIXES, *RAW_SUFFIXES) or _is_nameless(p)]
        no_pictures = [p for p in entries if p.name.startswith(".") or p.is_dir()]
        paths = sorted(set(entries) - set(no_pictures), key=lambda p: natural(p.name))
        if not paths:
            raise InputError(_nothing_in(folder))
        raws = _with_twin(paths)
        others = _depth_or_mask(paths)
        videos = sorted(
            (p for p in files if p.suffix.lower() in VIDEO_SUFFIXES), key=lambda p: natural(p.name)
        )
        self._leave_alone(no_pictures, "files or folders that are hidden or no pictures")
        self._leave_alone(raws, "camera raw files with a picture of the same name beside them")
        self._leave_alone(others, "depth images or masks beside the colour images")
        self._leave_alone(videos, "videos beside the pictures")
        below = sorted((p for p in files if _has_recordings(p)), key=lambda p: natural(p.name))
        self._leave_alone(below, "folders with recordings of their own, beside the pictures")
        aside = {*others, *raws}
        paths = [p for p in paths if p not in aside]
        if several := _several_films(paths):
            self.note(f"pictures of several namings are read as one film: {several}")
        return paths

    def _leave_alone(self, paths: Sequence[Path], what: str) -> None:
        if paths:
            self.note(f"left alone: {len(paths)} {what} ({paths[0].name}, …)")


def _is_nameless(path: Path) -> bool:
    """Whether it is a picture whose name has no ending, or a number for one: ``frame_1``, ``a.png.1``."""
    return not path.name.startswith(".") and not path.suffix.strip(".0123456789") and is_picture(path)


def _has_recordings(folder: Path) -> bool:
    """Whether there are pictures, videos or a bag in a folder."""
    if folder.name.startswith(".") or not folder.is_dir():
        return False
    try:
        return is_bag_folder(folder) or any(
            not p.name.startswith(".") and p.name.lower().endswith((*SUFFIXES, *VIDEO_SUFFIXES))
            for p in folder.iterdir()
        )
    except OSError:
        return False


def _with_twin(paths: Sequence[Path]) -> list[Path]:
    """Camera raw files of which the camera wrote a picture, too."""
    raws = [p for p in paths if p.suffix.lower() in RAW_SUFFIXES]
    others = {p.stem.casefold() for p in paths if p.suffix.lower() not in RAW_SUFFIXES}
    return [p for p in raws if p.stem.casefold() in others]


def _depth_or_mask(paths: Sequence[Path]) -> list[Path]:
    """Pictures of one channel with 16 or 1 bits, of a naming of their own, beside colour pictures.

    Told by the first picture of each naming: names that differ in their digits alone are one.
    """
    namings = _namings(paths)
    if not 1 < len(namings) <= MOST_NAMINGS:
        return []
    modes = {naming: _mode(files[0]) for naming, files in namings.items()}
    if not any(mode in COLOUR for mode in modes.values()):
        return []
    odd = [naming for naming, mode in modes.items() if mode == "1" or mode.startswith("I")]
    return [path for naming in odd for path in namings[naming]]


def _namings(paths: Sequence[Path]) -> dict[str, list[Path]]:
    namings: dict[str, list[Path]] = {}
    for path in paths:
        namings.setdefault(NUMBER.sub(lambda found: found[1] or "0", path.name), []).append(path)
    return namings


def _numbers(path: Path) -> str:
    """All numbers in a name but that of its camera."""
    return " ".join(found[0] for found in NUMBER.finditer(path.stem) if not found[1])


def _several_films(paths: Sequence[Path]) -> str:
    """The beginnings of several films of the same numbers, as those of two cameras are; "" for one."""
    numbered: dict[tuple[str, ...], list[list[Path]]] = {}
    for files in _namings(paths).values():
        numbers = tuple(_numbers(path) for path in files)
        numbered.setdefault(numbers, []).append(files)
    found = [files for alike in numbered.values() for files in alike if len(alike) > 1 and len(files) > 1]
    return ", ".join(f"{files[0].name} … ({len(files)})" for files in found[:4])


def _mode(path: Path) -> str:
    """Pillow's name for channels and depth, from the header; empty when it cannot be told."""
    from PIL import Image

    try:
        if not path.is_file():
            return ""
        with Image.open(path) as picture:
            return str(picture.mode)
    except Exception:  # told better by whoever reads it
        return ""


def _nothing_in(folder: Path) -> str:
    problem = f"tried the folder {str(folder)!r}: it has neither a metadata.yaml (rosbag2) nor an image"
    try:
        children = sorted(folder.iterdir())
        below = [
            c.name for c in children if c.is_dir() and any(f.suffix.lower() in SUFFIXES for f in c.iterdir())
        ]
    except OSError:
        children, below = [], []
    if below:
        problem += f"; its folders {', '.join(below[:3])} have some: name one of them"
    videos = [c.name for c in children if c.suffix.lower() in VIDEO_SUFFIXES]
    kinds = Counter(c.suffix.lower() for c in children if c.is_file() and c.suffix)
    if kinds:
        problem += f"; in it are {', '.join(f'{count} {kind}' for kind, count in kinds.most_common(3))}"
    if videos:
        problem += f"; it has videos: name them ({', '.join(videos[:3])})"
    return f"{problem}; accepted are {ACCEPTED}"


def _reason(error: InputError) -> str:
    """The words before the first comma or bracket: the same for all of a kind."""
    return RAW_HELP if str(error) == RAW_HELP else re.split(r"[,(]", str(error))[0].strip()


def _detail(error: InputError) -> str:
    return "" if str(error) == RAW_HELP else str(error).removeprefix(_reason(error)).strip(" ,()")
