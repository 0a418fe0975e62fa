"""What travels between the stations of the chain.

Symbols: N persons, H x W pixels. Boxes are xyxy in pixels; scores lie in [0, 1]; stamps are
nanoseconds as in ``builtin_interfaces/Time``; NaN means "not known". Arrays are never changed
after they were put into one of these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import DEFAULT_HFOV_DEG, Camera
from .errors import InputError
from .skeleton import COCO17, H36M17

Floats = NDArray[np.float32]
EMOTIONS = ("joy", "anger", "disgust", "fear", "sadness", "surprise")
NEUTRAL = "neutral"  # no emotion shown: a class inside networks and a label of clips, never an answer


class PixelOrder(str, Enum):
    """How the channels of an image lie in memory."""

    BGR = "bgr"
    RGB = "rgb"
    GRAY = "gray"


@dataclass(frozen=True, eq=False)
class View:
    """What is known about an image besides its pixels.

    Attributes:
        stamp_ns: Time of exposure.
        frame_id: The camera's optical frame.
        camera: Intrinsics; None where only the rest is known, as in skeletons from a message.
        width, height: Of the image, pixels.
        camera_assumed: Whether nobody calibrated the camera; metres are then a guess.
    """

    stamp_ns: int = 0
    frame_id: str = ""
    camera: Camera | None = None
    width: int = 0
    height: int = 0
    camera_assumed: bool = True

    @classmethod
    def through(cls, camera: Camera, stamp_ns: int = 0, frame_id: str = "") -> View:
        """The whole image of a camera."""
        return cls(stamp_ns, frame_id, camera, camera.width, camera.height, camera.assumed)


@dataclass(frozen=True, eq=False)
class OfView:
    """What was found in one image, and the view it is true for."""

    view: View = field(default=View(), kw_only=True)

    @property
    def stamp_ns(self) -> int:
        """Stamp of the image."""
        return self.view.stamp_ns


@dataclass(frozen=True, eq=False)
class Frame:
    """One image and what is known about it.

    Attributes:
        image: (H, W, 3), or (H, W) for GRAY, uint8; a view on the message's own buffer where
            possible (rows may be padded), so read it and never write to it.
        stamp_ns: Time of exposure.
        frame_id: The camera's optical frame.
        camera: Intrinsics, or None when nobody gave any.
        pixel_order: Channel order of ``image``. Stations reorder their small crops, never the
            whole image.

    Raises:
        InputError: The image is empty or not of these shapes and type.
    """

    image: NDArray[np.uint8]
    stamp_ns: int = 0
    frame_id: str = ""
    camera: Camera | None = None
    pixel_order: PixelOrder = PixelOrder.BGR

    def __post_init__(self) -> None:
        image = self.image
        shape_ok = image.ndim == 2 if self.pixel_order is PixelOrder.GRAY else image.shape[2:] == (3,)
        if not shape_ok or image.dtype != np.uint8 or image.size == 0:
            raise InputError(
                f"image has shape {image.shape} and type {image.dtype}; expected uint8, not empty, "
                f"{'(H, W)' if self.pixel_order is PixelOrder.GRAY else '(H, W, 3)'} "
                f"for {self.pixel_order.value}"
            )

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.image.shape[0])

    def view(self, hfov_deg: float = DEFAULT_HFOV_DEG) -> View:
        """All but the pixels, with a camera of that field of view where nobody gave one."""
        camera = self.camera or _assumed(self.width, self.height, hfov_deg)
        return View(self.stamp_ns, self.frame_id, camera, self.width, self.height, camera.assumed)

    def bgr(self) -> NDArray[np.uint8]:
        """(H, W, 3) BGR; the image itself when it is BGR already, otherwise a copy."""
        return to_order(self.image, self.pixel_order, PixelOrder.BGR)


@lru_cache(maxsize=8)
def _assumed(width: int, height: int, hfov_deg: float) -> Camera:
    return Camera.from_fov(width, height, hfov_deg)


def to_order(image: NDArray[np.uint8], order: PixelOrder, wanted: PixelOrder) -> NDArray[np.uint8]:
    """An image (or crop of one) in another channel order; itself where nothing changes."""
    if order is wanted:
        return image
    code = getattr(cv2, f"COLOR_{order.name}2{wanted.name}")
    return np.asarray(cv2.cvtColor(image, code), np.uint8)


def _empty(*shape: int) -> Floats:
    return np.zeros(shape, np.float32)


@dataclass(frozen=True, eq=False)
class Detections:
    """Person boxes of one image.

    Attributes:
        boxes: (N, 4) float32 xyxy px, may reach beyond the image.
        scores: (N,) float32.
    """

    boxes: Floats = field(default_factory=lambda: _empty(0, 4))
    scores: Floats = field(default_factory=lambda: _empty(0))

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, eq=False)
class People2D(OfView):
    """The people seen in one image.

    Attributes:
        ids: N track ids, stable while a person stays in view; start with a letter.
        boxes: (N, 4) float32 xyxy px.
        scores: (N,) float32 of the box.
        keypoints: (N, 17, 3) float32 x px, y px, score, in COCO-17 order.
        other_boxes: (M, 4) float32 xyxy px, where there may be somebody else: weak boxes of the detector's
            last run, and people beyond the limit. To hide faces by, not to count people by.
        view: The image they were seen in.
    """

    ids: tuple[str, ...] = ()
    boxes: Floats = field(default_factory=lambda: _empty(0, 4))
    scores: Floats = field(default_factory=lambda: _empty(0))
    keypoints: Floats = field(default_factory=lambda: _empty(0, len(COCO17), 3))
    other_boxes: Floats = field(default_factory=lambda: _empty(0, 4))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def keypoints_xy(self) -> Floats:
        """(N, 17, 2) float32 px, what rtmlib calls ``keypoints``; a view."""
        return self.keypoints[..., :2]

    @property
    def keypoint_scores(self) -> Floats:
        """(N, 17) float32, what rtmlib calls ``scores``; a view."""
        return self.keypoints[..., 2]


@dataclass(frozen=True, eq=False)
class Skeletons3D(OfView):
    """3D skeletons of the people of one image.

    Attributes:
        ids: N track ids.
        relative: (N, 17, 3) float32 metres, axes of the camera frame, pelvis at the origin, in
            H36M-17 order; NaN where nothing is known.
        roots: (N, 3) float32 metres, pelvis in the camera frame; NaN where it could not be placed.
        scores: (N, 17) float32 per joint.
        measured: (N,) bool, whether size and place are from a depth image; False when not given.
        view: The image they are true for (older than the newest image when the lifter looks ahead,
            see ``Lifter``).
    """

    ids: tuple[str, ...] = ()
    relative: Floats = field(default_factory=lambda: _empty(0, len(H36M17), 3))
    roots: Floats = field(default_factory=lambda: _empty(0, 3))
    scores: Floats = field(default_factory=lambda: _empty(0, len(H36M17)))
    measured: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def __post_init__(self) -> None:
        if not len(self.measured):
            object.__setattr__(self, "measured", np.zeros(len(self.ids), np.bool_))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def joints(self) -> Floats:
        """(N, 17, 3) float32 metres in the camera frame."""
        return self.relative + self.roots[:, None]


class EmotionStatus(str, Enum):
    """Why an emotion estimate is valid or not."""

    VALID = "valid"
    TOO_FEW_FRAMES = "too_few_frames"
    LOW_KEYPOINT_SCORES = "low_keypoint_scores"
    NO_CONTEXT = "no_context"
    NOT_ENOUGH_EVIDENCE = "not_enough_evidence"


@dataclass(frozen=True, eq=False)
class Context(OfView):
    """Features of the scene around the people.

    Attributes:
        tokens: (P, C) float32, for CLIP ViT-B/32 (50, 768): class token first, then patches.
        model: Name of the encoder in the manifest.
        view: The image that was encoded.
    """

    tokens: Floats
    model: str


@dataclass(frozen=True, eq=False)
class Emotions(OfView):
    """Emotion estimates of the people of one image.

    Attributes:
        ids: N track ids.
        probabilities: (N, 6) float32 in the order of ``EMOTIONS``; rows sum to 1, uniform where
            the status is not VALID.
        status: N values; only VALID rows say something about the person.
        windows_s: (N,) float32 span of the movement that was used.
        context_ages_s: (N,) float32 skeleton stamp minus context stamp; NaN without context.
        evidence: N tuples of words for what the answer rests on most, such as "head bowed"; empty
            without an answer, and where the network reads poses.
        view: That of the skeletons that close the movement window.
    """

    ids: tuple[str, ...] = ()
    probabilities: Floats = field(default_factory=lambda: _empty(0, len(EMOTIONS)))
    status: tuple[EmotionStatus, ...] = ()
    windows_s: Floats = field(default_factory=lambda: _empty(0))
    context_ages_s: Floats = field(default_factory=lambda: _empty(0))
    evidence: tuple[tuple[str, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labels(self) -> tuple[str, ...]:
        """N words: the most probable of ``EMOTIONS``, or the status (``not_enough_evidence``, …)."""
        best = self.probabilities.argmax(axis=1)
        return tuple(
            EMOTIONS[e] if s is EmotionStatus.VALID else s.value
            for e, s in zip(best, self.status, strict=True)
        )


@dataclass(frozen=True, eq=False)
class FrameResult:
    """All that the chain says about one image.

    Attributes:
        people: 2D, true for this image.
        skeletons: 3D, with a view of their own; None while the lifter still waits for later
            images (``delay_frames`` > 0).
        emotions: True for the skeletons' view; None when there are no skeletons.
        timings_ms: Wall time per station, in the order of the data; stations that rested in this
            frame are absent.
        late: The image is older than the one before and was skipped; nothing is known about it.
        owed: 3D results of earlier images that still waited when time jumped.
    """

    people: People2D
    skeletons: Skeletons3D | None = None
    emotions: Emotions | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)
    late: bool = False
    owed: tuple[tuple[Skeletons3D, Emotions | None], ...] = ()

    @property
    def stamp_ns(self) -> int:
        """Stamp of the image."""
        return self.people.stamp_ns

    @property
    def frame_id(self) -> str:
        """The camera's optical frame."""
        return self.people.view.frame_id
