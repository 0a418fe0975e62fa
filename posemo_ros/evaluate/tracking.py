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
from ..errors import InputError, MissingExtraError
from ..replay.bag import Recording, read_results
from ..replay.compare import Truth, read_truth
from ..types import Floats, People2D
from .report import Report, Table, rounded

COLUMNS = ("HOTA", "DetA", "AssA", "IDF1", "MOTA", "id_switches", "fragmentations", "recall", "precision")


def evaluate_tracking(pairs: Sequence[tuple[Path, Path]]) -> Report:
    """Compare the ids of recorded results with the truth.

    Args:
        pairs: Bag with results and truth file (``replay.compare.read_truth``) of every recording; image
            i of the bag belongs to frame i of the truth, which must have as many.

    Returns:
        ``results``: ``recordings`` by name and ``all`` together. HOTA, DetA and AssA are means over the
        thresholds 0.05 to 0.95 of the box IoU, the others hold at 0.5; shares in 0 to 1.

    Raises:
        InputError: A file cannot be read, or numbers of images differ.
        MissingExtraError: TrackEval is not installed.
    """
    sequences = {bag.parent.name + "/" + bag.name: _sequence(bag, truth) for bag, truth in pairs}
    found = {name: _measure(data) for name, data in sequences.items()}
    combined = _figures(_combined([raw for raw, _ in found.values()]))
    rows = {name: figures for name, (_, figures) in found.items()}
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
    )


def _sequence(bag: Path, truth_path: Path) -> dict[str, Any]:
    """One recording as TrackEval wants it."""
    recording, truth = read_results(bag), read_truth(truth_path)
    if len(recording.people) != len(truth.boxes):
        raise InputError(
            f"{bag} has {len(recording.people)} images, {truth_path} has {len(truth.boxes)} frames; "
            "expected the same images"
        )
    names = sorted({name for people in recording.people.values() for name in people.ids})
    number = {name: i for i, name in enumerate(names)}
    frames = [_frame(truth, i, people, number) for i, people in enumerate(_in_order(recording))]
    true_ids, found_ids, overlaps = (list(part) for part in zip(*frames, strict=True))
    return {
        "num_timesteps": len(frames),
        "num_gt_dets": sum(map(len, true_ids)),
        "num_tracker_dets": sum(map(len, found_ids)),
        **_renumbered("gt", true_ids),
        **_renumbered("tracker", found_ids),
        "similarity_scores": overlaps,
    }


def _in_order(recording: Recording) -> list[People2D]:
    return [people for _, people in sorted(recording.people.items())]


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
