"""``results.parquet``: one row per person and image, for pandas, Polars, DuckDB, R and spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MissingExtraError
from ..skeleton import COCO17, H36M17
from ..types import EMOTIONS, Emotions, Skeletons3D
from .bag import Recording

BOX = ("box_x0", "box_y0", "box_x1", "box_y1")
KEYPOINTS = tuple(f"kp_{joint}_{what}" for joint in COCO17.joints for what in ("x", "y", "score"))
JOINTS = tuple(f"j3d_{joint}_{what}" for joint in H36M17.joints for what in ("x", "y", "z", "score"))
PROBABILITIES = tuple(f"p_{emotion}" for emotion in EMOTIONS)
WORDS = ("id", "emotion", "emotion_status", "emotion_evidence")
FLOATS = (*BOX, "box_score", *KEYPOINTS, *JOINTS, *PROBABILITIES, "emotion_window_s", "emotion_context_age_s")
COLUMNS: dict[str, str] = {  # name -> what it is; docs/recordings.md has it as a table
    "image": "number of the image, from 0",
    "stamp_ns": "stamp of the image, nanoseconds",
    "id": "track id",
    "box_*": "box, pixels: left, top, right, bottom",
    "box_score": "of the box, 0 to 1",
    "kp_JOINT_x, _y": "keypoint, pixels; empty where it is not known",
    "kp_JOINT_score": "of the keypoint, 0 to 1",
    "j3d_JOINT_x, _y, _z": "joint in metres in the camera's optical frame; empty where it is not known",
    "j3d_JOINT_score": "of the joint, 0 to 1",
    "emotion": "the most probable emotion; empty where there is no answer",
    "emotion_status": "`valid`, or why there is no answer",
    "emotion_evidence": "what the answer rests on most, in words, `; ` between them",
    "p_EMOTION": "probability, 0 to 1; empty where there is no answer",
    "emotion_window_s": "seconds of movement behind the answer",
    "emotion_context_age_s": "stamp of the skeleton minus the context's, seconds; empty without context",
}


def write_table(recording: Recording, path: Path) -> None:
    """Write the results of a recording; images without people have no row.

    Args:
        recording: The results.
        path: The file; an existing one is replaced.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", "results.parquet") from error
    schema = pa.schema(
        [("image", pa.int32()), ("stamp_ns", pa.int64())]
        + [(name, pa.string()) for name in WORDS]
        + [(name, pa.float32()) for name in FLOATS]
    )
    table = pa.Table.from_pylist(list(_rows(recording)), schema=schema)
    part = path.with_name(path.name + ".part")
    pq.write_table(table, part, compression="zstd")
    part.replace(path)


def _rows(recording: Recording) -> Iterator[dict[str, Any]]:
    for image, (stamp, people) in enumerate(sorted(recording.people.items())):
        skeletons = recording.skeletons.get(stamp, Skeletons3D())
        emotions = recording.emotions.get(stamp, Emotions())
        for n, track in enumerate(people.ids):
            yield {
                "image": image,
                "stamp_ns": stamp,
                "id": track,
                **_floats(BOX, people.boxes[n]),
                **_floats(("box_score",), people.scores[n]),
                **_floats(KEYPOINTS, people.keypoints[n]),
                **_skeleton(skeletons, track),
                **_emotion(emotions, track),
            }


def _skeleton(skeletons: Skeletons3D, track: str) -> dict[str, Any]:
    if track not in skeletons.ids:
        return {}
    n = skeletons.ids.index(track)
    return _floats(JOINTS, np.column_stack([skeletons.joints[n], skeletons.scores[n]]))


def _emotion(emotions: Emotions, track: str) -> dict[str, Any]:
    if track not in emotions.ids:
        return {}
    n = emotions.ids.index(track)
    status = emotions.status[n].value
    row: dict[str, Any] = {"emotion_status": status}
    if status == "valid":
        row |= {"emotion": emotions.labels[n], **_floats(PROBABILITIES, emotions.probabilities[n])}
        row["emotion_evidence"] = "; ".join(emotions.evidence[n]) if emotions.evidence else ""
    times = [emotions.windows_s[n], emotions.context_ages_s[n]]
    return {**row, **_floats(("emotion_window_s", "emotion_context_age_s"), np.array(times))}


def _floats(names: tuple[str, ...], values: Any) -> dict[str, float | None]:
    """Without NaN, which is no number for a table: the cell stays empty."""
    flat = np.asarray(values, np.float64).ravel()
    return {name: float(v) if np.isfinite(v) else None for name, v in zip(names, flat, strict=True)}
