"""Keypoint labels in COCO's format as the many tools write them, made what pycocotools expects.

What can be told from the rest of the file is filled in, and reported; what cannot is refused. An AP of
0 must come from the network, never from the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, reason
from ..skeleton import COCO17
from ..text_files import json_of
from .film import BODY_SHARE

PERSON_NAMES = ("person", "human", "people", "pedestrian", "persons", "humans")
_FARTHEST_PX = 1e6
_BEYOND = 0.1  # of the image's size by which a box may reach over its edge
_PERCENT = 100
_ENOUGH = 3  # people who cannot all be an exception
_MARGIN = 0.1  # of their extent around keypoints that a box is made from


@dataclass(frozen=True)
class Labels:
    """Labels that pycocotools can read.

    Attributes:
        truth: ``images`` (``id`` from 1, ``file_name``, ``width`` and ``height`` or None),
            ``annotations`` (``id`` from 1) of people alone, ``categories``.
        notes: What was filled in or changed, in sentences.
    """

    truth: dict[str, Any]
    notes: tuple[str, ...] = ()


@dataclass
class _Found:
    """How often something was mended, and an example."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def notes(self) -> tuple[str, ...]:
        return tuple(f"{count} {what}" for what, count in self.counts.items())


def read_labels(path: Path, category: str = "") -> Labels:
    """The people of an annotation file; crowds stay, other categories go.

    Args:
        path: JSON file.
        category: Name of the category of people; told by its name or being alone when empty.

    Raises:
        InputError: The file cannot be read, is of another form, or does not fit itself.
    """
    try:
        data = json_of(path)
        if not isinstance(data, dict):
            raise InputError(
                "expected an object with 'images', 'annotations' and 'categories', not a "
                f"{type(data).__name__}: results, or annotations without their images?"
            )
        found = _Found()
        person, people = people_of(data, category)
        order, assumed = order_of_joints(person)
        if assumed:
            found.add(assumed)
        images, numbers = _images(data["images"])
        sizes = {i["id"]: (i["width"], i["height"]) for i in images}
        made = [_annotation(a, numbers, sizes, order, found) for a in people]
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: expected keypoint annotations in COCO's format: {reason(error)}"
        ) from error
    annotations = [{"id": n, **a} for n, a in enumerate(_once(filter(None, made), found), 1)]
    _refuse_nonsense(path, annotations, sizes)
    truth = {"images": images, "annotations": annotations, "categories": [{**person, "id": 1}]}
    return Labels(truth, found.notes())


def _once(people: Iterable[dict[str, Any]], found: _Found) -> Iterator[dict[str, Any]]:
    """Each label once: files that were put together repeat some, and nobody is found twice."""
    known = set[tuple[object, ...]]()
    for person in people:
        key = (person["image_id"], *person["bbox"], *person["keypoints"])
        if person["num_keypoints"] and key in known:
            found.add("people are labelled a second time with the same keypoints and box: left out")
            continue
        known.add(key)
        yield person


def people_of(data: Mapping[str, Any], category: str = "") -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The category of people, and the annotations of it.

    Args:
        data: The whole file.
        category: Its name; told by the usual names or being alone when empty.

    Raises:
        InputError: It cannot be told.
    """
    person = _person(data, category)
    number = _key(person["id"])
    return person, [a for a in data["annotations"] if _key(a.get("category_id", number)) == number]


def _person(data: Mapping[str, Any], wanted: str) -> dict[str, Any]:
    categories = [c for c in data.get("categories") or [] if isinstance(c, dict)]
    if not categories and not wanted:
        used = {a.get("category_id") for a in data["annotations"]}
        if len(used) == 1:
            return {"id": used.pop(), "name": "person"}
    names = [str(c.get("name")) for c in categories]
    if wanted:
        named = [c for c in categories if str(c.get("name")) == wanted]
    else:
        named = [c for c in categories if str(c.get("name", "")).strip().lower() in PERSON_NAMES]
        named = named or [c for c in categories if c.get("keypoints")]
        named = named or (categories if len(categories) == 1 else [])
    if len(named) != 1:
        raise InputError(
            f"expected one category of people ({wanted or ', '.join(PERSON_NAMES[:3])}) among {names}; "
            "name it with --category"
        )
    return dict(named[0])


def order_of_joints(person: Mapping[str, Any]) -> tuple[list[int], str]:
    """Indices of COCO's 17 keypoints in the list of a category, and what was assumed, or "".

    Raises:
        InputError: Some of them are not in it.
    """
    names = [_plain(n) for n in person.get("keypoints") or []]
    wanted = [_plain(n) for n in COCO17.joints]
    if not names:
        return list(range(len(wanted))), ""
    if set(wanted) <= set(names):
        return [names.index(n) for n in wanted], ""
    if len(names) == len(wanted):  # other words for the same joints, in COCO's order as the format says
        assumed = "category has its own words for the 17 keypoints: taken in COCO's order"
        return list(range(len(wanted))), assumed
    missing = [n for n in COCO17.joints if _plain(n) not in names]
    raise InputError(
        f"the category has {len(names)} keypoints without COCO's {', '.join(missing[:4])}; "
        "expected its 17 joints"
    )


def _plain(name: object) -> str:
    return str(name).strip().lower().replace(" ", "_").replace("-", "_")


def _images(entries: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The images with numbers of their own, and those numbers by the file's id."""
    images: list[dict[str, Any]] = []
    numbers: dict[str, int] = {}
    for entry in entries:
        if not entry.get("file_name"):
            raise InputError(f"image {entry.get('id')} has no 'file_name'")
        key, name = _key(entry["id"]), str(entry["file_name"])
        if key in numbers:
            if images[numbers[key] - 1]["file_name"] == name:
                continue
            raise InputError(
                f"two images have the id {key}: {images[numbers[key] - 1]['file_name']} and {name}; "
                "whose their labels are cannot be told"
            )
        numbers[key] = len(images) + 1
        sizes = {k: _size(entry.get(k)) for k in ("width", "height")}
        images.append({"id": numbers[key], "file_name": name, **sizes})
    return images, numbers


def _key(value: Any) -> str:
    """Of an id: 7, 7.0 and "7" are one."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _size(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and value > 0 else None


def _annotation(
    entry: Mapping[str, Any],
    numbers: Mapping[str, int],
    sizes: Mapping[int, tuple[int | None, int | None]],
    order: list[int],
    found: _Found,
) -> dict[str, Any] | None:
    """One person, complete; None when nothing says where it is."""
    if _key(entry["image_id"]) not in numbers:
        raise InputError(f"annotations for images it does not list: {entry['image_id']}")
    number = numbers[_key(entry["image_id"])]
    points = _keypoints(entry, order, found)
    seen = points[points[:, 2] > 0, :2]
    box = _box(entry, seen, sizes[number], found)
    if box is None:
        found.add("people have neither a box nor keypoints: left out")
        return None
    return {
        "image_id": number,
        "category_id": 1,
        "bbox": box,
        "area": _area(entry, box, found),
        "iscrowd": int(is_crowd(entry)),
        "keypoints": points.ravel().tolist(),
        "num_keypoints": len(seen),
    }


def is_crowd(entry: Mapping[str, Any]) -> bool:
    """Whether an annotation is of several people, also where it says so in words."""
    return str(entry.get("iscrowd") or 0).strip().lower() not in ("0", "0.0", "false", "no", "")


def _numbers(entry: Mapping[str, Any], key: str, expected: str) -> NDArray[np.float64]:
    """A list of an annotation; None in it is NaN."""
    try:
        return np.array(entry[key], np.float64).ravel()
    except (TypeError, ValueError):
        raise InputError(
            f"annotation {entry.get('id')} has {str(entry[key])[:60]!r} as {key!r}; expected {expected}"
        ) from None


def _keypoints(entry: Mapping[str, Any], order: list[int], found: _Found) -> NDArray[np.float64]:
    raw = entry.get("keypoints")
    if raw is None or (isinstance(raw, Sequence) and not len(raw)):
        if not is_crowd(entry):
            found.add("people have no 'keypoints': count as having none labelled")
        return np.zeros((len(order), 3))
    flat = _numbers(entry, "keypoints", "x, y and visibility of each, in one list")
    if len(flat) % 3 or len(flat) // 3 <= max(order):
        raise InputError(
            f"annotation {entry.get('id')} has {len(flat)} numbers as keypoints, not {3 * len(order)}"
        )
    points = flat.reshape(-1, 3)[order]
    points[~np.isfinite(points).all(1)] = 0
    if (nowhere := placeholders(points)).any():
        found.add("people have keypoints at 0, 0 or -1, -1 called visible: taken as not labelled")
        points[nowhere] = 0
    if (farthest := np.abs(points[points[:, 2] > 0, :2]).max(initial=0)) > _FARTHEST_PX:
        raise InputError(f"annotation {entry.get('id')} has a keypoint at {farthest:g} pixels")
    return points


def placeholders(points: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Which of (n, 3) keypoints stand for none: some tools write 0, 0 or -1, -1 and call it visible."""
    at = points[:, :2]
    return np.asarray((points[:, 2] > 0) & ((at == 0).all(1) | (at == -1).all(1)), np.bool_)


def _box(
    entry: Mapping[str, Any],
    seen: NDArray[np.float64],
    size: tuple[int | None, int | None],
    found: _Found,
) -> list[float] | None:
    """x, y, width, height; made from the keypoints where the file's own cannot be right."""
    if entry.get("bbox"):
        box: list[float] = _numbers(entry, "bbox", "x, y, width, height in pixels").tolist()
        if len(box) != 4:
            raise InputError(f"annotation {entry.get('id')} has the box {box}, not x, y, width, height")
        problem = _problem_of(box, size)
        if not problem:
            if not _holds(box, seen):  # wrong, or somebody whose body goes on beyond the image
                found.add("people have a box that does not hold most of their keypoints: taken as it is")
            return box
    else:
        problem = "have no 'bbox'"
    made = _around(seen)
    found.add(f"people {problem}: {'made from the keypoints' if made else 'left out of the boxes'}")
    return made


def _problem_of(box: list[float], size: tuple[int | None, int | None]) -> str:
    x, y, width, height = box
    if not np.isfinite(box).all() or width <= 0 or height <= 0:
        return "have a box without extent"
    if size[0] and size[1] and (x >= size[0] or y >= size[1] or x + width <= 0 or y + height <= 0):
        return "have a box outside their image"
    return ""


def _holds(box: list[float], seen: NDArray[np.float64]) -> bool:
    low, extent = np.array(box[:2]), np.array(box[2:])
    inside = ((seen >= low - 0.25 * extent) & (seen <= low + 1.25 * extent)).all(1)
    return not len(seen) or bool(inside.mean() >= 0.5)


def _around(seen: NDArray[np.float64]) -> list[float] | None:
    if len(seen) < 2:
        return None
    low, high = seen.min(0), seen.max(0)
    margin = _MARGIN * np.maximum(high - low, 1)
    return [*(low - margin).tolist(), *(high - low + 2 * margin).tolist()]


def _area(entry: Mapping[str, Any], box: list[float], found: _Found) -> float:
    """The file's, or that of the outline, or the usual share of the box."""
    whole = box[2] * box[3]
    stated = entry.get("area")
    if isinstance(stated, (int, float)) and 0.01 * whole < stated <= 1.5 * whole:
        return float(stated)
    outline = entry.get("segmentation")
    if isinstance(outline, list) and outline:
        drawn = sum(_polygon_area(p) for p in outline if isinstance(p, list) and len(p) >= 6)
        if drawn > 0.01 * whole:
            found.add("people have no usable 'area': taken from their outline")
            return drawn
    if not is_crowd(entry):
        found.add(f"people have no usable 'area': taken as {BODY_SHARE:g} of their box")
    return BODY_SHARE * whole


def _polygon_area(flat: Sequence[float]) -> float:
    x, y = np.array(flat[: len(flat) // 2 * 2], np.float64).reshape(-1, 2).T
    return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)


def _refuse_nonsense(
    path: Path, annotations: list[dict[str, Any]], sizes: Mapping[int, tuple[int | None, int | None]]
) -> None:
    labelled = [a for a in annotations if a["num_keypoints"] and not a["iscrowd"]]
    if not labelled:
        raise InputError(f"{path}: nobody in it has a labelled keypoint")
    points = np.concatenate([np.reshape(a["keypoints"], (-1, 3)) for a in labelled])
    if np.abs(points[:, :2]).max() <= 2:
        raise InputError(f"{path}: keypoints lie between 0 and 2; expected pixels, not shares of the image")
    if _looks_like_percent(points, [sizes[a["image_id"]] for a in labelled]):
        raise InputError(
            f"{path}: keypoints lie between 0 and 100 in images far larger; expected pixels, not percent"
        )
    elsewhere = [not _holds(a["bbox"], _seen(a)) for a in labelled]
    beyond = [_looks_like_corners(a["bbox"], sizes[a["image_id"]]) for a in labelled]
    if np.mean(beyond) > 0.5:
        raise InputError(
            f"{path}: most boxes reach beyond their image; they look like two corners (x1, y1, x2, y2); "
            "expected x, y, width, height"
        )
    if sum(elsewhere) >= _ENOUGH and np.mean(elsewhere) > 0.5:
        raise InputError(
            f"{path}: {sum(elsewhere)} of {len(elsewhere)} boxes do not hold most keypoints of their people; "
            "expected both in pixels, boxes as x, y (left, upper), width, height, keypoints as x, y"
        )


def _seen(annotation: Mapping[str, Any]) -> NDArray[np.float64]:
    """(n, 2) labelled keypoints, pixels."""
    points = np.reshape(annotation["keypoints"], (-1, 3))
    return np.asarray(points[points[:, 2] > 0, :2], np.float64)


def _looks_like_percent(points: NDArray[np.float64], sizes: Sequence[tuple[int | None, int | None]]) -> bool:
    if len(sizes) < _ENOUGH or np.mean(np.abs(points[:, :2]) <= _PERCENT) < 0.95:
        return False
    return all(min(width or 0, height or 0) > 2 * _PERCENT for width, height in sizes)


def _looks_like_corners(box: list[float], size: tuple[int | None, int | None]) -> bool:
    x, y, width, height = box
    if not size[0] or not size[1] or width <= x or height <= y:
        return False
    over = x + width > (1 + _BEYOND) * size[0] or y + height > (1 + _BEYOND) * size[1]
    return over and width <= size[0] and height <= size[1]
