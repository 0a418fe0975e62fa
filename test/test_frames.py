"""Skeletons in other frames and as frames; rotations are checked with SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posemo_ros.camera import Camera
from posemo_ros.errors import InputError
from posemo_ros.frames import OPTICAL_UP, Rigid, body_axes, joint_frames, quaternion_of, transformed
from posemo_ros.skeleton import H36M17
from posemo_ros.types import Skeletons3D, View

RNG = np.random.default_rng(3)


def standing() -> np.ndarray:
    """(17, 3) somebody who faces the camera: x right, y down, z away from it."""
    joints = np.full((17, 3), 0.0)
    places = {
        "left_hip": (0.13, 0, 0), "right_hip": (-0.13, 0, 0), "thorax": (0, -0.5, 0),
        "head_top": (0, -0.8, 0), "left_ankle": (0.13, 0.9, 0), "right_wrist": (-0.5, -0.1, -0.4),
    }  # fmt: skip
    for name, place in places.items():
        joints[H36M17.index(name)] = place
    return joints


def skeletons(*relative: np.ndarray, root: tuple[float, float, float] = (1.0, 0.2, 3.0)) -> Skeletons3D:
    n = len(relative)
    view = View(7, "eye", Camera.from_fov(64, 48), 64, 48)
    return Skeletons3D(
        tuple(f"p{i}" for i in range(n)),
        np.array(relative, np.float32).reshape(n, 17, 3),
        np.array([root] * n, np.float32).reshape(n, 3),
        np.ones((n, 17), np.float32),
        view=view,
    )


def test_quaternions_there_and_back() -> None:
    for rotation in [*Rotation.random(50, random_state=1), Rotation.identity(), *half_turns()]:
        q = quaternion_of(rotation.as_matrix())
        assert q[3] >= 0
        np.testing.assert_allclose(np.abs(q @ rotation.as_quat()), 1, atol=1e-9)
        np.testing.assert_allclose(
            Rigid.of(2.5 * rotation.as_quat(), (0, 0, 0)).rotation, rotation.as_matrix(), atol=1e-9
        )


def half_turns() -> list[Rotation]:
    return [Rotation.from_rotvec(np.pi * axis) for axis in np.eye(3)]


@pytest.mark.parametrize(
    ("quaternion", "translation"),
    [((0, 0, 0, 0), (0, 0, 0)), ((0, 0, 0, np.nan), (0, 0, 0)), ((0, 0, 0, 1), (0, np.inf, 0))],
)
def test_what_is_no_transform_is_refused(quaternion: tuple, translation: tuple) -> None:
    with pytest.raises(InputError, match="no transform"):
        Rigid.of(quaternion, translation)


def test_skeletons_move_as_a_whole_and_carry_the_name_of_the_frame() -> None:
    turn = Rotation.random(random_state=4)
    motion = Rigid.of(turn.as_quat(), (0.5, -2, 1))
    relative = RNG.normal(size=(17, 3))
    relative[3] = np.nan
    before = skeletons(relative)
    after = transformed(before, motion, "base_link")
    expected = turn.apply(before.joints[0]) + [0.5, -2, 1]
    np.testing.assert_allclose(after.joints[0], expected, atol=1e-5)
    assert (after.view.frame_id, after.stamp_ns, after.ids) == ("base_link", 7, ("p0",))
    assert after.view.camera is None


def test_a_body_looks_forward_along_x_and_stands_along_z() -> None:
    axes = body_axes(standing())
    assert axes is not None
    # Towards the camera, to the person's left (the picture's right), up.
    np.testing.assert_allclose(axes, np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]]).T, atol=1e-9)
    assert np.linalg.det(axes) == pytest.approx(1)
    np.testing.assert_allclose(axes @ [0, 0, 1], OPTICAL_UP, atol=1e-9)


def test_frames_lead_from_the_camera_to_every_joint() -> None:
    relative = standing() + RNG.normal(scale=0.02, size=(17, 3))
    relative[H36M17.index("spine")] = np.nan
    people = skeletons(relative)
    frames = list(joint_frames(people, "left_"))
    body, joints = frames[0], frames[1:]
    assert (body.parent, body.child) == ("eye", "left_body_p0")
    assert {f.child for f in joints} == {
        f"left_{j}_p0" for j in H36M17.joints if j not in ("pelvis", "spine")
    }
    for frame in joints:
        assert frame.parent == "left_body_p0"
        in_camera = Rotation.from_quat(body.quaternion).apply(frame.translation) + body.translation
        joint = frame.child.removeprefix("left_").removesuffix("_p0")
        np.testing.assert_allclose(in_camera, people.joints[0, H36M17.index(joint)], atol=1e-5)


@pytest.mark.parametrize("missing", ["pelvis", "thorax", "left_hip", "root", "flat"])
def test_bodies_that_are_not_known_have_no_frames(missing: str) -> None:
    relative, root = standing(), (1.0, 0.2, 3.0)
    if missing == "root":
        root = (np.nan,) * 3
    elif missing == "flat":
        relative[:] = 0
    else:
        relative[H36M17.index(missing)] = np.nan
    assert not list(joint_frames(skeletons(relative, root=root)))
