"""What all nodes share: lifecycle, parameters, diagnostics, start and end."""

from __future__ import annotations

import logging
import signal
import traceback
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ClassVar, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter as RosParameter
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions

from ..errors import PosemoError
from ..topics import DIAGNOSTICS
from . import qos
from .monitor import Monitor
from .parameters import NODES, Parameter, check

S = TypeVar("S", bound="Station")
Transition = Callable[[S, LifecycleState], TransitionCallbackReturn]

_TRANSITION_DONE = TransitionCallbackReturn.SUCCESS


def reported(transition: Transition[S]) -> Transition[S]:
    """Log what a transition raises and let it fail; rclpy would swallow it."""

    @wraps(transition)
    def guarded(station: S, state: LifecycleState) -> TransitionCallbackReturn:
        name = transition.__name__.removeprefix("on_")
        try:
            result = transition(station, state)
        except PosemoError as error:
            station.report(name, f"{name} failed: {error}")
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            station.report(name, f"{name} failed: {error!r}\n{traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR
        station.monitor.clear(name)
        return result

    return guarded


class Station(LifecycleNode):
    """A lifecycle node of this package.

    Derived classes fill the hooks ``load`` (configure), ``start`` (activate), ``stop``
    (deactivate), ``unload`` (cleanup) and ``tick`` (once a second).

    Attributes:
        kind: Which node it is, a key of ``parameters.NODES``; also its name unless remapped.
        monitor: Counters and problems, published as diagnostics.
        values: The parameters by name; replaced as a whole when one changes.
    """

    kind: ClassVar[str]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(self.kind, **kwargs)
        self.monitor = Monitor()
        self.values: dict[str, Any] = {}
        self.exit_code: int | None = None
        self._publishers_made: list[LifecyclePublisher] = []
        self._table = {parameter.name: parameter for parameter in NODES[self.kind]}
        for parameter in self._table.values():
            self.values[parameter.name] = _declare(self, parameter)
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._take_parameters)
        self._diagnostics = self.create_publisher(DiagnosticArray, DIAGNOSTICS, qos.results())
        # Not the node's clock: with use_sim_time it may stand still, and that is worth reporting.
        self._ticker = self.create_timer(1.0, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def load(self) -> None:
        """Validate, load models and warm up; raise PosemoError with what is wrong."""

    def start(self) -> None:
        """Subscribe."""

    def stop(self) -> None:
        """Unsubscribe and finish what is under way; publishers still work."""

    def unload(self) -> None:
        """Free what ``load`` made."""

    def tick(self) -> None:
        """Look after things once a second, in any state."""

    def finish(self, exit_code: int = 0) -> None:
        """End the process."""
        self.exit_code = exit_code

    def publisher(self, kind: type, topic: str, profile: QoSProfile | None = None) -> LifecyclePublisher:
        """A publisher that lives until cleanup and only works while the node is active."""
        made = self.create_lifecycle_publisher(
            kind, topic, profile or qos.results(), qos_overriding_options=qos.overridable()
        )
        self._publishers_made.append(made)
        return made

    def report(self, key: str, text: str) -> None:
        """Log an error and keep it in the diagnostics."""
        self.monitor.problem(key, text.splitlines()[0])
        self.get_logger().error(text)

    def report_failure(self, error: Exception) -> None:
        """Say that one message could not be worked on; the next one gets its turn."""
        self.monitor.count("failed")
        expected = isinstance(error, PosemoError)
        new = self.monitor.problem("work", str(error) if expected else repr(error))
        if new:
            text = str(error) if expected else "".join(traceback.format_exception(error))
            self.get_logger().error(text)

    def latency_ms(self, stamp_ns: int) -> float:
        """Milliseconds since a stamp on the node's clock."""
        return (self.get_clock().now().nanoseconds - stamp_ns) / 1e6

    @property
    def state(self) -> str:
        """``unconfigured``, ``inactive``, ``active`` or ``finalized``."""
        return str(self._state_machine.current_state[1])

    @reported
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load."""
        try:
            self.load()
        except BaseException:
            self._free()
            raise
        return _TRANSITION_DONE

    @reported
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Publish and subscribe."""
        result = super().on_activate(state)
        self.start()
        return result

    @reported
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe."""
        self._stop()
        return super().on_deactivate(state)

    @reported
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free models and publishers."""
        self._free()
        return _TRANSITION_DONE

    @reported
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop if active, and free everything."""
        if state.label == "active":
            self._stop()
        self._free()
        return _TRANSITION_DONE

    @reported
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After an unexpected error: back to the beginning, ready to be configured again."""
        if state.label == "active":
            self.stop()
        self._free()
        return _TRANSITION_DONE

    def _stop(self) -> None:
        self.stop()
        for publisher in self._publishers_made:
            publisher.wait_for_all_acked(rclpy.duration.Duration(seconds=1))

    def _free(self) -> None:
        self.unload()
        for publisher in self._publishers_made:
            self.destroy_lifecycle_publisher(publisher)
        self._publishers_made.clear()

    def _check_parameters(self, changes: Sequence[RosParameter]) -> SetParametersResult:
        reasons = [check(self._table[c.name], c.value) for c in changes if c.name in self._table]
        reason = "; ".join(filter(None, reasons))
        return SetParametersResult(successful=not reason, reason=reason)

    def _take_parameters(self, changes: Sequence[RosParameter]) -> None:
        self.values = self.values | {c.name: c.value for c in changes if c.name in self._table}

    def _tick(self) -> None:
        self.tick()
        self.publish_diagnostics()

    def publish_diagnostics(self) -> None:
        """Publish the monitor's status now."""
        name = self.get_fully_qualified_name()
        self.monitor.fact("state", self.state)
        message = DiagnosticArray(status=[self.monitor.status(name)])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)


def _declare(node: LifecycleNode, parameter: Parameter) -> Any:
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
    value = list(default) if isinstance(default, tuple) else default
    return node.declare_parameter(parameter.name, value, descriptor).value


def run(station: type[Station], args: Sequence[str] | None = None) -> int:
    """Run a node until it ends or is interrupted.

    Returns:
        Exit code: 0, also after SIGINT and SIGTERM; 1 when it could not be brought up by itself.
    """
    # Our own handlers: rclpy's would take the publishers away before the last results are out.
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    node: Station | None = None
    try:
        node = station()
        _stop_on_signals(node)
        _forward_log(node)
        _bring_up(node)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while rclpy.ok() and node.exit_code is None:
            _spin_once(executor, node)
        return node.exit_code or 0
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except PosemoError as error:
        rclpy.logging.get_logger(station.kind).error(str(error))
        return 1
    finally:
        if node is not None:
            _bring_down(node)
        rclpy.try_shutdown()


def _spin_once(executor: SingleThreadedExecutor, node: Station) -> None:
    try:
        executor.spin_once(timeout_sec=0.1)
    except (KeyboardInterrupt, ExternalShutdownException):
        raise
    except Exception as error:  # one callback that fails must not end the node
        node.report_failure(error)


class _ToRosLog(logging.Handler):
    """What the core logs, in the node's log."""

    def __init__(self, node: Station) -> None:
        super().__init__()
        self._logger = node.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            self._logger.error(record.getMessage())
        elif record.levelno >= logging.WARNING:
            self._logger.warning(record.getMessage())
        elif record.levelno >= logging.INFO:
            self._logger.info(record.getMessage())
        else:
            self._logger.debug(record.getMessage())


def _forward_log(node: Station) -> None:
    core = logging.getLogger(__package__.partition(".")[0])
    core.addHandler(_ToRosLog(node))
    core.setLevel(logging.INFO)
    core.propagate = False


def _stop_on_signals(node: Station) -> None:
    def stop(*_: object) -> None:
        node.finish(node.exit_code or 0)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def _bring_up(node: Station) -> None:
    wrong = "; ".join(filter(None, (check(p, node.values[p.name]) for p in NODES[node.kind])))
    if wrong:
        raise PosemoError(wrong)
    if not node.values["autostart"]:
        return
    for trigger in (node.trigger_configure, node.trigger_activate):
        if trigger() != TransitionCallbackReturn.SUCCESS:
            node.publish_diagnostics()
            node.finish(1)
            return


def _bring_down(node: Station) -> None:
    try:
        if rclpy.ok() and node.state in ("active", "inactive", "unconfigured"):
            node.trigger_shutdown()
    finally:
        node.destroy_node()
