"""The scene generator; needs the development data and VTK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posemo_ros.camera import Camera
from posemo_ros.errors import InputError
from train.scenes.motion import Clips, Gesture, cut, loop
from train.scenes.person import Look, Wardrobe
from train.scenes.retarget import rest_joints, retarget

pytestmark = [pytest.mark.shared]


@pytest.fixture(scope="module")
def wardrobe(shared_data: Path) -> Wardrobe:
    return Wardrobe(shared_data)


@pytest.fixture(scope="module")
def clips(shared_data: Path) -> Clips:
    return Clips(shared_data)


def test_rest_pose_is_the_mesh_itself(wardrobe: Wardrobe) -> None:
    person = wardrobe.dress(Look())
    rig = person.body.rig
    rotations = np.tile(np.eye(3), (len(rig.bones), 1, 1))
    posed = person.pose(rotations, rig.heads[0])
    for part, points in zip(person.parts, posed.points, strict=True):
        np.testing.assert_allclose(points, part.vertices, atol=1e-5)
    np.testing.assert_allclose(posed.joints, rest_joints(person.body), atol=1e-6)


def test_limbs_point_where_the_recording_points(wardrobe: Wardrobe, clips: Clips) -> None:
    motion = cut(clips.whole("test/walking_1"), 0, 2, 25)
    person = wardrobe.dress(Look())
    poses = retarget(person.body, motion)
    joints = np.stack(
        [person.pose(r, p).joints for r, p in zip(poses.rotations[::10], poses.root[::10], strict=True)]
    )
    for a, b in ((1, 2), (2, 3), (4, 5), (5, 6), (11, 12), (12, 13), (14, 15), (15, 16)):
        ours, theirs = joints[:, b] - joints[:, a], (motion.joints[:, b] - motion.joints[:, a])[::10]
        cosine = (ours * theirs).sum(-1) / np.linalg.norm(ours, axis=-1) / np.linalg.norm(theirs, axis=-1)
        assert np.degrees(np.arccos(cosine.clip(-1, 1))).max() < 2.0


def test_a_longer_walk_goes_on_without_a_jump(clips: Clips) -> None:
    walk = clips.whole("test/walking_1")
    long = loop(walk, 10)
    assert len(long) >= 10 * walk.fps
    assert np.abs(np.diff(long.joints, axis=0)).max() <= 1.5 * np.abs(np.diff(walk.joints, axis=0)).max()
    speed = np.linalg.norm(long.joints[-1, 0] - long.joints[0, 0]) / (len(long) / long.fps)
    assert speed == pytest.approx(
        np.linalg.norm(walk.joints[-1, 0] - walk.joints[0, 0]) / (len(walk) / walk.fps), rel=0.1
    )


def test_truth_is_what_the_picture_shows(wardrobe: Wardrobe, clips: Clips) -> None:
    pytest.importorskip("vtkmodules")
    from train.scenes.motion import turn
    from train.scenes.render import Light, Renderer, View
    from train.scenes.scene import Actor, Scene

    view = View.looking(Camera.from_fov(160, 120), (0, 0, 1), (3, 0, 1))

    def actor(x: float, y: float) -> Actor:
        walk = turn(cut(clips.whole("test/walking_1"), 0, 0.4, 25), np.pi, (x, y))
        return Actor.play(wardrobe.dress(Look()), walk)

    renderer = Renderer(160, 120)
    try:
        lights = (Light(),)
        alone, truth = Scene((actor(4, 0),), view, lights, 0.4).draw(renderer, 0)
        again, _ = Scene((actor(4, 0),), view, lights, 0.4).draw(renderer, 0)
        _, pair = Scene((actor(4, 0), actor(2.5, 0)), view, lights, 0.4).draw(renderer, 0)
        _, away = Scene((actor(4, 9),), view, lights, 0.4).draw(renderer, 0)
    finally:
        renderer.close()
    np.testing.assert_array_equal(alone.image, again.image)
    rows, columns = np.nonzero(alone.coverage > 0.5)
    extent = [columns.min(), rows.min(), columns.max(), rows.max()]
    np.testing.assert_allclose(truth.boxes[0], extent, atol=2)
    body = view.camera.project(truth.joints[0])
    np.testing.assert_allclose(truth.keypoints[0, 11, :2], body[4], atol=1e-6)  # the left hip is both
    assert (truth.keypoints[0, :, 2] == 2).sum() >= 12
    assert (pair.keypoints[0, :, 2] == 1).sum() >= 10  # hidden by the one in front
    assert np.isnan(away.boxes).all()


def test_unknown_names_are_explained(wardrobe: Wardrobe) -> None:
    with pytest.raises(InputError, match="garment 'toga' is unknown.*short02"):
        wardrobe.dress(Look(suit="toga"))
    with pytest.raises(InputError, match="gesture 'dab' is unknown.*wave"):
        Gesture("dab")


def test_missing_assets_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="makehuman_cc0 is missing"):
        Wardrobe(tmp_path)
    with pytest.raises(InputError, match="POSEMO_DATA"):
        Clips(tmp_path / "nowhere")


def test_people_cross_from_both_sides_and_a_film_depends_on_its_number_alone(
    wardrobe: Wardrobe, clips: Clips
) -> None:
    pytest.importorskip("vtkmodules")
    from train.scenes.crossings import PEOPLE, crossing

    first, again, other = (
        crossing(clips, wardrobe, np.random.default_rng(seed)) for seed in (1000, 1000, 1001)
    )
    ways = [a.poses.root[-1, 1] - a.poses.root[0, 1] for a in (*first.actors, *other.actors)]
    assert min(ways) < -5 < 5 < max(ways)  # metres to the right, to the left
    np.testing.assert_array_equal(first.actors[3].poses.root, again.actors[3].poses.root)
    assert not np.array_equal(first.actors[3].poses.root, other.actors[3].poses.root)
    assert len(first.actors) == PEOPLE
