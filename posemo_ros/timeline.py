"""The one owner of time: what the stamp of the next image means."""

from __future__ import annotations

import logging
from collections.abc import Callable

LATE_S = 0.5
GAP_S = 10.0

_log = logging.getLogger(__name__)


class Timeline:
    """Stands at the entrance of a chain; behind it stamps never go back.

    A stamp that equals the last one is in order. One that lies up to ``late_s`` before the last is
    late: that image is skipped. One that lies further back (a recording played again, a clock that was
    set) or more than ``gap_s`` ahead is a jump: everybody is forgotten.

    Attributes:
        late_s, gap_s: May change at any time.
        late: Images skipped so far.
        jumps: Jumps so far.
    """

    def __init__(self, *, late_s: float = LATE_S, gap_s: float = GAP_S) -> None:
        self.late_s, self.gap_s = late_s, gap_s
        self.late = self.jumps = 0
        self.reset()

    def reset(self) -> None:
        """Whatever comes next is in order."""
        self._last_ns: int | None = None

    def admits(self, stamp_ns: int, on_jump: Callable[[], object]) -> bool:
        """Whether the image of this stamp is to be worked on.

        Args:
            stamp_ns: Nanoseconds.
            on_jump: Forgets everybody; called before the first image after a jump.
        """
        step_s = 0.0 if self._last_ns is None else (stamp_ns - self._last_ns) * 1e-9
        if -self.late_s < step_s < 0:
            self.late += 1
            if self.late == 1:
                text = "an image is %.3f s older than the one before: late images are skipped and counted"
                _log.warning(text, -step_s)
            return False
        self._last_ns = stamp_ns
        if not 0 <= step_s <= self.gap_s:
            self.jumps += 1
            if self.jumps & (self.jumps - 1) == 0:  # the 1st, 2nd, 4th, 8th, ...: not one line per image
                _log.warning("time jumped by %.1f s (jump %d): everybody is forgotten", step_s, self.jumps)
            on_jump()
        return True
