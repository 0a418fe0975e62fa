"""report.html: one file that needs nothing else, with the film, the skeletons and the figures.

Plots and 3D are plotly.js (MIT), see ``html``.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..draw.style import EMOTION_CODES, person_code
from ..errors import PosemoError
from ..inference.store import ModelStore
from ..skeleton import H36M17
from ..types import EMOTIONS
from .bag import Recording
from .films import Films
from .html import PLOTS_BY, as_data, asset, losses_table, section, table, write_filled
from .people_table import STATE_CODES, STATE_WORDS, STATES, Person, people_of, timeline_of, worst_images
from .reasons import MOST_PEOPLE, reasons_list

MOST_ROWS = 30  # people in the timeline
MOST_SKELETONS = 20_000  # in the player; of longer recordings every k-th image has them
MOST_POINTS = 1500  # of a curve
THUMB_WIDTH = 320
TRUTH_ROWS = (  # key in the summary, words, format
    ("frames", "images compared", "{}"),
    ("coverage", "share of the truth's images", "{:.1%}"),
    ("offset_s", "first image in the truth's time", "{:.2f} s"),
    ("aligned_by", "known by", "{}"),
    ("persons", "people in them, summed", "{}"),
    ("recall", "people found", "{:.1%}"),
    ("false_persons", "found where nobody is", "{}"),
    ("id_switches", "changes of id", "{}"),
    ("keypoint_px", "keypoints off, median", "{:.1f} px"),
    ("pck", "keypoints within 5 % of the height", "{:.1%}"),
    ("mpjpe_mm", "3D joints off, about the pelvis (MPJPE)", "{:.0f} mm"),
    ("p_mpjpe_mm", "– turned and scaled to fit (P-MPJPE)", "{:.0f} mm"),
    ("distance_error_m", "distance from the camera off, mean", "{:.2f} m"),
    ("distance_error_share", "– of the distance", "{:.1%}"),
)
UNKNOWN_MM = -32768


def write_page(
    path: Path,
    recording: Recording,
    summary: Mapping[str, Any],
    films: Films,
    small_film: Path,
    latencies_ms: Sequence[float],
) -> None:
    """Write the page.

    Args:
        path: The file.
        recording: Results.
        summary: What summary.json says.
        films: What was drawn, with the pictures of ``worst_images``.
        small_film: File of the film to put in; may be missing.
        latencies_ms: One per image; empty when unknown.
    """
    people = people_of(recording, films.stamps)
    data = _data(recording, films, people, small_film, summary, latencies_ms)
    sections = [
        _people_section(people, recording, films.stamps),
        _worst_section(recording, films),
        _truth_section(summary),
        _speed_section(summary, bool(latencies_ms)),
        _losses_section(summary),
        _models_section(summary),
        _configuration_section(summary),
    ]
    title = f"posemo_ros: {summary['source'] or recording.path.name}"
    parts = {
        "title": escape(title),
        "lead": _lead(summary, people),
        "sections": "\n".join(filter(None, sections)),
        "footer": f"<p>{_footer(summary)}</p>",
        "data": as_data(data),
        "js": asset("skeletons.js") + asset("page.js"),
    }
    write_filled(path, "page.html", parts)


# Data for the script --------------------------------------------------------------------------


def _data(
    recording: Recording,
    films: Films,
    people: Sequence[Person],
    small_film: Path,
    summary: Mapping[str, Any],
    latencies_ms: Sequence[float],
) -> dict[str, Any]:
    seconds = (np.array(films.stamps) - films.stamps[0]) * 1e-9
    shown = films.times_s if len(films.times_s) == len(films.stamps) else []
    film = base64.b64encode(small_film.read_bytes()).decode() if shown and small_film.exists() else ""
    peopled = [i for i, s in enumerate(films.stamps) if len(recording.skeletons.get(s, ()))]
    longest = {id(p) for p in sorted(people, key=lambda p: -len(p.seconds))[:MOST_ROWS]}
    rows = [p for p in people if id(p) in longest]
    names = [p.name for p in (*rows, *(p for p in people if id(p) not in longest))]
    return {
        "times": _rounded(np.array(shown) if shown else seconds, 6),
        "seconds": _rounded(seconds, 6),
        "start": peopled[len(peopled) // 2] if peopled else 0,
        "film": film,
        "people": [{"id": name, "colour": person_code(name)} for name in names],
        "skeletons": _skeletons(recording, films.stamps, names),
        "timeline": _timeline(rows, float(seconds[-1]), len(seconds)),
        "curves": {p.name: _curve(p) for p in rows},
        "emotions": [{"name": e, "colour": EMOTION_CODES[e]} for e in EMOTIONS],
        "latency": _rounded(np.array(latencies_ms)[:: max(1, len(latencies_ms) // 5000)], 2),
        "stations": summary["stages_ms"],
    }


def _skeletons(recording: Recording, stamps: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    """Joints in millimetres as base64 of int16 (person, joint, xyz), and where each image's lie."""
    number = {name: i for i, name in enumerate(names)}
    total = sum(len(s) for s in recording.skeletons.values())
    stride = max(1, -(-total // MOST_SKELETONS))
    people: list[int] = []
    who: list[int] = []
    rows: list[NDArray[np.float32]] = []
    of_image: list[int] = []
    for index, stamp in enumerate(stamps):
        if index % stride == 0:
            found = recording.skeletons.get(stamp)
            known = [n for n, name in enumerate(found.ids) if name in number] if found is not None else []
            people.append(len(known))
            if found is not None:
                who += [number[found.ids[n]] for n in known]
                rows += [found.joints[n] for n in known]
        of_image.append(len(people) - 1)
    joints = np.array(rows, np.float32).reshape(-1, len(H36M17), 3)
    return {
        "joints": len(H36M17),
        "bones": [list(b) for b in H36M17.bones],
        "of_image": of_image,
        "people": people,
        "who": who,
        "millimetres": base64.b64encode(millimetres(joints).tobytes()).decode(),
        "ranges": _ranges(joints),
        "every": stride,
    }


def millimetres(joints: NDArray[np.float32]) -> NDArray[np.int16]:
    """Joints in metres as integers for a page; ``UNKNOWN_MM`` where one is not known."""
    known = np.where(np.isfinite(joints), np.clip(joints * 1000, -32000, 32000), UNKNOWN_MM)
    return np.rint(known).astype("<i2")


def _ranges(joints: NDArray[np.float32]) -> list[list[float]]:
    """Metres that the player shows: right, away, up."""
    points = joints[np.isfinite(joints).all(-1)]
    if not len(points):
        return [[-1, 1], [2, 4], [-1, 1]]
    low, high = np.percentile(points, [0.5, 99.5], axis=0)
    pad = np.maximum(0.3, (2.0 - (high - low)) / 2)
    low, high = low - pad, high + pad
    ranges = [(low[0], high[0]), (low[2], high[2]), (-high[1], -low[1])]
    return [[round(float(a), 2), round(float(b), 2)] for a, b in ranges]


def _timeline(rows: Sequence[Person], end_s: float, images: int) -> dict[str, Any]:
    timeline = timeline_of(rows, end_s, images)
    return {
        "rows": len(rows),
        "end": max(end_s, 1e-3),
        "at": _rounded(timeline.at, 3),
        "quality": [_rounded(row, 3) for row in timeline.quality],
        "emotion": [[None if s < 0 else int(s) for s in row] for row in timeline.states],
        "states": [{"name": STATE_WORDS[s], "colour": STATE_CODES[s]} for s in STATES],
    }


def _curve(person: Person) -> dict[str, Any]:
    """Probabilities over time, and none where the person comes back, so that no line leads over it."""
    every = max(1, len(person.seconds) // MOST_POINTS)
    back = np.flatnonzero(person.returns)
    rows = np.union1d(np.arange(0, len(person.seconds), every), back)
    before = np.searchsorted(rows, back)
    seconds = np.insert(person.seconds[rows], before, person.seconds[back])
    probabilities = np.insert(person.probabilities[rows], before, np.nan, axis=0)
    return {"t": _rounded(seconds, 3), "p": [_rounded(column, 3) for column in probabilities.T]}


def _rounded(values: NDArray[Any], digits: int) -> list[float | None]:
    return [round(float(v), digits) if np.isfinite(v) else None for v in values]


# Words ----------------------------------------------------------------------------------------


def _lead(summary: Mapping[str, Any], people: Sequence[Person]) -> str:
    frames, emotions, source = summary["frames"], summary["emotions"], summary["input"]
    size = f", {source['size'][0]} × {source['size'][1]} px" if source.get("size") else ""
    lost = summary["losses"]["images"]
    words = [
        f"{frames['in']} images{size} with {len(people)} {'person' if len(people) == 1 else 'people'} "
        f"(ids), {summary['persons']['mean']} of them in an image on average.",
        f"{frames['out']} images have results"
        + (f", <strong>{frames['dropped']} were dropped</strong>" if frames["dropped"] else "")
        + (f", <strong>{lost} could not be used</strong>" if lost else "")
        + ".",
        (
            f"Of {emotions['estimates']} looks at somebody's movement {emotions['valid']} gave an emotion; "
            "for the others the timeline says why not."
        )
        if emotions["estimates"]
        else "Nobody's movement was there to look at."
        if summary["models"].get("emotion")
        else "No emotions were asked for.",
    ]
    if source.get("time"):
        words.append(f"Time: {escape(source['time'])}.")
    if source.get("camera"):
        words.append(f"Camera: {escape(source['camera'])}.")
    return f"<p>{' '.join(words)}</p>"


def _people_section(people: Sequence[Person], recording: Recording, stamps: Sequence[int]) -> str:
    if not people:
        return section("People", "<p>Nobody was found.</p>")
    rows = [
        (
            p.name,
            f"{p.seconds[0]:.1f} to {p.seconds[-1]:.1f}",
            len(p.seconds),
            f"{p.quality.mean():.2f}",
            STATE_WORDS.get(p.mostly, p.mostly),
        )
        for p in people[:MOST_PEOPLE]
    ]
    head = ("id", "seen [s]", "images", "skeleton quality", "emotion, mostly")
    why = reasons_list(people, recording, stamps) if recording.emotions else ""
    return section("People", table(head, rows) + why + _probabilities(people))


def _probabilities(people: Sequence[Person]) -> str:
    """Plot for those who have a probability at all."""
    answered = [p for p in people[:MOST_ROWS] if np.isfinite(p.probabilities).any()]
    if not answered:
        return "<p>Nobody's movement said enough for an emotion, so there are no probabilities to plot.</p>"
    options = "".join(f"<option>{escape(p.name)}</option>" for p in answered)
    return (
        f"<p><label>Emotion probabilities of <select id='person'>{options}</select></label> "
        "(gaps: nothing to say)</p><div id='curves' class='plot' role='img' "
        "aria-label='Probabilities of the six emotions of one person over time'></div>"
    )


def _worst_section(recording: Recording, films: Films) -> str:
    items = []
    for index, why in worst_images(recording, films.stamps):
        picture = films.pictures.get(films.stamps[index])
        if picture is None:
            continue
        seconds = (films.stamps[index] - films.stamps[0]) * 1e-9
        items.append(
            f"<li><button type='button' data-go='{index}'><img alt='' src='{_jpeg(picture[0])}'>"
            f"<span>{seconds:.2f} s, {escape(why)}</span></button></li>"
        )
    return section("Images to look at first", f"<ul class='thumbs'>{''.join(items)}</ul>" if items else "")


def _jpeg(picture: NDArray[np.uint8]) -> str:
    height = max(1, round(picture.shape[0] * THUMB_WIDTH / picture.shape[1]))
    small = cv2.resize(picture, (THUMB_WIDTH, height), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"


def _truth_section(summary: Mapping[str, Any]) -> str:
    truth = summary["truth"]
    rows = (
        [(words, _shown(truth[key], form)) for key, words, form in TRUTH_ROWS if key in truth]
        if truth
        else []
    )
    return section("Against the truth", table(("measure", "value"), rows)) if rows else ""


def _shown(value: Any, form: str) -> str:
    return "–" if value is None else form.format(value)


def _speed_section(summary: Mapping[str, Any], has_latencies: bool) -> str:
    latency, body = summary["latency_ms"], ""
    if latency["median"] is not None:
        body += (
            f"<p>Latency ({escape(latency['what'])}): median {latency['median']} ms, "
            f"95 % under {latency['p95']} ms.</p>"
        )
    if has_latencies:
        body += "<div id='latency' class='plot' role='img' aria-label='Histogram of the latency'></div>"
    if summary["stages_ms"]:
        words = ", ".join(f"{name} {ms} ms" for name, ms in summary["stages_ms"].items())
        body += (
            f"<p>Stations ({escape(summary['stages'])}): {escape(words)}.</p>"
            "<div id='stations' class='plot' role='img' aria-label='Time of each station'></div>"
        )
    return section("Speed", body)


def _losses_section(summary: Mapping[str, Any]) -> str:
    body = losses_table(summary["losses"])
    body += "".join(f"<p>{escape(note)}.</p>" for note in summary["notes"])
    return section("Losses and notes", body)


def _models_section(summary: Mapping[str, Any]) -> str:
    rows = [
        (station, name, summary["runtimes"].get(station, "")) for station, name in summary["models"].items()
    ]
    warnings = "".join(_warning(name) for name in dict.fromkeys(summary["models"].values()))
    return section("Models", (table(("station", "model", "runtime"), rows) if rows else "") + warnings)


def _warning(name: str) -> str:
    """What a model's card warns of: bold sentences before its first heading, and its limits."""
    card = card_of(name)
    if not card:
        return ""
    bold = card_warning(name)
    limits = re.search(r"^## Limits\n(.+?)(?=^## |\Z)", card, re.S | re.M)
    text = f"<div class='warning'><strong>{escape(name)}</strong> {escape(bold)}" if bold else ""
    if limits:
        opening = text or f"<div class='warning'><strong>{escape(name)}</strong>"
        words = escape(limits[1].strip())
        text = f"{opening}<details><summary>Limits, from its card</summary><pre>{words}</pre></details>"
    return f"{text}</div>" if text else ""


def card_warning(name: str) -> str:
    """The bold sentences before the first heading of a model's card."""
    head = card_of(name).split("\n## ")[0]
    return " ".join(" ".join(b.split()) for b in re.findall(r"^\*\*(.+?)\*\*", head, re.S | re.M))


def card_of(name: str) -> str:
    """The text of a model's card; empty when it has none here."""
    try:
        path = ModelStore().card(name)
        return path.read_text(encoding="utf-8") if path else ""
    except (PosemoError, OSError):
        return ""


def _configuration_section(summary: Mapping[str, Any]) -> str:
    kept = {k: summary[k] for k in ("source", "input", "models", "runtimes", "machine")}
    text = json.dumps(kept, indent=2, ensure_ascii=False)
    return section(
        "Configuration", f"<details><summary>As in summary.json</summary><pre>{escape(text)}</pre></details>"
    )


def _footer(summary: Mapping[str, Any]) -> str:
    machine = summary["machine"]
    made = f"Made by posemo_ros {machine.get('posemo_ros', '')} on {machine.get('cpu', '')}."
    return escape(f"{made} {PLOTS_BY}")
