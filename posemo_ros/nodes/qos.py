"""Qualities of service, and what to say when two sides do not match."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rclpy.duration import Duration
from rclpy.event_handler import QoSRequestedIncompatibleQoSInfo, SubscriptionEventCallbacks
from rclpy.exceptions import NameValidationException, ParameterException
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.topic_endpoint_info import TopicEndpointInfo

from ..errors import InputError


def newest(depth: int = 1) -> QoSProfile:
    """For images: sensor-data quality, the newest counts."""
    return _keep_last(depth, ReliabilityPolicy.BEST_EFFORT)


def results(depth: int = 10) -> QoSProfile:
    """For what this package publishes and passes on: reliable, so that every subscriber fits."""
    return _keep_last(depth, ReliabilityPolicy.RELIABLE)


def _keep_last(depth: int, reliability: ReliabilityPolicy) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=reliability,
        durability=DurabilityPolicy.VOLATILE,
    )


def seconds(value: float) -> Duration:
    """A duration."""
    return Duration(nanoseconds=round(value * 1e9))


def overridable() -> QoSOverridingOptions:
    """Users may override history, depth and reliability with the parameters `qos_overrides…`."""
    return QoSOverridingOptions.with_default_policies()


@contextmanager
def refusals(topic: str) -> Iterator[None]:
    """What ROS says against a topic's name or overridden quality, as an error of ours."""
    try:
        yield
    except (RuntimeError, ValueError, ParameterException, NameValidationException) as error:
        raise InputError(f"{topic}: {' '.join(str(error).split())}") from error


def incompatible(
    node: Node, topic: str, asked: QoSProfile, say: Callable[[str], None]
) -> SubscriptionEventCallbacks:
    """Callbacks that tell both sides of a connection that cannot come about, and what to do."""
    full = node.resolve_topic_name(topic)

    def on_incompatible(event: QoSRequestedIncompatibleQoSInfo) -> None:
        try:
            policy = QoSPolicyKind(event.last_policy_kind).name.lower()
        except ValueError:
            policy = str(event.last_policy_kind)
        say(
            f"incompatible QoS on {full}: policy {policy}; this node asks for {describe(asked)}; "
            f"publishers: {describe_publishers(node, full) or 'none seen any more'}. "
            f"Change the publisher, or the parameter qos_overrides.{full}.subscription.{policy}"
        )

    return SubscriptionEventCallbacks(incompatible_qos=on_incompatible, use_default_callbacks=False)


def describe_publishers(node: Node, topic: str) -> str:
    """The publishers of a topic with their quality; empty when there are none."""
    return ", ".join(
        f"{_name_of(info)} ({info.topic_type}, {describe(info.qos_profile)})"
        for info in node.get_publishers_info_by_topic(topic)
    )


def _name_of(info: TopicEndpointInfo) -> str:
    """Of the node; whoever publishes without ROS, or came a moment ago, has none."""
    if info.node_name == "_NODE_NAME_UNKNOWN_":
        return "a node without a name"
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"


def describe(profile: QoSProfile) -> str:
    """``reliable, volatile``."""
    return f"{profile.reliability.name.lower()}, {profile.durability.name.lower()}"


def describe_own(node: Node, topic: str) -> str:
    """What a node's own subscription asks for, overrides included."""
    own = (node.get_name(), node.get_namespace())
    found = node.get_subscriptions_info_by_topic(topic)
    return next((describe(e.qos_profile) for e in found if (e.node_name, e.node_namespace) == own), "nothing")
