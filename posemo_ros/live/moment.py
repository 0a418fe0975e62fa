"""One image with what was found in it, as the page gets it."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..draw.overlay import overlay
from ..draw.style import EMOTION_CODES, WHY_NOT, person_code
from ..replay.page import UNKNOWN_MM, card_warning, millimetres
from ..skeleton import H36M17
from ..types import EMOTIONS, Emotions, EmotionStatus, People2D, Skeletons3D

JPEG_QUALITY = 80
WIDEST = 1280  # pixels; a wider picture is scaled down for the page


def message_of(facts: Mapping[str, Any], jpeg: bytes = b"") -> bytes:
    """Length of the JSON (uint32, little endian), the JSON, the JPEG: one message, so that all is in step."""
    text = json.dumps(facts, allow_nan=False, separators=(",", ":")).encode()
    return struct.pack("<I", len(text)) + text + jpeg


def welcome(title: str, privacy: str, models: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
    """What stays the same while the page is open.

    Args:
        title: The source.
        privacy: What may be seen, one of ``draw.privacy.CHOICES``.
        models: Station, name and runtime of each network.
    """
    return {
        "title": title,
        "privacy": privacy,
        "bones": [list(bone) for bone in H36M17.bones],
        "unknown": UNKNOWN_MM,
        "emotions": [{"name": name, "colour": EMOTION_CODES[name]} for name in EMOTIONS],
        "models": [{**model, "warning": card_warning(model["name"])} for model in models],
    }


def picture(
    ground: NDArray[np.uint8], people: People2D, emotions: Emotions | None, min_score: float = 0.3
) -> bytes:
    """The overlay as a JPEG, at most ``WIDEST`` pixels wide.

    Args:
        ground: (H, W, 3) BGR to draw on, see ``draw.privacy.Background``.
        people: Who is drawn.
        emotions: Written beside them.
        min_score: Keypoints below this score are not drawn.
    """
    drawn: NDArray[np.uint8] = overlay(ground, people, emotions, min_score=min_score)
    if drawn.shape[1] > WIDEST:
        height = max(1, round(drawn.shape[0] * WIDEST / drawn.shape[1]))
        drawn = np.asarray(cv2.resize(drawn, (WIDEST, height), interpolation=cv2.INTER_AREA), np.uint8)
    _, data = cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return bytes(data)


def people_of(
    people: People2D, skeletons: Skeletons3D | None, emotions: Emotions | None
) -> list[dict[str, Any]]:
    """A person each: id, colour, joints (17 x (x, y, z) mm, flat), quality, emotion or why there is none."""
    found = []
    for track_id in people.ids:
        person: dict[str, Any] = {"id": track_id, "colour": person_code(track_id)}
        if skeletons is not None and track_id in skeletons.ids:
            row = skeletons.ids.index(track_id)
            person["joints"] = millimetres(skeletons.joints[row]).ravel().tolist()
            person["quality"] = _number(np.nanmean(skeletons.scores[row]))
        if emotions is not None and track_id in emotions.ids:
            person |= _emotion(emotions, emotions.ids.index(track_id))
        found.append(person)
    return found


def _emotion(emotions: Emotions, row: int) -> dict[str, Any]:
    status = emotions.status[row]
    if status is not EmotionStatus.VALID:
        return {"why": WHY_NOT[status]}
    reasons = list(emotions.evidence[row]) if emotions.evidence else []
    return {"p": [_number(p) for p in emotions.probabilities[row]], "reasons": reasons}


def _number(value: Any, digits: int = 3) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None
