"""2D: boxes, skeletons and emotion bars over the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ..emotion.descriptors import joints_of
from ..skeleton import COCO17, h36m_from_coco
from ..types import EMOTIONS, Emotions, EmotionStatus, People2D
from . import style
from .style import Colour, Picture

Box = tuple[int, int, int, int]
REASONS = 2  # of the answer, at most
REASON_FONT = 9.5
CROWD = 0.3  # cards may cover this part of the image; beyond it, tags say it in a word
HIDDEN = 0.25  # of somebody's box may lie behind a card
TAG_FONT, SMALL_TAG_FONT, TAG_SHARE = 12, 8, 0.13  # pixels in an image of 640 x 480; and of the box's height


def overlay(
    image: Picture, people: People2D, emotions: Emotions | None = None, *, min_score: float = 0.3
) -> Picture:
    """A new image with the people drawn over it.

    Args:
        image: (H, W, 3) uint8 BGR; stays as it is.
        people: Boxes and keypoints in its pixels.
        emotions: Estimates, matched by id; None draws none.
        min_score: Keypoints below are left out; above, the score is the opacity.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    canvas = np.array(image, np.uint8, order="C")
    draw_people(canvas, people, emotions, min_score=min_score)
    return canvas


def draw_people(
    canvas: Picture, people: People2D, emotions: Emotions | None = None, *, min_score: float = 0.3
) -> None:
    """As ``overlay``, but on the given canvas."""
    scale = max(0.6, min(canvas.shape[0] / 480, canvas.shape[1] / 640))
    for n in range(len(people)):
        _skeleton(canvas, people.keypoints[n], people.boxes[n], people.ids[n], min_score)
    _ring_reasons(canvas, people, emotions, min_score)
    for n in range(len(people)):
        _frame(canvas, people.boxes[n], style.person_colour(people.ids[n]), scale)
    for tag in tags(people, emotions, (canvas.shape[1], canvas.shape[0]), scale):
        tag(canvas)


def _skeleton(
    canvas: Picture, keypoints: NDArray[np.float32], box: NDArray[np.float32], track_id: str, least: float
) -> None:
    own = style.person_colour(track_id)
    size = float(np.nanmax([box[3] - box[1], 1.0]))
    width = float(np.clip(size / 100, 1.6, canvas.shape[0] / 130))
    seen = np.isfinite(keypoints[:, :2]).all(axis=1) & (keypoints[:, 2] >= least)
    for a, b in COCO17.bones:
        if seen[a] and seen[b]:
            colour = style.side_colour(bone_side(a, b), own)
            opacity = opacity_of(min(keypoints[a, 2], keypoints[b, 2]))
            _bone(canvas, keypoints[[a, b], :2], colour, width, opacity)
    for joint in np.flatnonzero(seen):
        colour = style.side_colour(COCO17.side(int(joint)), own)
        _joint(canvas, keypoints[joint, :2], colour, width, opacity_of(keypoints[joint, 2]))


def _ring_reasons(canvas: Picture, people: People2D, emotions: Emotions | None, least: float) -> None:
    """Rings, in the colour of the emotion, around the joints that an answer rests on."""
    if emotions is None or not emotions.evidence:
        return
    for track_id, keypoints, box in zip(people.ids, people.keypoints, people.boxes, strict=True):
        row = emotions.ids.index(track_id) if track_id in emotions.ids else -1
        if row < 0 or emotions.status[row] is not EmotionStatus.VALID:
            continue
        joints = sorted({j for words in emotions.evidence[row][:REASONS] for j in joints_of(words)})
        radius = float(np.clip(np.nan_to_num(box[3] - box[1]) / 28, 4, max(4, canvas.shape[0] / 40)))
        for x, y, score in h36m_from_coco(keypoints)[joints]:
            if score >= least and style.drawable((x, y)):
                style.ring(canvas, np.array([x, y]), radius, style.EMOTION_COLOURS[emotions.labels[row]])


def bone_side(a: int, b: int) -> str:
    """A bone from the middle, or from one side to the other, belongs to the trunk."""
    side = COCO17.side(a)
    return side if side == COCO17.side(b) else "middle"


def opacity_of(score: float) -> float:
    """Surer is stronger."""
    return float(np.clip(0.25 + 0.9 * score, 0.0, 1.0))


def _bone(canvas: Picture, ends: NDArray[np.float32], colour: Colour, width: float, opacity: float) -> None:
    def strokes(part: Picture, origin: NDArray[np.float64]) -> None:
        style.line(part, ends[0] - origin, ends[1] - origin, style.DARK, width + 2)
        style.line(part, ends[0] - origin, ends[1] - origin, colour, width)

    _blended(canvas, ends, width + 3, opacity, strokes)


def _joint(canvas: Picture, at: NDArray[np.float32], colour: Colour, width: float, opacity: float) -> None:
    def strokes(part: Picture, origin: NDArray[np.float64]) -> None:
        style.disc(part, at - origin, width * 1.15 + 1, style.DARK)
        style.disc(part, at - origin, width * 1.15, style.LIGHT)
        style.disc(part, at - origin, width * 0.75, colour)

    _blended(canvas, at[None], width * 1.15 + 3, opacity, strokes)


def _blended(
    canvas: Picture,
    points: NDArray[np.float32],
    margin: float,
    opacity: float,
    strokes: Callable[[Picture, NDArray[np.float64]], None],
) -> None:
    """Draw strokes around the points with an opacity; only that part of the canvas is touched."""
    if not style.drawable(points):
        return
    low = np.floor(points.min(axis=0) - margin).astype(int)
    high = np.ceil(points.max(axis=0) + margin).astype(int) + 1
    x0, y0, x1, y1 = style.clipped(canvas, (low[0], low[1], high[0], high[1]))
    if x0 >= x1 or y0 >= y1:
        return
    part = canvas[y0:y1, x0:x1]
    drawn = part.copy()
    strokes(drawn, np.array([x0, y0], np.float64))
    part[:] = drawn if opacity >= 1 else cv2.addWeighted(part, 1 - opacity, drawn, opacity, 0)


def _frame(canvas: Picture, box: NDArray[np.float32], colour: Colour, scale: float) -> None:
    """The box as a thin frame with strong corners."""
    if not style.drawable(box):
        return
    x0, y0, x1, y1 = (float(v) for v in box)
    arm = min(14 * scale, (x1 - x0) / 3, (y1 - y0) / 3)
    outline = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    for i in range(4):
        corner, after, before = outline[i], outline[(i + 1) % 4], outline[i - 1]
        style.line(canvas, corner, after, colour, 1)
        for end in (after, before):
            way = (end - corner) / max(float(np.abs(end - corner).max()), 1e-6)
            style.line(canvas, corner, corner + arm * way, colour, max(2, 2 * scale))


def tags(
    people: People2D, emotions: Emotions | None, size: tuple[int, int], scale: float
) -> list[Callable[[Picture], None]]:
    """What is to be written: a tag per person with a word, and a card with bars for an answer where
    there is room."""
    rows = {} if emotions is None else {track_id: n for n, track_id in enumerate(emotions.ids)}
    answered = {name for name, n in rows.items() if emotions and emotions.status[n] is EmotionStatus.VALID}
    width, height = card_size(scale)
    room = CROWD * size[0] * size[1] >= len(answered) * width * height
    boxes = [_pixels(box) for box in people.boxes if style.drawable(box)]
    taken: list[Box] = []
    out: list[Callable[[Picture], None]] = []
    for track_id, box in zip(people.ids, people.boxes, strict=True):
        if not style.drawable(box):
            continue
        pixels, words, card = _pixels(box), track_id, None
        if emotions is not None and track_id in rows:
            if room and track_id in answered:
                card = _free_place(
                    pixels, boxes, taken, size, card_size(scale, _reasons(emotions, rows[track_id]))
                )
            if card is None:
                words = f"{track_id}  {in_a_word(emotions, rows[track_id])}"
            else:
                taken.append(card)
                out.append(_card(emotions, rows[track_id], card, track_id, scale))
        out.append(_tag(words, pixels, style.person_colour(track_id), scale))
    return out


def _free_place(
    box: Box, boxes: Sequence[Box], taken: Sequence[Box], size: tuple[int, int], card: tuple[int, int]
) -> Box | None:
    """Where a person's card goes; None where it would hide too much of somebody."""
    x, y = place_card(box, [b for b in boxes if b != box], taken, size, card)
    here = (x, y, x + card[0], y + card[1])
    hidden = max(_overlap(here, b) / max((b[2] - b[0]) * (b[3] - b[1]), 1) for b in boxes)
    return here if hidden <= HIDDEN else None


def _pixels(box: NDArray[np.float32]) -> Box:
    x0, y0, x1, y1 = (round(float(v)) for v in box)
    return x0, y0, x1, y1


def in_a_word(emotions: Emotions, row: int) -> str:
    """The likeliest emotion with its probability, or why there is none."""
    if emotions.status[row] is not EmotionStatus.VALID:
        return style.IN_A_WORD[emotions.status[row]]
    best = int(np.argmax(emotions.probabilities[row]))
    return f"{EMOTIONS[best]} {100 * emotions.probabilities[row, best]:.0f} %"


def _tag(words: str, box: Box, colour: Colour, scale: float) -> Callable[[Picture], None]:
    """A word above the box, small at small people: in a crowd it would cover those behind."""
    font = float(np.clip(TAG_SHARE * (box[3] - box[1]), SMALL_TAG_FONT * scale, TAG_FONT * scale))
    margin = font / 3
    width, height = style.text_width(words, font, bold=True) + round(2 * margin), round(1.4 * font)

    def draw(canvas: Picture) -> None:
        x = int(np.clip(box[0], 0, max(0, canvas.shape[1] - width)))
        y = int(np.clip(box[1] - height, 0, max(0, canvas.shape[0] - height)))
        style.shade(canvas, (x, y, x + width, y + height), colour, 0.92)
        style.text(canvas, words, (x + margin, y + height / 2), font, style.DARK, bold=True)

    return draw


def card_size(scale: float, reasons: Sequence[str] = ()) -> tuple[int, int]:
    """Width and height in pixels of the card with the six bars and these reasons."""
    words = max((style.text_width(text, REASON_FONT * scale) for text in reasons), default=0)
    return max(round(150 * scale), words + round(16 * scale)), round((92 + 13 * REASONS) * scale)


def _reasons(emotions: Emotions, row: int) -> tuple[str, ...]:
    return emotions.evidence[row][:REASONS] if emotions.evidence else ()


def place_card(
    box: Box, others: Sequence[Box], taken: Sequence[Box], size: tuple[int, int], card: tuple[int, int]
) -> tuple[int, int]:
    """Where a person's card hides least.

    Args:
        box: The person's box.
        others: Boxes of the other people.
        taken: Cards placed before.
        size: Width and height of the image.
        card: Width and height of the card.

    Returns:
        Left and top of the card, inside the image.
    """
    gap = 6
    right, left = box[2] + gap, box[0] - card[0] - gap
    top, bottom = box[1], box[3] - card[1]
    candidates = [(right, top), (left, top), (right, bottom), (left, bottom), (box[0], box[3] + gap)]
    candidates += [(box[2] - card[0], top), (box[0], bottom)]
    inside = [
        (int(np.clip(x, 0, max(0, size[0] - card[0]))), int(np.clip(y, 0, max(0, size[1] - card[1]))))
        for x, y in candidates
    ]

    def hidden(at: tuple[int, int]) -> float:
        here = (at[0], at[1], at[0] + card[0], at[1] + card[1])
        cost = 2 * _overlap(here, box) + sum(_overlap(here, b) for b in others)
        return cost + 6 * sum(_overlap(here, b) for b in taken)

    return min(inside, key=hidden)


def _overlap(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return float(max(width, 0) * max(height, 0))


def _card(emotions: Emotions, row: int, box: Box, track_id: str, scale: float) -> Callable[[Picture], None]:
    """Six bars with probabilities, and what the answer rests on most."""
    reasons = _reasons(emotions, row)

    def draw(canvas: Picture) -> None:
        x, y, _, bottom = box
        style.shade(canvas, box, style.DARK, 0.72)
        style.shade(canvas, (x, y, x + round(3 * scale), bottom), style.person_colour(track_id), 1.0)
        _bars(canvas, emotions.probabilities[row], x, y, scale)
        for n, words in enumerate(reasons):
            middle = y + (96 + 13 * n) * scale
            style.text(canvas, words, (x + 10 * scale, middle), REASON_FONT * scale, style.MUTED)

    return draw


def _bars(canvas: Picture, probabilities: NDArray[np.float32], x: int, y: int, scale: float) -> None:
    best = int(np.argmax(probabilities))
    font, step = 10.5 * scale, 14 * scale
    for n, name in enumerate(EMOTIONS):
        middle = y + 4 * scale + step * (n + 0.5)
        ink = style.LIGHT if n == best else style.MUTED
        style.text(canvas, name, (x + 10 * scale, middle), font, ink, bold=n == best)
        left, full = x + 68 * scale, 44 * scale
        thick = 3.5 * scale
        top, bottom = round(middle - thick), round(middle + thick)
        style.shade(canvas, (round(left), top, round(left + full), bottom), style.LIGHT, 0.14)
        filled = round(left + full * float(np.clip(probabilities[n], 0, 1)))
        style.shade(canvas, (round(left), top, filled, bottom), style.EMOTION_COLOURS[name], 1.0)
        number = f"{100 * probabilities[n]:.0f} %"
        style.text(canvas, number, (x + 146 * scale, middle), font, ink, bold=n == best, anchor="right")
