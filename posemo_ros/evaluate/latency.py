"""The latency of results, from the stamps in a recorded bag."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..replay.bag import WRITTEN_MS, Recording, read_results
from .plots import WHOLE, lines
from .report import Report, Table, rounded

PERCENTILES = (50, 90, 95, 99, 100)
STEPS = np.arange(101)  # percentiles of the plot


def evaluate_latency(bags: Sequence[Path]) -> Report:
    """From an image to the last message about it, at the recorder.

    Args:
        bags: Recordings of the nodes' topics, each with the images' stamps and the time of arrival.

    Returns:
        ``results`` by bag: milliseconds (percentiles and jitter, the standard deviation), images with
        results, how many of them lack a kind of result that others have and so do not count, images
        per second.

    Raises:
        InputError: A bag cannot be read, knows no times of arrival (``posemo run`` writes none), or knows
            them by another clock than the images' stamps.
    """
    results, curves = {}, {}
    for bag in bags:
        if str(bag) in results:
            raise InputError(f"{bag} is named twice")
        recording = read_results(bag)
        ms = _latencies_ms(bag, recording)
        curves[str(bag)] = (np.percentile(ms, STEPS).tolist(), (STEPS / 100).tolist())
        stamps = np.sort(np.fromiter(recording.arrived_ns, np.int64))
        span_s = float(stamps[-1] - stamps[0]) * 1e-9
        figures = {f"p{p}" if p != 100 else "max": float(np.percentile(ms, p)) for p in PERCENTILES}
        results[str(bag)] = {
            "images": len(stamps),
            "incomplete": len(stamps) - len(recording.complete_ns),
            "images_per_s": round((len(stamps) - 1) / span_s, 2) if span_s > 0 else float("nan"),
            **rounded({**figures, "jitter": float(np.std(ms))}, 2),
            "from": "image (its CameraInfo)" if recording.in_lockstep else "image stamp",
        }
    columns = list(next(iter(results.values())))
    return Report(
        what="latency",
        samples={"bags": len(results), "images": sum(r["images"] for r in results.values())},
        models={},
        runtime={},
        protocol={"latency": "milliseconds from the image to the arrival of the last message about it"},
        results=results,
        plots=[
            lines(
                "How many results were there after how long",
                "Left and steep is fast and even; the height is the share of the images whose "
                "results had arrived.",
                curves,
                x="milliseconds from the image to the last message about it",
                y="share of the images",
                range_=WHOLE,
                marked=False,
            )
        ],
        tables=[Table("latency, ms", ("bag", *columns), [(n, *r.values()) for n, r in results.items()])],
    )


def _latencies_ms(bag: Path, recording: Recording) -> list[float]:
    if recording.in_lockstep and not recording.info_arrived_ns:
        raise InputError(
            f"{bag}: the camera waited for the results (lockstep), so only the arrival of its CameraInfo "
            "says when an image came, and none was recorded; record the camera's camera_info, too"
        )
    if not recording.arrived_ns:
        raise InputError(f"{bag} holds no results; expected a recording of people, skeletons or emotions")
    gaps = recording.gaps_ms
    if not gaps:
        raise InputError(
            f"{bag}: no image has results of all kinds that are in it (people, skeletons, emotions)"
        )
    if max(map(abs, gaps), default=0.0) <= WRITTEN_MS:
        raise InputError(
            f"{bag} knows no times of arrival; expected a recording of the nodes "
            "(`posemo run` writes its results at the times of the images)"
        )
    if not recording.latencies_ms:
        raise InputError(
            f"{bag}: results arrived {min(gaps) / 1000:.3g} to {max(gaps) / 1000:.3g} s after their images' "
            "stamps, so stamps and arrivals are of two clocks (a bag that was played with its old stamps, a "
            "camera with a clock of its own); record a live camera, or this package's camera with lockstep"
        )
    return gaps
