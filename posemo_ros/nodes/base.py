"""What all nodes share: lifecycle, parameters, diagnostics."""

from __future__ import annotations

import ctypes
import gc
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import wraps
from typing import Any, ClassVar, Generic, TypeVar, cast

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from posemo_msgs.msg import Statistics
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter as RosParameter
from rclpy.qos import QoSProfile

from .. import diagnostics as keys
from ..errors import InputError, PosemoError
from ..topics import DIAGNOSTICS
from . import qos
from .declaration import Parameter, Parameters, Value, checked, parameters_of
from .given import checked_values, shared_names
from .monitor import ERROR, OK, WARN, Monitor, Window, to_statistics, to_status
from .parameters import PARAMETERS

P = TypeVar("P", bound=Parameters)
L = TypeVar("L")
N = TypeVar("N", bound="PosemoNode[Any, Any]")
Transition = Callable[[N, LifecycleState], TransitionCallbackReturn]

SUCCESS = TransitionCallbackReturn.SUCCESS
DEACTIVATE_S = 0.08
SHUTDOWN_S = 5.0
ACKNOWLEDGE_S = 1.0
TICK_S = 0.2
PUBLISH_S = 1.0
LOG_AGAIN_S = 10.0
CLOCK_S = 1.5
STATISTICS = "statistics"
AGAIN = 75  # exit code, EX_TEMPFAIL of sysexits.h: this process is beyond help, a new one may not be
ASLEEP = {
    "unconfigured": "not configured: it waits for the transition configure",
    "inactive": "not active: it waits for the transition activate",
    "finalized": "shut down",
}


def qos_key(topic: str) -> str:
    """Key of the problem that a topic's publisher and this node want different qualities of service."""
    return f"qos {topic}"


class SwitchedOff(Exception):
    """Raised by ``load``: the parameters leave this node nothing to do, and that is fine."""


def reported(transition: Transition[N]) -> Transition[N]:
    """Log what a transition raises and let it fail; rclpy would swallow it."""

    @wraps(transition)
    def guarded(node: N, state: LifecycleState) -> TransitionCallbackReturn:
        name = transition.__name__.removeprefix("on_")
        try:
            result = transition(node, state)
        except PosemoError as error:
            node.report(name, f"{name} failed: {error}")
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            node.report(name, f"{name} failed: {error!r}\n{traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR
        node.monitor.clear(name)
        return result

    return guarded


class PosemoNode(LifecycleNode, Generic[P, L]):
    """A lifecycle node of this package.

    Derived classes fill the hooks ``load`` (configure), ``start`` (activate) and ``tick`` (all the
    time). What has to be undone is given to ``on_stop`` and ``on_free`` as soon as it is done, so
    that a transition that fails half-way leaves nothing behind.

    Attributes:
        kind: Which node it is, a key of ``parameters.PARAMETERS``; its name unless remapped.
        monitor: Counters and problems, published as diagnostics.
        params: The parameters; replaced as a whole when one changes.
        exit_code: None while the process shall go on.
        patience_s: How long work under way may take to end while the node stops.
    """

    kind: ClassVar[str]

    def __init__(self, **kwargs: Any) -> None:
        """Declare the parameters.

        Raises:
            InputError: Parameters of a wrong name, type or range were given.
        """
        super().__init__(self.kind, **kwargs)
        try:
            self.monitor = Monitor()
            self.exit_code: int | None = None
            self.patience_s = SHUTDOWN_S
            self._loaded: L | None = None
            self._to_free = ExitStack()
            self._to_stop = ExitStack()
            self._publishers_made: list[LifecyclePublisher] = []
            self.params = self._declare_parameters(kwargs.get("cli_args") or [])
            self.add_pre_set_parameters_callback(self._convert_parameters)
            self.add_on_set_parameters_callback(self._check_parameters)
            self.add_post_set_parameters_callback(self._take_parameters)
            self._answer_every_change_of_state()
            self._diagnostics = self.create_publisher(DiagnosticArray, DIAGNOSTICS, qos.results())
            # Not the node's clock: with use_sim_time it may stand still, and that is worth reporting.
            self._statistics = self.create_publisher(Statistics, f"~/{STATISTICS}", qos.results())
            self._ticker = self.create_timer(
                TICK_S, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME)
            )
            self._made = self._published = time.monotonic()
            self._published_level = b""
            self._logged: dict[str, tuple[float, int]] = {}
        except BaseException:
            self.destroy_node()
            raise

    # Hooks -------------------------------------------------------------------------------------

    def load(self) -> L:
        """Validate, load models, warm up and make publishers; raise PosemoError with what is wrong."""
        raise NotImplementedError

    def shown(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Those of the given parameters that must not be seen as they are, as they may be seen.

        Everybody on the network can read parameters; what is secret in them is kept by the node.
        """
        return {}

    def await_idle(self) -> None:
        """Before activation: make sure that no work of before is left; raise PosemoError otherwise."""

    def start(self, loaded: L) -> None:
        """Subscribe and begin to work with what ``load`` returned."""

    def tick(self) -> None:
        """Look after things, every ``TICK_S`` seconds in any state."""

    def judge(self, window: Window) -> None:
        """Raise or end problems that the numbers of the last second show."""

    def forget_work(self) -> None:
        """At cleanup: what was loaded is gone, and with it what any thread still does with it."""

    # For derived classes -----------------------------------------------------------------------

    def on_free(self, undo: Callable[[], object]) -> None:
        """Call this at cleanup, the latest first."""
        self._to_free.callback(undo)

    def on_stop(self, undo: Callable[[], object]) -> None:
        """Call this at deactivation, the latest first; publishers still work."""
        self._to_stop.callback(undo)

    def publisher(self, kind: type, topic: str, profile: QoSProfile | None = None) -> LifecyclePublisher:
        """A publisher that lives until cleanup and only works while the node is active."""
        with qos.refusals(topic):
            made = self.create_lifecycle_publisher(
                kind, topic, profile or qos.results(), qos_overriding_options=qos.overridable()
            )
        self._publishers_made.append(made)
        self.on_free(lambda: self.destroy_lifecycle_publisher(made))
        return made

    def subscribe(
        self, kind: type, topic: str, callback: Callable[..., None], profile: QoSProfile
    ) -> Callable[[], None]:
        """Subscribe until the node stops, or until what is returned is called."""
        with qos.refusals(topic):
            key = qos_key(self.resolve_topic_name(topic))
            made = self.create_subscription(
                kind,
                topic,
                callback,
                profile,
                event_callbacks=qos.incompatible(self, topic, profile, lambda text: self.warn(key, text)),
                qos_overriding_options=qos.overridable(),
            )
        standing = [made]

        def leave() -> None:
            if standing:
                self.destroy_subscription(standing.pop())
                self.monitor.clear(key)

        self.on_stop(leave)
        return leave

    def finish(self, exit_code: int = 0) -> None:
        """End the process."""
        self.exit_code = exit_code

    def report(self, key: str, text: str) -> None:
        """Log an error and keep it in the diagnostics."""
        self.monitor.problem(key, text.splitlines()[0])
        self.get_logger().error(text)

    def report_failure(self, error: Exception) -> None:
        """Say that one message could not be worked on; the next one gets its turn."""
        self.monitor.count(keys.FAILED)
        expected = isinstance(error, PosemoError)
        self.monitor.problem("work", str(error) if expected else repr(error))
        text = str(error) if expected else "".join(traceback.format_exception(error))
        self.log_now_and_then("work", text)

    def warn(self, key: str, text: str) -> None:
        """Raise a problem that leaves the node working, or end it with an empty text; log what is new."""
        if not text:
            self.monitor.clear(key)
        elif self.monitor.problem(key, text, WARN):
            self.log_now_and_then(key, text, WARN)

    def log_now_and_then(self, key: str, text: str, level: bytes = ERROR) -> None:
        """Log a text; of those with the same key at most one in ``LOG_AGAIN_S`` seconds."""
        now = time.monotonic()
        last, left_out = self._logged.get(key, (-LOG_AGAIN_S, 0))
        if now - last < LOG_AGAIN_S:
            self._logged[key] = (last, left_out + 1)
            return
        self._logged[key] = (now, 0)
        more = f" (and {left_out} more since the last line like this)" if left_out else ""
        log = self.get_logger()
        if level == ERROR:  # rclpy wants one line of the program for every level
            log.error(text + more)
        else:
            log.warning(text + more)

    def latency_ms(self, stamp_ns: int) -> float:
        """Milliseconds since a stamp on the node's clock."""
        return float(self.get_clock().now().nanoseconds - stamp_ns) / 1e6

    @property
    def state(self) -> str:
        """``unconfigured``, ``inactive``, ``active`` or ``finalized``."""
        return str(self._state_machine.current_state[1])

    # Lifecycle ---------------------------------------------------------------------------------

    @reported
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load."""
        self.monitor.clear("off")
        try:
            self._loaded = self.load()
        except SwitchedOff as reason:
            self.monitor.problem("off", f"switched off: {reason}", OK)
            self.get_logger().info(f"switched off: {reason}")
        except BaseException:
            self._free()
            raise
        return SUCCESS

    @reported
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Publish and subscribe."""
        self.await_idle()
        result = super().on_activate(state)
        try:
            if self._loaded is not None:
                self.start(self._loaded)
        except BaseException:
            self._stop(DEACTIVATE_S)
            super().on_deactivate(state)
            raise
        return result

    @reported
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe."""
        self._stop(DEACTIVATE_S)
        return super().on_deactivate(state)

    @reported
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free models and publishers."""
        self._free()
        return SUCCESS

    @reported
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop if active, and free everything."""
        self._stop(SHUTDOWN_S)
        self._free()
        return SUCCESS

    @reported
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After an unexpected error: back to the beginning, ready to be configured again."""
        self._stop(DEACTIVATE_S)
        self._free()
        return SUCCESS

    def _stop(self, patience_s: float) -> None:
        self.patience_s = patience_s
        self._to_stop.close()

    def _free(self) -> None:
        self._loaded = None
        self.forget_work()
        for publisher in self._publishers_made:
            publisher.wait_for_all_acked(qos.seconds(ACKNOWLEDGE_S / len(self._publishers_made)))
        self._publishers_made.clear()
        self._to_free.close()
        _return_memory()

    def _answer_every_change_of_state(self) -> None:
        """Refuse transitions that the state does not allow; rclpy would raise and never answer."""
        service = self._service_change_state
        change = service.callback

        def answer(request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
            wanted = request.transition
            possible = [(number, label) for number, label, *_ in self._state_machine.available_transitions]
            if not any(label == wanted.label if wanted.label else n == wanted.id for n, label in possible):
                self.get_logger().warning(
                    f"transition {wanted.label or wanted.id} is refused: the node is {self.state}, which "
                    f"allows {', '.join(f'{label} ({number})' for number, label in possible)}"
                )
                response.success = False
                return response
            return change(request, response)

        service.callback = answer

    # Parameters --------------------------------------------------------------------------------

    def _declare_parameters(self, arguments: Sequence[str]) -> P:
        kind = PARAMETERS[self.kind]
        self._known = parameters_of(kind)
        overrides: dict[str, RosParameter] = self._parameter_overrides
        given = {name: parameter.value for name, parameter in overrides.items()}
        values, warnings = checked_values(self._known, given, shared_names([*sys.argv, *arguments]))
        for text in warnings:
            self.get_logger().warning(text)
        values = {**values, **self.shown(values)}
        overrides.update({name: RosParameter(name, value=value) for name, value in values.items()})
        for parameter in self._known.values():
            _declare(self, parameter)
        return cast(P, kind(**values))  # type: ignore[arg-type]

    def _convert_parameters(self, changes: list[RosParameter]) -> list[RosParameter]:
        """An integer where a double is wanted becomes one; what is wrong is left for the check."""
        converted = []
        for change in changes:
            try:
                known = self._known.get(change.name)
                value = checked(known, change.value) if known else change.value
                converted.append(RosParameter(change.name, value=value) if known else change)
            except InputError:
                converted.append(change)
        return converted

    def _check_parameters(self, changes: Sequence[RosParameter]) -> SetParametersResult:
        wrong = []
        for change in changes:
            try:
                if change.name in self._known:
                    checked(self._known[change.name], change.value)
            except InputError as error:
                wrong.append(str(error))
        return SetParametersResult(successful=not wrong, reason="; ".join(wrong))

    def _take_parameters(self, changes: Sequence[RosParameter]) -> None:
        known = {c.name: checked(self._known[c.name], c.value) for c in changes if c.name in self._known}
        self.params = replace(self.params, **known)  # type: ignore[arg-type]

    # Diagnostics -------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._check_state()
        self._check_clock()
        self.tick()
        due = time.monotonic() - self._published >= PUBLISH_S
        if due:
            self.judge(self.monitor.end_window())
        if due or self.monitor.level != self._published_level:
            self.publish_diagnostics()

    def _check_state(self) -> None:
        if asleep := ASLEEP.get(self.state):
            self.monitor.problem("state", asleep, WARN)
        else:
            self.monitor.clear("state")

    def _check_clock(self) -> None:
        waits = self.get_parameter("use_sim_time").value and not self.get_clock().now().nanoseconds
        if not waits:
            self.monitor.clear("clock")
        elif time.monotonic() - self._made > CLOCK_S:
            text = "use_sim_time is true but nothing comes on /clock: start the simulation or the bag with \
--clock, or set use_sim_time to false"
            if self.monitor.problem("clock", text):
                self.get_logger().error(text)

    def publish_diagnostics(self) -> None:
        """Publish diagnostics and statistics now."""
        self._published = time.monotonic()
        self._check_state()
        self.monitor.set(keys.STATE, self.state)
        snapshot = self.monitor.snapshot()
        self._published_level = snapshot.level
        array = DiagnosticArray(status=[to_status(snapshot, self.get_fully_qualified_name())])
        statistics = to_statistics(snapshot)
        array.header.stamp = statistics.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)
        self._statistics.publish(statistics)


def _return_memory() -> None:
    """Give what was freed back to the system; malloc would keep it, more with every round."""
    gc.collect()
    with suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def _declare(node: LifecycleNode, parameter: Parameter) -> None:
    default = parameter.default
    descriptor = ParameterDescriptor(
        description=parameter.description,
        read_only=not parameter.live,
        additional_constraints=f"one of {', '.join(parameter.choices)}" if parameter.choices else "",
    )
    if parameter.minimum is not None and isinstance(default, int):
        span = IntegerRange(from_value=int(parameter.minimum), to_value=int(parameter.maximum or 0), step=1)
        descriptor.integer_range = [span]
    elif parameter.minimum is not None:
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=parameter.minimum, to_value=float(parameter.maximum or 0))
        ]
    node.declare_parameter(
        parameter.name, list(default) if isinstance(default, tuple) else default, descriptor
    )
