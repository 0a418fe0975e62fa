"""A shaped person: macro targets on the base mesh, skeleton, skin weights, landmarks.

Shapes combine MakeHuman's macro targets (sex, age, build, height, origin) as MakeHuman does: each
target file is weighted by the product of its factors (macrodetails/macro.json).
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posemo_ros.errors import InputError

from .mesh import Floats, Ints, Mesh, read_obj, read_target

ORIGINS = ("african", "asian", "caucasian")


@dataclass(frozen=True)
class Shape:
    """What a person looks like undressed.

    Attributes:
        male: 0 (female) to 1 (male).
        age: 0 (a child of about ten) over 0.5 (a young adult) to 1 (old).
        muscle, weight, height: 0 (little) over 0.5 (average) to 1 (much).
        origin: Shares of ``ORIGINS``, summing to 1.
    """

    male: float = 0.5
    age: float = 0.5
    muscle: float = 0.5
    weight: float = 0.5
    height: float = 0.5
    origin: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)


@dataclass(frozen=True, eq=False)
class Rig:
    """Skeleton of a shaped person at rest.

    Attributes:
        bones: B names, parents before children.
        parents: (B,) index of the parent, -1 for the root.
        heads, tails: (B, 3) metres, body frame.
        weights: (V, B) share of each bone in each base vertex, rows sum to 1.
    """

    bones: tuple[str, ...]
    parents: Ints
    heads: Floats
    tails: Floats
    weights: NDArray[np.float32]

    def index(self, bone: str) -> int:
        """Index of a bone."""
        return self.bones.index(bone)

    def head(self, bone: str) -> Floats:
        """(3,) rest position of a bone's joint."""
        return np.asarray(self.heads[self.index(bone)])

    def place(self, rotations: Floats, root: Floats) -> Floats:
        """Positions of all bone heads.

        Args:
            rotations: (..., B, 3, 3) turn of each bone away from rest, in the world.
            root: (..., 3) metres, position of the root bone's head.

        Returns:
            (..., B, 3) metres.
        """
        out = np.zeros((*rotations.shape[:-2], 3))
        for b, parent in enumerate(self.parents):
            if parent < 0:
                out[..., b, :] = root
            else:
                step = self.heads[b] - self.heads[parent]
                out[..., b, :] = out[..., parent, :] + rotations[..., parent, :, :] @ step
        return out


def skin(
    vertices: Floats, weights: NDArray[np.float32], rig: Rig, rotations: Floats, heads: Floats
) -> NDArray[np.float32]:
    """Linear blend skinning.

    Args:
        vertices: (V, 3) at rest.
        weights: (V, B) rows summing to 1.
        rig: The skeleton at rest.
        rotations: (B, 3, 3) turn of each bone away from rest.
        heads: (B, 3) posed positions, from ``Rig.place``.

    Returns:
        (V, 3) posed vertices.
    """
    shift = heads - np.einsum("bij,bj->bi", rotations, rig.heads)
    affine = np.concatenate([rotations, shift[..., None]], axis=-1).astype(np.float32)
    mixed = (weights @ affine.reshape(len(affine), 12)).reshape(-1, 3, 4)
    return np.asarray(
        np.einsum("vij,vj->vi", mixed[..., :3], vertices.astype(np.float32)) + mixed[..., 3], np.float32
    )


@dataclass(frozen=True, eq=False)
class Body:
    """A shaped person at rest.

    Attributes:
        mesh: Base mesh with helper geometry, shaped.
        rig: Its skeleton.
    """

    mesh: Mesh
    rig: Rig

    @property
    def floor(self) -> float:
        """Height of the soles at rest, metres."""
        return float(self.mesh.vertices[self.mesh.group_vertices("body"), 2].min())


class BodyFactory:
    """Shapes people from one set of assets.

    Args:
        folder: Unpacked MakeHuman assets, see ``assets.makehuman_dir``.

    Raises:
        InputError: Files are missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = read_obj(folder / "base.obj")
        self._rig = _read_json(folder / "rig/rig.cmu_mb.json")
        self._bones = _parents_first(self._rig)
        self._weights = _dense(
            _read_json(folder / "rig/weights.cmu_mb.json")["weights"], self._bones, len(self.base.vertices)
        )
        self._target = lru_cache(maxsize=64)(self._read)

    def make(self, shape: Shape = Shape()) -> Body:
        """Shape a person."""
        vertices = self.base.vertices.copy()
        for name, share in macro_targets(shape).items():
            vertices += share * self._target(name)
        mesh = Mesh(vertices, self.base.faces, self.base.uv, self.base.uv_faces, self.base.groups)
        ends = {end: np.array([self._joint(mesh, b, end) for b in self._bones]) for end in ("head", "tail")}
        parents = [self._bones.index(p) if (p := self._rig[b]["parent"]) else -1 for b in self._bones]
        rig = Rig(self._bones, np.array(parents), ends["head"], ends["tail"], self._weights)
        return Body(mesh, rig)

    def _joint(self, mesh: Mesh, bone: str, end: str) -> Floats:
        place = self._rig[bone][end]
        chosen = place["vertex_indices"] if place["strategy"] == "MEAN" else self._cube(place["cube_name"])
        return np.asarray(mesh.vertices[chosen].mean(axis=0))

    def _cube(self, name: str) -> Ints:
        cube = self.base.group_vertices(name)
        if not len(cube):
            raise InputError(f"base.obj has no group {name}, which the skeleton needs")
        return cube

    def _read(self, name: str) -> Floats:
        return read_target(self.folder / f"targets/macrodetails/{name}.target.gz", len(self.base.vertices))


def macro_targets(shape: Shape) -> dict[str, float]:
    """Target files below ``targets/macrodetails`` with their weights (those above 0)."""
    sex = {"male": shape.male, "female": 1 - shape.male}
    age = _between(shape.age, "child", "young", "old")
    muscle = _between(shape.muscle, "minmuscle", "averagemuscle", "maxmuscle")
    weight = _between(shape.weight, "minweight", "averageweight", "maxweight")
    height = _between(shape.height, "minheight", "", "maxheight")
    origin = dict(zip(ORIGINS, shape.origin, strict=True))
    out: dict[str, float] = {}
    for s, a in itertools.product(sex, age):
        for o in origin:
            out[f"{o}-{s}-{a}"] = sex[s] * age[a] * origin[o]
        for m, w in itertools.product(muscle, weight):
            build = sex[s] * age[a] * muscle[m] * weight[w]
            out[f"universal-{s}-{a}-{m}-{w}"] = build
            for h in filter(None, height):
                out[f"height/{s}-{a}-{m}-{w}-{h}"] = build * height[h]
    return {name: share for name, share in out.items() if share > 1e-6}


def _between(value: float, low: str, middle: str, high: str) -> dict[str, float]:
    x = 2 * float(np.clip(value, 0, 1)) - 1
    return {low: max(-x, 0.0), middle: 1 - abs(x), high: max(x, 0.0)}


def _read_json(path: Path) -> dict[str, dict]:  # type: ignore[type-arg]
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}") from error


def _parents_first(rig: dict[str, dict]) -> tuple[str, ...]:  # type: ignore[type-arg]
    order: list[str] = []
    while len(order) < len(rig):
        ready = [b for b in rig if b not in order and (not rig[b]["parent"] or rig[b]["parent"] in order)]
        if not ready:
            raise InputError("the skeleton's parents form a circle")
        order += ready
    return tuple(order)


def _dense(table: dict[str, list[list[float]]], bones: tuple[str, ...], count: int) -> NDArray[np.float32]:
    weights = np.zeros((count, len(bones)), np.float32)
    for bone, rows in table.items():
        if rows:
            indices, shares = np.array(rows).T
            weights[indices.astype(int), bones.index(bone)] = shares
    return weights / weights.sum(axis=1, keepdims=True)
