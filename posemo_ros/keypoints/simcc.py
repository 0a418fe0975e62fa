"""SimCC codec: a keypoint's x and y are each a classification over the bins of one axis.

Li et al., 2022; the numbers are those of RTMPose (Jiang et al., 2023). Symbols: N persons,
K keypoints; ``split`` bins per pixel; bin i stands for the pixel position i / split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..types import Floats


@dataclass(frozen=True)
class SimccCodec:
    """Gaussian labels; the best bin is the position, to half a bin.

    Attributes:
        width, height: Of the crop, pixels.
        split: Bins per pixel.
    """

    width: int
    height: int
    split: float = 2.0

    unbiased = False

    @property
    def bins(self) -> tuple[int, int]:
        """Number of bins in x and y."""
        return round(self.width * self.split), round(self.height * self.split)

    @property
    def sigmas(self) -> tuple[float, float]:
        """Of the labels, bins: 4.9 and 5.66 for 192 x 256, as in RTMPose's configurations."""
        return (self.width / 8) ** 0.5, (self.height / 8) ** 0.5

    def encode(
        self, points: NDArray[np.floating], visible: NDArray[np.bool_]
    ) -> tuple[Floats, Floats, Floats]:
        """Training targets.

        Args:
            points: (N, K, 2) crop px.
            visible: (N, K) whether the keypoint is labelled.

        Returns:
            (N, K, bins x) and (N, K, bins y) Gaussians of height 1, zero where the weight is;
            (N, K) weights, 0 where the keypoint is not labelled or its Gaussian, cut at 3 sigma,
            touches no bin.
        """
        middle = np.where(visible[..., None], points, -1e6) * self.split
        reach = 3 * np.array(self.sigmas)
        weights = ((middle + reach >= 0) & (middle - reach < self.bins)).all(axis=-1) & visible
        x, y = (
            (
                np.exp(-((np.arange(n) - middle[..., i, None]) ** 2) / (2 * sigma**2)) * weights[..., None]
            ).astype(np.float32)
            for i, (n, sigma) in enumerate(zip(self.bins, self.sigmas, strict=True))
        )
        return x, y, weights.astype(np.float32)

    def decode(self, outputs: Sequence[NDArray[np.generic]]) -> Floats:
        """Positions of the best bins.

        Args:
            outputs: x (N, K, bins x) and y (N, K, bins y).

        Returns:
            (N, K, 3) float32: x, y in crop px, and the lower of the two heights cut to 0..1 as
            the score (MMPose's rule); NaN, NaN, 0 where that is not positive.

        Raises:
            ModelError: The outputs have another form.
        """
        if len(outputs) != 2 or tuple(v.shape[-1] for v in outputs) != self.bins:
            raise ModelError(
                f"codec 'simcc' expects outputs (N, K, {self.bins[0]}) and (N, K, {self.bins[1]}), "
                f"got {[v.shape for v in outputs]}; correct the model's manifest entry"
            )
        x, y = (np.asarray(v, np.float32) for v in outputs)
        heights = np.nan_to_num(np.minimum(x.max(axis=-1), y.max(axis=-1)))
        at = np.stack([x.argmax(axis=-1), y.argmax(axis=-1)], axis=-1) / self.split
        points = np.where(heights[..., None] > 0, at, np.nan)
        return np.concatenate([points, heights.clip(0, 1)[..., None]], axis=-1).astype(np.float32)

    def flip(self, outputs: Sequence[NDArray[np.generic]], pairs: NDArray[np.int64]) -> list[Floats]:
        """Outputs for the mirrored crop as if for the crop itself.

        Args:
            outputs: x (N, K, bins x) and y (N, K, bins y).
            pairs: (K,) index array that swaps left and right.
        """
        x, y = (np.asarray(v, np.float32)[:, pairs] for v in outputs)
        return [x[..., ::-1].copy(), y]
