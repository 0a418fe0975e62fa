"""How well people keep their ids: IDF1, HOTA, MOTA and identity switches, computed by TrackEval.

HOTA: Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", IJCV 2021. IDF1:
Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", 2016. MOTA:
Bernardin & Stiefelhagen, "Evaluating Multiple Object Tracking Performance", 2008.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..detect.boxes import iou
from ..errors import MissingExtraError
from ..losses import together
from ..replay.bag import read_results
from ..replay.truth import Truth, align, read_truth
from ..types import Floats, People2D
from .plots import WHOLE, bars
from .recorded import recordings, truths_of
from .report import Report, Table, rounded

SHARES = ("HOTA", "DetA", "AssA", "IDF1", "MOTA", "recall", "precision")
COLUMNS = ("HOTA", "DetA", "AssA", "IDF1", "MOTA", "id_switches", "fragmentations", "recall", "precision")


def evaluate_tracking(paths: Sequence[Path], truths: Sequence[Path]) -> Report:
    """Compare the ids of recorded results with the truth.

    Args:
        paths: Bags with results, or folders of runs.
        truths: Their truth files: one each, a folder or a pattern (``recorded.truths_of``). Images and truth
            are brought together by time, as in the report (``replay.truth.align``).

    Returns:
        ``results``: ``recordings`` by name and ``all`` together. HOTA, DetA and AssA are means over the
        thresholds 0.05 to 0.95 of the box IoU, the others hold at 0.5; shares in 0 to 1.

    Raises:
        InputError: A file cannot be read, or less than half of a truth's frames have a result.
        MissingExtraError: TrackEval is not installed.
    """
    files = recordings(paths)
    known = truths_of(files, truths)
    clips = {name: _Clip(files[name], truth) for name, truth in known.items()}
    sequences = {name: clip.sequence() for name, clip in clips.items()}
    found = {name: _measure(data) for name, data in sequences.items()}
    combined = _figures(_combined([raw for raw, _ in found.values()]))
    rows = {
        name: {**figures, "coverage": round(clips[name].aligned.coverage, 4)}
        for name, (_, figures) in found.items()
    }
    shown = {**rows, **({"all": combined} if len(rows) > 1 else {})}
    frames = sum(int(data["num_timesteps"]) for data in sequences.values())
    return Report(
        what="tracking",
        samples={
            "recordings": len(rows),
            "images": frames,
            "true boxes": sum(int(data["num_gt_dets"]) for data in sequences.values()),
            "people": sum(int(data["num_gt_ids"]) for data in sequences.values()),
        },
        models={},
        runtime={},
        protocol={"boxes": "HOTA, DetA, AssA: mean over IoU 0.05 to 0.95; the others: IoU 0.5", "by": _by()},
        results={"recordings": rows, "all": combined},
        tables=[Table("ids", ("recording", *COLUMNS), [(n, *map(f.get, COLUMNS)) for n, f in shown.items()])],
        notes=[
            *(f"{name}: truth: {clip.aligned.words()}" for name, clip in clips.items()),
            *(f"{name}: left out, no truth found for it" for name in files if name not in known),
        ],
        plots=[
            bars(
                "How well people keep their ids",
                "Shares; 1 is perfect. HOTA joins how well people are found (DetA) and how well "
                "their ids last (AssA).",
                {name: {k: figures[k] for k in SHARES} for name, figures in shown.items()},
                "share",
                range_=WHOLE,
            ),
            bars(
                "Changes of id",
                "How often a true person got another id, and how often a track broke off.",
                {
                    name: {k: figures[k] for k in ("id_switches", "fragmentations")}
                    for name, figures in shown.items()
                },
                "count",
            ),
        ],
        losses=together(*(clip.recording.losses.as_dict() for clip in clips.values())),
    )


class _Clip:
    """A recording and the truth about it."""

    def __init__(self, file: Path, truth: Path) -> None:
        self.recording, self._truth = read_results(file), read_truth(truth)
        people = self.recording.people
        self.aligned = align(self._truth, sorted(people), people, self.recording.origin_ns)

    def sequence(self) -> dict[str, Any]:
        """As TrackEval wants it: the truth's frames that have a result."""
        people = self.recording.people
        names = sorted({name for found in people.values() for name in found.ids})
        number = {name: i for i, name in enumerate(names)}
        frames = [_frame(self._truth, i, people[s], number) for i, s in self.aligned.shown.items()]
        true_ids, found_ids, overlaps = (list(part) for part in zip(*frames, strict=True))
        return {
            "num_timesteps": len(frames),
            "num_gt_dets": sum(map(len, true_ids)),
            "num_tracker_dets": sum(map(len, found_ids)),
            **_renumbered("gt", true_ids),
            **_renumbered("tracker", found_ids),
            "similarity_scores": overlaps,
        }


def _frame(
    truth: Truth, index: int, people: People2D, number: dict[str, int]
) -> tuple[list[int], list[int], Floats]:
    seen = np.flatnonzero(np.isfinite(truth.boxes[index, :, 0]))
    boxes = truth.boxes[index, seen].astype(np.float32)
    overlap = iou(boxes, people.boxes) if len(seen) and len(people) else np.zeros((len(seen), len(people)))
    return seen.tolist(), [number[name] for name in people.ids], np.asarray(overlap, np.float32)


def _renumbered(side: str, ids: list[list[int]]) -> dict[str, Any]:
    """TrackEval counts ids from 0 without gaps."""
    known = {old: new for new, old in enumerate(sorted({i for frame in ids for i in frame}))}
    arrays = [np.array([known[i] for i in frame], int) for frame in ids]
    return {f"{side}_ids": arrays, f"num_{side}_ids": len(known)}


def _measure(data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
    raw = {name: metric.eval_sequence(data) for name, metric in _metrics().items()}
    return raw, _figures(raw)


def _combined(all_raw: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        name: metric.combine_sequences({str(i): raw[name] for i, raw in enumerate(all_raw)})
        for name, metric in _metrics().items()
    }


def _figures(raw: dict[str, Any]) -> dict[str, float]:
    hota, clear, identity = raw["HOTA"], raw["CLEAR"], raw["Identity"]
    shares = {
        **{name: float(np.mean(hota[name])) for name in ("HOTA", "DetA", "AssA")},
        "IDF1": float(identity["IDF1"]),
        "MOTA": float(clear["MOTA"]),
    }
    more = {"recall": float(clear["CLR_Re"]), "precision": float(clear["CLR_Pr"])}
    counts = {"id_switches": int(clear["IDSW"]), "fragmentations": int(clear["Frag"])}
    return {**rounded(shares), **counts, **rounded(more)}


def _metrics() -> dict[str, Any]:
    try:
        from trackeval import metrics
    except ImportError as error:
        raise MissingExtraError("trackeval", "evaluate", "evaluate tracking") from error
    quiet = {"PRINT_CONFIG": False, "THRESHOLD": 0.5}
    return {
        "HOTA": metrics.HOTA(),
        "CLEAR": metrics.CLEAR(quiet),
        "Identity": metrics.Identity(quiet),
    }


def _by() -> str:
    from importlib.metadata import version

    return f"TrackEval {version('trackeval')}"
