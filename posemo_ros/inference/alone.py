"""Large networks answer for one person per request, several requests at once.

With as many people as cores, or more, every core has a request of its own: nobody waits for a share of
somebody else's. Measured on two cores with the shipped keypoint networks, that takes 0.8 to 0.9 of one
request for all on ONNX Runtime (even numbers; of three or five about the same), 0.7 on OpenVINO. Who is left
over follows on all cores, alone, too: what somebody gets does not depend on who else is there. (With other
numbers of threads the last bits may differ.)
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from .session import TensorSpec

STREAMS = 4  # so many people at once at most
LARGE = 10_000  # numbers in one person's input: from here on a person is worth a request


def takes_people(inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> bool:
    """Whether the batch, and nothing else, is free, and one of it is large."""
    free = all(spec.shape[:1] == (-1,) and -1 not in spec.shape[1:] for spec in (*inputs, *outputs))
    return free and sum(prod(spec.shape[1:]) for spec in inputs) >= LARGE


def streams_for(threads: int, shapes: Sequence[tuple[int, ...]] | None) -> int:
    """How many requests there may be at once.

    Args:
        threads: CPU threads.
        shapes: That the inputs will have, see ``open_session``. A scene's encoder may leave the batch
            free and be given one image at a time: a second network for it would be memory for nothing.
    """
    return 1 if shapes and shapes[0][:1] == (1,) else min(threads, STREAMS)


def threads_each(threads: int, streams: int) -> int:
    """Of every stream, so that together they have about as many as there are."""
    return round(threads / streams)


def at_once(people: int, streams: int) -> int:
    """How many of the people are looked at in parallel; the rest follow each other on all cores."""
    return people // streams * streams if streams > 1 else 0
