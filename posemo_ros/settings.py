"""What can be chosen about a chain."""

from __future__ import annotations

from dataclasses import dataclass

from .camera import DEFAULT_HFOV_DEG
from .timeline import GAP_S, LATE_S

CONTEXT_RATE_HZ = 2.0
KEYPOINT_THRESHOLD = 0.2
BESIDE_THREADS = 1  # of a detector that runs beside the keypoints


@dataclass(frozen=True)
class Models:
    """Which networks run, and where. They stay the same while a pipeline lives.

    Attributes:
        detector, keypoints, lifter, emotion, context: Names in the model manifest; empty lifter:
            2D only; empty emotion: no emotions; empty context: movement alone.
        runtime: ``auto``, ``onnxruntime``, ``openvino`` or ``tensorrt``.
        threads: CPU threads shared by all networks; 0: one per core.
        real_time: For live streams: the detector runs beside the keypoints and its boxes join when they are
            ready (``detect.beside``), so results depend on the machine's speed; emotions are judged at the
            network's own rate and repeated in between. Otherwise the same images give the same results, to
            the bit.
        delay_frames: How many later images the lifter waits for; see ``lift.lifter.images_ahead``.
        smoothing_hz: Lowest cut-off of the 1€ filter over the skeletons; 0: none.
    """

    detector: str = "posemo-detector"
    keypoints: str = "posemo-keypoints"
    lifter: str = "posemo-lifter"
    emotion: str = "posemo-emotion"
    context: str = ""
    runtime: str = "auto"
    threads: int = 0
    real_time: bool = False
    delay_frames: int = 0
    smoothing_hz: float = 3.0


@dataclass(frozen=True)
class Settings:
    """What may change while the pipeline runs.

    Attributes:
        detector_threshold: Score from which a person box counts by itself, 0 to 1 (weaker ones: where a
            body is seen in them, see ``detect.confirm``); None: the model's own.
        keypoint_threshold: Keypoints below this score count as not seen, 0 to 1: boxes do not follow
            them, skeletons are not made from them. They are reported all the same.
        detect_every: The detector runs on every k-th frame; boxes follow the keypoints in between.
        detector_tiles: The detector also looks at so many rows and columns of pieces of the image: for
            small people; 1: the whole image, of panoramas also pieces along their length.
        max_people: So many of the best boxes are kept; who was there stays before somebody a little surer.
        keypoint_smoothing_hz: Lowest cut-off of the 1€ filter over the keypoints; 0: none.
        context_rate_hz: How often the scene is encoded; 0: as often as the emotion network was
            trained with, ``CONTEXT_RATE_HZ`` where it does not say.
        context_max_age_s: An encoding of the scene older than this is not used.
        deadline_ms: While frames take longer on average, work is left out, the least important first (see
            ``budget``); 0: never.
        late_s, gap_s: What counts as a late image and as a jump of time, see ``Timeline``.
        hfov_deg: Horizontal field of view assumed for a camera without calibration, degrees.
        camera_height_m: Of the camera above a level floor, metres: sizes and distances of people whose feet
            are seen are then measured (``lift.ground``), and the lifter knows which way is up; 0: not known.
        camera_tilt_deg: How far the camera looks down, degrees; it must not roll.
    """

    detector_threshold: float | None = None
    keypoint_threshold: float = KEYPOINT_THRESHOLD
    detect_every: int = 5
    detector_tiles: int = 1
    max_people: int = 8
    keypoint_smoothing_hz: float = 3.0
    context_rate_hz: float = 0.0
    context_max_age_s: float = 5.0
    deadline_ms: float = 0.0
    late_s: float = LATE_S
    gap_s: float = GAP_S
    hfov_deg: float = DEFAULT_HFOV_DEG
    camera_height_m: float = 0.0
    camera_tilt_deg: float = 0.0
