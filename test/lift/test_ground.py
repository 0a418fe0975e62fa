"""Size and distance from the feet on a known floor: made-up people whose size is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from posemo_ros.camera import Camera
from posemo_ros.inference.manifest import LiftSpec
from posemo_ros.inference.session import TensorSpec
from posemo_ros.lift.ground import ANKLE_M, FEWEST, FORGOTTEN_NS, Ground, GroundSizes, factors
from posemo_ros.lift.lifter import Lifter
from posemo_ros.lift.place import place
from posemo_ros.pipeline import apply_lifter
from posemo_ros.settings import Settings
from posemo_ros.types import People2D, Skeletons3D, View

from .test_depth import body, keypoints

CAMERA = Camera.from_fov(640, 480, 60.0)
HEIGHT_M, TILT_DEG = 1.3, 12.0


def standing(size: float, tilt_deg: float = TILT_DEG, lift_m: float = 0.0, away_m: float = 3.0) -> np.ndarray:
    """(17, 3) in the camera's frame: somebody whose ankles are above the floor, both feet level."""
    pose = body() * size
    pose[[3, 6], 1] = 0.85 * size
    pose += [0.2, HEIGHT_M - ANKLE_M - 0.85 * size - lift_m, away_m]  # a level camera's frame, y down
    turn = np.radians(tilt_deg)  # now it looks down
    return pose @ np.array([[1, 0, 0], [0, np.cos(turn), np.sin(turn)], [0, -np.sin(turn), np.cos(turn)]])


def lifted(true: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a lifter says that takes everybody for as large as ``body``: relative, root, keypoints."""
    points = keypoints(true)
    relative = ((true - true[0]) / size)[None].astype(np.float32)
    return relative, place(relative, points, CAMERA), points


@pytest.mark.parametrize("size", [0.7, 1.0, 1.2])
@pytest.mark.parametrize("tilt", [-5.0, 0.0, TILT_DEG])
def test_a_body_is_as_large_as_its_feet_on_the_floor_say(size: float, tilt: float) -> None:
    true = standing(size, tilt)
    relative, roots, points = lifted(true, size)
    assert roots[0][2] == pytest.approx(true[0, 2] / size, rel=0.01)  # the image alone
    (factor,) = factors(relative, roots, points, Ground(HEIGHT_M, tilt))
    assert factor == pytest.approx(size, rel=0.03)
    np.testing.assert_allclose(factor * roots[0], true[0], atol=0.1)


def test_it_says_nothing_without_feet_near_the_horizon_or_of_a_size_that_nobody_has() -> None:
    relative, roots, points = lifted(standing(1.0), 1.0)
    floor = Ground(HEIGHT_M, TILT_DEG)
    assert np.isfinite(factors(relative, roots, points, floor)).all()
    for ankle in (15, 16):
        unseen = points.copy()
        unseen[0, ankle, 2] = 0.1
        assert np.isnan(factors(relative, roots, unseen, floor)).all()
    assert np.isnan(factors(relative, np.full_like(roots, np.nan), points, floor)).all()
    assert np.isnan(factors(*lifted(standing(1.0, away_m=9.0), 1.0), floor)).all()
    assert np.isnan(factors(relative, roots, points, Ground(0.5, TILT_DEG))).all()  # 0.4 times as large


class Film:
    """A person in images 1/30 s apart."""

    def __init__(self, sizes: GroundSizes) -> None:
        self.sizes, self.now = sizes, 0

    def show(self, true: np.ndarray, size: float, count: int = 1, gap_ns: int = 33_333_333) -> float:
        relative, roots, points = lifted(true, size)
        for _ in range(count):
            self.now += gap_ns
            view = dataclasses.replace(View.through(CAMERA), stamp_ns=self.now)
            people = People2D(
                ("p1",), np.zeros((1, 4), np.float32), np.ones(1, np.float32), points, view=view
            )
            (factor,) = self.sizes.of(people, relative, roots)
        return float(factor)


def test_it_is_believed_after_some_images_and_a_foot_in_the_air_does_not_count() -> None:
    film = Film(GroundSizes(Ground(HEIGHT_M, TILT_DEG)))
    assert film.show(standing(1.2), 1.2, FEWEST - 1) == 1
    settled = film.show(standing(1.2), 1.2)
    assert settled == pytest.approx(1.2, rel=0.03)
    jumping = film.show(standing(1.2, lift_m=0.3), 1.2, 8)
    assert jumping == pytest.approx(settled, rel=1e-6)
    hidden = film.show(standing(1.2) * [1, 1, np.nan], 1.2, 8)  # the size stays while nothing is seen
    assert hidden == pytest.approx(settled, rel=1e-6)


def test_somebody_away_is_forgotten_and_without_a_floor_all_is_as_assumed() -> None:
    film = Film(GroundSizes(Ground(HEIGHT_M, TILT_DEG)))
    assert film.show(standing(1.2), 1.2, 10) > 1.1
    assert film.show(standing(1.2), 1.2, gap_ns=FORGOTTEN_NS + 1) == 1
    film.show(standing(1.2), 1.2, 10)
    film.sizes.reset()
    assert film.show(standing(1.2), 1.2) == 1
    assert Film(GroundSizes()).show(standing(1.2), 1.2, 10) == 1


class AlwaysTheSame:
    """A network that takes everybody for ``body``."""

    runtime, precision = "fake", "fp32"
    inputs = (TensorSpec("in", (-1, 5, 17, 3), "float32"),)
    outputs = (TensorSpec("out", (-1, 1, 17, 3), "float32"),)

    def run(self, feeds: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        seen = (standing(1.0) - standing(1.0)[0]).astype(np.float32)
        return {"out": np.repeat(seen[None, None], len(feeds["in"]), 0)}


def test_the_station_places_people_by_the_floor() -> None:
    lifter = Lifter(AlwaysTheSame(), LiftSpec(frames=5, normalisation="screen", channels=3))
    true = standing(1.2)

    def last(count: int) -> Skeletons3D:
        for image in range(count):
            view = dataclasses.replace(View.through(CAMERA), stamp_ns=image * 33_333_333)
            boxes, scores = np.zeros((1, 4), np.float32), np.ones(1, np.float32)
            found = lifter.lift(People2D(("p1",), boxes, scores, keypoints(true), view=view))
        assert found is not None
        return found

    alone = last(8)
    np.testing.assert_allclose(alone.roots[0], true[0] / 1.2, rtol=0.02)
    apply_lifter(lifter, Settings(camera_height_m=HEIGHT_M, camera_tilt_deg=TILT_DEG))
    assert lifter.up is not None
    np.testing.assert_allclose(lifter.up, [0, -np.cos(np.radians(TILT_DEG)), -np.sin(np.radians(TILT_DEG))])
    lifter.reset()
    placed = last(8)
    np.testing.assert_allclose(placed.roots[0], true[0], rtol=0.03)
    np.testing.assert_allclose(placed.relative[0], true - true[0], atol=0.03)
    assert not placed.measured.any()  # that is said of depth images
    apply_lifter(lifter, Settings())
    assert lifter.up is None
    lifter.reset()
    np.testing.assert_array_equal(last(8).roots, alone.roots)
