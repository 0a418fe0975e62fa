"""Why somebody got an emotion, or none: in words, and drawn as the movement that the answer rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from ..draw.style import EMOTION_CODES, person_code
from ..emotion.descriptors import joints_of
from ..emotion.window import upright
from ..skeleton import H36M17
from ..types import EMOTIONS, EmotionStatus, Floats
from .bag import Recording
from .people_table import STATES, Person

MOST_PEOPLE, MOST_ANSWERS = 200, 4  # who is written about, and how many answers of each
REASONS = 3
GHOSTS = 3  # earlier poses that are drawn
WINDOW_S = 2.2  # that is drawn where the results do not say how long the movement was
_ARMS, _LEGS = [11, 12, 13, 14, 15, 16], [2, 3, 5, 6]
WHY_NONE = {
    EmotionStatus.NOT_ENOUGH_EVIDENCE: "no emotion was shown, or not clearly and for long enough",
    EmotionStatus.TOO_FEW_FRAMES: "the person had not been seen for long enough without a gap",
    EmotionStatus.LOW_KEYPOINT_SCORES: "arms or legs were not seen well enough",
    EmotionStatus.NO_CONTEXT: "there were no fresh features of the scene, which the network needs",
}
NO_SKELETON = "there was no skeleton to judge"


@dataclass(frozen=True)
class Answer:
    """Images in a row, without an absence between, that say the same emotion of a person.

    Attributes:
        emotion: Name.
        rows: Of the person, first to last.
        strongest: The row where it is most probable.
        reasons: What it rests on, what was named most often first.
    """

    emotion: str
    rows: range
    strongest: int
    reasons: tuple[str, ...]


def answers_of(person: Person) -> list[Answer]:
    """The answers about a person, in the order of time."""
    found, start = [], 0
    for row in range(1, len(person.states) + 1):
        stays = row < len(person.states) and not person.returns[row]
        if stays and person.states[row] == person.states[start]:
            continue
        state = int(person.states[start])
        if 0 <= state < len(EMOTIONS):
            strongest = start + int(np.argmax(person.probabilities[start:row, state]))
            said = Counter(words for reasons in person.evidence[start:row] for words in reasons)
            reasons = tuple(words for words, _ in said.most_common(REASONS))
            found.append(Answer(EMOTIONS[state], range(start, row), strongest, reasons))
        start = row
    return found


def reasons_list(people: Sequence[Person], recording: Recording, stamps: Sequence[int]) -> str:
    """HTML: for everybody what was said and why, or why nothing was."""
    items = [_item(person, _skeletons(person, recording, stamps)) for person in people[:MOST_PEOPLE]]
    more = len(people) - len(items)
    rest = f"<p>{more} more ids are in results.parquet.</p>" if more else ""
    return f"<h3>Why an emotion, or why none</h3><ul class='reasons'>{''.join(items)}</ul>{rest}"


def _skeletons(person: Person, recording: Recording, stamps: Sequence[int]) -> Floats:
    """(n, 17, 4) metres about the pelvis in the camera's axes, and scores; NaN where there is none."""
    out = np.full((len(person.images), len(H36M17), 4), np.nan, np.float32)
    for row, image in enumerate(person.images):
        found = recording.skeletons.get(stamps[image])
        if found is not None and person.name in found.ids:
            n = found.ids.index(person.name)
            out[row] = np.concatenate([found.relative[n], found.scores[n, :, None]], -1)
    return out


def _item(person: Person, skeletons: Floats) -> str:
    answers = sorted(answers_of(person), key=lambda a: -len(a.rows))
    shown = sorted(answers[:MOST_ANSWERS], key=lambda a: a.strongest)
    parts = [_words(person, answer) + _drawing(person, answer, skeletons) for answer in shown]
    if len(answers) > len(shown):
        parts.append(f"<p>{len(answers) - len(shown)} shorter answers are in the timeline.</p>")
    title = escape(person.name) + ("" if answers else ": no emotion")
    parts.append(_why_none(person, skeletons))
    return f"<li style='border-color:{person_code(person.name)}'><h4>{title}</h4>{''.join(parts)}</li>"


def _words(person: Person, answer: Answer) -> str:
    first, last, at = (person.seconds[r] for r in (answer.rows[0], answer.rows[-1], answer.strongest))
    probability = person.probabilities[answer.strongest, EMOTIONS.index(answer.emotion)]
    why = escape(", ".join(answer.reasons)) or "this network does not say"
    return (
        f"<p><strong>{answer.emotion}</strong>, {first:.1f} to {last:.1f} s ({len(answer.rows)} images), "
        f"at most {probability:.0%}. <strong>Why:</strong> {why}. Each answer rests on the movement of the "
        f"{_window_s(person, answer):.1f} s before it. "
        f"<button type='button' data-go='{person.images[answer.strongest]}'>Strongest at {at:.1f} s</button>"
        "</p>"
    )


def _window_s(person: Person, answer: Answer) -> float:
    return float(person.windows_s[answer.strongest]) or WINDOW_S


def _why_none(person: Person, skeletons: Floats) -> str:
    """Of the images without an answer: how many for which reason."""
    counts = Counter(int(s) for s in person.states if not 0 <= s < len(EMOTIONS))
    parts = []
    for state, count in counts.most_common():
        why = WHY_NONE[EmotionStatus(STATES[state])] if state >= 0 else NO_SKELETON
        if state == STATES.index(EmotionStatus.LOW_KEYPOINT_SCORES.value):
            why += _limbs(skeletons[_judged(person, np.flatnonzero(person.states == state)), :, 3])
        parts.append(f"in {count} of {len(person.states)} images: {why}")
    return f"<p>No answer {'; '.join(parts)}.</p>" if parts else ""


def _judged(person: Person, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Of the person's images those of the movements that end at these rows."""
    ends = person.seconds[rows]
    windows = np.where(person.windows_s[rows] > 0, person.windows_s[rows], WINDOW_S)
    inside = (person.seconds <= ends[:, None]) & (person.seconds >= (ends - windows)[:, None] - 1e-3)
    return np.asarray(inside.any(axis=0), np.bool_)


def _limbs(scores: Floats) -> str:
    """Which of them it was, by the scores (n, 17) of the movement."""
    if not np.isfinite(scores).any():
        return ""
    arms, legs = (np.nanmean(scores[:, joints]) for joints in (_ARMS, _LEGS))
    return f" (mean score of the arms {arms:.2f}, of the legs {legs:.2f})"


# Drawing --------------------------------------------------------------------------------------


def _drawing(person: Person, answer: Answer, skeletons: Floats) -> str:
    """The movement from the front and from the side, with the joints that count; nothing without poses."""
    end = answer.strongest
    start = int(np.searchsorted(person.seconds, person.seconds[end] - _window_s(person, answer)))
    poses = skeletons[start : end + 1, :, :3]
    poses = poses[np.isfinite(poses).all((1, 2))]
    joints = sorted({j for words in answer.reasons for j in joints_of(words)})
    if len(poses) < 2 or not joints:
        return ""
    turned, names = upright(poses), ", ".join(H36M17.joints[j].replace("_", " ") for j in joints)
    figures = ""
    for words, axis in (("from the front", 1), ("from the side", 0)):
        svg = _svg(turned[..., [axis, 2]], joints, EMOTION_CODES[answer.emotion], f"{words}: {names}")
        figures += f"<figure>{svg}<figcaption>{words}</figcaption></figure>"
    return f"<div class='movement'>{figures}</div>"


def _svg(points: NDArray[np.float32], joints: Sequence[int], colour: str, words: str) -> str:
    """Poses (T, 17, 2) in metres, right and up: the last one, some before it, and the joints' paths."""
    flat = points * np.array([1, -1], np.float32)
    low, high = flat.min((0, 1)) - 0.15, flat.max((0, 1)) + 0.15
    ghosts = np.linspace(0, len(flat) - 1, GHOSTS + 1).astype(int)
    parts = [
        *(_bones(flat[t], 0.12 + 0.1 * n) for n, t in enumerate(ghosts[:-1])),
        *_paths(flat, joints, colour),
        _bones(flat[-1], 1.0),
        *(_ring(flat[-1, j], colour) for j in joints),
    ]
    size = high - low
    return (
        f"<svg viewBox='{low[0]:.2f} {low[1]:.2f} {size[0]:.2f} {size[1]:.2f}' role='img' "
        f"aria-label='{escape(words, quote=True)}'>{''.join(parts)}</svg>"
    )


def _bones(pose: NDArray[np.float32], opacity: float) -> str:
    path = "".join(
        f"M{pose[a, 0]:.2f} {pose[a, 1]:.2f}L{pose[b, 0]:.2f} {pose[b, 1]:.2f}" for a, b in H36M17.bones
    )
    return f"<path class='bones' opacity='{opacity:.2f}' d='{path}'/>"


def _paths(flat: NDArray[np.float32], joints: Sequence[int], colour: str) -> Iterator[str]:
    for joint in joints:
        points = " ".join(f"{x:.2f},{y:.2f}" for x, y in flat[:, joint])
        yield f"<polyline class='path' stroke='{colour}' points='{points}'/>"


def _ring(point: NDArray[np.float32], colour: str) -> str:
    return f"<circle class='joint' cx='{point[0]:.2f}' cy='{point[1]:.2f}' r='0.045' fill='{colour}'/>"
