"""How a network's outputs become keypoints, and keypoints the network's training targets.

Encoding and decoding stand side by side: ``HeatmapCodec`` for ``quarter``, ``dark`` and ``udp``,
``SimccCodec`` for ``simcc``. ``PointsCodec``, for ``points``, has nothing to encode.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Union

from ..inference.manifest import KeypointSpec
from .heatmap import HeatmapCodec
from .points import PointsCodec
from .simcc import SimccCodec

Codec = Union[HeatmapCodec, SimccCodec, PointsCodec]
HEATMAP_STRIDE = 4


def in_order(names: Sequence[str]) -> list[str]:
    """Names of outputs, that for x before that for y where they say so; exporters may turn them round.

    Of a square input both have one shape, so that nothing else tells them apart.
    """
    if len(names) == 2 and [name.lower()[-1:] for name in names] == ["y", "x"]:
        return [names[1], names[0]]
    return list(names)


def codec_for(spec: KeypointSpec, cells: tuple[int, int] | None = None) -> Codec:
    """The codec that a manifest entry names.

    Args:
        spec: The entry.
        cells: Width and height of the heatmaps; a quarter of the crop's when None.
    """
    width, height = spec.input.width, spec.input.height
    if spec.codec == "points":
        return PointsCodec(width, height)
    if spec.codec == "simcc":
        return SimccCodec(width, height, spec.simcc_split)
    cells = cells or (width // HEATMAP_STRIDE, height // HEATMAP_STRIDE)
    return HeatmapCodec(spec.codec, width, height, cells, blur_kernel=spec.blur_kernel)
