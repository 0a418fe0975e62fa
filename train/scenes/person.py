"""A dressed, coloured person: everything that moves with one skeleton."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from posemo_ros.errors import InputError

from .assets import makehuman_dir
from .body import Body, BodyFactory, Shape, skin
from .mesh import Floats, Garment, Ints, Mesh, read_garment
from .retarget import joints_of

Colour = tuple[float, float, float]  # red, green, blue in [0, 1]

# Base mesh vertices; the outermost points of nose and ears.
NOSE, LEFT_EAR, RIGHT_EAR = 5054, 12044, 5445
LEFT_EYE, RIGHT_EYE = "helper-l-eye", "helper-r-eye"

_H36M_OF_COCO = (11, 14, 12, 15, 13, 16, 4, 1, 5, 2, 6, 3)  # COCO-17's joints 5 to 16


@dataclass(frozen=True)
class Look:
    """What a person looks like.

    Attributes:
        shape: The body.
        suit, shoes, hair: Names of garments; "" for none (bald, barefoot).
        skin, hair_colour, eyes: Colours.
        cloth: Colours of the pieces of the suit, largest piece first; repeated when too few.
        leather: Colour of the shoes.
        patterns: Names of ``PATTERNS``, one per piece of the suit; repeated when too few.
        seed: For the cloth's unevenness.
    """

    shape: Shape = field(default_factory=Shape)
    suit: str = "male_casualsuit02"
    shoes: str = "shoes02"
    hair: str = "short02"
    skin: Colour = (0.80, 0.60, 0.48)
    hair_colour: Colour = (0.17, 0.11, 0.07)
    eyes: Colour = (0.25, 0.17, 0.10)
    cloth: tuple[Colour, ...] = ((0.30, 0.42, 0.58), (0.16, 0.17, 0.22))
    leather: Colour = (0.15, 0.12, 0.10)
    patterns: tuple[str, ...] = ("plain",)
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Part:
    """One mesh of a person.

    Attributes:
        name: What it is.
        vertices: (V, 3) at rest.
        weights: (V, B) skin weights.
        faces: (F, 3) vertex indices.
        colours: (V, 3) uint8 red, green, blue.
        gloss: 0 (cloth) to 1 (eyes).
    """

    name: str
    vertices: Floats
    weights: NDArray[np.float32]
    faces: Ints
    colours: NDArray[np.uint8]
    gloss: float = 0.0


@dataclass(frozen=True, eq=False)
class Posed:
    """A person at one moment, world frame, metres.

    Attributes:
        points: One (V, 3) float32 per part.
        joints: (17, 3) H36M-17, see ``retarget.joints_of``.
        keypoints: (17, 3) COCO-17.
    """

    points: tuple[NDArray[np.float32], ...]
    joints: Floats
    keypoints: Floats

    @property
    def outline(self) -> NDArray[np.float32]:
        """(V, 3) all vertices."""
        return np.concatenate(self.points)


@dataclass(frozen=True, eq=False)
class Person:
    """A body and what it wears."""

    body: Body
    parts: tuple[Part, ...]
    look: Look

    def pose(self, rotations: Floats, root: Floats) -> Posed:
        """Pose the person: rotations (B, 3, 3), root (3,), see ``retarget.Poses``."""
        rig = self.body.rig
        heads = rig.place(rotations, root)
        points = tuple(skin(p.vertices, p.weights, rig, rotations, heads) for p in self.parts)
        joints = joints_of(self.body, rotations, root)
        face = skin(*self._face, rig, rotations, heads).astype(np.float64)
        return Posed(points, joints, np.concatenate([face, joints[list(_H36M_OF_COCO)]]))

    @cached_property
    def _face(self) -> tuple[Floats, NDArray[np.float32]]:
        """Rest positions and weights of nose, left and right eye, left and right ear."""
        mesh, weights = self.body.mesh, self.body.rig.weights
        eyes = [mesh.group_vertices(g) for g in (LEFT_EYE, RIGHT_EYE)]
        pupils = []
        for eye in eyes:
            ball = mesh.vertices[eye]
            middle = (ball.min(axis=0) + ball.max(axis=0)) / 2
            pupils.append(np.array([ball[:, 0].max(), middle[1], middle[2]]))
        points = np.array([mesh.vertices[NOSE], *pupils, *mesh.vertices[[LEFT_EAR, RIGHT_EAR]]])
        return points, weights[[NOSE, eyes[0][0], eyes[1][0], LEFT_EAR, RIGHT_EAR]]


class Wardrobe:
    """Makes people from one set of assets; garments are read once.

    Args:
        data: Folder of the development data, see ``assets.data_dir``.

    Raises:
        InputError: Assets are missing or damaged.
    """

    def __init__(self, data: Path | None = None) -> None:
        self._folder = makehuman_dir(data)
        self._factory = BodyFactory(self._folder)
        self._garment = lru_cache(maxsize=None)(self._read)
        files = sorted([*self._folder.glob("clothes/*/*.mhclo"), *self._folder.glob("hair/*/*.mhclo")])
        self._files = {f.stem: f for f in files}

    @property
    def garments(self) -> tuple[str, ...]:
        """Names of everything there is to wear."""
        return tuple(self._files)

    def dress(self, look: Look) -> Person:
        """Make a person.

        Raises:
            InputError: A garment of the look does not exist; the message lists the known ones.
        """
        body = self._factory.make(look.shape)
        worn = [self._garment(n) for n in (look.suit, look.shoes, look.hair) if n]
        rng = np.random.default_rng(look.seed)
        parts = [_skin_part(body, look, worn, rng), *(_eye(body, g, look) for g in (LEFT_EYE, RIGHT_EYE))]
        for garment in worn:
            parts.append(_garment_part(body, garment, look, rng))
        return Person(body, tuple(parts), look)

    def _read(self, name: str) -> Garment:
        if name not in self._files:
            raise InputError(f"garment {name!r} is unknown (known: {', '.join(self._files)})")
        return read_garment(self._files[name])


def _skin_part(body: Body, look: Look, worn: Sequence[Garment], rng: np.random.Generator) -> Part:
    mesh = body.mesh
    covered = np.zeros(len(mesh.vertices), bool)
    for garment in worn:
        covered[garment.hidden[garment.hidden < len(covered)]] = True
    faces = mesh.faces[(mesh.groups == "body") & ~covered[mesh.faces].all(axis=1)]
    colours = np.tile(look.skin, (len(mesh.vertices), 1)).astype(np.float64)
    _paint_face(colours, body, look)
    return _part("skin", mesh.vertices, body.rig.weights, faces, colours, 0.15)


def _paint_face(colours: Floats, body: Body, look: Look) -> None:
    """Lips, eyebrows, shaded lids and warm cheeks, by distance from landmarks; in place."""
    mesh = body.mesh
    vertices, nose = mesh.vertices, mesh.vertices[NOSE]
    balls = [mesh.vertices[mesh.group_vertices(g)].mean(axis=0) for g in (LEFT_EYE, RIGHT_EYE)]
    front = vertices[:, 0] > balls[0][0] - 0.01
    base = np.array(look.skin)

    def blend(centre: Floats, size: tuple[float, float], colour: Floats, strength: float) -> None:
        d = ((vertices[:, 1:] - centre[1:]) / size) ** 2
        share = strength * np.exp(-(d.sum(axis=1) ** 2))[:, None] * front[:, None]
        colours[:] = colours * (1 - share) + np.asarray(colour) * share

    for ball in balls:
        away = np.sign(ball[1])
        blend(ball + [0, 0, 0.004], (0.021, 0.012), base * 0.55, 0.55)
        blend(ball + [0, away * 0.030, -0.042], (0.018, 0.016), base * [1.05, 0.82, 0.80], 0.35)
        for along in (-0.012, 0.0, 0.012):
            rise = 0.0225 - 0.12 * abs(along + 0.002) ** 1.0
            brow = np.array(look.hair_colour) * 0.9
            blend(ball + [0, away * (along + 0.003), rise], (0.010, 0.0042), brow, 0.75)
    mouth = nose + [0, 0, -0.0335]
    lips = base * [0.86, 0.56, 0.56]
    blend(mouth, (0.024, 0.0085), lips, 0.85)


def _eye(body: Body, group: str, look: Look) -> Part:
    """An eyeball: a finer sphere than the base mesh's, with iris and pupil."""
    mesh = body.mesh
    old = mesh.vertices[mesh.group_vertices(group)]
    centre = (old.min(axis=0) + old.max(axis=0)) / 2
    radius = float((old.max(axis=0) - old.min(axis=0)).mean() / 2)
    rings = np.radians([0, 8, 14, 20, 26, 31, 38, 60, 90, 120])
    around = np.linspace(0, 2 * np.pi, 17)[:-1]
    a, b = np.meshgrid(rings, around, indexing="ij")
    sphere = np.stack([np.cos(a), np.sin(a) * np.cos(b), np.sin(a) * np.sin(b)], axis=-1)
    iris = np.array(look.eyes)
    ring_colours = [iris * 0.1] * 3 + [iris * 1.1, iris, iris * 0.5] + [np.full(3, 0.88)] * 4
    colours = np.repeat(np.array(ring_colours), len(around), axis=0)
    vertices = centre + radius * sphere.reshape(-1, 3)
    weights = np.repeat(body.rig.weights[mesh.group_vertices(group)[:1]], len(vertices), axis=0)
    return _part(group, vertices, weights, _grid_faces(len(rings), len(around)), colours, 0.6)


def _grid_faces(rows: int, columns: int) -> Ints:
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b = index[:-1], np.roll(index[:-1], -1, axis=1)
    c, d = np.roll(index[1:], -1, axis=1), index[1:]
    quads = np.stack([a, d, c, b], axis=-1).reshape(-1, 4)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def _garment_part(body: Body, garment: Garment, look: Look, rng: np.random.Generator) -> Part:
    vertices = garment.fit(body.mesh.vertices)
    weights = garment.spread(body.rig.weights)
    piece = pieces(garment.mesh)
    if garment.name == look.hair:
        shade = 1 + 0.12 * rng.standard_normal(piece.max() + 1)[piece]
        colours = np.array(look.hair_colour) * np.clip(shade, 0.7, 1.4)[:, None]
        weights = _only_head(body, weights)
        return _part("hair", vertices, weights, garment.mesh.faces, colours, 0.35)
    if garment.name == look.shoes:
        colours = np.tile(look.leather, (len(vertices), 1))
        sole = vertices[:, 2] < vertices[:, 2].min() + 0.018
        colours[sole] = colours[sole] * 0.4 + 0.25
        return _part("shoes", vertices, weights, garment.mesh.faces, colours, 0.3)
    colours = np.empty((len(vertices), 3))
    for k in range(piece.max() + 1):
        own = piece == k
        pattern = PATTERNS[look.patterns[k % len(look.patterns)]]
        base = np.array(look.cloth[k % len(look.cloth)])
        colours[own] = base * pattern(vertices[own] - body.rig.head("Spine"))[:, None]
    colours *= 1 + 0.03 * rng.standard_normal((len(colours), 1))
    return _part("suit", vertices, weights, garment.mesh.faces, colours, 0.05)


def _only_head(body: Body, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hair moves with the head alone where it hangs on it, so that it keeps its form."""
    rigid = np.zeros_like(weights)
    rigid[:, body.rig.index("Head")] = 1
    return rigid


def pieces(mesh: Mesh) -> Ints:
    """(V,) number of the connected piece of each vertex; the largest piece is 0."""
    edges = np.concatenate([mesh.faces[:, :2], mesh.faces[:, 1:]])
    count = len(mesh.vertices)
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    order = np.argsort(-np.bincount(label), kind="stable")
    return np.argsort(order)[label]


def _part(
    name: str, vertices: Floats, weights: NDArray[np.float32], faces: Ints, colours: Floats, gloss: float
) -> Part:
    """A part without the vertices that no face uses."""
    used, renumbered = np.unique(faces, return_inverse=True)
    rgb = np.clip(colours[used] * 255, 0, 255).astype(np.uint8)
    return Part(name, vertices[used], weights[used], renumbered.reshape(faces.shape), rgb, gloss)


def _plain(at: Floats) -> Floats:
    return np.ones(len(at))


def _stripes(at: Floats) -> Floats:
    return np.where(np.sin(at[:, 2] * 2 * np.pi / 0.09) > 0, 1.0, 0.55)


def _pinstripes(at: Floats) -> Floats:
    return np.where(np.sin(at[:, 1] * 2 * np.pi / 0.06) > 0.3, 1.15, 0.8)


def _checks(at: Floats) -> Floats:
    wave = np.sin(at[:, 2] * 2 * np.pi / 0.11) * np.sin(at[:, 1] * 2 * np.pi / 0.11)
    return 0.85 + 0.25 * np.sign(wave)


def _band(at: Floats) -> Floats:
    return np.where(np.abs(at[:, 2] - 0.12) < 0.05, 1.5, 0.9)


PATTERNS = {
    "plain": _plain,
    "stripes": _stripes,
    "pinstripes": _pinstripes,
    "checks": _checks,
    "band": _band,
}
