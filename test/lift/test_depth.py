"""Size and distance from a depth image: made-up people whose size is known."""

from __future__ import annotations

import numpy as np
import pytest

from posemo_ros.camera import Camera
from posemo_ros.errors import InputError
from posemo_ros.images import depth_from_raw
from posemo_ros.lift.depth import PLAUSIBLE, SURFACE_M, DepthImage, scales
from posemo_ros.lift.place import LIMBS, place
from posemo_ros.types import View

CAMERA = Camera.from_fov(640, 480, 60.0)
VIEW = View.through(CAMERA)
ROOT = np.array([0.3, 0.1, 3.0])


def body() -> np.ndarray:
    """(17, 3) metres about the pelvis, upright, slightly turned."""
    out = np.zeros((17, 3))
    trunk = {1: (-0.13, 0, 0.02), 4: (0.13, 0, -0.02), 11: (0.17, -0.5, -0.03), 14: (-0.17, -0.5, 0.03)}
    limbs = {2: (-0.13, 0.42, 0.02), 5: (0.13, 0.42, -0.02), 3: (-0.13, 0.85, 0.05), 6: (0.13, 0.85, 0)}
    arms = {12: (0.25, -0.25, 0), 15: (-0.25, -0.25, 0), 13: (0.25, 0, 0), 16: (-0.25, 0, 0)}
    for joint, place_ in (trunk | limbs | arms).items():
        out[joint] = place_
    return out


def keypoints(joints: np.ndarray) -> np.ndarray:
    """(1, 17, 3) what a camera sees of (17, 3) joints in its frame."""
    out = np.zeros((1, 17, 3), np.float32)
    for h36m, coco in LIMBS:
        out[0, coco, :2] = CAMERA.project(joints[h36m])
        out[0, coco, 2] = 0.9
    return out


def wall(metres: float, size: tuple[int, int] = (480, 640)) -> DepthImage:
    return DepthImage(np.full(size, metres, np.float32))


def measured(factor: float, depth: DepthImage, seen: np.ndarray | None = None, view: View = VIEW) -> tuple:
    """Scales of somebody ``factor`` times as large as the lifter thinks."""
    points = keypoints(ROOT + body() * factor) if seen is None else seen
    relative = body()[None].astype(np.float32)
    roots = place(relative, points, CAMERA)
    return scales(relative, roots, points, view, depth, 0.2), relative, roots


@pytest.mark.parametrize("factor", [0.7, 0.9, 1.0, 1.2])
def test_a_body_is_as_large_as_its_distance_says(factor: float) -> None:
    """The trunk is nearly flat: its surface is a wall, in front of the joints."""
    distance = ROOT[2] + 0.0
    found, _, roots = measured(factor, wall(distance - SURFACE_M))
    assert found.reason == ""
    assert found.factors[0] == pytest.approx(factor, rel=0.02)
    assert roots[0][2] == pytest.approx(ROOT[2] / factor, rel=0.02)
    np.testing.assert_allclose(found.factors[0] * roots[0], ROOT, atol=0.05)


@pytest.mark.parametrize("size", [(240, 320), (120, 160), (960, 1280)])
def test_depth_of_another_resolution_is_the_same(size: tuple[int, int]) -> None:
    found, _, _ = measured(1.1, wall(ROOT[2] - SURFACE_M, size))
    assert found.factors[0] == pytest.approx(1.1, rel=0.02)


def test_pixels_are_where_they_are_at_every_resolution() -> None:
    ramp = np.tile(np.arange(1, 641, dtype=np.float32), (480, 1))
    small = ramp.reshape(240, 2, 320, 2).mean(axis=(1, 3))
    at = np.array([[100.0, 50.0], [637.0, 470.0], [0.0, 0.0]])
    full, half = DepthImage(ramp).at(at, VIEW), DepthImage(small).at(at, VIEW)
    np.testing.assert_allclose(full[:2], [101, 638])
    np.testing.assert_allclose(half, full, atol=1.1)


def test_outside_and_unknown_is_not_known() -> None:
    depth = wall(2.0)
    depth.metres[:100] = np.nan
    at = np.array([[-5, 200], [700, 200], [300, 50], [300, 101], [np.nan, 200], [1e9, 1e9]])
    found = depth.at(at, VIEW)
    assert np.isnan(found[[0, 1, 2, 4, 5]]).all()
    assert found[3] == 2.0


def test_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match="640 x 360 pixels, the picture 640 x 480: not the same view"):
        measured(1.0, wall(2.0, (360, 640)))


def holes(share: float) -> DepthImage:
    depth = wall(ROOT[2] - SURFACE_M)
    depth.metres[np.random.default_rng(0).random(depth.metres.shape) < share] = np.nan
    return depth


def half_covered() -> DepthImage:
    """Somebody or something a metre nearer hides the right half."""
    depth = wall(ROOT[2] - SURFACE_M)
    depth.metres[:, int(CAMERA.project(ROOT)[0]) :] -= 1.0
    return depth


@pytest.mark.parametrize(
    ("depth", "reason"),
    [
        (holes(0.9), "too little depth"),
        (wall(np.nan), "too little depth"),
        (half_covered(), "several things"),
        (wall(1.1), "times as large as people are"),
        (wall(9.0), "times as large as people are"),
    ],
)
def test_what_is_not_believed(depth: DepthImage, reason: str) -> None:
    found, _, _ = measured(1.0, depth)
    assert np.isnan(found.factors[0])
    assert reason in found.reason


def test_few_holes_do_not_matter() -> None:
    assert measured(1.0, holes(0.2))[0].factors[0] == pytest.approx(1.0, rel=0.02)


def test_without_a_trunk_nothing_is_measured() -> None:
    points = keypoints(ROOT + body())
    points[0, [5, 6, 11], 2] = 0.05
    found, _, _ = measured(1.0, wall(2.9), points)
    assert np.isnan(found.factors[0])
    assert "no two points of the trunk" in found.reason


def test_nobody_is_nothing() -> None:
    none = np.zeros((0, 17, 3), np.float32)
    found = scales(none, np.zeros((0, 3), np.float32), none, VIEW, wall(2.0), 0.2)
    assert (found.factors.shape, found.reason) == ((0,), "")


def test_limits_are_those_of_people() -> None:
    assert 1.7 * PLAUSIBLE[0] < 1.05
    assert 1.7 * PLAUSIBLE[1] > 2.3


# --- messages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("pad", [0, 6])
@pytest.mark.parametrize(
    ("encoding", "kind", "values", "metres"),
    [
        ("16UC1", "u2", [[1500, 0], [65535, 20]], [[1.5, np.nan], [65.535, 0.02]]),
        ("32FC1", "f4", [[1.5, 0], [np.nan, np.inf]], [[1.5, np.nan], [np.nan, np.nan]]),
        ("32FC1", "f4", [[-1, 0.25], [3, 4]], [[np.nan, 0.25], [3, 4]]),
    ],
)
def test_depth_of_a_message(
    encoding: str, kind: str, values: list, metres: list, big: bool, pad: int
) -> None:
    rows = np.array(values, (">" if big else "<") + kind)
    data = b"".join(row.tobytes() + b"\x07" * pad for row in rows)
    found = depth_from_raw(encoding, 2, 2, rows.itemsize * 2 + pad, big, data)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, metres, rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (("rgb8", 2, 2, 6, False, bytes(12)), "'rgb8' are not used"),
        (("64FC1", 2, 2, 16, False, bytes(32)), "'64FC1' are not used"),
        (("16UC1", 2, 2, 2, False, bytes(8)), "step is 2 bytes"),
        (("16UC1", 2, 2, 4, False, bytes(7)), "data has 7 bytes"),
        (("16UC1", 0, 2, 4, False, b""), "at least 1 x 1"),
    ],
)
def test_malformed_depth_is_refused(fields: tuple, words: str) -> None:
    with pytest.raises(InputError, match=words):
        depth_from_raw(*fields)
