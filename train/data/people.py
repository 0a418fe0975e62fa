"""Photos and the people labelled in them, as every data set here is read.

Symbols: J = 17 joints of COCO-17; pixels of the photo, x right, y down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from posemo_ros.errors import InputError


@dataclass(eq=False)
class Photo:
    """An encoded image that is decoded when first asked for, and then kept.

    Attributes:
        name: For messages.
        encoded: JPEG or PNG bytes, or the file that holds them.
        size: (width, height) px that its labels are for; None: nobody knows. Where an EXIF orientation turns
            the image away from it, it is taken as it is stored.
    """

    name: str
    encoded: bytes | Path
    _pixels: NDArray[np.uint8] | None = field(default=None, repr=False)
    size: tuple[int, int] | None = None

    def pixels(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 BGR.

        Raises:
            InputError: The bytes are no image, or one of another size than its labels are for.
        """
        if self._pixels is None:
            try:
                data = self.encoded.read_bytes() if isinstance(self.encoded, Path) else self.encoded
            except OSError as error:
                raise InputError(f"{self.encoded!s}: cannot be read ({error.strerror})") from error
            self._pixels = self._decode(np.frombuffer(data, np.uint8))
        return self._pixels

    def _decode(self, data: NDArray[np.uint8]) -> NDArray[np.uint8]:
        found = (0, 0)
        for flags in (cv2.IMREAD_COLOR, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION):
            image = cv2.imdecode(data, flags)
            if image is None:
                raise InputError(f"{self.name}: not an image that OpenCV can read")
            found = image.shape[1], image.shape[0]
            if self.size in (None, found):
                return np.asarray(image, np.uint8)
        assert self.size is not None
        labelled, has = (f"{width} x {height} px" for width, height in (self.size, found))
        raise InputError(f"{self.name}: labelled for {labelled}, the image has {has}")


@dataclass(frozen=True, eq=False)
class Person:
    """One labelled person.

    Attributes:
        photo: Where the person is seen.
        box: (4,) float32 xyxy px.
        keypoints: (J, 3) float32 x, y, visibility: 0 not labelled, 1 hidden, 2 visible.
        area: px², the s² of COCO's object keypoint similarity.
        complete: (J,) bool; where True, visibility 0 means that nobody could place the joint;
            where False nobody was asked.
        outline: (K, 2) float32, more points that belong to the person (the crown).
        image_id, person_id: Those of the annotation file.
        source: Name of the data set.
        rough: (J,) bool; where True the label says only about where the joint is.
    """

    photo: Photo
    box: NDArray[np.float32]
    keypoints: NDArray[np.float32]
    area: float
    complete: NDArray[np.bool_]
    outline: NDArray[np.float32]
    image_id: int
    person_id: int
    source: str
    rough: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(17, np.bool_))


def need_photos(people: Sequence[Person]) -> None:
    """Refuse people whose photos are not there, before hours of training come to the first of them.

    Raises:
        InputError: It says how many are missing and names one; or there are no people.
    """
    if not people:
        raise InputError("nobody to look at: no labelled person, or no box in a photo of the annotation file")
    paths = {p.photo.encoded for p in people if isinstance(p.photo.encoded, Path)}
    missing = sorted(path for path in paths if not path.is_file())
    if missing:
        raise InputError(
            f"{missing[0]}: not there; {len(missing)} of {len(paths)} photos are missing; expected the whole "
            "download that the annotations or boxes are of"
        )


def by_photo(people: Sequence[Person]) -> list[tuple[Photo, NDArray[np.float32]]]:
    """The photos, each with the boxes (n, 4) of its people."""
    grouped: dict[int, list[Person]] = {}
    for person in people:
        grouped.setdefault(person.image_id, []).append(person)
    return [(group[0].photo, np.stack([p.box for p in group])) for group in grouped.values()]
