"""The emotion station: movement (and context) in, probabilities of six emotions out.

The probabilities are estimates of what a movement expresses, by a network trained on such
expressions. They say nothing certain about what a person feels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..inference.manifest import EmotionSpec
from ..inference.session import Session
from ..types import EMOTIONS, NEUTRAL, Context, Emotions, EmotionStatus, Floats, Skeletons3D
from .descriptors import DESCRIPTORS, NAMES, describe, rests, runs
from .evidence import Evidence
from .window import MAX_GAP_S, Movement, in_axes

# Legs outside the image score about 0.05, seen ones 0.8: on half bodies the starter model's answers were
# wrong in real video.
MIN_SCORE = 0.4
KEPT_CONTEXTS = 256
CONTEXT_RATE_TOLERANCE = 1.5  # factor between the rate of training and the rate at hand
_ENOUGH_CONTEXTS = 5  # to measure their rate
REASONS, MIN_REASON = 3, 0.1  # how many are named at most, and what each must do to the log probability


class EmotionEstimator:
    """Movement windows of all persons, judged in one batch.

    A network that knows neutral movement as a class is listened to over time (``evidence``): an
    answer appears after consistent windows and stays for a while. Others answer window by window.

    Args:
        session: Of the emotion network. Its first input is the movement (N, T, 17, 3) or its
            descriptors (N, D); a second one, if the network looks at context, is (N, Tc, tokens,
            width).
        spec: Its manifest entry.
        min_score: A window in which arms or legs have a lower mean score is not judged.
        min_confidence: Highest probability below which the answer is "not enough evidence";
            None takes the model's own.
        max_context_age_s: An encoding of the scene older than this is not used; may change at any
            time, as an attribute.

    Attributes:
        rest_s: So long the last answers about the same people are repeated instead of asking the network
            again; 0: it is asked about every image.
    """

    def __init__(
        self,
        session: Session,
        spec: EmotionSpec,
        *,
        min_score: float = MIN_SCORE,
        min_confidence: float | None = None,
        max_context_age_s: float = 5.0,
    ) -> None:
        self.session, self._spec = session, spec
        self.max_context_age_s = max_context_age_s
        self._min_score = min_score
        self._min_confidence = spec.min_confidence if min_confidence is None else min_confidence
        self._offsets = np.arange(1 - spec.frames, 1) / spec.rate_hz
        classes = [*EMOTIONS, *(name for name in spec.labels if name == NEUTRAL)]
        self.rest_s = 0.0
        self._order = [spec.labels.index(name) for name in classes]
        self._thresholds = np.array(
            [spec.thresholds.get(name, self._min_confidence) for name in EMOTIONS], np.float32
        )
        self.reset()

    @property
    def span_s(self) -> float:
        """Seconds of movement the network looks at."""
        return -float(self._offsets[0])

    @property
    def rate_hz(self) -> float:
        """Poses per second that the network looks at."""
        return self._spec.rate_hz

    @property
    def context_problem(self) -> str:
        """What is wrong with the encodings of the scene that came lately; empty when nothing is."""
        stamps = np.array([c.stamp_ns for c in self._contexts], np.float64) * 1e-9
        own = self._spec.context_rate_hz
        if not own or len(stamps) < _ENOUGH_CONTEXTS:
            return ""
        rate = 1 / max(float(np.median(np.diff(stamps))), 1e-6)
        if 1 / CONTEXT_RATE_TOLERANCE <= rate / own <= CONTEXT_RATE_TOLERANCE:
            return ""
        return (
            f"the scene is encoded {rate:.1f} times a second, the network was trained with {own:g}: "
            f"set context_rate_hz to {own:g}"
        )

    def reset(self) -> None:
        """Forget everything."""
        self._contexts: deque[Context] = deque(maxlen=KEPT_CONTEXTS)
        self._contexts_to_come: deque[Context] | None = None
        self.forget_people()
        self._people_jumped = False

    def forget_people(self) -> None:
        """Forget everybody, since time jumped; encodings of the time from now on stay."""
        self._people_jumped = self._contexts_to_come is None
        if self._contexts_to_come is not None:
            self._contexts, self._contexts_to_come = self._contexts_to_come, None
        self._movements: dict[str, Movement] = {}
        self._evidence: dict[str, Evidence] = {}
        self._first_ns: int | None = None
        self._last_ns = 0
        self._said: Emotions | None = None
        self._said_at = -np.inf

    def evidence(self, person: str) -> Floats | None:
        """(7,) mean probabilities over a person's windows, neutral last; None before the first."""
        known = self._evidence.get(person)
        return known.mean if known else None

    def remember(self, context: Context) -> None:
        """Take an encoding of the scene.

        One that is older than the last means that time jumped back. The skeletons may have jumped
        already, or, with a lifter that waits, not yet.
        """
        known = self._contexts if self._contexts_to_come is None else self._contexts_to_come
        newest_ns = known[-1].stamp_ns if known else context.stamp_ns - 1
        if context.stamp_ns < newest_ns:
            if self._people_jumped:
                known.clear()
                self._people_jumped = False
            else:
                known = self._contexts_to_come = deque(maxlen=KEPT_CONTEXTS)
        if self._spec.context_frames and context.stamp_ns != newest_ns:
            known.append(context)

    def judge(self, skeletons: Skeletons3D) -> Emotions:
        """Take the skeletons of one more image and judge everybody's movement up to it.

        Stamps never go back (see ``Timeline``).

        Args:
            skeletons: N persons.
        """
        if self._first_ns is None:
            self._first_ns = skeletons.stamp_ns
        self._last_ns = skeletons.stamp_ns
        now = (skeletons.stamp_ns - self._first_ns) * 1e-9
        self._remember(now, skeletons)
        if now - self._said_at < self.rest_s and self._said and set(skeletons.ids) <= set(self._said.ids):
            return _repeated(self._said, skeletons)
        contexts = self._usable_contexts(skeletons.stamp_ns)
        movements = [self._movements[person] for person in skeletons.ids]
        status = [self._status(m, now, bool(contexts)) for m in movements]
        probabilities, reasons = self._judge(skeletons.ids, movements, status, now, contexts)
        age_s = (skeletons.stamp_ns - contexts[-1].stamp_ns) * 1e-9 if contexts else np.nan
        self._said_at = now
        self._said = Emotions(
            ids=skeletons.ids,
            probabilities=probabilities,
            status=tuple(status),
            windows_s=np.array([min(m.length_s, self.span_s) for m in movements], np.float32),
            context_ages_s=np.full(len(movements), age_s, np.float32),
            evidence=reasons,
            view=skeletons.view,
        )
        return self._said

    def _remember(self, now: float, skeletons: Skeletons3D) -> None:
        self._movements = {k: m for k, m in self._movements.items() if now - m.newest <= MAX_GAP_S}
        self._evidence = {k: e for k, e in self._evidence.items() if k in self._movements}
        for i, person in enumerate(skeletons.ids):
            movement = self._movements.setdefault(person, Movement(self.span_s))
            movement.append(now, skeletons.relative[i], skeletons.scores[i])

    def _usable_contexts(self, now_ns: int) -> list[Context]:
        """Those known at a time that the window needs, oldest first; none when the newest is too old."""
        oldest = now_ns - int(self.span_s * 1e9)
        while len(self._contexts) > 1 and self._contexts[1].stamp_ns <= oldest:
            self._contexts.popleft()
        known = [c for c in self._contexts if c.stamp_ns <= now_ns]
        fresh = known and now_ns - known[-1].stamp_ns <= self.max_context_age_s * 1e9
        return known if fresh else []

    def _status(self, movement: Movement, now: float, has_context: bool) -> EmotionStatus:
        """What speaks against judging a movement; VALID when nothing does."""
        half_a_step = 0.5 / self._spec.rate_hz
        if movement.newest < now or movement.length_s < self.span_s - half_a_step:
            return EmotionStatus.TOO_FEW_FRAMES
        if movement.score < self._min_score:
            return EmotionStatus.LOW_KEYPOINT_SCORES
        if self._spec.context_frames and not has_context:
            return EmotionStatus.NO_CONTEXT
        return EmotionStatus.VALID

    def _judge(
        self,
        ids: Sequence[str],
        movements: Sequence[Movement],
        status: list[EmotionStatus],
        now: float,
        contexts: list[Context],
    ) -> tuple[Floats, tuple[tuple[str, ...], ...]]:
        """(N, 6) probabilities and N reasons; unsure answers get the status NOT_ENOUGH_EVIDENCE."""
        probabilities = np.full((len(movements), len(EMOTIONS)), 1 / len(EMOTIONS), np.float32)
        reasons: list[tuple[str, ...]] = [()] * len(movements)
        judged = [i for i, s in enumerate(status) if s is EmotionStatus.VALID]
        if not judged:
            return probabilities, tuple(reasons)
        window = np.stack([movements[i].at(now + self._offsets) for i in judged])
        poses = in_axes(window, self._spec.axes)
        inputs = describe(poses, self._spec.rate_hz) if self._spec.reads == "descriptors" else poses
        for row, i, answer in zip(inputs, judged, self._infer(inputs, contexts), strict=True):
            unlike = self._spec.reads == "descriptors" and (runs(row) or rests(row))
            reported = self._weigh(ids[i], now, answer, unlike=unlike)
            if reported is None:
                status[i] = EmotionStatus.NOT_ENOUGH_EVIDENCE
            else:
                probabilities[i], reasons[i] = reported, self._explain(row, int(reported.argmax()))
        return probabilities, tuple(reasons)

    def _weigh(self, person: str, now: float, answer: Floats, *, unlike: bool) -> Floats | None:
        """(6,) what is to be reported of a person, None: nothing.

        The network is not believed about movement unlike what it learned from: all that tells of arousal is
        large in somebody who runs, whatever they feel; who keeps still shows a posture (asleep, at a phone).
        """
        if len(answer) == len(EMOTIONS):
            return answer if (answer >= self._thresholds).any() else None
        if unlike:
            answer = np.eye(len(answer), dtype=np.float32)[-1]
        return self._evidence.setdefault(person, Evidence(self._thresholds)).add(now, answer)

    def _explain(self, row: Floats, emotion: int) -> tuple[str, ...]:
        """The descriptors without which the network would believe least in an emotion, in words.

        Each is set to what it is in neutral movement, one at a time (occlusion, Zeiler & Fergus 2014).
        """
        neutral = np.asarray(self._spec.neutral, np.float32)
        if self._spec.reads != "descriptors" or not len(neutral):
            return ()
        variants = np.repeat(row[None], len(row) + 1, 0)
        np.fill_diagonal(variants[:-1], neutral)
        beliefs = np.log(self._infer(variants, [])[:, emotion] + 1e-9)
        loss = beliefs[-1] - beliefs[:-1]
        chosen = [int(k) for k in np.argsort(-loss)[:REASONS] if loss[k] > MIN_REASON]
        return tuple(DESCRIPTORS[NAMES[k]].words(high=bool(row[k] > neutral[k])) for k in chosen)

    def _infer(self, movement: Floats, contexts: list[Context]) -> Floats:
        """(N, T, 17, 3) or (N, D) to (N, K) probabilities in the order of EMOTIONS, then neutral."""
        inputs = self.session.inputs
        feeds: dict[str, NDArray[np.generic]] = {inputs[0].name: movement}
        if self._spec.context_frames:
            tokens = self._context_tokens(contexts)
            feeds[inputs[1].name] = np.broadcast_to(tokens, (len(movement), *tokens.shape)).copy()
        logits = np.asarray(self.session.run(feeds)[self.session.outputs[0].name], np.float64)
        scaled = logits[:, self._order] / self._spec.temperature
        odds = np.exp(scaled - scaled.max(1, keepdims=True))
        return np.asarray(odds / odds.sum(1, keepdims=True), np.float32)

    def _context_tokens(self, contexts: list[Context]) -> Floats:
        """(Tc, tokens, width): at evenly spaced times of the window the newest encoding known then."""
        ends = np.linspace(-self.span_s, 0.0, self._spec.context_frames)
        stamps = np.array([c.stamp_ns for c in contexts], np.int64)
        wanted = self._last_ns + (ends * 1e9).astype(np.int64)
        chosen = np.maximum(np.searchsorted(stamps, wanted, side="right") - 1, 0)
        return np.stack([contexts[int(i)].tokens for i in chosen])


def _repeated(said: Emotions, skeletons: Skeletons3D) -> Emotions:
    """What was said a moment ago, about the people of a later image."""
    rows = [said.ids.index(person) for person in skeletons.ids]
    return Emotions(
        ids=skeletons.ids,
        probabilities=said.probabilities[rows],
        status=tuple(said.status[i] for i in rows),
        windows_s=said.windows_s[rows],
        context_ages_s=said.context_ages_s[rows],
        evidence=tuple(said.evidence[i] for i in rows),
        view=skeletons.view,
    )
