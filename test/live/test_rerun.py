"""What is logged for rerun's viewer, read back from a file with rerun's own reader; and who can look."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from posemo_ros.cli import main
from posemo_ros.draw.privacy import CANVAS, Privacy
from posemo_ros.errors import InputError, MissingExtraError
from posemo_ros.live.play import Player
from posemo_ros.live.rerun_screen import RerunFile, RerunServer
from posemo_ros.skeleton import COCO17, H36M17
from posemo_ros.telemetry import silent_rerun
from posemo_ros.types import FrameResult

from ..replay.test_report import CAMERA, FRAMES, Clip, KnowsAll, image, result

needs_rerun = pytest.mark.skipif(
    importlib.util.find_spec("rerun") is None, reason="rerun-sdk is not installed (extra rerun)"
)
LEAVES = 8  # p2 is gone from this image on
UNSURE = 3  # joint of p1 that is not seen
Rows = dict[str, list[tuple[int | None, dict[str, Any]]]]


class Leaving(KnowsAll):
    """Two people, of whom one leaves; a joint of the other is not seen."""

    def step(self, frame: Any) -> FrameResult:
        number = round((frame.stamp_ns - image(0).stamp_ns) / (image(1).stamp_ns - image(0).stamp_ns))
        found = result(number, 2 if number < LEAVES else 1)
        assert found.people.view.camera is not None
        camera = replace(found.people.view.camera)  # an equal one, as messages have it
        found = replace(found, people=replace(found.people, view=replace(found.people.view, camera=camera)))
        assert found.skeletons is not None
        scores = found.skeletons.scores.copy()
        scores[0, UNSURE] = 0.1
        return replace(found, skeletons=replace(found.skeletons, scores=scores))


class Delayed(Leaving):
    """Skeletons and emotions come two images later."""

    def __init__(self) -> None:
        super().__init__()
        self._due: list[FrameResult] = []

    def step(self, frame: Any) -> FrameResult:
        found = super().step(frame)
        self._due.append(found)
        before = self._due.pop(0) if len(self._due) > 2 else replace(found, skeletons=None, emotions=None)
        return replace(found, skeletons=before.skeletons, emotions=before.emotions)

    def flush(self) -> Any:
        return iter([(found.skeletons, found.emotions) for found in self._due])


def recorded(path: Path, privacy: Privacy = Privacy.NONE, pipeline: Any = None) -> Rows:
    """Rows by entity: stamp (None: always), and what was logged by component."""
    from rerun.chunk import RrdReader

    screen = RerunFile("made-up clip", path)
    Player(Clip(), pipeline or Leaving(), privacy).play(screen, every=True)  # type: ignore[arg-type]
    screen.close()
    rows: Rows = defaultdict(list)
    for chunk in RrdReader(path).stream():
        batch = chunk.to_record_batch()
        for row in range(batch.num_rows):
            values = {name: batch.column(name)[row] for name in batch.schema.names}
            stamp = values.pop("stamp").value if "stamp" in values else None
            rows[chunk.entity_path].append(
                (stamp, {n: v.as_py() for n, v in values.items() if v.as_py() is not None})
            )
    for entity in rows:
        rows[entity].sort(key=lambda row: row[0] or 0)
    return rows


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    pytest.importorskip("rerun", reason="rerun-sdk is not installed (extra rerun)")
    return recorded(tmp_path_factory.mktemp("rerun") / "clip.rrd")


def stamps(rows: Rows, entity: str, component: str) -> list[int | None]:
    return [stamp for stamp, row in rows[entity] if component in row]


def values(rows: Rows, entity: str, component: str) -> list[np.ndarray]:
    return [np.array(row[component]) for _, row in rows[entity] if component in row]


EVERY = [image(i).stamp_ns for i in range(FRAMES)]


def test_skeletons_are_those_of_the_results_in_metres(rows: Rows) -> None:
    assert stamps(rows, "/camera/people/p1/joints", "Points3D:positions") == EVERY
    seen = np.arange(17) != UNSURE
    found = values(rows, "/camera/people/p1/joints", "Points3D:positions")
    numbers = values(rows, "/camera/people/p1/joints", "Points3D:keypoint_ids")
    bones = values(rows, "/camera/people/p1/bones", "LineStrips3D:strips")
    for i in range(FRAMES):
        expected = result(i).skeletons
        assert expected is not None
        np.testing.assert_allclose(found[i], expected.joints[0][seen], atol=1e-6)
        np.testing.assert_array_equal(numbers[i], np.flatnonzero(seen))
        ends = [b for b in H36M17.bones if UNSURE not in b]
        np.testing.assert_allclose(bones[i], expected.joints[0][ends], atol=1e-6)
    scores = values(rows, "/camera/people/p1/joints", "score")
    np.testing.assert_allclose(scores[0], 0.9, rtol=1e-6)


def test_boxes_and_keypoints_are_in_pixels(rows: Rows) -> None:
    box, points = "/camera/image/people/p1/box", "/camera/image/people/p1/keypoints"
    assert stamps(rows, box, "Boxes2D:centers") == EVERY
    for i in range(FRAMES):
        people = result(i).people
        centre, half = (
            values(rows, box, "Boxes2D:centers")[i][0],
            values(rows, box, "Boxes2D:half_sizes")[i][0],
        )
        np.testing.assert_allclose([*(centre - half), *(centre + half)], people.boxes[0], rtol=1e-5)
        np.testing.assert_allclose(
            values(rows, points, "Points2D:positions")[i], people.keypoints_xy[0], rtol=1e-5
        )
    labels = [str(v[0]) for v in values(rows, box, "Boxes2D:labels")]
    assert labels[0] == "p1  wait"
    assert labels[-1] == "p1  joy 50 %"
    assert len(values(rows, "/camera/image/people/p1/bones", "LineStrips2D:strips")[0]) == len(COCO17.bones)


def test_who_left_is_cleared_everywhere(rows: Rows) -> None:
    for entity in ("/camera/image/people/p2", "/camera/people/p2", "/emotions/p2"):
        assert stamps(rows, entity, "Clear:is_recursive") == [EVERY[LEAVES]], entity
    assert stamps(rows, "/camera/people/p2/joints", "Points3D:positions") == EVERY[:LEAVES]
    assert not stamps(rows, "/camera/people/p1", "Clear:is_recursive")


def test_probabilities_are_there_where_there_is_an_answer(rows: Rows) -> None:
    assert stamps(rows, "/emotions/p1", "Scalars:scalars") == EVERY[4:]
    np.testing.assert_allclose(
        values(rows, "/emotions/p1", "Scalars:scalars")[0], [0.5, 0.1, 0.1, 0.1, 0.1, 0.1], rtol=1e-6
    )
    (names,) = values(rows, "/emotions/p1", "SeriesLines:names")
    assert list(names) == [f"p1 {e}" for e in ("joy", "anger", "disgust", "fear", "sadness", "surprise")]


def test_latency_of_the_stations_and_of_all(rows: Rows) -> None:
    assert stamps(rows, "/latency/detector", "Scalars:scalars") == EVERY[::2]
    assert [v[0] for v in values(rows, "/latency/keypoints", "Scalars:scalars")] == [2.0] * FRAMES
    assert all(v[0] >= 0 for v in values(rows, "/latency/total", "Scalars:scalars"))


def test_camera_axes_intrinsics_and_picture(rows: Rows) -> None:
    (axes,) = values(rows, "/camera", "ViewCoordinates:xyz")
    assert axes.ravel().tolist() == [3, 2, 5]  # rerun's numbers of right, down, forward
    assert stamps(rows, "/camera/image", "Pinhole:resolution") == EVERY[:1]  # it never changes
    (matrix,) = values(rows, "/camera/image", "Pinhole:image_from_camera")
    np.testing.assert_allclose(matrix.reshape(3, 3).T, CAMERA.matrix)  # rerun keeps columns
    assert values(rows, "/camera/image", "Pinhole:resolution")[0].ravel().tolist() == [160, 120]
    assert stamps(rows, "/camera/image", "EncodedImage:blob") == EVERY
    assert abs(float(picture(rows).mean()) - 40) < 2


def picture(rows: Rows) -> np.ndarray:
    (blob,) = [row["EncodedImage:blob"] for _, row in rows["/camera/image"] if "EncodedImage:blob" in row][:1]
    return cv2.imdecode(np.frombuffer(np.array(blob[0], np.uint8), np.uint8), cv2.IMREAD_COLOR)


@needs_rerun
def test_what_comes_late_stands_at_its_own_stamp(tmp_path: Path, rows: Rows) -> None:
    late = recorded(tmp_path / "clip.rrd", pipeline=Delayed())
    for entity, component in (
        ("/camera/people/p1/joints", "Points3D:positions"),
        ("/camera/people/p2", "Clear:is_recursive"),
        ("/emotions/p1", "Scalars:scalars"),
    ):
        assert stamps(late, entity, component) == stamps(rows, entity, component), entity
        np.testing.assert_array_equal(values(late, entity, component), values(rows, entity, component))


@needs_rerun
def test_privacy_skeleton_records_no_pixel_of_the_image(tmp_path: Path) -> None:
    shown = picture(recorded(tmp_path / "clip.rrd", Privacy.SKELETON)).reshape(-1, 3)
    assert np.abs(shown.astype(int) - CANVAS).max() <= 3


@needs_rerun
def test_the_end_and_what_is_wrong_are_in_the_log(rows: Rows) -> None:
    texts = [str(v[0]) for v in values(rows, "/log", "TextLog:text")]
    assert texts[-1] == "the source: ended"


@needs_rerun
@pytest.mark.parametrize(
    ("name", "words"),
    [("clip.mp4", "end in .rrd"), ("there.rrd", "exists already"), ("nowhere/clip.rrd", "cannot be written")],
)
def test_a_file_that_cannot_be_made_is_explained(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "there.rrd").touch()
    with pytest.raises(InputError, match=words):
        RerunFile("", tmp_path / name)


@needs_rerun
def test_what_a_killed_program_left_is_kept_beside(tmp_path: Path) -> None:
    (tmp_path / "clip.rrd.part").write_bytes(b"cut off")
    RerunFile("", tmp_path / "clip.rrd").close()
    assert (tmp_path / "clip.cut-off-1.rrd").read_bytes() == b"cut off"
    with pytest.raises(InputError, match="exists already"):
        RerunFile("", tmp_path / "clip.rrd")


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from posemo_ros.live.rerun_screen import RerunFile
from posemo_ros.live.screen import Moment
from posemo_ros.types import People2D
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
screen = RerunFile("", Path(sys.argv[1]))
noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
screen.show(Moment(noise, People2D(), None, None, {"state": "running", "warnings": []}))
screen.close()
"""


@needs_rerun
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "clip.rrd")],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "InputError: rerun cannot take any more" in done.stderr
    assert not (tmp_path / "clip.rrd").exists()


@needs_rerun
def test_only_this_machine_can_look() -> None:
    server = RerunServer("clip", "localhost", 0)
    port = int(server.url.rpartition(":")[2].partition("/")[0])
    try:
        # Lines of /proc/net/tcp: number, local address:port, remote address, state (0A: listens).
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        assert [a for _, a, _, s, *_ in lines if s == "0A" and a.endswith(f":{port:04X}")] == [
            f"0100007F:{port:04X}"
        ]
        with pytest.raises(InputError, match="cannot listen on 127.0.0.1"):
            RerunServer("clip", "127.0.0.1", port)
    finally:
        server.close()


@needs_rerun
@pytest.mark.skipif(sys.platform != "linux", reason="settings lie elsewhere")
def test_the_viewer_that_is_started_sends_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rerun", "analytics", "config"],
        env={**silent_rerun(tmp_path / "ours"), "HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert '"analytics_enabled": false' in done.stdout
    assert not (tmp_path / "home").exists()
    assert silent_rerun(tmp_path / "ours")["HTTPS_PROXY"].startswith("http://127.0.0.1:")
    assert [p.name for p in (tmp_path / "ours").rglob("*") if p.is_file()] == ["analytics.json"]


def test_without_the_package_one_line_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(MissingExtraError, match=r"needs the package 'rerun-sdk'.*posemo_ros\[rerun\]"):
        RerunFile("", tmp_path / "clip.rrd")
    assert not list(tmp_path.iterdir())
    with pytest.raises(MissingExtraError):
        RerunServer("", "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--save", "x.rrd"), "give --viewer rerun"),
        (("--viewer", "rerun", "--loop"), "--loop is for the browser"),
    ],
)
def test_options_that_do_not_go_together(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert main(["live", "walk.mp4", *words]) == 1
    assert said in capsys.readouterr().err
