"""MoEmo's own prepared files: CLIP's tokens as ``.pt``, joints as ``_f16.npy``.

As the released code (Santa-Clara-Imaginarium-Lab/MoEmo_Vision_Transformer, data/preCLIP.py and
network/train.py) writes and reads them::

    <folder>/tensor/<split>/<emotion>/<ID>.pt     (16, 50, 768), of frames 0, 4, …, 60
    <folder>/joints/<ID>_f16.npy                  (16, 17, 3)
    <folder>/actors.csv                           clip,actor[,motion]; ours

``ID`` is ``<recording>_<background>``: the same joints stand behind every background of a recording.
The released split does not look at that; here recordings and actors of train and test must differ
(``shared_actors: true`` repeats the released protocol). Without ``actors.csv`` every recording
counts as an actor of its own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from posemo_ros.types import EMOTIONS

from .emotion_clips import EmotionClip
from .files import malformed, need
from .video_emotion import SYNONYMS, read_actors

SECTION = "MoEmo's own files"
RATE_HZ = 7.5
SHAPES = {"tensor": (16, 50, 768), "joints": (16, 17, 3)}


def load_clips(folder: Path, split: str) -> list[EmotionClip]:
    """All clips of a split, with their context.

    Raises:
        InputError: A folder or file is missing, or has another form.
    """
    root = need(folder / "tensor" / split, "MoEmo's <emotion>/<ID>.pt", SECTION)
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
        times = np.arange(len(joints)) / RATE_HZ
        name = str(path.relative_to(folder))
        clips.append(
            EmotionClip(
                name, EMOTIONS.index(emotion), actor, recording, times, joints, times.copy(), _tokens(path)
            )
        )
    if not clips:
        raise malformed(root, "no files", "<emotion>/<ID>.pt", SECTION)
    return clips


def _joints(path: Path) -> np.ndarray:
    need(path, "the joints of a clip", SECTION)
    try:
        joints = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise malformed(path, f"cannot be read ({error})", "a .npy file", SECTION) from error
    if joints.shape != SHAPES["joints"]:
        raise malformed(path, f"the shape {joints.shape}", f"{SHAPES['joints']}", SECTION)
    return np.asarray(joints, np.float32)


def _tokens(path: Path) -> np.ndarray:
    try:
        tokens = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise malformed(path, f"cannot be read ({error})", "a tensor", SECTION) from error
    shape = tuple(getattr(tokens, "shape", ()))
    if shape != SHAPES["tensor"]:
        raise malformed(path, f"the shape {shape}", f"{SHAPES['tensor']}", SECTION)
    return np.asarray(tokens.half().numpy())
