"""Networks that put out keypoints themselves: the decoding is inside.

Symbols: N persons, K keypoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..types import Floats


@dataclass(frozen=True)
class PointsCodec:
    """x, y in crop pixels and a score.

    Attributes:
        width, height: Of the crop, pixels.
    """

    width: int
    height: int

    unbiased = False

    def decode(self, outputs: Sequence[NDArray[np.generic]]) -> Floats:
        """The output, checked.

        Args:
            outputs: One array, (N, K, 3).

        Returns:
            (N, K, 3) float32 x, y in crop px, score cut to 0..1; NaN, NaN, 0 where it is not finite.

        Raises:
            ModelError: The output has another form.
        """
        if len(outputs) != 1 or outputs[0].ndim != 3 or outputs[0].shape[2] != 3:
            raise ModelError(
                f"codec 'points' expects one output (N, K, 3), got {[v.shape for v in outputs]}; "
                "correct the model's manifest entry"
            )
        found = np.array(outputs[0], np.float32)
        found[~np.isfinite(found).all(axis=2)] = (np.nan, np.nan, 0)
        found[..., 2] = np.clip(found[..., 2], 0, 1)
        return found

    def flip(self, outputs: Sequence[NDArray[np.generic]], pairs: NDArray[np.int64]) -> list[Floats]:
        """Outputs for the mirrored crop as if for the crop itself.

        Args:
            outputs: One array, (N, K, 3).
            pairs: (K,) index array that swaps left and right.
        """
        mirrored = np.asarray(outputs[0], np.float32)[:, pairs].copy()
        mirrored[..., 0] = self.width - 1 - mirrored[..., 0]
        return [mirrored]
