"""What a network loses when it computes in a lower precision, on people and motion kept apart.

Both precisions answer for the same people, who chose nothing (the reporting half of
``starter_people``, sport of LSPET's validation people, CMU's test clips). The loss is relative to
what float32 on the CPU reaches: (AP32 - AP) / AP32, or (MPJPE - MPJPE32) / MPJPE32; below 0
where the lower precision is better by chance. Keypoint networks are judged on all people of the
sets together, lifters on their worst set.

bfloat16 is the runtime's own way to compute a float32 file. 8 bits need a file of their own: it is made
here, calibrated on people that the networks are trained on, measured, and thrown away.
"""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posemo_ros.detect.detector import Detector
from posemo_ros.errors import InputError, PosemoError
from posemo_ros.evaluate.clips import read_clips
from posemo_ros.evaluate.film import Noise
from posemo_ros.evaluate.lift import errors, lift, shoot
from posemo_ros.golden import Tap
from posemo_ros.inference.manifest import (
    DetectSpec,
    KeypointSpec,
    LiftSpec,
    ModelSpec,
    input_shapes,
    load_manifest,
)
from posemo_ros.inference.runtimes import REFERENCE, lower_precision
from posemo_ros.inference.session import Session
from posemo_ros.inference.sessions import open_session
from posemo_ros.inference.store import ModelStore
from posemo_ros.keypoints.estimator import KeypointEstimator
from posemo_ros.lift.lifter import Lifter
from posemo_ros.types import Floats, Frame
from train.data import lspet
from train.data.keypoint_protocol import by_group
from train.data.people import Person, by_photo
from train.data.starter_people import half, read_coco, read_fixtures
from train.export import to_int8

RUNTIMES = {"bf16": "openvino-bf16", "int8": "openvino"}  # precision -> runtime that computes in it
CALIBRATED_ON = 200  # people
TIMED = 15  # runs of each, in turn
SPORT_EVERY = 2
EVERYBODY = "everybody"
BATCH = 4  # people at once: a runtime may be wrong for several only


@dataclass(frozen=True)
class Loss:
    """One figure in both precisions.

    Attributes:
        people: Which set.
        figure: ``AP`` (0..1, more is better) or ``MPJPE`` (mm, less is better).
        samples: How many people, or frames.
        reference, lower: The figure in float32 and in the lower precision.
    """

    people: str
    figure: str
    samples: int
    reference: float
    lower: float

    @property
    def relative(self) -> float:
        """Share that is lost; below 0: gained."""
        worse = self.lower - self.reference if self.figure == "MPJPE" else self.reference - self.lower
        return worse / self.reference

    def __str__(self) -> str:
        return (
            f"{self.people} ({self.samples}): {self.figure} {self.reference:.4g} -> {self.lower:.4g}, "
            f"{100 * self.relative:+.2f} % lost"
        )


@dataclass(frozen=True)
class Cost:
    """What a network loses in a lower precision, and what it saves.

    Attributes:
        losses: Every figure in both precisions.
        cpu_ms: Way of running -> CPU milliseconds of one run (all cores together), median of runs in turn.
    """

    losses: list[Loss]
    cpu_ms: dict[str, float]


def cost(store: ModelStore, name: str, precision: str, data: Path, *, runtime: str = "") -> Cost:
    """What a network loses and saves in a lower precision, beside float32 and bfloat16.

    Args:
        store, name: Of the network.
        precision: One of ``RUNTIMES``.
        data: The development data.
        runtime: What computes in it; empty: that of ``RUNTIMES``.

    Raises:
        InputError: Nothing is known to measure this kind of network with, or the runtime does not
            compute in that precision.
        ModelError: The runtime is not here, cannot load the network, or not in that precision.
    """
    entry = store.spec(name)
    if not isinstance(entry.spec, KeypointSpec | DetectSpec | LiftSpec):
        raise InputError(f"{name}: a network for '{entry.task}' is too small to gain from lower precision")
    shapes = input_shapes(entry.spec)
    runtime = runtime or RUNTIMES[precision]
    if precision == "bf16" and not lower_precision(runtime):
        raise InputError(f"--runtime {runtime} computes in float32; expected {RUNTIMES['bf16']} for bf16")
    with tempfile.TemporaryDirectory() as folder:
        path = store.path(name)
        exact = open_session(path, runtime=REFERENCE, threads=1, shapes=shapes)
        lower = path
        if precision == "int8":
            lower = Path(folder) / f"{name}-int8.onnx"
            to_int8(path, lower, calibration(entry, exact, data))
        session = open_session(lower, runtime=runtime, threads=1, shapes=shapes)
        given, found = (_figures(entry.spec, one, data) for one in (exact, session))
        timed = {f"fp32 {REFERENCE}": exact, f"{precision} {runtime}": session}
        if runtime != RUNTIMES["bf16"]:
            with contextlib.suppress(PosemoError):  # not on this processor
                other = open_session(path, runtime=RUNTIMES["bf16"], threads=1, shapes=shapes)
                timed[f"bf16 {RUNTIMES['bf16']}"] = other
        speed = _cpu_ms(timed)
    return Cost(
        [
            Loss(people, figure, samples, value, found[people, figure][1])
            for (people, figure), (samples, value) in given.items()
        ],
        speed,
    )


def calibration(entry: ModelSpec, session: Session, data: Path) -> dict[str, Floats]:
    """Input name -> (n, ...) what a network for photos is given of people that networks are trained on.

    Raises:
        InputError: It is no network for photos.
    """
    people, tap = read_coco(data, "train"), Tap(session)
    people = [people[i] for i in np.linspace(0, len(people) - 1, CALIBRATED_ON).astype(int)]
    if isinstance(entry.spec, KeypointSpec):
        station = KeypointEstimator(tap, entry.spec)
        for person in people:
            station.estimate(Frame(person.photo.pixels()), person.box[None])
    elif isinstance(entry.spec, DetectSpec):
        detector = Detector(tap, entry.spec, score_threshold=0.5)
        for person in people:
            detector.candidates(Frame(person.photo.pixels()))
    else:
        raise InputError(f"{entry.name}: 8 bits are for detectors and keypoint networks, which see photos")
    return {n: np.concatenate([np.asarray(f[n], np.float32) for f in tap.feeds]) for n in tap.feeds[0]}


def _cpu_ms(sessions: Mapping[str, Session]) -> dict[str, float]:
    rng = np.random.default_rng(0)
    spent: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(TIMED):
        for name, session in sessions.items():
            feeds = {
                one.name: rng.normal(size=[max(int(n), 1) for n in one.shape]).astype(np.float32)
                for one in session.inputs
            }
            before = time.process_time()
            session.run(feeds)
            spent[name].append(1e3 * (time.process_time() - before))
    return {name: round(float(np.median(times)), 2) for name, times in spent.items()}


def stated(found: Sequence[Loss]) -> float:
    """What the manifest states, four digits: the share lost on everybody together, else the largest.

    A single set has few people; one joint of one person is worth a percent of its AP.
    """
    together = [one for one in found if one.people == EVERYBODY]
    return round(max(one.relative for one in together or found), 4)


Figures = Mapping[tuple[str, str], tuple[int, float]]  # set and figure -> samples, value


def _figures(spec: KeypointSpec | DetectSpec | LiftSpec, session: Session, data: Path) -> Figures:
    if isinstance(spec, KeypointSpec):
        return _keypoints(KeypointEstimator(session, spec), data)
    if isinstance(spec, DetectSpec):
        return _boxes(Detector(session, spec, score_threshold=spec.weak_threshold or 0.05), data)
    return _joints(Lifter(session, spec), data)


def _keypoints(station: KeypointEstimator, data: Path) -> Figures:
    sport = half(lspet.read_people(data / "lspet", "val"), "test")[::SPORT_EVERY]
    sets = {"COCO, reporting half": read_coco(data, "test"), "LSPET val, reporting half": sport}
    answers = {name: _estimate(station, people) for name, people in sets.items()}
    everybody = [p for people in sets.values() for p in people]
    sets, answers = (
        {EVERYBODY: everybody, **sets},
        {EVERYBODY: np.concatenate(list(answers.values())), **answers},
    )
    return {
        (name, "AP"): (len(people), by_group(people, answers[name])["all"]["AP"])
        for name, people in sets.items()
    }


def _estimate(station: KeypointEstimator, people: Sequence[Person]) -> Floats:
    """(N, K, 3); each person with others' boxes in the same batch, as in a room."""
    out = []
    for person in people:
        shifted = person.box + np.arange(BATCH, dtype=np.float32)[:, None] * 8
        out.append(station.estimate(Frame(person.photo.pixels()), shifted)[:1])
    return np.concatenate(out)


def _boxes(detector: Detector, data: Path) -> Figures:
    people = [*read_coco(data, "test"), *read_fixtures(data)]
    truth, answers = [], []
    for photo, boxes in by_photo(people):
        found = detector.candidates(Frame(photo.pixels()))
        truth.append(boxes)
        answers.append((found.boxes, found.scores))
    ap = box_ap(truth, answers)
    return {("COCO, reporting half, and val2017 fixtures", "AP"): (len(people), ap)}


def box_ap(truth: Sequence[Floats], answers: Sequence[tuple[Floats, Floats]]) -> float:
    """COCO's AP of person boxes over the overlaps .50:.05:.95.

    Args:
        truth: (n, 4) xyxy px by photo.
        answers: Boxes (m, 4) and scores (m,) by photo.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO()
        boxes = [(i, _xywh(box)) for i, rows in enumerate(truth) for box in rows]
        reference.dataset = {
            "info": {},
            "images": [{"id": i} for i in range(len(truth))],
            "categories": [{"id": 1, "name": "person"}],
            "annotations": [
                {"id": n, "image_id": i, "category_id": 1, "iscrowd": 0, "bbox": b, "area": b[2] * b[3]}
                for n, (i, b) in enumerate(boxes, 1)
            ],
        }
        reference.createIndex()
        results = [
            {"image_id": i, "category_id": 1, "bbox": _xywh(box), "score": float(score)}
            for i, (rows, scores) in enumerate(answers)
            for box, score in zip(rows, scores, strict=True)
        ]
        if not results:
            return 0.0
        evaluation = COCOeval(reference, reference.loadRes(results), "bbox")
        evaluation.evaluate(), evaluation.accumulate(), evaluation.summarize()
    return float(evaluation.stats[0])


def _xywh(box: Floats) -> list[float]:
    x1, y1, x2, y2 = (float(v) for v in box)
    return [x1, y1, x2 - x1, y2 - y1]


def _joints(lifter: Lifter, data: Path) -> Figures:
    clips = read_clips(data / "cmu_mocap/cmu_h36m17.npz")
    out = {}
    for name, noise in {"perfect": None, "noisy": Noise()}.items():
        takes = shoot(clips, noise, views=1, seed=0)
        frames = int(sum(len(take.truth) for take in takes))
        out[f"CMU test clips, {name} keypoints", "MPJPE"] = (
            frames,
            float(errors(lift(lifter, takes), takes)["mpjpe_mm"]),
        )
    return out


def write_loss(manifest: Path, name: str, precision: str, loss: float) -> None:
    """State a loss in the entry of a manifest; comments and order stay.

    Raises:
        InputError: The manifest has no such entry, or it is written in another way than the package's.
    """
    lines = manifest.read_text(encoding="utf-8").splitlines()
    losses_ = {**_stated(manifest, name), precision: loss}
    first = next(
        (i for i, line in enumerate(lines) if re.match(rf"  {re.escape(name)}:( *#.*)?$", line)), None
    )
    if first is None:
        raise InputError(f"{manifest}: expected an entry {name!r}, two spaces deep, its keys below it")
    inside = range(first + 1, len(lines))
    end = next((i for i in inside if re.match(r" {0,2}\S", lines[i])), len(lines))
    kept = [line for line in lines[first:end] if not line.startswith("    precision_loss:")]
    at = next((i for i, line in enumerate(kept) if line.startswith("    file:")), 0)
    text = ", ".join(f"{key}: {value:g}" for key, value in losses_.items())
    kept.insert(at + 1, f"    precision_loss: {{{text}}}")
    manifest.write_text("\n".join([*lines[:first], *kept, *lines[end:]]) + "\n", encoding="utf-8")


def _stated(manifest: Path, name: str) -> Mapping[str, float]:
    entries = load_manifest(manifest)
    return entries[name].precision_loss if name in entries else {}
