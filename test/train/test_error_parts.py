"""Parts of an error that was made up of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from train.error_parts import parts_of

AWAY = np.array([0.0, 0.0, 4.0])


def two_people() -> np.ndarray:
    """(2, 30, 17, 3) moving, 4 m straight ahead."""
    joints = np.random.default_rng(0).normal(0, 0.4, (2, 30, 17, 3))
    joints[:, :, 0] = 0
    return joints + AWAY


EVERY = np.ones((2, 30), bool)


def test_no_error_has_no_parts() -> None:
    joints = two_people()
    parts = parts_of(joints - AWAY, joints, EVERY)
    for name in ("along_mm", "across_mm", "best_size_mm", "best_turn_mm", "best_both_mm"):
        assert parts[name] == pytest.approx(0, abs=0.01), name
    assert parts_of(joints - AWAY, joints, ~EVERY) == {}


def test_too_far_is_along_and_aside_is_across() -> None:
    joints = two_people()
    found = joints - AWAY
    found[:, :, 13, 2] += 0.13  # one of the 13
    found[:, :, 16, 0] += 0.26
    parts = parts_of(found, joints, EVERY)
    assert parts["along_mm"] == pytest.approx(10, abs=0.01)
    assert parts["across_mm"] == pytest.approx(20, abs=0.01)
    assert parts["joints_mm"]["left_wrist"] == [130.0, 130.0]
    assert parts["joints_mm"]["right_wrist"] == [260.0, 0.0]
    assert parts["joints_mm"]["left_knee"] == [0.0, 0.0]


def test_size_and_lean_belong_to_a_person() -> None:
    joints = two_people()
    large = (joints - AWAY) * np.array([1.2, 0.9])[:, None, None, None]
    sized = parts_of(large, joints, EVERY)
    assert sized["best_size_mm"] == pytest.approx(0, abs=0.01)
    assert sized["best_turn_mm"] > 50
    leaning = large.copy()
    for person, degrees in enumerate((10, -7)):
        leaning[person] = large[person] @ Rotation.from_euler("x", degrees, degrees=True).as_matrix()
    both = parts_of(leaning, joints, EVERY)
    assert both["best_both_mm"] == pytest.approx(0, abs=0.01)
    assert both["best_size_mm"] > 30
    assert both["best_turn_mm"] == pytest.approx(sized["best_turn_mm"], abs=0.01)
    # What is best for the one is not taken from the other's frames.
    alone = parts_of(leaning, joints, EVERY & (np.arange(2) == 0)[:, None])
    assert alone["best_both_mm"] == pytest.approx(0, abs=0.01)
