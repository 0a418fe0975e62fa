"""MoEmo's own prepared files: CLIP's tokens as ``.pt``, joints as ``_f16.npy``.

As the released code (Santa-Clara-Imaginarium-Lab/MoEmo_Vision_Transformer, data/preCLIP.py and
network/train.py) writes and reads them::

    <folder>/<split>_tensor/<emotion>/<ID>.pt     (16, 50, 768), of frames 0, 4, …, 60
    <folder>/joints/<ID>_f16.npy                  (16, 17, 3)
    <folder>/actors.csv                           clip,actor[,motion]; ours

(``tensor/<split>`` will do for the first.) ``ID`` is ``<recording>_<background>``: the same joints stand
behind every background of a recording. The released split does not look at that; here recordings and
actors of train and test must differ (``shared_actors: true`` repeats the released protocol). Without
``actors.csv`` every recording counts as an actor of its own.

What the joints are, the released code does not say where it reads them. Its README makes them with P-STMO's
``in_the_wild/videopose_PSTMO.py``, and a comment of preCLIP.py names that script's
``test_3d_<name>_output.npy``: Human3.6M's 17 joints, metres in camera axes (y down), the pelvis set to
zero. The script's other file, ``…_postprocess.npy``, is turned and raised to stand on a floor, z up.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch

from posemo_ros.errors import reason
from posemo_ros.types import EMOTIONS
from train.models.weights import why_refused

from .emotion_clips import EmotionClip
from .files import floats, malformed, need
from .video_emotion import SYNONYMS, read_actors

SECTION = "MoEmo's own files"
EVERY = 4  # frames of the recordings from one pose to the next
FPS = 30.0  # assumed
SHAPES = {"tensor": (16, 50, 768), "joints": (16, 17, 3)}
PELVIS, HEAD = 0, 10
AXES = ("x", "y", "z")
ORIGINAL = "the joints of test_3d_<name>_output.npy: metres, y down, the pelvis at zero"
_AT_ZERO, _TRUNK = 1e-3, (0.3, 1.2)  # metres


def split_folder(folder: Path, split: str) -> Path:
    """Where the tokens of a split are, if it has any."""
    released, other = folder / f"{split}_tensor", folder / "tensor"
    return other / split if other.exists() and not released.exists() else released


def load_clips(folder: Path, split: str, rate_hz: float) -> list[EmotionClip]:
    """All clips of a split, with their context.

    Args:
        folder: See above.
        split: ``train``, ``test`` or perhaps ``val``.
        rate_hz: Poses per second of recorded time; no file says it.

    Raises:
        InputError: A folder or file is missing, or has another form; or the joints lie in other axes.
    """
    root = need(split_folder(folder, split), "MoEmo's <emotion>/<ID>.pt", SECTION)
    table = folder / "actors.csv"
    actors = read_actors(table) if table.exists() else {}
    clips = []
    for path in sorted(root.glob("*/*.pt")):
        emotion = SYNONYMS.get(path.parent.name.lower(), path.parent.name.lower())
        if emotion not in EMOTIONS:
            raise malformed(path.parent, "no emotion", f"one of {', '.join(EMOTIONS)}", SECTION)
        recording = path.stem.split("_")[0]
        if actors and path.stem not in actors:
            raise malformed(table, f"no row for clip {path.stem!r}", "one per clip", SECTION)
        actor = actors[path.stem][0] if actors else recording
        joints = _joints(folder / "joints" / f"{path.stem}_f16.npy")
        times = np.arange(len(joints)) / rate_hz
        name = str(path.relative_to(folder))
        clips.append(
            EmotionClip(
                name, EMOTIONS.index(emotion), actor, recording, times, joints, times.copy(), _tokens(path)
            )
        )
    if not clips:
        raise malformed(root, "no files", "<emotion>/<ID>.pt", SECTION)
    _check_axes(folder / "joints", clips)
    return clips


def _check_axes(folder: Path, clips: list[EmotionClip]) -> None:
    """People of all clips together hold their heads up: one may bow, and one may lie."""
    head = np.mean([clip.poses[:, HEAD].mean(0) for clip in clips], 0)
    axis = int(np.abs(head).argmax())
    if AXES[axis] != "y" or head[axis] > 0:
        up = f"{'+' if head[axis] > 0 else '-'}{AXES[axis]}"
        raise malformed(
            folder, f"heads are on the side of {up} from the pelvis, not of -y", ORIGINAL, SECTION
        )
    if not _TRUNK[0] < -head[axis] < _TRUNK[1]:
        raise malformed(folder, f"heads are {-head[axis]:.3g} above the pelvis", ORIGINAL, SECTION)


def _joints(path: Path) -> np.ndarray:
    need(path, "the joints of a clip", SECTION)
    try:
        joints = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise malformed(path, f"cannot be read ({reason(error)})", "a .npy file", SECTION) from error
    if not isinstance(joints, np.ndarray):
        raise malformed(path, "it is an archive", "a .npy file", SECTION)
    if joints.shape != SHAPES["joints"]:
        raise malformed(path, f"the shape {joints.shape}", f"{SHAPES['joints']}", SECTION)
    joints = floats(joints, SHAPES["joints"], path, "it", SECTION)
    if (away := float(np.abs(joints[:, PELVIS]).max())) > _AT_ZERO:
        raise malformed(path, f"the pelvis is up to {away:.3g} from zero", ORIGINAL, SECTION)
    return joints


def _tokens(path: Path) -> np.ndarray:
    try:
        tokens = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise malformed(path, f"cannot be read ({why_refused(error)})", "a tensor", SECTION) from error
    shape = tuple(getattr(tokens, "shape", ()))
    if shape != SHAPES["tensor"]:
        raise malformed(path, f"the shape {shape}", f"{SHAPES['tensor']}", SECTION)
    return floats(tokens.detach().float().numpy(), SHAPES["tensor"], path, "it", SECTION).astype(np.float16)
