"""Made-up emotional expression: neutral movement changed the way the literature describes.

There are no recordings of emotional movement to learn from here, so these transforms stand in for
them. What the rows of ``STYLES`` say goes back to studies of actors and observers:

- joy: fast, large, lifted; trunk and head up, arms raised and open, repeated upward movement
  (de Meijer 1989; Wallbott 1998; Montepare et al. 1987; Gross et al. 2012; Coulson 2004)
- anger: fast, large, jerky; leaning forward, arms in front with bent elbows, strong repeated
  downward movement (de Meijer 1989; Pollick et al. 2001; Roether et al. 2009; Wallbott 1998)
- disgust: small, a little slow; body and head turned away and back, arms drawn in front
  (de Meijer 1989; Wallbott 1998; Coulson 2004)
- fear: contracted and tense; crouched, knees bent, bent arms held up before the body, trembling
  (Roether et al. 2009; de Meijer 1989; Coulson 2004)
- sadness: slow, small; head and chest sunk, arms hanging at the sides
  (Montepare et al. 1987; Pollick et al. 2001; Roether et al. 2009; Gross et al. 2012)
- surprise: a sudden change, then stillness; trunk and head back, arms thrown up
  (de Meijer 1989; Coulson 2004)

The directions are the literature's, the sizes are ours: they are no measurement, and people differ
more from one another, and between cultures, than this table does.

References: de Meijer, J. Nonverbal Behavior 13 (1989) 247-268. Wallbott, Eur. J. Soc. Psychol. 28
(1998) 879-896. Montepare, Goldstein & Clausen, J. Nonverbal Behavior 11 (1987) 33-42. Pollick,
Paterson, Bruderlin & Sanford, Cognition 82 (2001) B51-B61. Roether, Omlor, Christensen & Giese,
Journal of Vision 9(6) (2009) 15. Gross, Crane & Fredrickson, Human Movement Science 31 (2012)
202-221. Coulson, J. Nonverbal Behavior 28 (2004) 117-139.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from posemo_ros.types import EMOTIONS

from .body import PARENTS, Floats, heading, turn

_LIMBS = (2, 3, 5, 6, 12, 13, 15, 16)
_SPREAD = 0.3  # of every style number, as a share of its size over all emotions


@dataclass(frozen=True)
class Style:
    """How an emotion changes neutral movement at full intensity.

    Attributes:
        tempo, amplitude: Natural logs of the factors on speed and on the size of limb movement.
        trunk, chest, head: Pitch forward, degrees.
        aside: Turn of trunk and (twice as far) head to one side, degrees.
        raise_, spread: Upper arms to the front and to the side, degrees.
        flex: Of the elbows, degrees.
        crouch: Of the knees, degrees.
        beat, beat_hz: Repeated arm movement, degrees and per second.
        tremor: Of the forearms at 3 to 5 Hz, degrees.
        sudden: Probability that all this sets in at one instant of the window.
    """

    tempo: float = 0.0
    amplitude: float = 0.0
    trunk: float = 0.0
    chest: float = 0.0
    head: float = 0.0
    aside: float = 0.0
    raise_: float = 0.0
    spread: float = 0.0
    flex: float = 0.0
    crouch: float = 0.0
    beat: float = 0.0
    beat_hz: float = 2.0
    tremor: float = 0.0
    sudden: float = 0.1

    def row(self) -> list[float]:
        """The numbers in the order of the fields."""
        return [float(getattr(self, f.name)) for f in fields(self)]


STYLES = {
    "joy": Style(0.22, 0.35, -4, -6, -12, 0, 40, 28, 20, 0, 30, 1.8, 0, 0.1),
    "anger": Style(0.30, 0.35, 10, 4, 8, 0, 28, 8, 40, 4, 30, 2.4, 2, 0.2),
    "disgust": Style(-0.10, -0.15, -5, 6, 6, 14, 22, -4, 60, 3, 4, 1.2, 0, 0.2),
    "fear": Style(0.08, -0.25, 4, 14, -2, 4, 32, -2, 75, 26, 0, 2.0, 5, 0.2),
    "sadness": Style(-0.40, -0.50, 7, 14, 26, 0, -4, -6, 2, 5, 0, 1.0, 0, 0.05),
    "surprise": Style(0.00, -0.05, -9, -6, -12, 0, 48, 16, 50, 2, 0, 2.0, 0, 1.0),
}
assert tuple(STYLES) == EMOTIONS
_TABLE = np.array([STYLES[name].row() for name in EMOTIONS])
_LEFT_OUT = 0.25  # share of an emotion's signs that a person does not show


def random_styles(
    emotions: np.ndarray, intensity: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """A style per sample, spread around the emotion's, weakened by the intensity.

    Every sample leaves some of the signs out and shows the others more or less, so that no fixed
    recipe can be learnt.

    Args:
        emotions: (B,) indices into ``EMOTIONS``.
        intensity: (B,) 0 (neutral) .. 1.
        rng: Source of chance.

    Returns:
        Field of ``Style`` -> (B,).
    """
    shown = rng.random((len(emotions), _TABLE.shape[1])) >= _LEFT_OUT
    return spread(_TABLE[emotions] * shown, intensity, rng)


def spread(rows: np.ndarray, intensity: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Styles around the given ones, (B, fields of ``Style``), weakened by the intensity, (B,)."""
    size = np.abs(_TABLE).mean(0)
    drawn = rows * np.exp(rng.normal(0, 0.3, rows.shape)) + rng.normal(0, _SPREAD, rows.shape) * size
    values = dict(zip((f.name for f in fields(Style)), drawn.T, strict=True))
    for name in values:
        if name not in ("beat_hz", "sudden"):
            values[name] = values[name] * intensity
    values["beat_hz"] = np.clip(values["beat_hz"], 0.8, 3.5)
    values["sudden"] = (rng.random(len(rows)) < rows[:, -1]).astype(float)
    return values


def express(body: Floats, style: dict[str, np.ndarray], rate_hz: float, rng: np.random.Generator) -> Floats:
    """Change movements. Tempo is not applied here: it decides when the movement is sampled.

    Args:
        body: (B, F, 22, 3) metres, z up.
        style: Of ``random_styles``.
        rate_hz: Frames per second.
        rng: Phases, sides, the instant of sudden changes.

    Returns:
        (B, F, 22, 3); bones keep their length.
    """
    count = len(body)
    seconds = np.arange(body.shape[1]) / rate_hz
    on = _onset(style["sudden"], seconds, rng)  # (B, F)
    body = _scale_limb_movement(body, np.exp(style["amplitude"]))
    axes = heading(body)
    side = rng.choice([-1.0, 1.0], count)
    for part, name, aside in (("trunk", "trunk", 1.0), ("chest", "chest", 0.0), ("head", "head", 2.0)):
        pitch, yaw = on * style[name][:, None], on * (aside * side * style["aside"])[:, None]
        turn(body, part, _turns(pitch=pitch, yaw=yaw), axes)
    phase = rng.uniform(0, 2 * np.pi, count)[:, None]
    for arm, outward in (("left", 1.0), ("right", -1.0)):
        share = rng.uniform(0.4, 1.0, count)[:, None]
        delay = rng.choice([0.0, np.pi], count)[:, None]
        wave = np.sin(2 * np.pi * style["beat_hz"][:, None] * seconds + phase + delay)
        tremor = style["tremor"][:, None] * np.sin(
            2 * np.pi * rng.uniform(3, 5, (count, 1)) * seconds + phase
        )
        up = share * (on * style["raise_"][:, None] + style["beat"][:, None] * wave)
        out = share * on * style["spread"][:, None]
        turn(body, f"{arm}_arm", _turns(roll=outward * out, pitch=-up), axes)
        turn(body, f"{arm}_forearm", _turns(pitch=-(share * on * style["flex"][:, None] + tremor)), axes)
        knee = on * np.maximum(style["crouch"], 0)[:, None]
        turn(body, f"{arm}_thigh", _turns(pitch=-knee), axes)
        turn(body, f"{arm}_shin", _turns(pitch=2 * knee), axes)
    return body


def _onset(sudden: np.ndarray, seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(B, F) 0 before and 1 after the instant of a sudden change (a fifth of a second); else 1."""
    instant = rng.uniform(0.25, 0.85, len(sudden))[:, None] * seconds[-1]
    width = rng.uniform(0.03, 0.12, (len(sudden), 1))
    step = 1 / (1 + np.exp(-(seconds - instant) / width))
    return np.where(sudden[:, None] > 0, step, 1.0)


def _turns(
    *, roll: np.ndarray | float = 0.0, pitch: np.ndarray | float = 0.0, yaw: np.ndarray | float = 0.0
) -> Floats:
    """(B, F, 3) rotation vectors from degrees."""
    return np.radians(np.stack(np.broadcast_arrays(roll, pitch, yaw), -1)).astype(np.float32)


def _scale_limb_movement(body: Floats, factor: np.ndarray) -> Floats:
    """Elbows, wrists, knees and ankles further from, or nearer to, where they are on average."""
    axes = heading(body)
    own = (body - body[:, :, :1]) @ axes
    mean = own.mean(1, keepdims=True)
    scaled = mean + factor[:, None, None, None].astype(np.float32) * (own - mean)
    own[:, :, _LIMBS] = scaled[:, :, _LIMBS]
    moved = body[:, :, :1] + own @ np.swapaxes(axes, -1, -2)
    return _restore_lengths(np.asarray(moved, np.float32), body)


def _restore_lengths(body: Floats, like: Floats) -> Floats:
    """Limb bones in their new direction with the length they had."""
    out = body.copy()
    for joint in _LIMBS:
        parent = PARENTS[joint]
        bone = body[:, :, joint] - body[:, :, parent]
        length = np.linalg.norm(like[:, :, joint] - like[:, :, parent], axis=-1, keepdims=True)
        out[:, :, joint] = out[:, :, parent] + bone * (
            length / np.maximum(np.linalg.norm(bone, axis=-1, keepdims=True), 1e-6)
        )
    return out
