"""Neutral movement of many kinds: what people do and how they are, without an emotion in it.

Tiredness, age, hurry, a limp, and gestures (waving, pointing, telephoning, carrying, washing,
talking with the hands) change the same descriptors as emotions do. A model that has never seen
them takes a wave for surprise and an old man for a sad one. The sizes are ours, spread widely.
Gait of old and of lame people: Perry & Burnfield, Gait Analysis (2010).
"""

from __future__ import annotations

import numpy as np

from .body import Floats, heading, turn
from .expression import Style, express, spread

# Ways to be that are no emotion. The head of somebody old or tired still looks ahead.
MANNERS: dict[str, Style] = {
    "plain": Style(),
    "slow": Style(tempo=-0.45, amplitude=-0.35),
    "hurried": Style(tempo=0.35, amplitude=0.2, trunk=5, head=-3, flex=10),
    "jogs": Style(tempo=0.6, amplitude=0.5, trunk=9, flex=50, crouch=12),
    "tired": Style(tempo=-0.35, amplitude=-0.3, trunk=6, chest=8, head=-4),
    "old": Style(tempo=-0.35, amplitude=-0.35, trunk=12, chest=12, head=-20, crouch=12, flex=15),
    "looks_down": Style(head=24, chest=3),
    "looks_up": Style(head=-16, chest=-3),
    "looks_aside": Style(aside=12),
    "leans_back": Style(trunk=-7, chest=-3, head=5),
    "crouches": Style(crouch=25, trunk=15, head=-10),
    "cold": Style(amplitude=-0.3, flex=70, spread=-4, chest=6, tremor=2),
}
_MANNER = tuple(MANNERS)
_MANNER_SHARE = np.array([0.26, 0.1, 0.09, 0.10, 0.06, 0.06, 0.09, 0.06, 0.06, 0.05, 0.05, 0.04])
GESTURES = ("none", "wave", "point", "phone", "carry", "wash", "talk", "hips", "crossed", "reach", "head")
_GESTURE_SHARE = np.array([0.37, 0.12, 0.06, 0.07, 0.07, 0.06, 0.1, 0.04, 0.03, 0.05, 0.03])


def manners(body: Floats, rate_hz: float, rng: np.random.Generator, *, share: float = 1.0) -> Floats:
    """Give some of the movements a manner, a limp, gestures. (B, F, 22, 3) to the same.

    Args:
        body: Metres, z up.
        rate_hz: Frames per second.
        rng: Source of chance.
        share: Of the movements that may change at all.
    """
    count = len(body)
    chosen = rng.choice(len(_MANNER), count, p=_MANNER_SHARE / _MANNER_SHARE.sum())
    chosen[rng.random(count) >= share] = 0
    style = spread(np.array([MANNERS[_MANNER[i]].row() for i in chosen]), rng.uniform(0.3, 1.3, count), rng)
    body = express(body, style, rate_hz, rng)
    _limp(body, (rng.random(count) < 0.12 * share), rate_hz, rng)
    gesture = rng.choice(len(GESTURES), count, p=_GESTURE_SHARE / _GESTURE_SHARE.sum())
    gesture[rng.random(count) >= share] = 0
    _gesture(body, gesture, rate_hz, rng)
    return body


def tempos(count: int, rng: np.random.Generator) -> np.ndarray:
    """(B,) natural logs of how much faster than recorded neutral movement runs."""
    return rng.uniform(-0.5, 0.4, count)


def _limp(body: Floats, who: np.ndarray, rate_hz: float, rng: np.random.Generator) -> None:
    """One leg that swings less, and a trunk that rolls over it; in place."""
    some = body[who]
    if not len(some):
        return
    side = rng.random(len(some)) < 0.5
    axes = heading(some)
    own = (some - some[:, :, :1]) @ axes
    stiff = rng.uniform(0.3, 0.7, len(some))[:, None, None, None].astype(np.float32)
    for joints, mine in (((2, 3), side), ((5, 6), ~side)):
        part = own[:, :, joints]
        own[:, :, joints] = np.where(
            mine[:, None, None, None], part.mean(1, keepdims=True) * (1 - stiff) + part * stiff, part
        )
    some[:] = some[:, :, :1] + own @ np.swapaxes(axes, -1, -2)
    seconds = np.arange(some.shape[1]) / rate_hz
    wave = np.sin(
        2 * np.pi * rng.uniform(0.6, 1.1, (len(some), 1)) * seconds + rng.uniform(0, 6.28, (len(some), 1))
    )
    roll = rng.uniform(2, 9, (len(some), 1)) * wave + np.where(side, 1, -1)[:, None] * rng.uniform(
        0, 5, (len(some), 1)
    )
    turn(some, "trunk", _degrees(roll=roll), axes)
    body[who] = some


def _gesture(body: Floats, kind: np.ndarray, rate_hz: float, rng: np.random.Generator) -> None:
    """Pose and move arms; in place. Angles are turns away from how the arm hangs or swings."""
    count, frames = body.shape[:2]
    axes = heading(body)
    seconds = np.arange(frames) / rate_hz
    wave = np.sin(2 * np.pi * rng.uniform(0.7, 2.6, (count, 1)) * seconds + rng.uniform(0, 6.28, (count, 1)))
    on = _episode(count, seconds, rng)
    both = np.isin(kind, [GESTURES.index(n) for n in ("carry", "crossed")]) | (rng.random(count) < 0.3)
    first = rng.random(count) < 0.5
    low, high = (np.array([_SIZES[name][i] for name in GESTURES], float)[kind] for i in (0, 1))
    size = low + (high - low) * rng.random((count, 1, 5))[:, 0]  # up, out, flex, swing, twist
    for arm, outward, mine in (("left", 1.0, first | both), ("right", -1.0, ~first | both)):
        weight = on * mine[:, None]
        beat = weight * wave * size[:, 3:4]
        waves = np.isin(kind, [GESTURES.index("wave"), GESTURES.index("wash")])[:, None]
        up = -(weight * size[:, :1] + np.where(waves, 0.3, 1.0) * beat)
        out = outward * (weight * size[:, 1:2] + np.where(waves, 1.0, 0.0) * beat)
        turn(body, f"{arm}_arm", _degrees(roll=out, pitch=up), axes)
        turn(
            body,
            f"{arm}_forearm",
            _degrees(
                roll=outward * np.where(waves, 1.0, 0.0) * beat,
                pitch=-weight * size[:, 2:3] - 0.5 * beat,
                yaw=outward * weight * size[:, 4:5],
            ),
            axes,
        )


# Degrees, from and to: upper arm up to the front, upper arm out, elbow bent, movement, twist inwards.
_SIZES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "none": ((0,) * 5, (0,) * 5),
    "wave": ((30, 0, 30, 8, -20), (150, 70, 110, 35, 20)),
    "point": ((50, -15, 0, 0, -10), (110, 45, 25, 6, 10)),
    "phone": ((10, 0, 110, 0, -10), (60, 30, 145, 6, 20)),
    "carry": ((5, -5, 60, 0, -25), (45, 12, 105, 4, 0)),
    "wash": ((40, -20, 20, 10, -20), (120, 40, 90, 40, 20)),
    "talk": ((5, 0, 40, 5, -30), (40, 25, 100, 25, 10)),
    "hips": ((-20, 20, 60, 0, -60), (10, 50, 100, 2, -20)),
    "crossed": ((15, -10, 80, 0, -80), (40, 0, 115, 3, -40)),
    "reach": ((40, -20, 0, 0, -10), (160, 60, 50, 10, 10)),
    "head": ((40, 10, 100, 2, -30), (110, 70, 150, 10, 20)),
}


def _episode(count: int, seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(B, F) 0 to 1: a gesture that lasts the window, or starts or ends in it, at an easy pace."""
    kind = rng.random(count)
    instant = rng.uniform(0, 1, (count, 1)) * seconds[-1]
    width = rng.uniform(0.1, 0.35, (count, 1))
    step = 1 / (1 + np.exp(-(seconds - instant) / width))
    return np.where(kind[:, None] < 0.5, 1.0, np.where(kind[:, None] < 0.75, step, 1 - step))


def _degrees(
    *, roll: np.ndarray | float = 0.0, pitch: np.ndarray | float = 0.0, yaw: np.ndarray | float = 0.0
) -> Floats:
    return np.radians(np.stack(np.broadcast_arrays(roll, pitch, yaw), -1)).astype(np.float32)
