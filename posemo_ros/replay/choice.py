"""What of a source is read, and how."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError


@dataclass(frozen=True)
class Choice:
    """What of a source is read, and how; empty or None leaves it to the source.

    Attributes:
        rate_hz: Images per second instead of the source's own time.
        topic: Image topic of a bag.
        camera_info: Topic of a bag, or a file (camera_calibration's YAML, or JSON as in
            ``camera_beside``), with the intrinsics.
        strict: The first loss is an error.
        depth_topic: Depth images of a bag, aligned with the pictures.
    """

    rate_hz: float | None = None
    topic: str = ""
    camera_info: str = ""
    strict: bool = False
    depth_topic: str = ""

    def __post_init__(self) -> None:
        if self.rate_hz is not None and not 0 < self.rate_hz <= 10_000:
            raise InputError(f"rate: {self.rate_hz}; expected images per second, above 0")
        if self.rate_hz is not None and self.depth_topic:
            raise InputError(
                f"depth images ({self.depth_topic}) are found by the stamps of the messages, and a rate "
                f"({self.rate_hz:g}) replaces these: give one of both"
            )
