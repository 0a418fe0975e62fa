"""Small files in the published forms of the data sets, with made-up content."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

IDS = ("54138969", "55011271", "58860488", "60457274")


def rotation(rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


def write_h36m(
    folder: Path,
    subjects: tuple[str, ...] = ("S1", "S5", "S6", "S7", "S8", "S9", "S11"),
    actions: tuple[str, ...] = ("Directions", "Walking 1"),
    frames: int = 12,
    kinds: tuple[str, ...] = ("gt",),
    seed: int = 0,
) -> tuple[dict, dict, dict]:
    """VideoPose3D's files and a cameras.json; returns what is in them."""
    rng = np.random.default_rng(seed)
    world = {s: {a: rng.normal(0, 0.5, (frames, 32, 3)).astype("f4") for a in actions} for s in subjects}
    seen = {
        s: {a: [rng.uniform(0, 1000, (frames + 3, 17, 2)).astype("f4") for _ in IDS] for a in actions}
        for s in subjects
    }
    cameras = {
        f"{s}_{i}": {"R": rotation(rng).tolist(), "T": rng.normal(size=(3, 1)).tolist()}
        for s in subjects
        for i in IDS
    }
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "data_3d_h36m.npz", positions_3d=np.array(world, dtype=object))
    metadata = {
        "layout_name": "h36m",
        "num_joints": 17,
        "keypoints_symmetry": [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]],
    }
    for kind in kinds:
        np.savez_compressed(
            folder / f"data_2d_h36m_{kind}.npz",
            positions_2d=np.array(seen, dtype=object),
            metadata=np.array(metadata, dtype=object),
        )
    (folder / "cameras.json").write_text(json.dumps(cameras))
    return world, seen, cameras


def write_3dhp(folder: Path, frames: int = 10) -> tuple[dict, dict]:
    """P-STMO's two files."""
    rng = np.random.default_rng(1)

    def entry() -> dict:
        return {
            "data_2d": rng.uniform(0, 1000, (frames, 17, 2)),
            "data_3d": rng.normal(0, 500, (frames, 17, 3)).astype("f4"),
        }

    train = {f"S{s} Seq1": [{"0": entry(), "8": entry()}] for s in (1, 2)}
    test = {name: {**entry(), "valid": (np.arange(frames) % 2).astype("f4")} for name in ("TS1", "TS5")}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "data_train_3dhp.npz", data=np.array(train, dtype=object))
    np.savez_compressed(folder / "data_test_3dhp.npz", data=np.array(test, dtype=object))
    return train, test


BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Yrotation Xrotation Zrotation
  JOINT Spine
  {
    OFFSET 0 10 0
    CHANNELS 3 Yrotation Xrotation Zrotation
    JOINT Spine1
    {
      OFFSET 0 20 0
      CHANNELS 3 Yrotation Xrotation Zrotation
      JOINT Neck
      {
        OFFSET 0 20 0
        CHANNELS 3 Yrotation Xrotation Zrotation
        JOINT Head
        {
          OFFSET 0 10 0
          CHANNELS 3 Yrotation Xrotation Zrotation
          End Site
          {
            OFFSET 0 18 0
          }
        }
      }
      %(left_arm)s
      %(right_arm)s
    }
  }
  %(left_leg)s
  %(right_leg)s
}
MOTION
Frames: %(frames)d
Frame Time: 0.008
%(rows)s
"""
_LIMB = """JOINT %s
{
  OFFSET %s 0 0
  CHANNELS 3 Yrotation Xrotation Zrotation
  JOINT %s
  {
    OFFSET %s
    CHANNELS 3 Yrotation Xrotation Zrotation
    JOINT %s
    {
      OFFSET %s
      CHANNELS 3 Yrotation Xrotation Zrotation
      End Site
      {
        OFFSET 0 0 5
      }
    }
  }
}"""
BVH_CHANNELS = 6 + 3 * 16


def bvh_text(values: np.ndarray) -> str:
    """A whole body whose joints, in order: hips, spine, spine1, neck, head, arms, legs."""
    limbs = {
        "left_arm": _LIMB % ("LeftArm", "15", "LeftForeArm", "28 0 0", "LeftHand", "25 0 0"),
        "right_arm": _LIMB % ("RightArm", "-15", "RightForeArm", "-28 0 0", "RightHand", "-25 0 0"),
        "left_leg": _LIMB % ("LeftUpLeg", "9", "LeftLeg", "0 -42 0", "LeftFoot", "0 -40 0"),
        "right_leg": _LIMB % ("RightUpLeg", "-9", "RightLeg", "0 -42 0", "RightFoot", "0 -40 0"),
    }
    rows = "\n".join(" ".join(f"{v:.6f}" for v in row) for row in values)
    return BVH % {**limbs, "frames": len(values), "rows": rows}
