"""Pictures and depth of triangle meshes, drawn by VTK.

Why VTK (through its own Python wheels, BSD): it draws without a display on a plain CPU (its wheel
opens an off-screen context over EGL and falls back to OSMesa; Mesa's software renderer is enough:
``apt-get install libegl1 libgl1-mesa-dri``), it hands back the depth buffer that tells hidden
joints from visible ones, it is maintained by Kitware with wheels for all Pythons served here, and
at 640 x 480 with three dressed people it takes about 0.1 s a frame on one core. pyrender is no
longer maintained, Open3D's renderer wants a GPU or a special build, moderngl would need all of
shading and shadows written by hand.

Cameras look along +z of the optical frame (REP-103); pixel centres are at whole numbers, as in
``posemo_ros.camera``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posemo_ros.camera import Camera
from posemo_ros.errors import MissingExtraError

from .mesh import Floats, Ints

NEAR, FAR = 0.2, 60.0


@dataclass(frozen=True, eq=False)
class View:
    """A camera somewhere in the world.

    Attributes:
        camera: Intrinsics without distortion and skew.
        rotation: (3, 3) world to optical frame.
        position: (3,) metres, world frame.
    """

    camera: Camera
    rotation: Floats
    position: Floats

    @classmethod
    def looking(cls, camera: Camera, position: Sequence[float], at: Sequence[float], roll: float = 0) -> View:
        """A camera at ``position`` that looks at ``at``, upright but for ``roll`` (radians)."""
        forward = np.asarray(at, np.float64) - np.asarray(position, np.float64)
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0, 1])
        right /= np.linalg.norm(right)
        down = np.cross(forward, right)
        c, s = np.cos(roll), np.sin(roll)
        return cls(
            camera,
            np.stack([c * right + s * down, c * down - s * right, forward]),
            np.asarray(position, np.float64),
        )

    @property
    def tilt_deg(self) -> float:
        """How far it looks down, degrees."""
        return float(np.degrees(np.arcsin(-self.rotation[2, 2])))

    def to_camera(self, points: NDArray[np.floating]) -> Floats:
        """(..., 3) world to optical frame, metres."""
        return np.asarray((points - self.position) @ self.rotation.T)


@dataclass(frozen=True, eq=False)
class Surface:
    """Something to draw; the object itself is the key under which the renderer keeps it.

    Attributes:
        faces: (F, 3) vertex indices.
        colours: (V, 3) uint8 red, green, blue.
        gloss: 0 (dull) to 1.
        lit: False draws the plain colours.
        opacity: 0 to 1.
    """

    faces: Ints
    colours: NDArray[np.uint8]
    gloss: float = 0.0
    lit: bool = True
    opacity: float = 1.0


@dataclass(frozen=True)
class Light:
    """A light infinitely far away.

    Attributes:
        direction: Where it comes from, world frame.
        strength: 1 lights a white surface fully.
        colour: Red, green, blue.
    """

    direction: tuple[float, float, float] = (0.3, 0.4, 1.0)
    strength: float = 0.7
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Picture:
    """What the renderer saw.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        depth: (H, W) float32 metres along the optical axis; inf where nothing is drawn.
        coverage: (H, W) float32 in [0, 1], how much of a pixel is drawn on.
    """

    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    coverage: NDArray[np.float32]


@dataclass
class _Drawn:
    data: Any
    actor: Any
    faces: Ints
    normals: bool = field(default=True)


class Renderer:
    """Draws surfaces; keep one and reuse it, opening the context is slow.

    Args:
        width, height: Picture size in pixels.
        oversample: Each pixel is the mean of ``oversample`` squared ones.

    Raises:
        MissingExtraError: VTK is not installed.
    """

    def __init__(self, width: int, height: int, oversample: int = 2) -> None:
        self._vtk = _import_vtk()
        self.width, self.height, self._over = width, height, oversample
        self._scene = self._vtk.vtkRenderer()
        self._scene.SetBackground(0, 0, 0)
        self._scene.SetAutomaticLightCreation(False)
        self._window = self._vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(True)
        self._window.SetMultiSamples(0)
        self._window.SetSize(width * oversample, height * oversample)
        self._window.AddRenderer(self._scene)
        self._drawn: dict[int, tuple[Surface, _Drawn]] = {}

    def close(self) -> None:
        """Free the context."""
        self._window.Finalize()

    def lights(self, lights: Sequence[Light], ambient: float) -> None:
        """Replace the lights; ``ambient`` is what unlit sides get, in [0, 1]."""
        self._scene.RemoveAllLights()
        for light in lights:
            source = self._vtk.vtkLight()
            source.SetLightTypeToSceneLight()
            source.SetPositional(False)
            source.SetPosition(*light.direction)
            source.SetFocalPoint(0, 0, 0)
            source.SetColor(*light.colour)
            source.SetIntensity(light.strength)
            self._scene.AddLight(source)
        self._ambient = ambient

    def render(self, view: View, surfaces: Sequence[tuple[Surface, NDArray[np.float32]]]) -> Picture:
        """Draw surfaces with their vertices (V, 3) float32, world frame."""
        wanted = {id(s) for s, _ in surfaces}
        for key in [k for k in self._drawn if k not in wanted]:
            self._scene.RemoveActor(self._drawn.pop(key)[1].actor)
        for surface, points in surfaces:
            self._put(surface, points)
        self._aim(view)
        self._window.Render()
        return self._read()

    def _put(self, surface: Surface, points: NDArray[np.float32]) -> None:
        from vtkmodules.util.numpy_support import numpy_to_vtk

        if id(surface) not in self._drawn:
            self._drawn[id(surface)] = (surface, self._new(surface))
        drawn = self._drawn[id(surface)][1]
        vertices = self._vtk.vtkPoints()
        vertices.SetData(numpy_to_vtk(np.ascontiguousarray(points, np.float32), deep=True))
        drawn.data.SetPoints(vertices)
        normals = numpy_to_vtk(vertex_normals(points, surface.faces), deep=True)
        drawn.data.GetPointData().SetNormals(normals)
        shine = drawn.actor.GetProperty()
        shine.SetAmbient(self._ambient if surface.lit else 1.0)
        shine.SetDiffuse(1.0 if surface.lit else 0.0)

    def _new(self, surface: Surface) -> _Drawn:
        from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray

        count = len(surface.faces)
        cells = self._vtk.vtkCellArray()
        cells.SetData(
            numpy_to_vtkIdTypeArray(np.arange(0, 3 * count + 1, 3, dtype=np.int64), deep=True),
            numpy_to_vtkIdTypeArray(np.ascontiguousarray(surface.faces.ravel(), np.int64), deep=True),
        )
        data = self._vtk.vtkPolyData()
        data.SetPolys(cells)
        data.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(surface.colours), deep=True))
        mapper = self._vtk.vtkPolyDataMapper()
        mapper.SetInputData(data)
        actor = self._vtk.vtkActor()
        actor.SetMapper(mapper)
        look = actor.GetProperty()
        look.SetInterpolationToPhong()
        look.SetSpecular(0.5 * surface.gloss)
        look.SetSpecularPower(8 + 40 * surface.gloss)
        look.SetOpacity(surface.opacity)
        self._scene.AddActor(actor)
        return _Drawn(data, actor, surface.faces)

    def _aim(self, view: View) -> None:
        """Make VTK's camera the pinhole of the view, principal point and all."""
        k, w, h = view.camera.matrix, self.width, self.height
        camera = self._scene.GetActiveCamera()
        _right, down, forward = view.rotation
        camera.SetPosition(*view.position)
        camera.SetFocalPoint(*(view.position + forward))
        camera.SetViewUp(*-down)
        m = np.zeros((4, 4))
        m[0, 0], m[0, 2] = 2 * k[0, 0] / w, 1 - 2 * (k[0, 2] + 0.5) / w
        m[1, 1], m[1, 2] = 2 * k[1, 1] / h, 2 * (k[1, 2] + 0.5) / h - 1
        m[2, 2], m[2, 3] = (FAR + NEAR) / (NEAR - FAR), 2 * FAR * NEAR / (NEAR - FAR)
        m[3, 2] = -1
        matrix = self._vtk.vtkMatrix4x4()
        matrix.DeepCopy(m.ravel().tolist())
        camera.SetExplicitProjectionTransformMatrix(matrix)
        camera.SetUseExplicitProjectionTransformMatrix(True)

    def _read(self) -> Picture:
        from vtkmodules.util.numpy_support import vtk_to_numpy

        w, h, n = self.width * self._over, self.height * self._over, self._over
        colours = self._vtk.vtkUnsignedCharArray()
        self._window.GetPixelData(0, 0, w - 1, h - 1, 1, colours, 0)
        rgb = vtk_to_numpy(colours).reshape(h, w, 3)[::-1]
        z = self._vtk.vtkFloatArray()
        self._window.GetZbufferData(0, 0, w - 1, h - 1, z)
        buffer = vtk_to_numpy(z).reshape(h, w)[::-1]
        drawn = buffer < 1
        ndc = 2 * buffer.astype(np.float64) - 1
        depth = 2 * FAR * NEAR / (FAR + NEAR - ndc * (FAR - NEAR))
        depth[~drawn] = np.inf
        blocks = depth.reshape(self.height, n, self.width, n)
        return Picture(
            image=_pool(rgb[..., ::-1], n).round().astype(np.uint8),
            depth=blocks.min(axis=(1, 3)).astype(np.float32),
            coverage=_pool(drawn[..., None], n)[..., 0],
        )


def vertex_normals(points: NDArray[np.float32], faces: Ints) -> NDArray[np.float32]:
    """(V, 3) unit normals, faces weighted by area."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    flat = faces.ravel()
    total = np.stack(
        [np.bincount(flat, np.repeat(normal[:, k], 3), minlength=len(points)) for k in range(3)], axis=-1
    )
    length = np.maximum(np.linalg.norm(total, axis=-1, keepdims=True), 1e-12)
    return (total / length).astype(np.float32)


def _pool(values: NDArray[Any], n: int) -> NDArray[np.float32]:
    """(H n, W n, C) to (H, W, C): means of n x n blocks."""
    h, w, c = values.shape
    return values.reshape(h // n, n, w // n, n, c).mean(axis=(1, 3), dtype=np.float32)


def _import_vtk() -> Any:
    try:
        import vtkmodules.vtkRenderingOpenGL2  # noqa: F401 - registers the drawing classes
        from vtkmodules import vtkCommonCore, vtkCommonDataModel, vtkCommonMath, vtkRenderingCore
    except ImportError as error:
        raise MissingExtraError("vtk", "scenes", "rendering") from error

    class Vtk:
        pass

    for module in (vtkCommonCore, vtkCommonDataModel, vtkCommonMath, vtkRenderingCore):
        for name in dir(module):
            if name.startswith("vtk"):
                setattr(Vtk, name, getattr(module, name))
    return Vtk
