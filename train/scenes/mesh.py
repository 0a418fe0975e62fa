"""MakeHuman's files: meshes (.obj), vertex targets (.target.gz), fitted garments (.mhclo).

All geometry is converted on reading from MakeHuman's decimetres (x left, y up, z forward) to the
body frame used here: **metres, x forward, y left, z up** (REP-103).
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posemo_ros.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh with texture coordinates.

    Attributes:
        vertices: (V, 3) metres, body frame.
        faces: (F, 3) vertex indices.
        uv: (U, 2) texture coordinates.
        uv_faces: (F, 3) indices into ``uv``.
        groups: (F,) name of the group each face belongs to.
    """

    vertices: Floats
    faces: Ints
    uv: Floats
    uv_faces: Ints
    groups: NDArray[np.str_]

    def group_vertices(self, name: str) -> Ints:
        """Indices of the vertices used by a group's faces, ascending."""
        return np.unique(self.faces[self.groups == name])


def to_body_frame(points: Floats) -> Floats:
    """(..., 3) MakeHuman decimetres to metres in the body frame."""
    return points[..., [2, 0, 1]] / 10


def read_obj(path: Path) -> Mesh:
    """Read a Wavefront mesh; quads become two triangles.

    Raises:
        InputError: The file cannot be read or has no faces.
    """
    vertices: list[list[str]] = []
    uv: list[list[str]] = []
    corners: list[tuple[str, ...]] = []
    groups: list[str] = []
    group = ""
    for line in _lines(path):
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append(words[1:4])
        elif words[0] == "vt":
            uv.append(words[1:3])
        elif words[0] == "g":
            group = words[1] if len(words) > 1 else ""
        elif words[0] == "f":
            for i in range(2, len(words) - 1):
                corners.append((words[1], words[i], words[i + 1]))
                groups.append(group)
    if not corners:
        raise InputError(f"{path} has no faces; expected a Wavefront mesh")
    index = np.array([[[int(n or 1) for n in c.split("/")[:2]] for c in face] for face in corners]) - 1
    return Mesh(
        vertices=to_body_frame(np.array(vertices, np.float64)),
        faces=index[..., 0],
        uv=np.array(uv, np.float64),
        uv_faces=index[..., 1],
        groups=np.array(groups),
    )


def read_target(path: Path, count: int) -> Floats:
    """Offsets (count, 3) metres that a shape target adds to the base mesh's vertices."""
    rows = np.array([line.split() for line in _lines(path) if line[:1].isdigit()], np.float64).reshape(-1, 4)
    offsets = np.zeros((count, 3))
    offsets[rows[:, 0].astype(int)] = to_body_frame(rows[:, 1:4])
    return offsets


@dataclass(frozen=True, eq=False)
class Garment:
    """A mesh tied to the base mesh: clothes, shoes, hair.

    Attributes:
        name: File name without ending.
        mesh: The garment's own mesh (its vertices are placeholders until it is fitted).
        anchors: (V, 3) base vertices that each garment vertex is tied to.
        shares: (V, 3) their weights, summing to 1.
        offsets: (V, 3) what is added, before scaling; body frame, metres.
        scales: ((vertex, vertex, distance in metres), ...) along x, y, z: the offset is scaled by
            the fitted person's distance between these two base vertices over that of the original.
        hidden: Base vertices that the garment covers.
    """

    name: str
    mesh: Mesh
    anchors: Ints
    shares: Floats
    offsets: Floats
    scales: tuple[tuple[int, int, float], ...]
    hidden: Ints

    def fit(self, base: Floats) -> Floats:
        """Garment vertices (V, 3) for a shaped base mesh (B, 3)."""
        scale = [abs(base[a, k] - base[b, k]) / d for k, (a, b, d) in enumerate(self.scales)]
        return np.einsum("vk,vkc->vc", self.shares, base[self.anchors]) + self.offsets * scale

    def spread(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Skin weights (V, B) from those of the base mesh (base vertices, B)."""
        mixed = np.einsum("vk,vkb->vb", np.clip(self.shares, 0, None), weights[self.anchors])
        return np.asarray(mixed / mixed.sum(axis=1, keepdims=True), np.float32)


def read_garment(path: Path) -> Garment:
    """Read a .mhclo file and the mesh it names.

    Raises:
        InputError: Fitting data and mesh do not belong together, or a section is missing.
    """
    header: dict[str, list[str]] = {}
    rows: list[list[float]] = []
    hidden: list[str] = []
    section = "header"
    for line in _lines(path):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] in ("verts", "delete_verts"):
            section = words[0]
        elif section == "verts" and words[0].isdigit():
            rows.append([float(w) for w in words])
        elif section == "delete_verts":
            hidden += words
        else:
            header[words[0]] = words[1:]
    missing = [k for k in ("obj_file", "x_scale", "y_scale", "z_scale") if k not in header]
    if missing or not rows:
        raise InputError(f"{path} lacks {', '.join(missing) or 'its vertices'}; expected a .mhclo file")
    mesh = read_obj(path.parent / header["obj_file"][0])
    if len(mesh.vertices) != len(rows):
        raise InputError(f"{path} ties {len(rows)} vertices, but its mesh has {len(mesh.vertices)}")
    table = np.array([r if len(r) == 9 else [r[0]] * 3 + [1.0, 0, 0, 0, 0, 0] for r in rows])
    return Garment(
        name=path.stem,
        mesh=mesh,
        anchors=table[:, :3].astype(np.int64),
        shares=table[:, 3:6],
        offsets=to_body_frame(table[:, 6:9]),
        scales=tuple(_scale(header[k]) for k in ("z_scale", "x_scale", "y_scale")),
        hidden=_ranges(hidden),
    )


def _scale(words: list[str]) -> tuple[int, int, float]:
    return int(words[0]), int(words[1]), float(words[2]) / 10


def _ranges(words: list[str]) -> Ints:
    """Indices of ``3 7 - 9``: 3, 7, 8, 9."""
    out: list[int] = []
    through = False
    for word in words:
        if word == "-":
            through = True
        elif through:
            out += range(out[-1] + 1, int(word) + 1)
            through = False
        else:
            out.append(int(word))
    return np.array(out, np.int64)


def _lines(path: Path) -> list[str]:
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8") as file:
                return file.readlines()
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
