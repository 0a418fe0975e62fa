"""What came out of a run: overlay.mp4, overview.png, summary.json and a few lines to read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..diagnostics import INPUT, LOSSES, SOURCE, read_chain
from ..draw import Privacy, fit_view
from ..errors import InputError, MissingExtraError, is_disk_full
from ..losses import Losses, together, words_of_losses
from ..machine import machine
from .bag import Recording, read_results
from .charts import Moment, overview
from .compare import Comparison, compare
from .films import Films, draw_films
from .page import write_page
from .people_table import people_of, worst_images
from .progress import Progress
from .run_folder import DRAWN, SMALL_FILM, STATE, make_folder
from .table import write_table
from .truth import Truth, read_truth, words_of_alignment

MOMENTS = 4


@dataclass(frozen=True)
class RunFigures:
    """What only the run itself knows.

    Attributes:
        latency: What ``latencies_ms`` measures, in words.
        latencies_ms: One per image; empty when unknown.
        stages: What ``stages_ms`` measures, in words.
        stages_ms: Milliseconds of each stage.
        runtimes: "model (runtime, precision)" by stage.
        dropped: Images the chain had no time for, as far as it says.
        source: What was played.
        input: What of the source was read, and how: topic, time, camera.
        losses: What of the source was skipped, as ``Losses.as_dict``.
    """

    latency: str
    latencies_ms: list[float]
    stages: str
    stages_ms: dict[str, float]
    runtimes: dict[str, str]
    dropped: int = 0
    source: str = ""
    input: dict[str, Any] = field(default_factory=dict)
    losses: dict[str, Any] = field(default_factory=Losses().as_dict)


def make_report(
    bag: Path,
    out: Path,
    truth: Path | None = None,
    privacy: Privacy = Privacy.NONE,
    *,
    namespace: str = "",
    topic: str = "",
) -> tuple[str, dict[str, Any]]:
    """Report on a bag of the package's topics; see ``write_report`` and ``read_results``.

    Raises:
        InputError: The bag cannot be used, or ``out`` is the folder of a run, which knows more than its bag.
    """
    make_folder(out)
    if (out / STATE).exists():
        raise InputError(
            f"{out} holds the results of a run; name another folder with --out (films that are missing there "
            "are drawn by the same `posemo run` without --no-films)"
        )
    recording = read_results(bag, namespace, topic)
    return write_report(recording, out, truth, None, Progress(), privacy)


def write_report(
    recording: Recording,
    out: Path,
    truth: Path | None,
    figures: RunFigures | None,
    progress: Progress,
    privacy: Privacy = Privacy.NONE,
    *,
    films: bool = True,
) -> tuple[str, dict[str, Any]]:
    """Table, films, picture, page and summary of a bag of the package's topics.

    Args:
        recording: What is in the bag.
        out: Folder for results.parquet, overlay.mp4, overview.png, report.html and summary.json.
        truth: Ground truth to compare with, see ``compare``.
        figures: Of the run; None: as far as the bag knows them.
        progress: Shows how far it is.
        privacy: What films and pictures may show; the bag stays as it is.
        films: False: table and summary alone, of a bag that ``ResultBagWriter`` wrote (each image with its
            people).

    Returns:
        The summary in words, and as in summary.json.

    Raises:
        InputError: The truth cannot be read, or there is nothing to report on.
    """
    expected = None if truth is None else read_truth(truth)
    figures = figures or _figures(recording)
    for name in DRAWN:  # of an earlier report, which may have shown more of people than this one does
        (out / name).unlink(missing_ok=True)
    no_table = _write_table(recording, out / "results.parquet")
    drawn = _draw(recording, out, progress, privacy) if films else Films(sorted(recording.people))
    compared, refusal = _compared(recording, drawn.stamps, expected)
    summary = _summary(recording, figures, drawn.stamps, compared)
    stricter = privacy if recording.privacy.allows(privacy) else recording.privacy
    summary["privacy"] = stricter.value
    summary["notes"] += [*drawn.problems, *no_table, *([refusal] if refusal else [])]
    if films:
        _illustrate(out, recording, figures, summary, drawn)
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    if refusal:
        raise InputError(f"{refusal}. The rest of the report is in {out}")
    return _words(summary, out), summary


def _write_table(recording: Recording, path: Path) -> list[str]:
    """Write results.parquet; why there is none."""
    try:
        write_table(recording, path)
    except MissingExtraError as error:
        return [str(error)]
    return []


def _compared(recording: Recording, stamps: list[int], truth: Truth | None) -> tuple[Comparison | None, str]:
    """The comparison with the truth, or why there is none."""
    if truth is None:
        return None, ""
    try:
        return compare(truth, stamps, recording.people, recording.skeletons, recording.origin_ns), ""
    except InputError as error:
        return None, str(error)


# Pictures -----------------------------------------------------------------------------------


def _draw(recording: Recording, out: Path, progress: Progress, privacy: Privacy) -> Films:
    view = fit_view([s.joints for s in recording.skeletons.values()])
    wanted = _wanted(recording)
    return draw_films(recording, out / "overlay.mp4", out / SMALL_FILM, view, wanted, progress, privacy)


def _illustrate(
    out: Path, recording: Recording, figures: RunFigures, summary: dict[str, Any], films: Films
) -> None:
    """overview.png and report.html; what cannot be drawn is noted, the figures come all the same."""
    chosen = [s for s in _moments(recording) if s in films.pictures]
    moments = [Moment((s - films.stamps[0]) * 1e-9, *films.pictures[s]) for s in chosen]
    title = f"posemo_ros: {figures.source or recording.path.name}"
    try:
        stamps = films.stamps
        end_s = max((stamps[-1] - stamps[0]) * 1e-9, 1e-3)
        overview(out / "overview.png", title, moments, people_of(recording, stamps), end_s, len(stamps))
    except Exception as error:
        if is_disk_full(error):
            raise
        summary["notes"].append(f"overview.png could not be made: {error}")
    try:
        write_page(out / "report.html", recording, summary, films, out / SMALL_FILM, figures.latencies_ms)
    except Exception as error:
        if is_disk_full(error):
            raise
        summary["notes"].append(f"report.html could not be made: {error}")
    (out / SMALL_FILM).unlink(missing_ok=True)


def _wanted(recording: Recording) -> set[int]:
    stamps = sorted(recording.people)
    return {*_moments(recording), *(stamps[i] for i, _ in worst_images(recording, stamps))}


def _moments(recording: Recording) -> list[int]:
    """Stamps of some images spread over the clip, where there are people if possible."""
    stamps = sorted(recording.people)
    peopled = [s for s in stamps if len(recording.people[s])] or stamps
    at = np.linspace(0, len(peopled) - 1, MOMENTS + 2)[1:-1].round().astype(int)
    return sorted({peopled[i] for i in at})


# Numbers ------------------------------------------------------------------------------------


def _figures(recording: Recording) -> RunFigures:
    """Of a run over ROS: latency from the recorder's clock, the rest from the diagnostics."""
    chain = read_chain(recording.diagnostics)
    return RunFigures(
        latency=(
            f"from {'the image (its CameraInfo)' if recording.in_lockstep else 'image stamp'} "
            "to the arrival of the last result, at the recorder"
        ),
        latencies_ms=recording.latencies_ms,
        stages="median over the nodes' diagnostics, each a median of the images before it",
        stages_ms={name: float(np.median(ms)) for name, ms in chain.work_ms.items()},
        runtimes=chain.networks,
        source=recording.camera.get(SOURCE, ""),
        dropped=chain.dropped,
        input=_json(recording.camera.get(INPUT)) or {},
        losses=together(
            _json(recording.camera.get(LOSSES)) or Losses().as_dict(), recording.losses.as_dict()
        ),
    )


def _json(text: str | None) -> dict[str, Any] | None:
    """What the camera node said in its diagnostics."""
    return json.loads(text) if text else None


def _summary(
    recording: Recording, figures: RunFigures, stamps: list[int], compared: Comparison | None
) -> dict[str, Any]:
    counts = [len(p) for p in recording.people.values()]
    shown = max(len(stamps), recording.published)
    ids = sorted({i for p in recording.people.values() for i in p.ids}, key=lambda i: (len(i), i))
    latencies = figures.latencies_ms
    valid = [s.value == "valid" for e in recording.emotions.values() for s in e.status]
    return {
        "source": figures.source,
        "input": figures.input,
        "notes": list(figures.input.get("notes", ())),
        "losses": figures.losses,
        "frames": {
            "in": shown,
            "out": len(recording.people),
            "dropped": max(figures.dropped, shown - len(recording.people)),
        },
        "persons": {
            "mean": _round(np.mean(counts)),
            "max": max(counts),
            "frames_with": sum(c > 0 for c in counts),
        },
        "ids": ids,
        "skeletons": sum(len(s) for s in recording.skeletons.values()),
        "emotions": {"estimates": len(valid), "valid": sum(valid)},
        "latency_ms": {
            "what": figures.latency,
            "median": _round(np.median(latencies)) if latencies else None,
            "p95": _round(np.percentile(latencies, 95)) if latencies else None,
        },
        "stages": figures.stages,
        "stages_ms": {name: _round(ms) for name, ms in figures.stages_ms.items()},
        "models": {k: v for k, v in recording.models.items() if v},
        "runtimes": figures.runtimes,
        "truth": compared.as_dict() if compared else None,
        "machine": machine(),
    }


def _round(value: Any) -> float:
    return round(float(value), 2)


# Words --------------------------------------------------------------------------------------


def _words(summary: dict[str, Any], out: Path) -> str:
    frames, latency, stages = summary["frames"], summary["latency_ms"], summary["stages_ms"]
    ids, persons = summary["ids"], summary["persons"]
    lines = [
        *_words_of_input(summary),
        f"frames    {frames['in']} in, {frames['out']} with results, {frames['dropped']} dropped",
        f"people    {persons['mean']} a frame, {len(ids)} ids: {', '.join(ids[:12])}",
    ]
    emotions = summary["emotions"]
    if emotions["estimates"]:
        answered = f"{emotions['valid']} of {emotions['estimates']} skeletons"
        lines.append(f"emotions  {answered} have one, the others a reason why not")
    if latency["median"] is not None:
        times = f"median {latency['median']:.0f} ms, p95 {latency['p95']:.0f} ms"
        lines.append(f"latency   {times} ({latency['what']})")
    if stages:
        lines.append("stages    " + ", ".join(f"{name} {ms} ms" for name, ms in stages.items()))
    truth = summary["truth"]
    if truth:
        aligned = (truth[name] for name in ("frames", "coverage", "offset_s", "aligned_by"))
        lines.append(f"truth     {words_of_alignment(*aligned, met=truth['recall'])}")
        recall, near = _percent(truth["recall"]), _percent(truth["pck"])
        lines.append(
            f"          {recall} of the people found, {truth['id_switches']} id switches, keypoints "
            f"{_number(truth['keypoint_px'], 1)} px off (median), {near} within 5 % of the height,"
        )
        lines.append(
            f"          3D {_number(truth['mpjpe_mm'])} mm MPJPE, {_number(truth['p_mpjpe_mm'])} mm aligned, "
            f"distance {_percent(truth['distance_error_share'])} off"
        )
    others = ("overlay.mp4", "overview.png", "summary.json", "results.mcap", "results.parquet")
    lines.append(f"also      {', '.join(str(out / name) for name in others if (out / name).exists())}")
    page = [f"report    {out / 'report.html'}"] if (out / "report.html").exists() else []
    return "\n".join([*page, *lines])


def _words_of_input(summary: dict[str, Any]) -> list[str]:
    source, losses = summary["input"], summary["losses"]
    lines = [f"{key:<9} {source[key]}" for key in ("time", "camera") if source.get(key)]
    lines += [f"note      {note}" for note in summary["notes"]]
    return lines + words_of_losses(losses)


def _number(value: float | None, digits: int = 0) -> str:
    """A figure that may not exist."""
    return "–" if value is None else f"{value:.{digits}f}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
