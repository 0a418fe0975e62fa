"""Whether an emotion network runs behind the networks whose answers it learned from.

It has learned their errors along with the movement and the scene: behind another lifter its answers
are others than in its test, and nothing else would tell.
"""

from __future__ import annotations

from collections.abc import Iterator

from .inference.manifest import EmotionSpec
from .inference.store import ModelStore
from .settings import Models

SMALLER = ("", "-fp16", "-int8")  # what `python -m train export` adds to the name of the same network
_DIGITS = 12
_WHAT = {"detector": "detector", "keypoints": "keypoint network", "context": "file of the encoder"}


def is_called(name: str, wanted: str) -> bool:
    """Whether a model is the wanted one, or a smaller file of it."""
    return name in [f"{wanted}{suffix}" for suffix in SMALLER]


def unlike_training(models: Models, store: ModelStore) -> list[str]:
    """What stands before the emotion network and is not what it was trained behind; a sentence each.

    Entries that do not say what they were trained behind are not spoken of.

    Args:
        models: The chain; its lifter may be one of another machine, which the store does not have.
        store: Of the manifests.
    """
    entry = store.specs().get(models.emotion)
    if entry is None or not isinstance(entry.spec, EmotionSpec):
        return []
    spec, said = entry.spec, []
    if spec.poses and models.lifter and (other := _another_lifter(spec, models.lifter, store)):
        said.append(
            f"emotion network {models.emotion!r} learned from {_poses(spec)}, here they come from {other}: "
            f"its answers may be others than in its test; {_advice(spec)}train it on this one's poses"
        )
    said += [
        f"emotion network {models.emotion!r} was trained behind another {_WHAT[station]} than {name!r} "
        f"(SHA-256 {learned[:_DIGITS]}…, here {store.sha256(name)[:_DIGITS]}…): its answers may be others "
        "than in its test"
        for station, name, learned in _others(spec, models)
        if _is_other_file(name, learned, store)
    ]
    return said


def _others(spec: EmotionSpec, models: Models) -> Iterator[tuple[str, str, str]]:
    """Station, its model in the chain, and the file it had in training; but for the lifter."""
    for station in _WHAT:
        if station != "context" or spec.context_frames:
            yield station, getattr(models, station), spec.trained_behind.get(station, "")


def _poses(spec: EmotionSpec) -> str:
    """In words, of the lifter or the data."""
    learned = spec.trained_behind.get("lifter", "")
    return f"the poses of {spec.poses!r} (SHA-256 {learned[:_DIGITS]}…)" if learned else spec.poses


def _advice(spec: EmotionSpec) -> str:
    """Words about data name no lifter that could be taken."""
    return "" if " " in spec.poses else "take that lifter, or "


def _another_lifter(spec: EmotionSpec, lifter: str, store: ModelStore) -> str:
    """The lifter at hand where it is another one than in training, in words; else nothing.

    The file decides, since exports give names of their own; where it is not here, the name does.
    """
    learned = spec.trained_behind.get("lifter", "")
    if learned and lifter in store.specs() and store.present(lifter) and _compares(lifter):
        digest = store.sha256(lifter)
        return "" if digest == learned else f"{lifter!r} (SHA-256 {digest[:_DIGITS]}…)"
    return "" if is_called(lifter, spec.poses) else repr(lifter)


def _is_other_file(name: str, learned: str, store: ModelStore) -> bool:
    if not learned or not _compares(name) or name not in store.specs() or not store.present(name):
        return False
    return store.sha256(name) != learned


def _compares(name: str) -> bool:
    """A smaller file of the same network has another checksum, of course."""
    return not name.endswith(SMALLER[1:])
