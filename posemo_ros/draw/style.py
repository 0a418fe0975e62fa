"""Colours, text and strokes shared by all pictures. Colours are BGR unless a name says RGB."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..types import EMOTIONS, EmotionStatus

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]


def bgr(code: str) -> Colour:
    """``#RRGGBB`` as (blue, green, red)."""
    value = int(code.removeprefix("#"), 16)
    return value & 255, value >> 8 & 255, value >> 16


# Okabe & Ito, "Color Universal Design" (2008), lightened where the dark ground swallows them.
LEFT_CODE, RIGHT_CODE = "#56B4E9", "#F28E2B"
LEFT, RIGHT = bgr(LEFT_CODE), bgr(RIGHT_CODE)
PERSON_CODES = ("#2BC59B", "#EE8AC4", "#F0E442", "#A79BFF", "#F2F2F2", "#FF7A70")
EMOTION_CODES = {
    "joy": "#F0C419",
    "anger": "#E0533A",
    "disgust": "#1FAE7F",
    "fear": "#C77DC9",
    "sadness": "#3D8FD1",
    "surprise": "#7FD3F7",
}
EMOTION_COLOURS = {name: bgr(EMOTION_CODES[name]) for name in EMOTIONS}
DARK, LIGHT, MUTED = bgr("#12161C"), bgr("#F2F5F8"), bgr("#9AA7B5")

WHY_NOT = {
    EmotionStatus.VALID: "",
    EmotionStatus.TOO_FEW_FRAMES: "too few frames yet",
    EmotionStatus.LOW_KEYPOINT_SCORES: "joints not seen well",
    EmotionStatus.NO_CONTEXT: "no scene features",
    EmotionStatus.NOT_ENOUGH_EVIDENCE: "not enough evidence",
}
IN_A_WORD = {
    EmotionStatus.TOO_FEW_FRAMES: "wait",
    EmotionStatus.LOW_KEYPOINT_SCORES: "unclear",
    EmotionStatus.NO_CONTEXT: "no scene",
    EmotionStatus.NOT_ENOUGH_EVIDENCE: "-",
}

_SHIFT = 4  # sub-pixel bits of OpenCV's drawing functions
_FAR = 20_000.0  # coordinates beyond this would overflow them


def person_number(track_id: str) -> int:
    """A number that stays with the id: its digits where it has some, else a hash."""
    digits = re.search(r"\d+", track_id)
    return int(digits.group()) if digits else zlib.crc32(track_id.encode())


def person_code(track_id: str) -> str:
    """``#RRGGBB`` of a person."""
    return PERSON_CODES[person_number(track_id) % len(PERSON_CODES)]


def person_colour(track_id: str) -> Colour:
    """BGR of a person; the same id has the same colour in every picture."""
    return bgr(person_code(track_id))


def side_colour(side: str, own: Colour) -> Colour:
    """Colour of a bone or joint: of its side, or the person's own for the middle."""
    return {"left": LEFT, "right": RIGHT}.get(side, own)


def drawable(*points: Sequence[float] | NDArray[np.floating]) -> bool:
    """Whether all coordinates are known and near enough to be drawn."""
    flat = np.concatenate([np.asarray(p, np.float64).ravel() for p in points])
    return bool((np.abs(flat) < _FAR).all())  # NaN compares false


def line(
    canvas: Picture, a: NDArray[np.floating], b: NDArray[np.floating], colour: Colour, width: float
) -> None:
    """A straight anti-aliased line with round ends; points in (fractions of) pixels."""
    p, q = fixed(a), fixed(b)
    cv2.line(canvas, p, q, colour, max(1, round(width)), cv2.LINE_AA, _SHIFT)


def disc(canvas: Picture, centre: NDArray[np.floating], radius: float, colour: Colour) -> None:
    """A filled anti-aliased circle."""
    cv2.circle(canvas, fixed(centre), max(1, round(radius * (1 << _SHIFT))), colour, -1, cv2.LINE_AA, _SHIFT)


def ring(canvas: Picture, centre: NDArray[np.floating], radius: float, colour: Colour) -> None:
    """An anti-aliased circle with a dark edge on both sides, seen on any ground."""
    at, size = fixed(centre), max(1, round(radius * (1 << _SHIFT)))
    for width, ink in ((5, DARK), (2, colour)):
        cv2.circle(canvas, at, size, ink, width, cv2.LINE_AA, _SHIFT)


def fixed(point: NDArray[np.floating]) -> tuple[int, int]:
    """A point for OpenCV's drawing functions with ``shift`` 4."""
    return round(float(point[0]) * (1 << _SHIFT)), round(float(point[1]) * (1 << _SHIFT))


def shade(canvas: Picture, box: tuple[int, int, int, int], colour: Colour, opacity: float) -> None:
    """Blend a flat colour over the box x0, y0, x1, y1; what lies outside the canvas is ignored."""
    x0, y0, x1, y1 = clipped(canvas, box)
    if x0 < x1 and y0 < y1:
        part = canvas[y0:y1, x0:x1]
        part[:] = cv2.addWeighted(part, 1 - opacity, np.full_like(part, colour), opacity, 0)


def clipped(canvas: Picture, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """The part of a box that lies on the canvas."""
    height, width = canvas.shape[:2]
    x0, y0, x1, y1 = box
    return max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)


def text(
    canvas: Picture, words: str, at: tuple[float, float], size: float, colour: Colour, *,
    bold: bool = False, anchor: str = "left",
) -> None:  # fmt: skip
    """Write one line.

    Args:
        canvas: (H, W, 3) BGR, written in place.
        words: The text.
        at: x and the middle of the line's height, pixels.
        size: Height of the font in pixels.
        colour: BGR.
        bold: Weight.
        anchor: Which end x belongs to: ``left``, ``right`` or ``centre``.
    """
    mask = _mask(words, max(6, round(size)), bold)
    height, width = mask.shape
    x = round(at[0]) - {"left": 0, "right": width, "centre": width // 2}[anchor]
    y = round(at[1]) - height // 2
    x0, y0, x1, y1 = clipped(canvas, (x, y, x + width, y + height))
    if x0 >= x1 or y0 >= y1:
        return
    weight = mask[y0 - y : y1 - y, x0 - x : x1 - x, None].astype(np.float32) / 255
    part = canvas[y0:y1, x0:x1]
    part[:] = np.rint(part + (np.array(colour, np.float32) - part) * weight).astype(np.uint8)


def text_width(words: str, size: float, *, bold: bool = False) -> int:
    """Pixels that ``text`` would take."""
    return int(_mask(words, max(6, round(size)), bold).shape[1])


@lru_cache(maxsize=1024)
def _mask(words: str, size: int, bold: bool) -> Picture:
    """(h, w) uint8 coverage; h depends on size alone, so that lines align."""
    font = _font(size, bold)
    ascent, descent = font.getmetrics()
    image = Image.new("L", (max(1, round(font.getlength(words)) + 1), ascent + descent))
    ImageDraw.Draw(image).text((0, 0), words, fill=255, font=font)
    return np.asarray(image, np.uint8)


@lru_cache(maxsize=64)
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib."""
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size)
