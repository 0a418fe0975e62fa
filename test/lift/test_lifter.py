"""The lifter around tiny stand-ins for networks whose answers can be computed by hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from posemo_ros.camera import Camera
from posemo_ros.errors import InputError
from posemo_ros.inference.manifest import LiftSpec
from posemo_ros.inference.session import TensorSpec
from posemo_ros.inference.sessions import open_session
from posemo_ros.lift.lifter import Lifter, images_ahead
from posemo_ros.lift.normalise import encode_person
from posemo_ros.skeleton import COCO17, H36M17
from posemo_ros.types import Frame, People2D, Skeletons3D

WIDTH, HEIGHT = 200, 100
SCREEN = LiftSpec(frames=5, normalisation="screen", channels=3)
MIDDLE = 2


class Recorder:
    """A session that keeps its input and answers with the middle frame's x, y, score."""

    runtime, precision = "onnxruntime", "fp32"
    inputs = (TensorSpec("in", (-1, 5, 17, 3), "float32"),)
    outputs = (TensorSpec("out", (-1, 1, 17, 3), "float32"),)

    def __init__(self) -> None:
        self.batches: list[np.ndarray] = []

    def run(self, feeds):
        batch = feeds["in"]
        self.batches.append(batch)
        seen = batch[:, MIDDLE, :, :3]
        return {"out": np.pad(seen, ((0, 0), (0, 0), (0, 3 - seen.shape[-1])))[:, None]}


def _frame(index: int, fps: float = 10.0, camera: Camera | None = None) -> Frame:
    return Frame(np.zeros((HEIGHT, WIDTH, 3), np.uint8), stamp_ns=round(index / fps * 1e9), camera=camera)


def _people(**xs: float) -> People2D:
    keypoints = np.zeros((len(xs), 17, 3), np.float32)
    keypoints[..., 0] = np.array(list(xs.values()))[:, None] + np.arange(17)
    keypoints[..., 1] = 50 + 2 * np.arange(17)
    keypoints[..., 2] = 1
    return People2D(tuple(xs), np.zeros((len(xs), 4), np.float32), np.ones(len(xs), np.float32), keypoints)


def _lift(lifter: Lifter, people: People2D, frame: Frame) -> Skeletons3D | None:
    return lifter.lift(dataclasses.replace(people, view=frame.view()))


def _x(batch: np.ndarray, person: int = 0) -> np.ndarray:
    """Pixel x of the first keypoint in each frame of a window."""
    return (batch[person, :, 0, 0] + 1) * WIDTH / 2


def test_without_delay_the_future_is_the_newest_frame() -> None:
    session = Recorder()
    lifter = Lifter(session, SCREEN)
    for i in range(4):
        skeletons = _lift(lifter, _people(p1=10.0 * i), _frame(i))
        assert skeletons.stamp_ns == _frame(i).stamp_ns
    np.testing.assert_allclose(_x(session.batches[0]), [0, 0, 0, 0, 0], atol=1e-4)
    np.testing.assert_allclose(_x(session.batches[3]), [10, 20, 30, 30, 30], atol=1e-4)


def test_with_delay_the_skeleton_bears_the_stamp_it_is_true_for() -> None:
    session = Recorder()
    lifter = Lifter(session, SCREEN, delay_frames=2)
    answers = [_lift(lifter, _people(p1=10.0 * i), _frame(i)) for i in range(5)]
    assert answers[:2] == [None, None]
    assert [a.stamp_ns for a in answers[2:]] == [_frame(i).stamp_ns for i in range(3)]
    np.testing.assert_allclose(_x(session.batches[2]), [0, 10, 20, 30, 40], atol=1e-4)
    late = lifter.flush()
    assert [a.stamp_ns for a in late] == [_frame(3).stamp_ns, _frame(4).stamp_ns]
    np.testing.assert_allclose(_x(session.batches[4]), [20, 30, 40, 40, 40], atol=1e-4)
    assert lifter.flush() == []


@pytest.mark.parametrize("delay", [-1, 3])
def test_impossible_delays_are_refused(delay: int) -> None:
    with pytest.raises(InputError, match=r"0 \.\. 2"):
        Lifter(Recorder(), SCREEN, delay_frames=delay)


def test_half_a_window_is_a_matter_of_time() -> None:
    """A camera twice as fast as the training needs twice as many images to look as far ahead."""
    slow = dataclasses.replace(SCREEN, rate_hz=10.0)
    assert [images_ahead(slow, hz) for hz in (5.0, 10.0, 20.0, 25.0)] == [1, 2, 4, 5]
    assert images_ahead(SCREEN, 25.0) == 2
    session = Recorder()
    lifter = Lifter(session, slow, delay_frames=images_ahead(slow, 20.0))
    for number in range(5):
        _lift(lifter, _people(a=10.0 * number), _frame(number, fps=20.0))
    np.testing.assert_allclose(_x(session.batches[0]), [0, 0, 0, 20, 40], atol=1e-4)
    with pytest.raises(InputError, match=r"outside 0 \.\. 48, half the model's window at 240 images"):
        Lifter(Recorder(), slow, delay_frames=49)


def test_everybody_in_one_batch() -> None:
    session = Recorder()
    lifter = Lifter(session, SCREEN)
    _lift(lifter, _people(a=10.0, b=60.0), _frame(0))
    skeletons = _lift(lifter, _people(b=70.0, c=90.0, a=20.0), _frame(1))
    assert len(session.batches) == 2
    assert skeletons.ids == ("b", "c", "a")
    np.testing.assert_allclose(
        [_x(session.batches[1], i)[1:3] for i in range(3)], [[60, 70], [90, 90], [10, 20]], atol=1e-4
    )


def test_people_who_left_still_get_their_delayed_frames() -> None:
    lifter = Lifter(Recorder(), SCREEN, delay_frames=2)
    _lift(lifter, _people(a=10.0, b=50.0), _frame(0))
    _lift(lifter, _people(a=10.0, b=50.0), _frame(1))
    assert _lift(lifter, _people(a=10.0), _frame(2)).ids == ("a", "b")
    assert _lift(lifter, _people(), _frame(3)).ids == ("a", "b")
    assert _lift(lifter, _people(), _frame(4)).ids == ("a",)
    assert _lift(lifter, _people(), _frame(5)).ids == ()


def test_nobody_gives_an_empty_answer_and_runs_nothing() -> None:
    session = Recorder()
    skeletons = _lift(Lifter(session, SCREEN), People2D(), _frame(3))
    assert len(skeletons) == 0
    assert skeletons.relative.shape == (0, 17, 3)
    assert skeletons.stamp_ns == _frame(3).stamp_ns
    assert session.batches == []


def test_missing_keypoints_are_filled_and_scored_zero() -> None:
    session = Recorder()
    lifter = Lifter(session, SCREEN)
    _lift(lifter, _people(a=10.0), _frame(0))
    people = _people(a=20.0)
    people.keypoints[0, 0, :2] = np.nan
    people.keypoints[0, 1] = (150, 90, 0.05)
    skeletons = _lift(lifter, people, _frame(1))
    window = session.batches[1][0]
    np.testing.assert_allclose((window[MIDDLE, :2, 0] + 1) * 100, [10, 11], atol=1e-4)
    np.testing.assert_array_equal(window[MIDDLE, :3, 2], [0, 0, 1])
    assert np.isfinite(skeletons.relative).all()
    assert skeletons.scores[0, 9] == 0  # the nose
    assert skeletons.scores[0, 16] == 1


def test_a_person_never_really_seen_is_unknown() -> None:
    people = _people(a=20.0, b=80.0)
    people.keypoints[0, :, 2] = 0.01
    skeletons = _lift(Lifter(Recorder(), SCREEN), people, _frame(0))
    assert np.isnan(skeletons.relative[0]).all()
    assert np.isnan(skeletons.roots[0]).all()
    assert np.isfinite(skeletons.relative[1]).all()


@pytest.mark.parametrize("fps", [5.0, 10.0, 20.0, 29.97])
def test_windows_span_the_same_time_at_any_stream_rate(fps: float) -> None:
    """The network was trained at 10 Hz; a person moving 30 px/s must look the same to it."""
    session = Recorder()
    lifter = Lifter(session, dataclasses.replace(SCREEN, rate_hz=10.0))
    for i in range(int(fps) + 1):
        _lift(lifter, _people(a=30.0 * i / fps), _frame(i, fps))
    end = 30.0 * int(fps) / fps
    np.testing.assert_allclose(_x(session.batches[-1]), [end - 6, end - 3, end, end, end], atol=1e-3)


def test_memory_is_bounded() -> None:
    lifter = Lifter(Recorder(), dataclasses.replace(SCREEN, rate_hz=10.0), delay_frames=2)
    for i in range(200):
        _lift(lifter, _people(**{f"p{i // 3}": 10.0, "always": 50.0}), _frame(i, 30.0))
    assert len(lifter._tracks) < 8
    assert max(len(t) for t in lifter._tracks.values()) <= 3 + 6 + 2 + 2
    assert len(lifter._waiting) == 2


def test_stamps_that_stand_still_do_not_fill_the_memory() -> None:
    lifter = Lifter(Recorder(), dataclasses.replace(SCREEN, rate_hz=10.0))
    for i in range(50):
        assert np.isfinite(_lift(lifter, _people(a=float(i)), _frame(0)).relative).all()
    assert len(lifter._tracks["a"]) == 1


def test_h36m_input_of_coco_keypoints() -> None:
    session = Recorder()
    spec = LiftSpec(frames=5, input_joints="h36m17", normalisation="screen", channels=2)
    _lift(Lifter(session, spec), _people(a=10.0), _frame(0))
    assert session.batches[0].shape == (1, 5, 17, 2)
    assert _x(session.batches[0])[0] == pytest.approx(10 + 11.5)  # pelvis: middle of the hips


def test_the_answer_is_turned_back_and_placed(tmp_path: Path) -> None:
    """A network that always answers with one known pose, for a person at the edge of the image."""
    rng = np.random.default_rng(0)
    pose = rng.normal(scale=(0.2, 0.5, 0.2), size=(17, 3))
    pose[0] = 0
    session = open_session(_constant_model(tmp_path / "lifter.onnx", pose + 0.3), runtime="onnxruntime")
    camera = Camera.from_fov(640, 480, 70.0)
    keypoints, truth = _seen_at_the_edge(pose, camera)
    people = People2D(("a",), np.zeros((1, 4), np.float32), np.ones(1, np.float32), keypoints)
    frame = Frame(np.zeros((480, 640, 3), np.uint8), camera=camera)
    skeletons = _lift(Lifter(session, LiftSpec(frames=5, channels=3)), people, frame)
    np.testing.assert_allclose(skeletons.joints[0], truth, atol=0.03)


def _seen_at_the_edge(pose: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints and true joints of ``pose`` as a camera that looks straight at it would hold it."""
    from posemo_ros.lift.place import LIMBS

    direction = camera.rays([560.0, 300.0])
    direction /= np.linalg.norm(direction)
    right = np.cross([0, 1, 0], direction)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(direction, right), direction])
    torso = pose[[11, 14, 1, 4]].mean(0)
    truth = (pose - torso) @ axes + 60.0 * direction  # far away: the torso's mean ray is its centre's
    keypoints = np.zeros((1, 17, 3), np.float32)
    keypoints[0, LIMBS[:, 1], :2] = camera.project(truth[LIMBS[:, 0]])
    keypoints[0, LIMBS[:, 1], 2] = 1
    return keypoints, truth


def _constant_model(path: Path, pose: np.ndarray) -> Path:
    """(N, 5, 17, 3) -> (N, 1, 17, 3): the mean input times zero, plus a constant pose."""
    constants = [
        helper.make_tensor("pose", TensorProto.FLOAT, (1, 1, 17, 3), pose.astype(np.float32).ravel()),
        helper.make_tensor("zero", TensorProto.FLOAT, (1,), [0.0]),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "pose"], ["y"]),
    ]
    shapes = {"x": ["N", 5, 17, 3], "y": ["N", 1, 17, 3]}
    tensors = {n: helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()}
    graph = helper.make_graph(nodes, "constant", [tensors["x"]], [tensors["y"]], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return path


def test_smoothing_calms_the_answers_and_forgets_with_the_lifter() -> None:
    def shaken(i: int) -> People2D:
        people = _people(a=50.0)
        people.keypoints[:, 0, 1] += i % 2  # the nose, and with it the head, jumps up and down
        return people

    plain, calm = Lifter(Recorder(), SCREEN), Lifter(Recorder(), SCREEN, smoothing_hz=1.0)
    raw = [_lift(plain, shaken(i), _frame(i)).relative for i in range(6)]
    soft = [_lift(calm, shaken(i), _frame(i)).relative for i in range(6)]
    np.testing.assert_allclose(soft[0], raw[0])
    moves = [np.abs(np.diff(np.stack(poses), axis=0)).sum() for poses in (soft, raw)]
    assert moves[0] < 0.8 * moves[1]
    calm.reset()
    again = _lift(calm, _people(a=80.0), _frame(9)).relative
    fresh = _lift(Lifter(Recorder(), SCREEN), _people(a=80.0), _frame(9)).relative
    np.testing.assert_allclose(again, fresh)


def test_smoothing_does_not_depend_on_when_the_clock_started() -> None:
    def answers(start: int) -> list[np.ndarray]:
        lifter, found = Lifter(Recorder(), SCREEN, smoothing_hz=1.0), []
        for i in range(6):
            people = _people(a=50.0)
            people.keypoints[:, 0, 1] += i % 2
            frame = dataclasses.replace(_frame(i), stamp_ns=start + _frame(i).stamp_ns)
            found.append(_lift(lifter, people, frame).relative)
        return found

    np.testing.assert_array_equal(answers(0), answers(1_763_800_000_123_456_789))


def test_a_negative_cut_off_is_refused() -> None:
    with pytest.raises(InputError, match="smoothing_hz: -1"):
        Lifter(Recorder(), SCREEN, smoothing_hz=-1)


def test_the_flip_test_averages_with_the_mirrored_window() -> None:
    """A network that gives every joint the sum of all x and a height of its own joint's number."""

    class Lopsided(Recorder):
        def run(self, feeds):
            batch = feeds["in"]
            self.batches.append(batch)
            out = np.zeros((len(batch), 17, 3), np.float32)
            out[:, 1:, 0] = batch[:, MIDDLE, :, 0].sum(1)[:, None] + 1
            out[:, :, 1] = np.arange(17)
            return {"out": out}

    session = Lopsided()
    people = _people(a=40.0, b=90.0)
    skeletons = _lift(Lifter(session, dataclasses.replace(SCREEN, flip_test=True)), people, _frame(0))
    (batch,) = session.batches
    assert len(batch) == 4
    np.testing.assert_allclose(batch[2:], COCO17.mirrored(batch[:2]))
    expected = np.repeat(batch[:2, MIDDLE, :, 0].sum(1)[:, None], 16, 1)
    np.testing.assert_allclose(skeletons.relative[:, 1:, 0], expected, atol=1e-5)
    left, right = H36M17.pairs[0]
    np.testing.assert_allclose(skeletons.relative[:, (left, right), 1], (left + right) / 2)


def test_a_network_that_can_be_told_learns_which_way_is_up() -> None:
    session, camera = Recorder(), Camera.from_fov(640, 480, 70.0)
    lifter = Lifter(session, LiftSpec(frames=5, channels=6))
    assert lifter.told
    people, rotations = _people(left=20.0, right=500.0), []
    for image, up in enumerate((None, np.array([0.0, -np.cos(0.3), -np.sin(0.3)]))):
        lifter.up = up
        _lift(lifter, people, _frame(image, camera=camera))
    points = camera.rays(people.keypoints[..., :2])[:, None, :, :2].repeat(5, 1)
    rotations = encode_person(points, np.ones((2, 5, 17)), "coco17").rotation
    blind, told = (batch[..., 3:] for batch in session.batches)
    assert not blind.any()
    np.testing.assert_allclose(
        told, np.broadcast_to(told[:, :1, :1], told.shape)
    )  # of the person, not the joint
    for person in range(2):
        np.testing.assert_allclose(told[person, 0, 0] @ rotations[person], lifter.up, atol=1e-6)
    assert abs(told[0, 0, 0, 0] - told[1, 0, 0, 0]) > 0.05  # seen at the edges, a tilted camera's up leans


def test_the_flip_test_mirrors_which_way_is_up() -> None:
    session = Recorder()
    lifter = Lifter(session, LiftSpec(frames=5, channels=6, flip_test=True))
    lifter.up = np.array([0.1, -0.9, -0.4])
    _lift(lifter, _people(a=40.0), _frame(0))
    (batch,) = session.batches
    np.testing.assert_allclose(batch[1, ..., 3:], batch[0, ..., 3:] * [-1, 1, 1])


def test_a_lifter_that_says_how_sure_it_is_lowers_the_scores() -> None:
    class Sure(Recorder):
        def run(self, feeds):
            sure = np.broadcast_to(np.linspace(0, 1, 17, dtype=np.float32)[:, None], (1, 1, 17, 1))
            return {"out": np.concatenate([super().run(feeds)["out"], sure], -1)}

    people = _people(p1=10.0)
    people.keypoints[..., 2] = 0.6
    skeletons = _lift(Lifter(Sure(), SCREEN), people, _frame(0))
    assert skeletons.relative.shape == (1, 17, 3)
    np.testing.assert_allclose(skeletons.scores[0], np.minimum(0.6, np.linspace(0, 1, 17)), atol=1e-6)


def test_joints_beyond_what_a_fisheye_sees_in_front_are_not_seen() -> None:
    """Their places are filled in like those of hidden joints, so their scores are 0, too."""
    fisheye = Camera(WIDTH, HEIGHT, [[40, 0, 100], [0, 40, 50], [0, 0, 1]], np.full(4, 1e-9), "equidistant")
    people = _people(a=80.0)
    people.keypoints[0, COCO17.index("left_wrist"), :2] = 100 + 40 * np.radians(110), 50
    lifter = Lifter(Recorder(), LiftSpec(frames=5, channels=3))
    skeletons = _lift(lifter, people, _frame(0, camera=fisheye))
    assert skeletons is not None
    wrist = H36M17.index("left_wrist")
    assert skeletons.scores[0, wrist] == 0
    assert (np.delete(skeletons.scores[0], wrist) > 0).all()
    assert lifter.session.batches[0][0, MIDDLE, COCO17.index("left_wrist"), 2] == 0
