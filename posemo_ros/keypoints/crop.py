"""From a person's box to the network's input and back.

Symbols: N persons; the crop is ``width`` x ``height`` pixels.

Two conventions place the crop. The ordinary one (HRNet, RTMPose) maps the edges of the filled box
to the edges of the crop, ``width`` apart; the unbiased one of UDP (Huang et al., 2020) maps them to
the centres of the outermost pixels, ``width - 1`` apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..inference.manifest import ImageInput
from ..tensors import Writer, write_tensor
from ..types import Floats, Frame


@dataclass(frozen=True, eq=False)
class Placement:
    """Where crops lie in the image.

    Attributes:
        centres: (N, 2) px.
        sizes: (N, 2) width, height px in the image.
        scales: (N, 2) crop pixels per image pixel.
        crop_centre: (2,) crop px that the centres map to.
    """

    centres: NDArray[np.float64]
    sizes: NDArray[np.float64]
    scales: NDArray[np.float64]
    crop_centre: NDArray[np.float64]

    @property
    def matrices(self) -> NDArray[np.float64]:
        """(N, 2, 3) affine, image px to crop px."""
        out = np.zeros((len(self.centres), 2, 3))
        out[:, 0, 0], out[:, 1, 1] = self.scales[:, 0], self.scales[:, 1]
        out[:, :, 2] = self.crop_centre - self.scales * self.centres
        return out

    def to_image(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """(N, K, 2) crop px as image px."""
        return (points - self.crop_centre) / self.scales[:, None] + self.centres[:, None]


def place(
    boxes: NDArray[np.floating], *, width: int, height: int, box_scale: float, unbiased: bool
) -> Placement:
    """Crops around boxes: filled up to the crop's aspect ratio, then enlarged.

    Args:
        boxes: (N, 4) xyxy px, with an area.
        width, height: Of the crop, pixels.
        box_scale: Enlargement, 1.25 for HRNet.
        unbiased: UDP's convention instead of the ordinary one.
    """
    corners = np.asarray(boxes, np.float64)
    w, h = (corners[:, 2:] - corners[:, :2]).T
    aspect = width / height
    sizes = box_scale * np.stack([np.maximum(w, h * aspect), np.maximum(h, w / aspect)], axis=1)
    span = np.array([width, height], np.float64) - unbiased
    return Placement((corners[:, :2] + corners[:, 2:]) / 2, sizes, span / sizes, span / 2)


def crop_into(
    frame: Frame, placement: Placement, spec: ImageInput, out: Floats, write: Writer = write_tensor
) -> None:
    """Cut out, normalise and write all crops; the image itself is only read.

    Args:
        frame: The image, in any channel order.
        placement: Of N crops.
        spec: Size and normalisation.
        out: (N, 3, height, width) float32, written to.
        write: Turns a crop into a tensor.
    """
    for matrix, target in zip(placement.matrices, out, strict=True):
        crop = cv2.warpAffine(
            frame.image,
            matrix,
            (spec.width, spec.height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(spec.pad_value,) * 3,
        )
        write(np.asarray(crop, np.uint8), frame.pixel_order, spec, target)
