"""A node as a process: from its start to its exit code."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

from ..errors import InputError, PosemoError
from . import transport
from .base import PosemoNode
from .start import asked_to_end, catch_signals

Node = PosemoNode[Any, Any]

ARGUMENTS = "the arguments for ROS, its environment or a parameter file cannot be used"
ROS_MODULES = ("rclpy", "_rclpy_pybind11", "rpyutils")
DOMAINS = 232  # beyond it, DDS has no ports
LOG_ADVICE = " (set HOME or ROS_LOG_DIR to a folder that can be written)"
_WHERE = re.compile(r",? at (?:\./src|/)")  # rcl names the line of its source


def run(kind: type[Node], args: Sequence[str] | None = None) -> int:
    """Run a node until it ends or is interrupted.

    Returns:
        Exit code: 0, also after SIGINT and SIGTERM; 1 when it could not be brought up by itself, or
        failed at its task; ``base.AGAIN`` when work hung again and again.
    """
    node: Node | None = None
    catch_signals()
    try:
        _check_domain()
        with _plain_errors(ARGUMENTS, of_ros_alone=False):
            # Our own handlers: rclpy's would take the publishers away before the last results are out.
            rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        with _plain_errors("ROS cannot make the node", of_ros_alone=True):
            node = kind()
        _forward_log(node)
        _tidy_up(node)
        _bring_up(node)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while rclpy.ok() and node.exit_code is None and not asked_to_end.is_set():
            _spin_once(executor, node)
        return node.exit_code or 0
    except ExternalShutdownException:
        return 0
    except PosemoError as error:
        rclpy.logging.get_logger(kind.kind).error(str(error))
        return 1
    finally:
        if node is not None:
            _bring_down(node)
        rclpy.try_shutdown()
        asked_to_end.clear()


@contextmanager
def _plain_errors(what: str, *, of_ros_alone: bool) -> Iterator[None]:
    """What ROS refuses (a name, a parameter, the environment) in one line.

    Args:
        what: Could not be done.
        of_ros_alone: Leave other errors as they are.
    """
    try:
        yield
    except UnicodeError as error:
        raise InputError(
            f"{what}: a name is not UTF-8, which ROS wants; rename the file or link it"
        ) from error
    except Exception as error:  # rcl's errors have no common class
        if of_ros_alone and not _is_of_ros(error):
            raise
        reason = _WHERE.split(" ".join(str(error).split()))[0].rstrip(" :,^")
        advice = LOG_ADVICE if "logging directory" in reason else ""
        raise InputError(f"{what}: {reason}{advice}") from error


def _is_of_ros(error: Exception) -> bool:
    return any(kind.__module__.partition(".")[0] in ROS_MODULES for kind in type(error).__mro__)


def _check_domain() -> None:
    """Fast DDS would end the process by itself, and say something of port numbers."""
    domain = os.environ.get("ROS_DOMAIN_ID", "")
    if domain and not (domain.isascii() and domain.isdecimal() and int(domain) <= DOMAINS):
        raise InputError(f"ROS_DOMAIN_ID is {domain!r}; it must be a number from 0 to {DOMAINS}")


def _spin_once(executor: SingleThreadedExecutor, node: Node) -> None:
    try:
        executor.spin_once(timeout_sec=0.1)
    except ExternalShutdownException:
        raise
    except Exception as error:  # one callback that fails must not end the node
        node.report_failure(error)


class _ToRosLog(logging.Handler):
    """What the core logs, in the node's log."""

    def __init__(self, node: Node) -> None:
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


def _forward_log(node: Node) -> None:
    core = logging.getLogger((__package__ or "posemo_ros").partition(".")[0])
    core.addHandler(_ToRosLog(node))
    core.setLevel(logging.INFO)
    core.propagate = False


def _tidy_up(node: Node) -> None:
    """Whoever is killed again and again must not fill the memory with segments of 128 MB."""
    freed = transport.remove_leftovers()
    if freed:
        node.get_logger().info(
            f"removed {freed / transport.MIB:.0f} MiB of shared memory that killed processes have left"
        )


def _bring_up(node: Node) -> None:
    if not node.params.autostart:
        return
    for trigger in (node.trigger_configure, node.trigger_activate):
        if asked_to_end.is_set():
            return
        if trigger() != TransitionCallbackReturn.SUCCESS:
            node.publish_diagnostics()
            node.finish(1)
            return


def _bring_down(node: Node) -> None:
    try:
        if rclpy.ok() and node.state in ("active", "inactive", "unconfigured"):
            node.trigger_shutdown()
    finally:
        node.destroy_node()
