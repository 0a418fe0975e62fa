"""Descriptors measure what their names say, whatever the size, the rate and the way a person faces."""

from __future__ import annotations

import numpy as np
import pytest

from posemo_ros.emotion.descriptors import DESCRIPTORS, NAMES, describe, joints_of, rests, runs
from posemo_ros.emotion.window import upright

RATE_HZ, FRAMES = 12.0, 27
T = np.arange(FRAMES) / RATE_HZ


def standing() -> np.ndarray:
    """(1, T, 17, 3): facing +x, z up, arms hanging."""
    pose = np.zeros((17, 3), np.float32)
    for side, hip, shoulder in ((-1, 1, 14), (1, 4, 11)):
        pose[hip : hip + 3] = [(0, side * 0.1, z) for z in (0, -0.43, -0.84)]
        pose[shoulder : shoulder + 3] = [(0, side * 0.18, z) for z in (0.47, 0.19, -0.07)]
    pose[7:11] = [(0, 0, 0.25), (0, 0, 0.5), (0, 0, 0.6), (0, 0, 0.78)]
    return np.repeat(pose[None, None], FRAMES, 1)


def value(poses: np.ndarray, name: str) -> float:
    return float(describe(poses, RATE_HZ)[0, NAMES.index(name)])


def swinging(amplitude: float, hz: float = 1.0) -> np.ndarray:
    poses = standing()
    for joint, sign in ((13, 1), (16, -1)):
        poses[0, :, joint, 0] += sign * amplitude * np.sin(2 * np.pi * hz * T)
    return poses


def test_every_descriptor_is_finite_and_has_words() -> None:
    for poses in (standing(), swinging(0.3)):
        row = describe(poses, RATE_HZ)
        assert row.shape == (1, len(DESCRIPTORS))
        assert np.isfinite(row).all()


def test_words_say_which_descriptor_and_which_joints() -> None:
    words = [w for d in DESCRIPTORS.values() for w in (d.high, d.low)]
    assert len(set(words)) == len(words) == 2 * len(NAMES)
    assert all(joints_of(w) and set(joints_of(w)) <= set(range(17)) for w in words)
    assert joints_of("head bowed") == (9, 10)
    assert joints_of("hands high") == joints_of("hands low") == (13, 16)
    assert joints_of("said by another network") == ()


def test_bowed_head() -> None:
    poses = standing()
    poses[:, :, 10] = poses[:, :, 9] + np.float32([0.18 * np.sin(0.6), 0, 0.18 * np.cos(0.6)])
    assert value(poses, "head_pitch") == pytest.approx(0.6, abs=1e-3)
    assert value(poses, "head_on_trunk") == pytest.approx(0.6, abs=1e-3)
    assert value(standing(), "head_pitch") == pytest.approx(0, abs=1e-3)


def test_raised_and_bent_arms() -> None:
    poses = standing()
    poses[:, :, 13] = poses[:, :, 12] + np.float32([0.26, 0, 0])
    assert value(poses, "elbow_flexion") == pytest.approx(np.pi / 4, abs=1e-3)  # one of two at a right angle
    assert value(poses, "arm_symmetry") < value(standing(), "arm_symmetry")
    poses[:, :, 13] = poses[:, :, 11] + np.float32([0, 0, 0.5])
    assert value(poses, "highest_wrist") > value(standing(), "highest_wrist") + 1


@pytest.mark.parametrize("name", ["arm_speed", "peak_speed", "arm_acceleration", "arm_jerk", "swing"])
def test_larger_movement_is_more(name: str) -> None:
    assert value(swinging(0.4), name) > value(swinging(0.15), name) > value(standing(), name)


def test_faster_movement_is_faster_and_not_larger() -> None:
    assert value(swinging(0.3, 2.0), "arm_speed") > value(swinging(0.3, 0.8), "arm_speed") + 0.3
    assert value(swinging(0.3, 2.0), "swing") == pytest.approx(value(swinging(0.3, 1.0), "swing"), abs=0.05)


def test_sudden_change_and_stillness() -> None:
    poses = standing()
    poses[0, 14:, 13, 2] += 0.6
    assert value(poses, "suddenness") > value(swinging(0.3), "suddenness") + 1
    assert value(poses, "hand_change") > 0.2
    assert value(standing(), "stillness") == 1


def test_size_and_direction_do_not_matter() -> None:
    poses = upright(swinging(0.3), (0, 0, 1))
    expected = describe(poses, RATE_HZ)
    np.testing.assert_allclose(describe(poses * 1.3, RATE_HZ), expected, atol=1e-3)
    turn = np.float32([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    turned = upright(swinging(0.3) @ turn.T, (0, 0, 1))
    np.testing.assert_allclose(describe(turned, RATE_HZ), expected, atol=1e-3)


def test_who_runs() -> None:
    def stepping(amplitude: float) -> np.ndarray:
        poses = standing()
        for joint, sign in ((3, 1), (6, -1)):
            poses[0, :, joint, 0] += sign * amplitude * np.sin(2 * np.pi * 1.4 * T)
        return describe(poses, RATE_HZ)[0]

    assert runs(stepping(0.5))
    assert not runs(stepping(0.15))


def test_who_keeps_still() -> None:
    """Breathing and the lifter's trembling are no movement; steps and gestures are."""
    trembling = standing() + np.random.default_rng(0).normal(0, 0.002, standing().shape).astype(np.float32)
    assert rests(describe(trembling, RATE_HZ)[0])
    assert not rests(describe(swinging(0.15), RATE_HZ)[0])
    steps = standing()
    steps[0, :, 3, 0] += 0.15 * np.sin(2 * np.pi * 0.9 * T)
    assert not rests(describe(steps, RATE_HZ)[0])
