"""Heatmap codecs: one map per keypoint, the position is where it peaks.

Symbols: N persons, K keypoints, maps of h x w cells. Cell (0, 0) is the crop's pixel (0, 0); one
cell is ``stride`` pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..types import Floats

Cells = NDArray[np.int64]
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class HeatmapCodec:
    """Gaussian heatmaps and three ways to read a peak finer than a cell.

    ``quarter``: a quarter of a cell towards the higher neighbour (HRNet; Sun et al., 2019).
    ``dark``: Taylor step on the log of the smoothed map (DARK; Zhang et al., 2020).
    ``udp``: the same with UDP's differences, on UDP's grid, whose cells span the crop from the
    first pixel's centre to the last one's (Huang et al., 2020).

    Attributes:
        kind: See above.
        width, height: Of the crop, pixels.
        cells: Width and height of the maps.
        sigma: Of the Gaussians, cells.
        blur_kernel: Side of DARK's smoothing kernel, cells, odd.
    """

    kind: Literal["quarter", "dark", "udp"]
    width: int
    height: int
    cells: tuple[int, int]
    sigma: float = 2.0
    blur_kernel: int = 11

    @property
    def unbiased(self) -> bool:
        """Whether the crop must follow UDP's convention (see ``crop.place``)."""
        return self.kind == "udp"

    @property
    def stride(self) -> Doubles:
        """(2,) crop pixels per cell in x and y."""
        last = int(self.unbiased)
        crop = np.array([self.width, self.height], np.float64) - last
        return np.asarray(crop / (np.array(self.cells) - last), np.float64)

    def encode(self, points: NDArray[np.floating], visible: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Training targets.

        Args:
            points: (N, K, 2) crop px.
            visible: (N, K) whether the keypoint is labelled.

        Returns:
            (N, K, h, w) maps with peaks of 1 (at most 1 between the cells for ``dark`` and
            ``udp``), zero where the weight is; (N, K) weights, 0 where the keypoint is not
            labelled or its Gaussian, cut at 3 sigma, does not touch the map.
        """
        w, h = self.cells
        middle = np.where(visible[..., None], points, -1e4) / self.stride
        nearest = np.floor(middle + 0.5)
        if self.kind == "quarter":
            middle = nearest
        radius = 3 * self.sigma
        weights = ((nearest + radius >= 0) & (nearest - radius < (w, h))).all(axis=-1) & visible
        curves = [self._curve(middle[..., i], nearest[..., i], n) for i, n in enumerate((w, h))]
        maps = curves[1][..., :, None] * curves[0][..., None, :] * weights[..., None, None]
        return maps.astype(np.float32), weights.astype(np.float32)

    def _curve(self, middle: Doubles, nearest: Doubles, n: int) -> Doubles:
        """(N, K, n) Gaussian along one axis; all but ``dark`` cut it at 3 sigma."""
        cell = np.arange(n)
        curve = np.exp(-((cell - middle[..., None]) ** 2) / (2 * self.sigma**2))
        if self.kind != "dark":
            curve *= np.abs(cell - nearest[..., None]) <= 3 * self.sigma
        return np.asarray(curve, np.float64)

    def decode(self, outputs: Sequence[NDArray[np.generic]]) -> Floats:
        """Positions of the peaks.

        Args:
            outputs: One array, (N, K, h, w).

        Returns:
            (N, K, 3) float32: x, y in crop px, and the peak's height cut to 0..1 as the score;
            NaN, NaN, 0 where a map has no positive value.

        Raises:
            ModelError: The output has another form.
        """
        maps = np.asarray(outputs[0], np.float32)
        if len(outputs) != 1 or maps.ndim != 4 or maps.shape[2:] != self.cells[::-1]:
            raise ModelError(
                f"codec '{self.kind}' expects one output (N, K, {self.cells[1]}, {self.cells[0]}), "
                f"got {[v.shape for v in outputs]}; correct the model's manifest entry"
            )
        n, k, h, w = maps.shape
        flat = maps.reshape(n * k, h * w)
        best = flat.argmax(axis=1)
        peaks = flat[np.arange(n * k), best]
        at = np.stack([best % w, best // w], axis=1)
        refined = at + self._refinement(flat.reshape(n * k, h, w), at)
        out = np.empty((n * k, 3), np.float32)
        out[:, :2] = np.where(peaks[:, None] > 0, refined * self.stride, np.nan)
        out[:, 2] = np.clip(np.nan_to_num(peaks), 0, 1)
        return out.reshape(n, k, 3)

    def flip(self, outputs: Sequence[NDArray[np.generic]], pairs: Cells) -> list[Floats]:
        """Outputs for the mirrored crop as if for the crop itself.

        Args:
            outputs: One array, (N, K, h, w).
            pairs: (K,) index array that swaps left and right.
        """
        mirrored = np.asarray(outputs[0], np.float32)[:, pairs, :, ::-1].copy()
        if not self.unbiased:  # mirroring about the map's middle is off by a cell from the crop's
            mirrored[..., 1:] = mirrored[..., :-1].copy()
        return [mirrored]

    def _refinement(self, maps: Floats, at: Cells) -> Doubles:
        """(P, 2) offsets in cells of P peaks at the cells ``at`` (P, 2) of ``maps`` (P, h, w)."""
        if self.kind == "quarter":
            return _quarter(maps, at)
        logs = self._smoothed_logs(maps, at)
        return _dark(logs, at, self.cells) if self.kind == "dark" else _udp(logs, at, self.cells)

    def _smoothed_logs(self, maps: Floats, at: Cells) -> Doubles:
        """(P, 5, 5) log of the smoothed map around each peak, the only part that is needed."""
        reach = self.blur_kernel // 2 + 2
        window = _gather(maps, at, reach).astype(np.float64)
        smooth = self._blur @ window @ self._blur.T
        # Smoothing keeps the height of the peak, as in the authors' code; it matters for the floor.
        heights = window[:, reach, reach] / np.maximum(smooth.max(axis=(1, 2)), 1e-12)
        floor = 1e-3 if self.kind == "udp" else 1e-10
        return np.asarray(np.log(np.maximum(smooth * heights[:, None, None], floor)), np.float64)

    @cached_property
    def _blur(self) -> Doubles:
        """(5, blur_kernel + 4): smooths along one axis, for the five cells in the middle."""
        kernel = cv2.getGaussianKernel(self.blur_kernel, 0)[:, 0]
        rows = [np.pad(kernel, (i, 4 - i)) for i in range(5)]
        return np.stack(rows)


def _gather(maps: Floats, at: Cells, reach: int) -> Floats:
    """(P, 2 reach + 1, 2 reach + 1) cells around the peaks; 0 outside the map."""
    _, h, w = maps.shape
    offset = np.arange(-reach, reach + 1)
    cols, rows = at[:, :1] + offset, at[:, 1:] + offset
    inside = ((rows >= 0) & (rows < h))[:, :, None] & ((cols >= 0) & (cols < w))[:, None, :]
    picked = maps[
        np.arange(len(maps))[:, None, None],
        rows.clip(0, h - 1)[:, :, None],
        cols.clip(0, w - 1)[:, None, :],
    ]
    return np.asarray(np.where(inside, picked, np.float32(0)), np.float32)


def _quarter(maps: Floats, at: Cells) -> Doubles:
    """HRNet's rule: nothing for peaks in the two outermost columns and rows."""
    _, h, w = maps.shape
    x, y = at.T
    inner = (x > 1) & (x < w - 1) & (y > 1) & (y < h - 1)
    x, y = x.clip(1, w - 2), y.clip(1, h - 2)
    p = np.arange(len(maps))
    slope = np.stack([maps[p, y, x + 1] - maps[p, y, x - 1], maps[p, y + 1, x] - maps[p, y - 1, x]], axis=1)
    return np.asarray(0.25 * np.sign(slope) * inner[:, None], np.float64)


def _dark(logs: Doubles, at: Cells, cells: tuple[int, int]) -> Doubles:
    """Differences over two cells; nothing for peaks in the two outermost columns and rows."""
    gradient = 0.5 * np.stack([logs[:, 2, 3] - logs[:, 2, 1], logs[:, 3, 2] - logs[:, 1, 2]], axis=1)
    xx = 0.25 * (logs[:, 2, 4] - 2 * logs[:, 2, 2] + logs[:, 2, 0])
    yy = 0.25 * (logs[:, 4, 2] - 2 * logs[:, 2, 2] + logs[:, 0, 2])
    xy = 0.25 * (logs[:, 3, 3] - logs[:, 1, 3] - logs[:, 3, 1] + logs[:, 1, 1])
    inner = np.all((at > 1) & (at < np.array(cells) - 2), axis=1, keepdims=True)
    return np.asarray(_newton_step(gradient, xx, yy, xy) * inner, np.float64)


def _udp(logs: Doubles, at: Cells, cells: tuple[int, int]) -> Doubles:
    """Differences over one cell; the map goes on beyond its border with the border's values."""
    near = np.arange(-1, 2)
    cols = (at[:, :1] + near).clip(0, cells[0] - 1) - at[:, :1] + 2
    rows = (at[:, 1:] + near).clip(0, cells[1] - 1) - at[:, 1:] + 2
    v = logs[np.arange(len(logs))[:, None, None], rows[:, :, None], cols[:, None, :]]  # (P, 3, 3)
    gradient = 0.5 * np.stack([v[:, 1, 2] - v[:, 1, 0], v[:, 2, 1] - v[:, 0, 1]], axis=1)
    xx = v[:, 1, 2] - 2 * v[:, 1, 1] + v[:, 1, 0]
    yy = v[:, 2, 1] - 2 * v[:, 1, 1] + v[:, 0, 1]
    xy = 0.5 * (v[:, 2, 2] - v[:, 1, 2] - v[:, 2, 1] + 2 * v[:, 1, 1] - v[:, 1, 0] - v[:, 0, 1] + v[:, 0, 0])
    return _newton_step(gradient, xx, yy, xy)


def _newton_step(gradient: Doubles, xx: Doubles, yy: Doubles, xy: Doubles) -> Doubles:
    """(P, 2) from a peak's neighbourhood to the top of its parabola, at most one cell.

    A flat or saddle-shaped neighbourhood gives no step.
    """
    determinant = xx * yy - xy * xy
    peaked = (determinant > 1e-12) & (xx < 0)
    safe = np.where(peaked, determinant, 1)
    dx = (xy * gradient[:, 1] - yy * gradient[:, 0]) / safe
    dy = (xy * gradient[:, 0] - xx * gradient[:, 1]) / safe
    return np.asarray(np.clip(np.stack([dx, dy], axis=1), -1, 1) * peaked[:, None], np.float64)
