"""Bags of results, comparison with the truth, and the report, on a made-up clip."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer

from posemo_ros import cli
from posemo_ros.camera import Camera
from posemo_ros.draw import Privacy
from posemo_ros.errors import InputError
from posemo_ros.pipeline import Models, Settings
from posemo_ros.replay.bag import ResultBagWriter, read_results
from posemo_ros.replay.compare import compare
from posemo_ros.replay.progress import Progress
from posemo_ros.replay.report import make_report, write_report
from posemo_ros.replay.run import run_chain
from posemo_ros.replay.source import Source
from posemo_ros.replay.truth import Truth, align, read_truth
from posemo_ros.replay.typestore import MAKE, typestore
from posemo_ros.types import Emotions, EmotionStatus, Frame, FrameResult, People2D, Skeletons3D

CAMERA = Camera(160, 120, np.array([[150.0, 0, 80], [0, 150, 60], [0, 0, 1]]))
FRAMES, RATE = 12, 10.0
PERIOD_NS = round(1e9 / RATE)


def true_joints(frame: int) -> np.ndarray:
    """(17, 3) somebody about 0.8 m tall who moves to the right, 2.5 m away."""
    pose = np.random.default_rng(5).uniform(-0.4, 0.4, (17, 3))
    return pose - pose[0] + [-0.3 + 0.05 * frame, 0, 2.5]


def result(frame: int, people: int = 1) -> FrameResult:
    joints = true_joints(frame)
    keypoints = np.concatenate([CAMERA.project(joints), np.full((17, 1), 0.9)], axis=1)
    low, high = keypoints[:, :2].min(axis=0), keypoints[:, :2].max(axis=0)
    boxes = np.concatenate([low, high])[None].repeat(people, axis=0).astype(np.float32)
    ids = tuple(f"p{i + 1}" for i in range(people))
    valid = frame >= 4
    view = image(frame).view()
    return FrameResult(
        People2D(
            ids,
            boxes,
            np.full(people, 0.8, np.float32),
            keypoints[None].repeat(people, 0).astype(np.float32),
            view=view,
        ),
        Skeletons3D(
            ids,
            (joints - joints[0])[None].repeat(people, 0).astype(np.float32),
            joints[:1].repeat(people, 0).astype(np.float32),
            np.full((people, 17), 0.9, np.float32),
            view=view,
        ),
        Emotions(
            ids,
            np.tile(np.float32([0.5, 0.1, 0.1, 0.1, 0.1, 0.1] if valid else [1 / 6] * 6), (people, 1)),
            (EmotionStatus.VALID if valid else EmotionStatus.TOO_FEW_FRAMES,) * people,
            np.full(people, 1.5, np.float32),
            np.full(people, np.nan, np.float32),
            view=view,
        ),
        {"detector": 4.0, "keypoints": 2.0} if frame % 2 == 0 else {"keypoints": 2.0},
    )


def image(frame: int) -> Frame:
    picture = np.full((120, 160, 3), 40 + frame, np.uint8)
    return Frame(picture, 10**9 + frame * PERIOD_NS, "cam", CAMERA)


class Clip(Source):
    name, rate_hz, length = "made-up clip", RATE, FRAMES

    def _frames(self):  # type: ignore[no-untyped-def]
        return (image(i) for i in range(FRAMES))


class KnowsAll:
    """A pipeline that gives ``result``."""

    models, settings, networks = Models(), Settings(), {}

    def __init__(self, people: int = 1) -> None:
        self.people = people

    def start(self) -> None:
        pass

    def step(self, frame: Frame) -> FrameResult:
        return result(round((frame.stamp_ns - 10**9) / PERIOD_NS), self.people)

    def flush(self):  # type: ignore[no-untyped-def]
        return iter(())


def truth_of_clip() -> Truth:
    joints = np.stack([true_joints(i) for i in range(FRAMES)])[:, None]
    keypoints = np.concatenate([CAMERA.project(joints), np.full((FRAMES, 1, 17, 1), 2.0)], axis=-1)
    xy = keypoints[..., :2]
    return Truth(keypoints, np.concatenate([xy.min(axis=2), xy.max(axis=2)], axis=-1), joints)


def test_results_come_back_from_a_bag_as_they_were(tmp_path: Path) -> None:
    with ResultBagWriter(tmp_path / "r.mcap", Models(detector="d", lifter="l")) as bag:
        for i in range(3):
            bag.write(image(i), result(i, people=2))
    recording = read_results(tmp_path / "r.mcap")
    assert recording.models["detector"] == "d"
    assert recording.models["lifter"] == "l"
    for i in range(3):
        expected = result(i, people=2)
        stamp = expected.stamp_ns
        assert expected.skeletons is not None
        assert expected.emotions is not None
        for name in ("boxes", "scores", "keypoints"):
            np.testing.assert_array_equal(
                getattr(recording.people[stamp], name), getattr(expected.people, name)
            )
        for name in ("relative", "roots", "scores"):
            found = getattr(recording.skeletons[stamp], name)
            np.testing.assert_array_equal(found, getattr(expected.skeletons, name))
        assert recording.emotions[stamp].status == expected.emotions.status
        np.testing.assert_array_equal(
            recording.emotions[stamp].probabilities, expected.emotions.probabilities
        )
        assert recording.people[stamp].ids == recording.skeletons[stamp].ids == ("p1", "p2")
    frames = list(recording.frames())
    assert [f.stamp_ns for f in frames] == [image(i).stamp_ns for i in range(3)]
    assert frames[1].camera is not None
    np.testing.assert_allclose(frames[1].camera.matrix, CAMERA.matrix)
    assert abs(int(frames[2].image.mean()) - 42) <= 1


@pytest.mark.parametrize(
    ("privacy", "topics"),
    [
        (Privacy.NONE, {"/camera/image_raw/compressed"}),
        (Privacy.BLUR, {"/posemo/image_blurred/compressed"}),
        (Privacy.SKELETON, set()),
    ],
)
def test_what_a_run_records_of_images(tmp_path: Path, privacy: Privacy, topics: set[str]) -> None:
    with ResultBagWriter(tmp_path / "r.mcap", Models(), privacy) as bag:
        for i in range(3):
            bag.write(image(i), result(i, people=2))
    with AnyReader([tmp_path / "r.mcap"]) as reader:
        assert {c.topic for c in reader.connections if "Image" in c.msgtype} == topics
    shown = list(read_results(tmp_path / "r.mcap").frames())
    assert [f.stamp_ns for f in shown] == [image(i).stamp_ns for i in range(3)]
    assert make_report(tmp_path / "r.mcap", tmp_path / "as it is")[1]["privacy"] == privacy.value
    make_report(tmp_path / "r.mcap", tmp_path / "out", privacy=privacy)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["privacy"], summary["frames"]["in"]) == (privacy.value, 3)
    if privacy is Privacy.SKELETON:
        assert not any((f.image == 42).any() for f in shown)


def two_chains(path: Path, second: str) -> None:
    """A bag with skeletons of one chain, and of ``second``."""
    folder = path.with_suffix(".d")
    kind = "posemo_msgs/msg/Skeleton3DArray"
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        people = bag.add_connection("/left/people", "posemo_msgs/msg/Person2DArray", typestore=typestore())
        skeletons = [
            bag.add_connection(name, kind, typestore=typestore()) for name in ("/left/skeletons", second)
        ]
        found = result(0, people=1)
        message = MAKE.people(found.people, Models())
        bag.write(people, 1, typestore().serialize_cdr(message, people.msgtype))
        for depth, connection in enumerate(skeletons):
            moved = replace(found.skeletons, roots=found.skeletons.roots + depth)
            raw = typestore().serialize_cdr(MAKE.skeletons(moved, Models()), kind)
            bag.write(connection, 2 + depth, raw)
    next(folder.glob("*.mcap")).replace(path)


def test_skeletons_in_another_frame_are_not_taken_for_those_of_the_camera(tmp_path: Path) -> None:
    two_chains(tmp_path / "r.mcap", "/left/skeletons_in_target_frame")
    (found,) = read_results(tmp_path / "r.mcap").skeletons.values()
    np.testing.assert_array_equal(found.roots, result(0, people=1).skeletons.roots)


def test_two_cameras_in_one_bag_are_not_taken_for_one(tmp_path: Path) -> None:
    two_chains(tmp_path / "r.mcap", "/right/skeletons")
    with pytest.raises(
        InputError, match="several chains .*/left/skeletons, /right/skeletons.*--namespace /left or /right"
    ):
        read_results(tmp_path / "r.mcap")


def two_cameras(path: Path) -> Path:
    """A bag as of two_cameras.launch.py with a recorder of everything: two people left, one right."""
    folder = path.with_suffix(".d")
    store = typestore()
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        for side, count in (("left", 2), ("right", 1)):
            found = result(0, people=count)
            messages = {
                f"/{side}/camera/image_raw/compressed": MAKE.jpeg(
                    cv2.imencode(".jpg", image(0).image)[1], found.people.view
                ),
                f"/{side}/people": MAKE.people(found.people, Models()),
                f"/{side}/skeletons": MAKE.skeletons(found.skeletons, Models()),
                f"/{side}/emotions": MAKE.emotions(found.emotions, Models()),
            }
            for topic, message in messages.items():
                kind = message.__msgtype__
                bag.write(
                    bag.add_connection(topic, kind, typestore=store), 1, store.serialize_cdr(message, kind)
                )
    next(folder.glob("*.mcap")).replace(path)
    return path


@pytest.mark.parametrize(("name", "people"), [("/left", 2), ("left", 2), ("/right", 1)])
def test_one_of_two_cameras(tmp_path: Path, name: str, people: int) -> None:
    bag = two_cameras(tmp_path / "r.mcap")
    assert cli.main(["report", str(bag), "--namespace", name, "--out", str(tmp_path / "out")]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["persons"]["max"] == people
    assert summary["frames"] == {"in": 1, "out": 1, "dropped": 0}
    assert read_results(bag, name).topic == f"/{name.strip('/')}/camera/image_raw/compressed"


def test_a_chain_that_is_not_in_the_bag(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no results of posemo_ros in /rear; in it are /left, /right"):
        read_results(two_cameras(tmp_path / "r.mcap"), "/rear")


def test_images_of_a_camera_outside_the_namespace_are_chosen_by_topic(tmp_path: Path) -> None:
    bag = two_cameras(tmp_path / "r.mcap")
    other = "/right/camera/image_raw/compressed"
    (frame,) = read_results(bag, "/left", other).frames()
    assert frame.width == 160
    with pytest.raises(InputError, match="no image topic '/front'"):
        list(read_results(bag, "/left", "/front").frames())


def test_a_bag_without_results_is_refused(tmp_path: Path) -> None:
    with ResultBagWriter(tmp_path / "r.mcap", Models()):
        pass
    with pytest.raises(InputError, match="no posemo_msgs/Person2DArray"):
        read_results(tmp_path / "r.mcap")


def run_offline(source: Source, pipeline: KnowsAll, out: Path, truth: Path | None = None) -> str:
    out.mkdir(exist_ok=True)
    figures = run_chain(source, pipeline, out / "results.mcap", None, Progress())  # type: ignore[arg-type]
    return write_report(read_results(out / "results.mcap"), out, truth, figures, Progress())[0]


def test_report_of_a_run(tmp_path: Path) -> None:
    truth = truth_of_clip()
    np.savez(tmp_path / "truth.npz", keypoints=truth.keypoints, boxes=truth.boxes, joints3d=truth.joints)
    text = run_offline(Clip(), KnowsAll(), tmp_path / "out", tmp_path / "truth.npz")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["frames"] == {"in": FRAMES, "out": FRAMES, "dropped": 0}
    assert summary["ids"] == ["p1"]
    assert summary["persons"] == {"mean": 1.0, "max": 1, "frames_with": FRAMES}
    assert summary["emotions"] == {"estimates": FRAMES, "valid": FRAMES - 4}
    assert summary["stages_ms"] == {"detector": 4.0, "keypoints": 2.0}
    assert summary["models"]["keypoints"] == "posemo-keypoints"
    assert summary["truth"]["recall"] == 1.0
    assert summary["truth"]["keypoint_px"] == pytest.approx(0, abs=1e-3)
    assert summary["truth"]["mpjpe_mm"] == pytest.approx(0, abs=1e-3)
    assert summary["truth"]["distance_error_m"] == pytest.approx(0, abs=1e-4)
    assert "overlay.mp4" in text
    video = cv2.VideoCapture(str(tmp_path / "out" / "overlay.mp4"))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == FRAMES
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(RATE)
    assert video.get(cv2.CAP_PROP_FRAME_WIDTH) == 280
    overview = cv2.imread(str(tmp_path / "out" / "overview.png"))
    assert overview.std() > 10


def test_no_picture_of_an_earlier_report_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That one showed everything; what cannot be drawn anew must be gone."""
    run_offline(Clip(), KnowsAll(), tmp_path / "a")
    bag, out = tmp_path / "a" / "results.mcap", tmp_path / "b"
    make_report(bag, out)
    drawn = {"overlay.mp4", "overview.png", "report.html"}
    assert drawn <= {p.name for p in out.iterdir()}

    def fail(*_: object, **__: object) -> None:
        raise ValueError("no encoder")

    for what in ("films.VideoWriter.write", "report.overview", "report.write_page"):
        monkeypatch.setattr(f"posemo_ros.replay.{what}", fail)
    _, summary = make_report(bag, out, privacy=Privacy.SKELETON)
    assert summary["privacy"] == "skeleton"
    assert not drawn & {p.name for p in out.iterdir()}


def test_report_of_an_offline_bag_claims_no_latency(tmp_path: Path) -> None:
    run_offline(Clip(), KnowsAll(), tmp_path / "a")
    text, _ = make_report(tmp_path / "a" / "results.mcap", tmp_path / "b")
    summary = json.loads((tmp_path / "b" / "summary.json").read_text())
    assert summary["latency_ms"]["median"] is None
    assert "latency" not in text
    assert summary["frames"]["in"] == FRAMES


def test_report_of_a_bag_that_was_cut_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Finished with losses is 3, as for `posemo run`; whole is 0."""
    run_offline(Clip(), KnowsAll(), tmp_path / "a")
    whole = (tmp_path / "a" / "results.mcap").read_bytes()
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(whole)
    assert cli.main(["report", str(cut), "--out", str(tmp_path / "whole")]) == 0
    cut.write_bytes(whole[: len(whole) * 6 // 10])
    capsys.readouterr()
    assert cli.main(["report", str(cut), "--out", str(tmp_path / "b")]) == 3
    assert (
        "LOST      1: the recording of the results ends in the middle (cut.mcap)" in capsys.readouterr().out
    )
    summary = json.loads((tmp_path / "b" / "summary.json").read_text())
    assert 0 < summary["frames"]["out"] < FRAMES
    assert summary["losses"]["images"] == 1
    words = ["evaluate", "skeleton", "--results", str(cut), "--json"]
    assert cli.main(words) == 3
    assert json.loads(capsys.readouterr().out)["losses"]["images"] == 1


def test_a_message_that_cannot_be_read_is_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_offline(Clip(), KnowsAll(), tmp_path)
    from posemo_ros.replay import bag

    real, calls = bag.people_from_message, []

    def third_is_odd(message: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise InputError("Person2DArray: odd")
        return real(message)

    monkeypatch.setattr(bag, "people_from_message", third_is_odd)
    recording = read_results(tmp_path / "results.mcap")
    assert len(recording.people) == FRAMES - 1
    assert recording.losses.as_dict()["by_reason"]["results that cannot be read"]["images"] == 1


def test_results_of_an_older_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bag carries the definitions that it was written with; a field that is newer is simply not there."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    from posemo_ros.replay import bag_files

    run_offline(Clip(), KnowsAll(), tmp_path)
    newer = get_typestore(Stores.ROS2_JAZZY)
    with bag_files.open_bag(tmp_path / "results.mcap") as bag:
        for topic in bag.topics.values():
            if topic.kind.startswith("posemo_msgs/"):
                text = topic.definition.replace("\n", "\nfloat64[] of_tomorrow\n", 1)
                found = get_types_from_msg(text, topic.kind)
                newer.register({k: v for k, v in found.items() if k not in newer.fielddefs})
    monkeypatch.setattr(bag_files, "typestore", lambda: newer)
    recording = read_results(tmp_path / "results.mcap")
    assert len(recording.people) == len(recording.skeletons) == len(recording.emotions) == FRAMES
    assert not recording.losses


def test_report_of_an_empty_scene(tmp_path: Path) -> None:
    run_offline(Clip(), KnowsAll(people=0), tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["ids"] == []
    assert summary["persons"]["max"] == 0
    assert (tmp_path / "overview.png").exists()


def test_comparison_by_hand() -> None:
    truth = truth_of_clip()
    stamps = [image(i).stamp_ns for i in range(FRAMES)]
    people = {s: result(i).people for i, s in enumerate(stamps)}
    skeletons = {s: result(i).skeletons for i, s in enumerate(stamps)}
    # All keypoints 3 px to the right, the body 10 % larger, 0.2 m too far along the ray.
    people = {s: replace(p, keypoints=p.keypoints + np.float32([3, 0, 0])) for s, p in people.items()}
    people[stamps[6]] = replace(people[stamps[6]], ids=("p9",))
    people[stamps[7]] = People2D()
    skeletons = {
        s: replace(k, relative=k.relative * np.float32(1.1), roots=k.roots * np.float32(1.08))
        for s, k in skeletons.items()
        if k is not None
    }
    found = compare(truth, stamps, people, skeletons)
    assert found.persons == FRAMES
    assert found.recall == pytest.approx((FRAMES - 1) / FRAMES)
    assert found.id_switches == 2  # to p9 and back
    assert found.keypoint_px == pytest.approx(3, abs=1e-3)
    limbs = [0, 1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]
    pose = (true_joints(0) - true_joints(0)[0])[limbs]
    assert found.mpjpe_mm == pytest.approx(100 * np.linalg.norm(pose, axis=1).mean(), rel=1e-4)
    assert found.p_mpjpe_mm == pytest.approx(0, abs=1e-2)
    assert found.distance_error_share == pytest.approx(0.08, rel=1e-4)


def test_a_truth_that_lies_elsewhere_is_said() -> None:
    truth = truth_of_clip()
    stamps = [image(i).stamp_ns for i in range(FRAMES)]
    people = {s: result(i).people for i, s in enumerate(stamps)}
    assert "near" not in align(truth, stamps, people).words()
    far = align(replace(truth, boxes=truth.boxes + 5000), stamps, people)
    assert far.met == 0
    assert "none of its people lies near a result" in far.words()


def test_a_truth_of_people_by_frames_is_not_compared() -> None:
    truth = truth_of_clip()
    turned = replace(
        truth, **{name: getattr(truth, name).swapaxes(0, 1) for name in ("keypoints", "boxes", "joints")}
    )
    stamps = [image(i).stamp_ns for i in range(FRAMES)]
    people = {s: result(i).people for i, s in enumerate(stamps)}
    with pytest.raises(InputError, match=f"1 frames of {FRAMES} people, the recording {FRAMES} images"):
        align(turned, stamps, people)


def test_truth_of_the_wrong_shape_is_explained(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "t.npz", keypoints=np.zeros((3, 17, 3)), boxes=np.zeros((3, 1, 4)), joints3d=np.zeros(1)
    )
    with pytest.raises(InputError, match=r"expected keypoints \(F, P, 17, 3\)"):
        read_truth(tmp_path / "t.npz")
    with pytest.raises(InputError, match="cannot read the ground truth"):
        read_truth(tmp_path / "nothing.npz")


def shifted(first: int, start_ns: int) -> tuple[list[int], dict[int, People2D]]:
    """Stamps and people of a recording that lacks the first images and has another clock."""
    stamps = [image(i).stamp_ns + start_ns for i in range(first, FRAMES)]
    found = [result(i).people for i in range(first, FRAMES)]
    return stamps, dict(zip(stamps, found, strict=True))


def moving(truth: Truth) -> Truth:
    """The same as ``truth_of_clip``, with its rate: people move, so every frame is another."""
    return replace(truth, fps=float(RATE))


@pytest.mark.parametrize("known", [True, False], ids=["camera says", "found"])
def test_a_recording_that_lacks_the_beginning_scores_the_same(known: bool) -> None:
    truth = moving(truth_of_clip())
    start_ns = 1_700_000_000_000_000_000
    whole = compare(truth, *shifted(0, start_ns), {}, origin_ns=start_ns + 10**9)
    part = compare(truth, *shifted(3, start_ns), {}, origin_ns=start_ns + 10**9 if known else None)
    assert whole.recall == part.recall == 1.0
    assert part.keypoint_px == pytest.approx(whole.keypoint_px, abs=1e-3)
    assert part.coverage == pytest.approx((FRAMES - 3) / FRAMES)
    assert part.offset_s == pytest.approx(-3 / RATE, abs=1e-6)
    assert part.aligned_by == ("the camera node" if known else "the boxes that fit best")


def test_a_recording_that_begins_before_the_truth_is_aligned() -> None:
    """The truth's first frame is the third image; the clock is another."""
    whole, start_ns = moving(truth_of_clip()), 1_700_000_000_000_000_000
    later = replace(whole, keypoints=whole.keypoints[2:], boxes=whole.boxes[2:], joints=whole.joints[2:])
    part = compare(later, *shifted(0, start_ns), {})
    assert part.recall == part.coverage == 1.0
    assert part.offset_s == pytest.approx(2 / RATE, abs=1e-6)
    assert part.keypoint_px == pytest.approx(0, abs=1e-3)


def test_a_truth_without_rate_has_that_of_the_recording_and_it_is_said() -> None:
    """Wrong, where every second image was lost."""
    truth = truth_of_clip()
    stamps = [image(i).stamp_ns for i in range(FRAMES)]
    people = {s: result(i).people for i, s in enumerate(stamps)}
    words = align(truth, stamps, people).words()
    assert f"does not say its fps: {RATE:.3g} images per second" in words
    assert "fps" not in align(moving(truth), stamps, people).words()


def test_a_film_that_lacks_its_beginning_and_counts_from_zero_is_said() -> None:
    truth = moving(truth_of_clip())
    truth = replace(truth, boxes=truth.boxes + 300 * np.arange(FRAMES, dtype=np.float32)[:, None, None])
    stamps = [image(i).stamp_ns - image(0).stamp_ns for i in range(FRAMES)]
    people = {s: replace(result(i).people, boxes=truth.boxes[i]) for i, s in enumerate(stamps)}
    assert "fit better" not in align(truth, stamps, people).words()
    cut = {s: people[t] for s, t in zip(stamps, stamps[3:], strict=False)}
    words = align(truth, sorted(cut), cut).words()
    assert f"fit better with the film beginning {3 / RATE:.2f} s after the truth" in words


def test_keypoints_that_were_not_given_are_off() -> None:
    """Four of ten visible keypoints are given, each exactly: half of them are not near."""
    truth, frame = truth_of_clip(), result(0).people
    found = frame.keypoints.copy()
    visible = np.flatnonzero(truth.keypoints[0, 0, :, 2] == 2)
    found[0, visible[: 2 * len(visible) // 3]] = np.nan
    stamps = [image(i).stamp_ns for i in range(FRAMES)]
    got = compare(truth, stamps, dict.fromkeys(stamps, replace(frame, keypoints=found)), {})
    assert np.isnan(got.keypoint_px)
    assert got.pck < 0.5


def test_half_a_recording_is_not_compared() -> None:
    truth = moving(truth_of_clip())
    stamps, people = shifted(FRAMES // 2 + 1, 0)
    with pytest.raises(InputError, match=f"only {len(stamps)} of its {FRAMES} frames have a result"):
        compare(truth, stamps, people, {})


def test_a_report_that_is_not_compared_is_written_all_the_same(tmp_path: Path) -> None:
    truth = truth_of_clip()
    more = {k: np.concatenate([getattr(truth, k)] * 3) for k in ("keypoints", "boxes", "joints")}
    np.savez(
        tmp_path / "truth.npz", keypoints=more["keypoints"], boxes=more["boxes"], joints3d=more["joints"]
    )
    with pytest.raises(InputError, match="not compared with the truth"):
        run_offline(Clip(), KnowsAll(), tmp_path / "out", tmp_path / "truth.npz")  # type: ignore[arg-type]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["truth"] is None
    assert any("not compared" in note for note in summary["notes"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fps": "ten"}, "'fps' is ten"),
        ({"fps": -5.0}, "above 0"),
        ({"fps": [10.0, 20.0]}, "one number"),
        ({"boxes": np.full((FRAMES, 1, 4), "a")}, "expected numbers"),
        ({"boxes": np.full((FRAMES, 1, 4), np.nan)}, "nobody is in its 12 frames"),
        ({"boxes": np.tile([50.0, 50, 20, 20], (FRAMES, 1, 1))}, "expected xyxy"),
        ({"boxes": np.tile([0.1, 0.1, 0.4, 0.9], (FRAMES, 1, 1))}, "expected pixels, not shares"),
        ({"joints3d": np.random.default_rng(0).normal(size=(FRAMES, 1, 17, 3)) * 1000}, "expected metres"),
    ],
)
def test_a_truth_that_cannot_be_one(tmp_path: Path, change: dict[str, object], said: str) -> None:
    truth = truth_of_clip()
    arrays = {"keypoints": truth.keypoints, "boxes": truth.boxes, "joints3d": truth.joints, "fps": RATE}
    np.savez(tmp_path / "t.npz", **{**arrays, **change})
    with pytest.raises(InputError, match=said):
        read_truth(tmp_path / "t.npz")


def test_a_truth_of_no_frames(tmp_path: Path) -> None:
    empty = np.zeros((0, 1, 17, 3))
    np.savez(tmp_path / "t.npz", keypoints=empty, boxes=np.zeros((0, 1, 4)), joints3d=empty)
    with pytest.raises(InputError, match="nobody is in its 0 frames"):
        read_truth(tmp_path / "t.npz")
