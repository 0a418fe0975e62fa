"""The official files of Human3.6M and MPI-INF-3DHP, made up in the same structure, to what training reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")  # the train package declares operators on import
cdflib = pytest.importorskip("cdflib")
h5py = pytest.importorskip("h5py")

from cdflib.cdfwrite import CDF as CdfWriter  # noqa: E402
from scipy.io import savemat  # noqa: E402

from posemo_ros.errors import InputError  # noqa: E402
from train.cli import main  # noqa: E402
from train.data import h36m, mpi_inf_3dhp, originals  # noqa: E402

SUBJECTS = (*h36m.TRAIN_SUBJECTS, *h36m.TEST_SUBJECTS)
D3 = Path("MyPoseFeatures") / "D3_Positions"
LENS = [1145.0, 1143.8, 512.5, 515.4, -0.2, 0.24, -0.002, -0.0009, -0.0014]


def write_cdf(path: Path, rows: np.ndarray) -> None:
    """As in the download: one variable, Pose, of one record (T, 96)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = CdfWriter(path, cdf_spec={"Majority": "row_major"})
    spec = {"Variable": "Pose", "Data_Type": 44, "Num_Elements": 1, "Rec_Vary": True}
    file.write_var({**spec, "Dim_Sizes": list(rows.shape)}, var_data=rows[None].astype("f4"))
    file.close()


def write_mat(path: Path, rows: np.ndarray) -> None:
    """As ``convert_cdf_to_mat.m`` saves them: a cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cell = np.empty((1, 1), object)
    cell[0, 0] = rows
    savemat(path, {"data": cell})


def write_metadata(path: Path, rng: np.random.Generator) -> None:
    """Human3.6M's form; every camera looks at the middle of the room from 4 to 5 m."""
    extrinsics = np.concatenate([rng.uniform(-0.2, 0.2, (4, 11, 3)), rng.uniform(-300, 300, (4, 11, 3))], -1)
    extrinsics[..., 5] = -rng.uniform(4000, 5000, (4, 11))
    numbers = np.concatenate([extrinsics.ravel(), np.tile(LENS, 4)])
    names = "".join(f"<e{i}>{name}</e{i}>" for i, name in enumerate(h36m.CAMERA_IDS))
    words = " ".join(repr(float(n)) for n in numbers)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<m><dbcameras><index2id>{names}</index2id></dbcameras><w0>[{words}]</w0></m>")


def write_h36m(folder: Path, mat: bool) -> dict[str, dict[str, np.ndarray]]:
    """Two actions per subject, one under the name that VideoPose3D changes; mm."""
    rng = np.random.default_rng(3)
    write_metadata(folder / "metadata.xml", rng)
    truth: dict[str, dict[str, np.ndarray]] = {}
    for subject in SUBJECTS:
        truth[subject] = {}
        for action in ("Directions", "WalkingDog 1"):
            rows = rng.normal(0, 400, (5, 96)).astype("f4")
            place = folder / subject / "MyPoseFeatures" / "D3_Positions"
            if mat:
                write_mat(place / f"{action}.cdf.mat", rows)
            else:
                write_cdf(place / f"{action}.cdf", rows)
            truth[subject][action] = rows.reshape(5, 32, 3)
    return truth


@pytest.mark.parametrize("mat", [False, True], ids=["cdf", "mat"])
def test_human36m_from_the_official_files(tmp_path: Path, mat: bool) -> None:
    truth = write_h36m(tmp_path / "raw", mat)
    official = np.arange(5 * 64, dtype="f4").reshape(5, 64)
    writer, end = (write_mat, ".cdf.mat") if mat else (write_cdf, ".cdf")
    seen = tmp_path / "raw" / "S1" / "MyPoseFeatures" / "D2_Positions" / f"Directions.55011271{end}"
    writer(seen, official)
    out = tmp_path / "npz"
    assert main(["prepare", "h36m", "--source", str(tmp_path / "raw"), "--out", str(out)]) == 0

    videos = {v.name: v for v in h36m.load_videos(out, "gt", ("S1", "S11"))}
    assert {v.action for v in videos.values()} == {"Directions", "WalkDog"}
    assert not any(name.startswith("S11 Directions") for name in videos)  # its video is damaged
    cameras = h36m.load_cameras(out)
    joints = truth["S1"]["WalkingDog 1"][:, h36m.KEPT] / 1000
    for number in range(4):
        video = videos[f"S1 WalkDog 1 camera {number}"]
        expected = cameras["S1", number].see(joints)
        np.testing.assert_allclose(video.joints, expected - expected[:, :1], atol=1e-5)
    # D2_Positions go first; screen coordinates: x / 1000 * 2 - 1 on 1000 px.
    found = videos["S1 Directions camera 1"].keypoints[..., 0]
    np.testing.assert_allclose(found, official.reshape(5, 32, 2)[:, h36m.KEPT, 0] / 500 - 1, atol=1e-5)


def test_lens_draws_what_opencv_would_tell(tmp_path: Path) -> None:
    """OpenCV's tangential part has 2 x (p . (y, x)) where Human3.6M's has it once; the rest is alike."""
    import cv2

    write_metadata(tmp_path / "metadata.xml", np.random.default_rng(0))
    lens = h36m.load_lenses(tmp_path / "metadata.xml")[2]
    points = np.random.default_rng(1).normal((0, 0, 4), 0.4, (50, 3))
    matrix = np.array([[lens.focal[0], 0, lens.centre[0]], [0, lens.focal[1], lens.centre[1]], [0, 0, 1]])
    k, p = lens.radial, lens.tangential

    def draw(p1: float, p2: float) -> np.ndarray:
        lenses = np.array([k[0], k[1], p1, p2, k[2]])
        return cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, lenses)[0][:, 0]

    r2 = ((points[:, :2] / points[:, 2:]) ** 2).sum(1, keepdims=True)
    plain = draw(0, 0)
    expected = plain + (draw(*p) - plain + p[::-1] * r2 * lens.focal) / 2
    np.testing.assert_allclose(lens.project(points), expected, atol=1e-3)


@pytest.mark.shared
def test_lens_meets_human36m_keypoints(shared_data: Path) -> None:
    """Four frames of Human3.6M: 3D in camera coordinates, 2D pixels, cameras."""
    folder = shared_data / "fixtures" / "h36m"
    cameras = json.loads((folder / "cameras.json").read_text())
    with np.load(folder / "test_h36m_body3d.npz", allow_pickle=False) as file:
        for name, joints, pixels in zip(file["imgname"], file["S"], file["part"], strict=True):
            subject, camera = str(name).split("/")[0], str(name).split(".")[1][:8]
            entry = cameras[f"{subject}_{camera}"]
            parts = [np.asarray(entry[key], float).ravel() for key in ("f", "c", "k", "p")]
            found = h36m.Lens(*parts).project(joints[:, :3])
            assert np.abs(found - pixels[:, :2]).max() < 0.2


def write_annot(path: Path, frames: int, number: int) -> None:
    """annot.mat: a cell of 14 cameras with (T, 56) px and (T, 84) mm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels, joints = np.empty((14, 1), object), np.empty((14, 1), object)
    for camera in range(14):
        base = 1000 * number + 100 * camera
        pixels[camera, 0] = base + np.tile(np.arange(56.0), (frames, 1))
        joints[camera, 0] = base + np.tile(np.arange(84.0), (frames, 1))
    savemat(path, {"annot2": pixels, "univ_annot3": joints, "annot3": joints, "cameras": np.arange(14)})


def write_test_set(path: Path, frames: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["valid_frame"] = (np.arange(frames) % 3 > 0).astype("f8")[:, None]
        file["annot2"] = np.arange(frames * 34.0).reshape(frames, 1, 17, 2)
        file["univ_annot3"] = np.arange(frames * 51.0).reshape(frames, 1, 17, 3)


def test_3dhp_from_the_official_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    short = {key: (4, rate) for key, (_, rate) in originals.MPI_SEQUENCES.items()}
    monkeypatch.setattr(originals, "MPI_SEQUENCES", short)
    raw, out = tmp_path / "raw", tmp_path / "npz"
    for number, (subject, sequence) in enumerate(short):
        write_annot(raw / subject / sequence / "annot.mat", 6, number)  # two frames after the video's end
    for number in range(1, 7):
        write_test_set(raw / "mpi_inf_3dhp_test_set" / f"TS{number}" / "annot_data.mat", 9)
    assert main(["prepare", "3dhp", "--source", str(raw), "--out", str(out)]) == 0

    videos = mpi_inf_3dhp.load_videos(out, "train")
    assert len(videos) == 16 * 8
    assert {len(v.keypoints) for v in videos} == {4}
    third = next(v for v in videos if v.name == "S1 Seq2 camera 4")
    # Joint 7 of 28 is the first of the 17 (the top of the head), joint 4 the root: 3 * (7 - 4) = 9 mm.
    np.testing.assert_allclose(third.joints[0, 0], [0.009] * 3, atol=1e-6)
    np.testing.assert_allclose(third.keypoints[0, 0], (np.array([1414, 1415]) / 1024) - 1, atol=1e-5)
    tests = {v.name: v for v in mpi_inf_3dhp.load_videos(out, "test")}
    assert sorted(tests) == [f"TS{i}" for i in range(1, 7)]
    assert tests["TS5"].valid.tolist() == [False, True, True] * 3
    assert "has 36 valid frames, the published test set has 2929" in caplog.text
    monkeypatch.setattr(mpi_inf_3dhp, "TEST_VALID", 36)
    caplog.clear()
    mpi_inf_3dhp.load_videos(out, "test")
    assert "valid frames" not in caplog.text


def again(raw: Path, rows: np.ndarray) -> None:
    path = raw / "S5" / D3 / "Directions.cdf"
    path.unlink()
    write_cdf(path, rows)


def emptied(raw: Path) -> None:
    path = raw / "S5" / D3 / "Directions.cdf"
    path.unlink()
    write_mat(path.with_suffix(".cdf.mat"), np.zeros((0, 96)))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda raw: (raw / "metadata.xml").unlink(), r"metadata.xml not found"),
        (lambda raw: (raw / "metadata.xml").write_text("<m>"), r"metadata.xml: .*expected Human3.6M"),
        (
            lambda raw: (raw / "S5/MyPoseFeatures/D3_Positions/Directions.cdf").write_bytes(b"CDF"),
            r"Directions",
        ),
        (
            lambda raw: write_cdf(raw / "S6/MyPoseFeatures/D3_Positions/Eating.cdf", np.zeros((3, 95))),
            r"has the shape .*95\); expected a row of 32 joints with 3 numbers",
        ),
        (
            lambda raw: again(raw, np.zeros((6, 64))),
            r"has the shape .*6, 64\)",
        ),
        (
            lambda raw: again(raw, np.zeros((96, 4))),
            r"has the shape .*96, 4\)",
        ),
        (
            lambda raw: again(raw, np.full((5, 96), np.nan)),
            r"480 numbers like NaN",
        ),
        (lambda raw: emptied(raw), r"has the shape \(0, 96\)"),
        (lambda raw: (raw / "S7").rename(raw / "S77"), r"S7.*D3_Positions not found.*Poses_D3_Positions"),
    ],
    ids=[
        "no cameras",
        "broken cameras",
        "broken file",
        "wrong shape",
        "2D",
        "turned",
        "nan",
        "no frame",
        "no subject",
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    write_h36m(tmp_path / "raw", mat=False)
    spoil(tmp_path / "raw")
    with pytest.raises(InputError, match=message):
        originals.convert_h36m(tmp_path / "raw", tmp_path / "out", report=lambda _: None)
    assert not list((tmp_path / "out").glob("*.npz"))


def test_3dhp_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"S1.Seq1.annot.mat not found"):
        originals.convert_3dhp(tmp_path, tmp_path / "out", report=lambda _: None)
    path = tmp_path / "S1/Seq1/annot.mat"
    write_annot(path, 6, 0)
    with pytest.raises(InputError, match=r"annot2, camera 0: 6 frames; expected the 6416 of its video"):
        originals.convert_3dhp(tmp_path, tmp_path / "out", report=lambda _: None)
    cells = np.empty((8, 1), object)
    cells[:, 0] = [np.zeros((6416, width)) for width in (56,) * 8]
    savemat(path, {"annot2": cells, "univ_annot3": cells})
    with pytest.raises(InputError, match=r"univ_annot3, camera 0, has .*56\); expected a row of 28"):
        originals.convert_3dhp(tmp_path, tmp_path / "out", report=lambda _: None)


def test_damaged_downloads_are_named(tmp_path: Path) -> None:
    """Cut off anywhere, or with wrong bytes where the numbers are packed."""
    write_cdf(tmp_path / "a.cdf", np.random.default_rng(0).random((40, 96)))
    write_mat(tmp_path / "a.cdf.mat", np.zeros((40, 96)))
    write_test_set(tmp_path / "annot_data.mat", 9)
    readers = {"a.cdf": originals.read_h36m, "a.cdf.mat": originals.read_h36m, "annot_data.mat": None}
    for name, reader in readers.items():
        path = tmp_path / name
        whole = path.read_bytes()
        for part in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9):
            path.write_bytes(whole[: int(part * len(whole))])
            with pytest.raises(InputError, match=name):
                reader(path, 3) if reader else originals._mpi_test(path)
        if name == "a.cdf":
            path.write_bytes(whole[: len(whole) // 2] + bytes(400) + whole[len(whole) // 2 + 400 :])
            with pytest.raises(InputError, match=name):
                originals.read_h36m(path, 3)


def test_a_test_set_with_holes_is_named(tmp_path: Path) -> None:
    write_test_set(tmp_path / "annot_data.mat", 9)
    with h5py.File(tmp_path / "annot_data.mat", "a") as file:
        file["univ_annot3"][4, 0, 3] = np.nan
    with pytest.raises(InputError, match=r"annot_data.mat: univ_annot3 has 3 numbers like NaN"):
        originals._mpi_test(tmp_path / "annot_data.mat")


def test_what_a_download_lacks_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_h36m(tmp_path / "raw", mat=True)
    said: list[str] = []
    originals.convert_h36m(tmp_path / "raw", tmp_path / "out", report=said.append)
    lacks = next(line for line in said if line.startswith("S9: not there: Discussion, Eating, "))
    assert "WalkDog" not in lacks
    h36m.load_videos(tmp_path / "out", "gt", ("S9",))
    assert "lacks S9 Discussion, S9 Eating" in caplog.text
    assert "and 5 more: figures are those of the rest" in caplog.text
    short = tmp_path / "raw/S8/MyPoseFeatures/D2_Positions/Directions.54138969.cdf.mat"
    write_mat(short, np.zeros((3, 64)))
    with pytest.raises(InputError, match=r"D2_Positions.*3 frames; expected the 5 of D3_Positions"):
        originals.convert_h36m(tmp_path / "raw", tmp_path / "out", report=said.append)
