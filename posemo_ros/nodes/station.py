"""A node of the chain: input, networks that work in a thread of their own, results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from .. import diagnostics as keys
from ..errors import PosemoError
from ..timeline import Timeline
from .base import AGAIN, SUCCESS, L, P, PosemoNode
from .monitor import Window
from .parameters import RuntimeParameters, StationParameters
from .worker import Worker

LEFT_BEHIND_S = 1.0
RESTARTS = 3
LATE_MS = 1000.0
EARLY_MS = -100.0
IMPLAUSIBLE_MS = 3_600_000.0
BUSY_SHARE = 0.2
ENOUGH = 5


class Input(Protocol):
    """Subscriptions that know when they are silent for too long."""

    def tick(self) -> None:
        """Once a second: report what does not come."""


T = TypeVar("T")
In = TypeVar("In", bound=Input)


class Station(PosemoNode[P, L]):
    """A node that works on messages; derived classes fill ``load``, ``start`` and ``apply``."""

    _applied: P | None = None
    _workers: tuple[Worker[Any], ...] = ()
    _restarts = 0
    _early = False
    _input: Input | None = None

    def __init__(self, **kwargs: Any) -> None:
        """See ``PosemoNode``."""
        super().__init__(**kwargs)
        self._timeline = Timeline()

    def apply(self, loaded: L, params: P) -> None:
        """Parameters have changed; in the worker's thread, between two messages."""

    def admits(self, stamp_ns: int, on_jump: Callable[[], object]) -> bool:
        """Whether to work on the image or results of this stamp; counts those that came late.

        For nodes that run networks (``RuntimeParameters``); each start begins anew.
        """
        params, timeline = self.params, self._timeline
        assert isinstance(params, RuntimeParameters)
        timeline.late_s, timeline.gap_s = params.late_s, params.gap_s
        admitted = timeline.admits(stamp_ns, on_jump)
        if not admitted:
            self.monitor.count(keys.LATE)
        return admitted

    @property
    def idle(self) -> bool:
        """Whether no work of the station is under way any more; then what it holds may be touched."""
        return not any(worker.alive for worker in self._workers)

    @property
    def watched(self) -> StationParameters:
        """The parameters that all stations have."""
        params = self.params
        assert isinstance(params, StationParameters)
        return params

    def await_idle(self) -> None:
        """Wait for work that a deactivation left behind; the networks know no second thread.

        Raises:
            PosemoError: It does not end.
        """
        if not all(worker.join(LEFT_BEHIND_S) for worker in self._workers):
            raise PosemoError("the work of before the last deactivation has not ended yet; try again")

    def forget_work(self) -> None:
        """Leave alone what still works on what was loaded before."""
        self._workers = ()
        self._applied = None

    def worker(self, work: Callable[[T], None], *, capacity: int = 1) -> Worker[T]:
        """A worker that ends when the node stops."""
        made: Worker[T] = Worker(
            lambda item: self._do(work, item),
            on_error=self.report_failure,
            on_drop=self.monitor.count,
            capacity=capacity,
        )
        self._workers = (made,)
        self._timeline = Timeline()
        self.on_stop(
            lambda: [self.monitor.clear(key) for key in ("work", "latency", "busy", "order", "deadline")]
        )
        self.on_stop(lambda: made.stop(self.patience_s))
        return made

    def _do(self, work: Callable[[T], None], item: T) -> None:
        params, loaded = self.params, self._loaded
        if self._applied is not params and loaded is not None:
            self._applied = params
            self.apply(loaded, params)
        work(item)
        self._restarts = 0
        self.monitor.clear("work")

    # Measures ----------------------------------------------------------------------------------

    def measure(
        self, stamp_ns: int, work_ms: Mapping[str, float], people: int | None = None, most: int = 0
    ) -> None:
        """Note what the work on an image, or on results of one, took.

        Args:
            stamp_ns: The image's stamp; without one (0) there is no latency.
            work_ms: Milliseconds by station.
            people: How many are in it.
            most: So many may be, where the station chooses; 0: it does not.
        """
        self.monitor.add_work(work_ms)
        if people is not None and most:
            full = f"reached: others than these {most} may be left out (max_people)"
            self.monitor.set(keys.PEOPLE_LIMIT, full if people >= most else f"not reached ({most})")
        if people is not None:
            self.monitor.set(keys.PEOPLE, people)
        if not stamp_ns:
            return
        latency_ms = self.latency_ms(stamp_ns)
        # Once is the clock of a simulation or a bag that has jumped back under the image.
        was_early, self._early = self._early, latency_ms < EARLY_MS
        self.warn("latency", "" if self._early and not was_early else _complaint(latency_ms))
        if abs(latency_ms) < IMPLAUSIBLE_MS:
            self.monitor.add_latency(latency_ms)

    def judge(self, window: Window) -> None:
        """Say when stamps step back, or the station is too slow for its input."""
        late = window.dropped.get(keys.LATE, 0)
        text = (
            f"{late} late messages in the last second, older stamps than others before: left out"
            if late
            else ""
        )
        self.warn("order", text)
        received, left_out = window.received_hz * window.seconds, window.dropped.get(keys.BUSY, 0)
        if received < ENOUGH or left_out < BUSY_SHARE * received:
            self.monitor.clear("busy")
            return
        times = sorted(window.work_ms.items(), key=lambda item: -item[1])
        needs = ", ".join(f"{name} {ms:.0f} ms" for name, ms in times)
        text = f"too slow: {left_out} of {received:.0f} messages in the last second were left out"
        text += f" ({needs})" if needs else ""
        self.warn("busy", text)

    # Watchdog ----------------------------------------------------------------------------------

    def watch_input(self, made: In) -> In:
        """Look at an input each second until the node stops."""
        self.on_stop(self._forget_input)
        self._input = made
        return made

    def _forget_input(self) -> None:
        self._input = None

    def tick(self) -> None:
        """Begin anew when work hangs; watch whether messages come."""
        for worker in self._workers:
            current = worker.current
            if self.state == "active" and current and current[1] > self.watched.hang_s:
                self._restart(f"no end of the work on {_name(current[0])} after {current[1]:.1f} s")
        if self._input is not None:
            self._input.tick()

    def _restart(self, reason: str) -> None:
        self._restarts += 1
        if self._restarts > RESTARTS:
            self.report("hang", f"{reason}, {RESTARTS} times in a row: giving up")
            self.finish(AGAIN)
            return
        self.report("hang", f"{reason}: leaving it behind, and loading everything anew")
        steps = (self.trigger_deactivate, self.trigger_cleanup, self.trigger_configure, self.trigger_activate)
        if all(step() == SUCCESS for step in steps):
            self.monitor.clear("hang")
        else:
            self.finish(1)


def _name(item: Any) -> str:
    header = getattr(item, "message", item).header
    return f"the message with stamp {header.stamp.sec}.{header.stamp.nanosec:09} (frame {header.frame_id!r})"


def _complaint(latency_ms: float) -> str:
    """What is wrong with the age of an image at the time of its result."""
    if abs(latency_ms) > IMPLAUSIBLE_MS:
        where = "behind" if latency_ms > 0 else "ahead of"
        return (
            f"stamps are {_span(abs(latency_ms))} {where} this node's clock: play a bag with --clock and "
            "set use_sim_time, or set the clock of the camera"
        )
    if latency_ms < EARLY_MS:
        return f"stamps are {-latency_ms / 1e3:.1f} s ahead of this node's clock: set the clocks"
    if latency_ms > LATE_MS:
        return f"late: results come {latency_ms / 1e3:.1f} s after the image's stamp"
    return ""


def _span(ms: float) -> str:
    hours = ms / 3.6e6
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"
