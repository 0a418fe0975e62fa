"""Readers of Human3.6M and MPI-INF-3DHP against files in the published forms."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from posemo_ros.errors import InputError
from train.data import files, h36m, mpi_inf_3dhp
from train.data.modules import Mpi3dhp
from train.data.sequences import H36M, Video, Windows
from train.models.zoo import build

from .published import IDS, rotation, write_3dhp, write_h36m


def test_h36m_joints_are_seen_by_the_camera_from_the_root(tmp_path: Path) -> None:
    world, seen, cameras = write_h36m(tmp_path)
    videos = h36m.load_videos(tmp_path, "gt", h36m.TEST_SUBJECTS)
    assert len(videos) == 2 * 2 * 4
    assert {v.action for v in videos} == {"Directions", "Walking"}
    video = next(v for v in videos if v.name == "S9 Walking 1 camera 2")
    camera = cameras[f"S9_{IDS[2]}"]
    joint, frame = 6, 4  # number 6 of the 17 is number 8 of the 32
    turned = np.linalg.inv(np.array(camera["R"]))  # world to camera
    there = turned @ (world["S9"]["Walking 1"][frame, 8] - np.array(camera["T"])[:, 0])
    root = turned @ (world["S9"]["Walking 1"][frame, 0] - np.array(camera["T"])[:, 0])
    np.testing.assert_allclose(video.joints[frame, joint], there - root, atol=1e-5)
    x, y = seen["S9"]["Walking 1"][2][frame, joint]
    np.testing.assert_allclose(video.keypoints[frame, joint], [x / 500 - 1, y / 500 - 1], atol=1e-5)
    assert video.keypoints.shape == (12, 17, 2)  # the rest of the 2D video has no motion capture


@pytest.mark.parametrize(
    ("kind", "sides", "joints"),
    [
        ("mine", [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]], "Human3.6M's 17"),  # COCO's
        ("detectron_pt_coco", [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]], "COCO's 17"),
        ("sh_ft_h36m", [[4, 5, 6, 10, 11, 12], [1, 2, 3, 13, 14, 15]], "stacked hourglass's 16"),
        ("mine", [["left"], 3], "Human3.6M's 17"),
    ],
)
def test_h36m_keypoints_of_other_joints_than_the_name_says(
    tmp_path: Path, kind: str, sides: list, joints: str
) -> None:
    """Left and right would be confused in training, test and export."""
    write_h36m(tmp_path, frames=2)
    with np.load(tmp_path / "data_2d_h36m_gt.npz", allow_pickle=True) as file:
        seen = file["positions_2d"]
    metadata = np.array({"keypoints_symmetry": sides}, dtype=object)
    np.savez(tmp_path / f"data_2d_h36m_{kind}.npz", positions_2d=seen, metadata=metadata)
    with pytest.raises(InputError, match=f"keypoints_symmetry .*expected left and right joints of {joints}"):
        h36m.load_videos(tmp_path, kind, ("S9",))


def test_h36m_images_of_cameras_0_and_3_are_1002_high(tmp_path: Path) -> None:
    _, seen, _ = write_h36m(tmp_path)
    video = h36m.load_videos(tmp_path, "gt", ("S1",))[3]
    x, y = seen["S1"]["Directions"][3][0, 0]
    np.testing.assert_allclose(video.keypoints[0, 0], [x / 500 - 1, y / 500 - 1.002], atol=1e-5)


def test_h36m_metadata_and_json_give_the_same_cameras(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    angles, positions = rng.uniform(-3, 3, (4, 11, 3)), rng.uniform(-5000, 5000, (4, 11, 3))
    numbers = np.concatenate([angles, positions], 2).ravel().tolist() + [0.0] * 36
    ids = "".join(f"<e>{i}</e>" for i in IDS)
    xml = f"<m><dbcameras><index2id>{ids}</index2id></dbcameras><w0>[{' '.join(map(str, numbers))}]</w0></m>"
    (tmp_path / "metadata.xml").write_text(xml)
    pose = h36m.load_cameras(tmp_path)["S9", 2]
    x, y, z = angles[2, 8]

    def about(axis: int, angle: float) -> np.ndarray:
        vector = np.zeros(3)
        vector[axis] = angle
        import cv2

        return cv2.Rodrigues(vector)[0]

    np.testing.assert_allclose(pose.rotation, (about(0, x) @ about(1, y) @ about(2, z)).T, atol=1e-9)
    np.testing.assert_allclose(pose.position, positions[2, 8] / 1000)


@pytest.mark.shared
def test_h36m_cameras_of_the_published_fixture_stand_upright_and_look_inwards(shared_data: Path) -> None:
    cameras = h36m.load_cameras(shared_data / "fixtures" / "h36m")
    assert len(cameras) == 44
    for pose in cameras.values():
        assert pose.rotation[2, 1] < -0.9  # the camera's down is the world's down
        middle = pose.see(np.array([0.0, 0, 1]))
        assert 3 < middle[2] < 8
        assert np.abs(middle[:2] / middle[2]).max() < 0.45  # in view


@pytest.mark.shared
def test_h36m_fixture_projects_with_its_cameras(shared_data: Path) -> None:
    """Our intrinsics convention and joint order against the published pixels."""
    folder = shared_data / "fixtures" / "h36m"
    cameras = json.loads((folder / "cameras.json").read_text())
    with np.load(folder / "test_h36m_body3d.npz") as data:
        for name, points, pixels in zip(data["imgname"], data["S"], data["part"], strict=True):
            subject, camera = name.split("/")[0], name.split(".")[1].split("/")[0].split("_")[0]
            entry = cameras[f"{subject}_{camera}"]
            f, c = np.ravel(entry["f"]), np.ravel(entry["c"])
            flat = points[:, :2] / points[:, 2:3] * f + c
            assert np.abs(flat - pixels[:, :2]).max() < 12  # distortion is left out here


def test_unknown_numbers_are_refused(tmp_path: Path) -> None:
    """Their frames would be left out of the figures without a word."""
    _, seen, _ = write_h36m(tmp_path, subjects=("S1",))
    seen["S1"]["Directions"][2][4, 9] = np.nan
    np.savez(tmp_path / "data_2d_h36m_own.npz", positions_2d=np.array(seen, dtype=object))
    with pytest.raises(InputError, match="camera 2 has 2 numbers like NaN; expected finite ones"):
        h36m.load_videos(tmp_path, "own", ("S1",))


def test_h36m_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data_3d_h36m.npz not found.*docs/training.md.*Human3.6M"):
        h36m.load_videos(tmp_path, "gt", ("S1",))
    write_h36m(tmp_path, subjects=("S1",))
    with pytest.raises(InputError, match=r"data_2d_h36m_cpn.npz not found: expected 2D keypoints 'cpn'"):
        h36m.load_videos(tmp_path, "cpn", ("S1",))
    with pytest.raises(InputError, match=r"no subject S9 \(it has \['S1'\]\)"):
        h36m.load_videos(tmp_path, "gt", ("S9",))
    (tmp_path / "cameras.json").unlink()
    with pytest.raises(InputError, match=r"metadata.xml not found"):
        h36m.load_videos(tmp_path, "gt", ("S1",))


def test_h36m_says_what_is_malformed(tmp_path: Path) -> None:
    write_h36m(tmp_path, subjects=("S1",))
    np.savez(tmp_path / "data_3d_h36m.npz", other=np.zeros(3))
    with pytest.raises(InputError, match=r"no \['positions_3d'\] among \['other'\]"):
        h36m.load_videos(tmp_path, "gt", ("S1",))
    bad = {"S1": {"Directions": np.zeros((5, 17, 3))}}
    np.savez(tmp_path / "data_3d_h36m.npz", positions_3d=np.array(bad, dtype=object))
    with pytest.raises(InputError, match=r"S1 Directions has the shape \(5, 17, 3\).*32"):
        h36m.load_videos(tmp_path, "gt", ("S1",))
    (tmp_path / "data_3d_h36m.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match="cannot be read"):
        h36m.load_videos(tmp_path, "gt", ("S1",))


class _Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("owned"),))


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, data=np.array({"a": _Evil()}, dtype=object))
    with pytest.raises(InputError, match="not allowed"):
        files.load_pickled(path, ["data"], "numbers", "Human3.6M")


def test_old_numpy_names_are_read(tmp_path: Path) -> None:
    """Files written by NumPy 1 name its core differently."""
    array = np.arange(6.0).reshape(2, 3)
    text = pickle.dumps(np.array({"a": array}, dtype=object), protocol=2)
    text = text.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    import io
    import zipfile

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    with zipfile.ZipFile(tmp_path / "old.npz", "w") as archive:
        archive.writestr("data.npy", header.getvalue() + text)
    read = files.load_pickled(tmp_path / "old.npz", ["data"], "numbers", "Human3.6M")["data"]
    np.testing.assert_array_equal(read["a"], array)


def test_3dhp(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train, test = write_3dhp(tmp_path)
    assert len(mpi_inf_3dhp.load_videos(tmp_path, "train")) == 4
    assert "data_train_3dhp.npz lacks S1 Seq2, S2 Seq2, S3 Seq1" in caplog.text
    first, second = mpi_inf_3dhp.load_videos(tmp_path, "test")
    joints = test["TS5"]["data_3d"] / 1000
    np.testing.assert_allclose(second.joints[3, 2], joints[3, 2] - joints[3, 14], atol=1e-6)
    x, y = test["TS5"]["data_2d"][3, 2]
    np.testing.assert_allclose(second.keypoints[3, 2], [x / 960 - 1, y / 960 - 1080 / 1920], atol=1e-5)
    np.testing.assert_allclose(first.keypoints[0, 0], test["TS1"]["data_2d"][0, 0] / 1024 - 1, atol=1e-5)
    assert first.valid.tolist() == [False, True] * 5
    assert len(train) == 2


def test_3dhp_says_what_is_malformed(tmp_path: Path) -> None:
    np.savez(tmp_path / "data_train_3dhp.npz", data=np.array({"S1 Seq1": 3}, dtype=object))
    with pytest.raises(InputError, match="S1 Seq1 is int; expected a list with a dict of cameras"):
        mpi_inf_3dhp.load_videos(tmp_path, "train")
    np.savez(tmp_path / "data_test_3dhp.npz", data=np.array({"TS1": {"data_2d": 1}}, dtype=object))
    with pytest.raises(InputError, match="TS1 has no data_2d and data_3d"):
        mpi_inf_3dhp.load_videos(tmp_path, "test")


def _video(name: str, length: int, start: int) -> Video:
    numbers = np.arange(start, start + length, dtype=np.float32)
    points = np.broadcast_to(numbers[:, None, None], (length, 17, 3))
    return Video(name, "walk", points[..., :2].copy(), points.copy())


def test_windows_end_at_the_video_and_stand_still_there() -> None:
    data = Windows([_video("a", 4, 0), _video("b", 3, 100)], 5, H36M)
    batch = data[[0, 3, 4, 6]]
    seen = batch["keypoints"][:, :, 0, 0]
    expected = [[0, 0, 0, 1, 2], [1, 2, 3, 3, 3], [100, 100, 100, 101, 102], [100, 101, 102, 102, 102]]
    np.testing.assert_array_equal(seen, expected)
    np.testing.assert_array_equal(batch["joints"][:, 2, 0, 2], [0, 3, 100, 102])


def test_windows_flip_swaps_sides_and_x() -> None:
    rng = np.random.default_rng(0)
    video = Video(
        "a", "walk", rng.normal(size=(3, 17, 2)).astype("f4"), rng.normal(size=(3, 17, 3)).astype("f4")
    )
    data = Windows([video], 1, H36M, flip=True)
    assert len(data) == 6
    plain, mirrored = data[[1]], data[[4]]
    assert mirrored["index"][0] == plain["index"][0]
    np.testing.assert_allclose(mirrored["joints"][0, 0, 4], plain["joints"][0, 0, 1] * [-1, 1, 1])
    np.testing.assert_allclose(mirrored["keypoints"][0, 0, 16], plain["keypoints"][0, 0, 13] * [-1, 1])


def test_windows_of_valid_frames_only_keep_their_neighbours() -> None:
    video = _video("a", 5, 0)
    some = Video("a", "walk", video.keypoints, video.joints, np.array([0, 0, 1, 0, 1], bool))
    data = Windows([some], 3, H36M)
    np.testing.assert_array_equal(data[[0, 1]]["keypoints"][:, :, 0, 0], [[1, 2, 3], [3, 4, 4]])


def test_an_even_window_is_refused() -> None:
    with pytest.raises(InputError, match="frames: 4 is even"):
        Windows([_video("a", 5, 0)], 4, H36M)


def test_rotation_fixture_is_a_rotation() -> None:
    r = rotation(np.random.default_rng(0))
    np.testing.assert_allclose(r @ r.T, np.eye(3), atol=1e-9)


@pytest.mark.parametrize(
    ("file", "key", "spoil", "message"),
    [
        ("3d", "positions_3d", lambda d: d.update(S9=[1, 2]), r"S9 is \[1, 2\]; expected {subject: {action"),
        (
            "3d",
            "positions_3d",
            lambda d: d.update(S9={5: d["S9"]["Directions"]}),
            r"S9 has \[5\]; expected {subject",
        ),
        ("2d", "positions_2d", lambda d: d.update(S9=3), r"S9 is 3; expected {subject: {action"),
        (
            "3d",
            "positions_3d",
            lambda d: _scale(d, 1000),
            r"as large as .*e\+03; expected metres, S9",
        ),
        (
            "2d",
            "positions_2d",
            lambda d: _scale(d, 0.001),
            "as large as 0.9.*; expected pixels, S9",
        ),
    ],
    ids=["list", "number for a name", "number", "millimetres", "not pixels"],
)
def test_h36m_files_of_another_form(tmp_path: Path, file: str, key: str, spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    write_h36m(tmp_path)
    path = tmp_path / ("data_3d_h36m.npz" if file == "3d" else "data_2d_h36m_gt.npz")
    with np.load(path, allow_pickle=True) as archive:
        content = archive[key].item()
    spoil(content)
    np.savez(path, **{key: np.array(content, dtype=object)})
    with pytest.raises(InputError, match=message):
        h36m.load_videos(tmp_path, "gt", ("S9",))


def _scale(data: dict, by: float) -> None:
    for actions in data.values():
        for action, values in actions.items():
            actions[action] = [v * by for v in values] if isinstance(values, list) else values * by


def test_3dhp_files_of_another_unit(tmp_path: Path) -> None:
    _, test = write_3dhp(tmp_path)
    for key, unit in (("data_2d", "pixels"), ("data_3d", "millimetres")):
        wrong = {name: {**entry, key: entry[key] / 1000} for name, entry in test.items()}
        np.savez(tmp_path / "data_test_3dhp.npz", data=np.array(wrong, dtype=object))
        with pytest.raises(InputError, match=f"expected {unit}, TS1 {key}"):
            mpi_inf_3dhp.load_videos(tmp_path, "test")


def test_3dhp_without_videos_and_with_unknown_flags(tmp_path: Path) -> None:
    _, test = write_3dhp(tmp_path)
    flags = {"TS1": {**test["TS1"], "valid": np.full(10, np.nan)}}
    np.savez(tmp_path / "data_test_3dhp.npz", data=np.array(flags, dtype=object))
    with pytest.raises(InputError, match="TS1 valid has 10 numbers like NaN"):
        mpi_inf_3dhp.load_videos(tmp_path, "test")
    np.savez(tmp_path / "data_test_3dhp.npz", data=np.array({}, dtype=object))
    data = Mpi3dhp(tmp_path)
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        lightning_module=SimpleNamespace(describe=lambda _: build("poseformer", frames=3))
    )
    with pytest.raises(InputError, match="Mpi3dhp: no videos for 'test'"):
        data.make("test")


def test_a_missing_member_is_said_once(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", other=np.zeros(1))
    with pytest.raises(InputError) as caught:
        files.load_pickled(tmp_path / "x.npz", ["data"], "numbers", "Human3.6M")
    assert str(caught.value).count("expected numbers") == 1
