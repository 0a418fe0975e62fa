"""How a launch ends: with code 1 and the reason as its last line, when one of its processes failed.

``ros2 launch`` itself returns 0 whatever its processes return; only what is raised inside it makes
the code 1. So this raises, once nothing runs any more.
"""

from __future__ import annotations

import asyncio
import re
import signal
import threading
from collections.abc import Callable
from typing import Any

from launch import Action, Event, EventHandler, LaunchContext, LaunchDescriptionEntity
from launch.actions import ExecuteProcess, OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnProcessExit, OnProcessIO, OnProcessStart
from launch.events import Shutdown
from launch.events.process import ProcessExited, ProcessIO, ProcessStarted
from launch.utilities.signal_management import AsyncSafeSignalManager

from .launch_arguments import LaunchFailed

LAST_WORDS_S = 0.3  # what a process wrote may come a little after its end
# Launch's own 5 s, twice, kill nodes that would have ended well on a busy machine.
PATIENCE = {"sigterm_timeout": "10", "sigkill_timeout": "10"}
ASKED_TO_END = (-signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ERROR = re.compile(r"\[(?:ERROR|FATAL)\] \[[\d.]+\] \[[^]]+\]: (.+)")

_BY_SIGNAL = "was ended by signal"
_KILLED = f"{_BY_SIGNAL} {int(signal.SIGKILL)}"

OnExit = Callable[[ProcessExited, LaunchContext], list[LaunchDescriptionEntity]]


class _Failed(Event):
    name = "posemo_ros.nodes.launch_ending.Failed"

    def __init__(self, ending: Ending) -> None:
        self.ending = ending


class Ending:
    """Watches the processes of one launch description."""

    def __init__(self) -> None:
        self._running: set[int] = set()
        self._failures: list[tuple[str, str]] = []  # process, what it ended with
        self._last_lines: dict[str, _LastLine] = {}

    def entities(self) -> list[LaunchDescriptionEntity]:
        """What has to stand in the description before the processes."""
        return [
            OpaqueFunction(function=_take_signals),
            RegisterEventHandler(OnProcessStart(on_start=self._started)),
            RegisterEventHandler(OnProcessExit(on_exit=self._ended)),
            RegisterEventHandler(_Raise(self)),
        ]

    def watched(
        self, process: ExecuteProcess, name: str, then: OnExit = lambda event, context: []
    ) -> list[LaunchDescriptionEntity]:
        """A process of which a failure is one of the launch, and what else happens at its end."""

        def on_exit(event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity]:
            self._judge(name, event.returncode, context)
            return then(event, context)

        last = self._last_lines[name] = _LastLine()
        return [
            RegisterEventHandler(OnProcessIO(target_action=process, on_stderr=last.take)),
            RegisterEventHandler(OnProcessExit(target_action=process, on_exit=on_exit)),
            process,
        ]

    def forgive(self, name: str) -> None:
        """The last failure of a process does not count: it is started again."""
        self._failures = [failure for failure in self._failures if failure[0] != name]

    def _judge(self, name: str, code: int, context: LaunchContext) -> None:
        if code == 0 or (context.is_shutdown and code in ASKED_TO_END):
            return
        what = f"ended with exit code {code}" if code > 0 else f"{_BY_SIGNAL} {-code}"
        self._failures.append((name, what))

    def _started(self, event: ProcessStarted, context: LaunchContext) -> None:
        self._running.add(event.pid)

    def _ended(self, event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        self._running.discard(event.pid)
        return [_After(LAST_WORDS_S, self._finish)] if self._failures and not self._running else []

    def _finish(self, context: LaunchContext) -> None:
        # Python may get Ctrl-C before a node can catch it, in its first tenth of a second.
        failures = [(n, how) for n, how in self._failures if self._last_lines[n].line != "KeyboardInterrupt"]
        if failures and not self._running:
            self._failures = failures
            context.emit_event_sync(_Failed(self))

    def reason(self) -> str:
        """A line for each process that failed; what was killed has said nothing about that."""
        return "\n".join(
            f"{name} {what}{'' if what == _KILLED else self._last_lines[name]}"
            for name, what in self._failures
        )


def _take_signals(context: LaunchContext) -> None:
    """Ctrl-C is left to launch; SIGTERM and SIGHUP end all processes, too.

    Launch hears of Ctrl-C by a wakeup file descriptor. If Python raises KeyboardInterrupt as well, and just
    while launch starts a process, then launch loses that process and waits for it for ever. At SIGTERM
    (``kill``, systemd, docker) and SIGHUP (a terminal or an ssh session that is gone) launch dies and leaves
    all its processes running.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: None)
    end_all = _end_all(context)
    manager = getattr(AsyncSafeSignalManager, "_AsyncSafeSignalManager__current", None)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if manager is not None and signal.getsignal(number) == signal.SIG_DFL:
            manager.handle(number, None)  # its own only cancels launch
            signal.signal(number, end_all)


def _end_all(context: LaunchContext) -> Callable[[int, object], None]:
    asked = threading.Event()

    def ask(number: int, _: object) -> None:
        if not asked.is_set():
            asked.set()
            event = Shutdown(reason=signal.Signals(number).name)
            context.asyncio_loop.call_soon_threadsafe(context.emit_event_sync, event)

    return ask


class _Raise(EventHandler):
    def __init__(self, ending: Ending) -> None:
        def ours(event: Event) -> bool:
            return isinstance(event, _Failed) and event.ending is ending

        super().__init__(matcher=ours, handle_once=True)
        self._ending = ending

    def handle(self, event: Event, context: LaunchContext) -> None:
        super().handle(event, context)
        raise LaunchFailed(self._ending.reason())


class _After(Action):
    """Does something a little later, also while launch shuts down (where a timer is cancelled)."""

    def __init__(self, seconds: float, then: Callable[[LaunchContext], None]) -> None:
        super().__init__()
        self._seconds = seconds
        self._then = then
        self._task: asyncio.Task[None] | None = None

    def execute(self, context: LaunchContext) -> None:
        """Begin to wait."""
        self._task = context.asyncio_loop.create_task(self._wait(context))

    async def _wait(self, context: LaunchContext) -> None:
        await asyncio.sleep(self._seconds)
        self._then(context)

    def get_asyncio_future(self) -> Any:
        """Launch does not end before it is done."""
        return self._task


class _LastLine:
    """The last error that a process wrote, or its last line.

    Attributes:
        line: Its last line that is not empty.
    """

    def __init__(self) -> None:
        self._error = self._rest = self.line = ""

    def take(self, event: ProcessIO) -> None:
        *lines, self._rest = (self._rest + event.text.decode(errors="replace")).split("\n")
        for line in lines:
            self._read(line)

    def _read(self, coloured: str) -> None:
        line = _COLOUR.sub("", coloured).strip()
        if found := _ERROR.search(line):
            self._error = found[1]
        self.line = line or self.line

    def __str__(self) -> str:
        self._read(self._rest)
        words = self._error or self.line
        return f": {words}" if words else ""
