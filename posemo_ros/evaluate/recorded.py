"""What can be measured again: recorded results, folders of runs, skeletons of anybody in an .npz file.

Symbols: F frames, P people.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..archives import read_npz
from ..errors import InputError
from ..replay.bag import Recording, read_results
from ..replay.run_folder import RESULT_BAG, result_folders
from ..replay.source import shown
from ..replay.truth import Truths, check_metres, stated_fps
from ..skeleton import COCO17, H36M17
from ..types import Floats, People2D, Skeletons3D, View

ARRAY = "joints3d"
EXPECTED = "a bag with results, a folder of `posemo run`, or (for `skeleton`) skeletons in an .npz file"


def recordings(paths: Sequence[Path]) -> dict[str, Path]:
    """The files behind what was named, by the name of the recording.

    Args:
        paths: Bags with results, folders of `posemo run` (of one source or of many), ``.npz`` files.

    Raises:
        InputError: A folder has no results, or something is named twice.
    """
    files = [file for path in paths for file in _files(path)]
    found: dict[str, Path] = {}
    names = {name_of(file) for file in files}
    for file in files:
        if file in found.values():
            raise InputError(f"{file} is named twice")
        name, number = name_of(file), 2
        while name in found or (number > 2 and name in names):
            name, number = f"{name_of(file)}-{number}", number + 1
        found[name] = file
    return found


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"{shown(path)} does not exist; expected {EXPECTED}")
    folders = result_folders(path)
    return [folder / RESULT_BAG for folder in folders] if folders else [path]


def name_of(file: Path) -> str:
    """What a recording is called; of several that are called the same each has the truth of this name.

    That of the folder where the file is called as in every run.
    """
    return file.resolve().parent.name if file.name == RESULT_BAG else file.stem


def truths_of(found: dict[str, Path], given: Sequence[Path]) -> dict[str, Path]:
    """The truth file of every recording that has one.

    Args:
        found: See ``recordings``.
        given: One file for each recording in their order, or a folder or pattern (``replay.truth.Truths``).

    Raises:
        InputError: There are other numbers of them, or no recording has one.
    """
    if len(given) == 1 and (len(found) != 1 or Truths(given[0]).by_name):
        truths = Truths(given[0])
        files = {name: truths.of(name_of(f), several=len(found) > 1) for name, f in found.items()}
        there = {name: file for name, file in files.items() if file is not None}
        if not there:
            raise InputError(
                f"no truth in {given[0]} for {', '.join(found)}; expected NAME.npz or NAME_truth.npz"
            )
        return there
    if given and len(given) != len(found):
        raise InputError(
            f"{len(found)} recordings and {len(given)} truth files; expected one for each, a folder with "
            "NAME.npz or NAME_truth.npz, a pattern with {name}, or none"
        )
    return dict(zip(found, given, strict=False))


def read_recorded(path: Path) -> Recording:
    """Results of a bag, or the skeletons of an ``.npz`` file (``joints3d`` as in a truth file).

    Of a file, ``joints3d`` has shape (F, P, 17, 3) or (F, 17, 3): H36M-17 in metres, the camera's axes, NaN
    where there is nobody; ``fps`` is needed; ``boxes`` (F, P, 4) and ``ids`` (P,) may be there. Without
    boxes they are NaN.

    Raises:
        InputError: It cannot be read, or has other contents.
    """
    return _from_arrays(path) if path.suffix.lower() == ".npz" else read_results(path)


def _from_arrays(path: Path) -> Recording:
    arrays = read_npz(path, "skeletons")
    fps = stated_fps(path, arrays)
    if ARRAY not in arrays or fps is None:
        raise InputError(f"{path}: expected the arrays '{ARRAY}' (F, P, 17, 3) and 'fps' (one number)")
    joints = np.asarray(arrays[ARRAY])
    joints = joints[:, None] if joints.ndim == 3 else joints
    if joints.ndim != 4 or joints.shape[2:] != (len(H36M17), 3) or joints.dtype.kind not in "fiu":
        raise InputError(
            f"{path}: '{ARRAY}' has shape {arrays[ARRAY].shape} of {joints.dtype}; expected (F, P, "
            f"17, 3) in metres"
        )
    if not np.isfinite(joints).any():
        raise InputError(f"{path}: nobody is in its {len(joints)} frames")
    check_metres(path, joints)
    frames, people = joints.shape[:2]
    boxes = arrays.get("boxes", np.full((frames, people, 4), np.nan))
    ids = [str(i) for i in np.ravel(arrays.get("ids", np.arange(people)))]
    if boxes.shape != (frames, people, 4) or boxes.dtype.kind not in "fiu" or len(ids) != people:
        raise InputError(
            f"{path}: 'boxes' has shape {boxes.shape} of {boxes.dtype} and there are {len(ids)} "
            f"'ids'; expected "
            f"({frames}, {people}, 4) and {people}"
        )
    if len(set(ids)) < people:
        again = next(name for name in ids if ids.count(name) > 1)
        raise InputError(f"{path}: several people have the id {again!r}; expected an id for each")
    recording = Recording(path, columns=tuple(ids))
    for index in range(frames):
        stamp = round(index * 1e9 / fps)
        recording.people[stamp], recording.skeletons[stamp] = _frame(
            joints[index].astype(np.float32), boxes[index].astype(np.float32), ids, View(stamp)
        )
    return recording


def _frame(joints: Floats, boxes: Floats, ids: Sequence[str], view: View) -> tuple[People2D, Skeletons3D]:
    there = [i for i in range(len(joints)) if np.isfinite(joints[i]).any()]
    names = tuple(ids[i] for i in there)
    count = len(there)
    people = People2D(
        names,
        boxes[there],
        np.ones(count, np.float32),
        np.full((count, len(COCO17), 3), np.nan, np.float32),
        view=view,
    )
    roots = joints[there, 0]
    scores = np.ones((count, len(H36M17)), np.float32)
    return people, Skeletons3D(names, joints[there] - roots[:, None], roots, scores, view=view)
