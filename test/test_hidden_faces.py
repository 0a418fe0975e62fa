"""What ``privacy`` hides: no detail of a face survives, in drawn pictures and in photos."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from posemo_ros.draw import Background, Privacy
from posemo_ros.draw.privacy import HOLD_S, head_boxes, hide, upper_part
from posemo_ros.types import Frame, People2D, View

SIZE = (320, 240)
RNG = np.random.default_rng(5)


def person(x: float = 160, top: float = 40, height: float = 160, *, face: float = 0.9) -> np.ndarray:
    """(17, 3) keypoints of somebody who stands, by the segment lengths of textbooks."""
    places = [(0, 0.075), (0.018, 0.06), (-0.018, 0.06), (0.045, 0.065), (-0.045, 0.065)]
    for across, down in [(0.13, 0.18), (0.15, 0.37), (0.16, 0.52), (0.09, 0.47), (0.09, 0.72), (0.09, 0.96)]:
        places += [(across, down), (-across, down)]
    out = np.array([(x + height * a, top + height * b, 0.9) for a, b in places], np.float32)
    out[:5, 2] = face
    return out


def people(*bodies: np.ndarray, stamp_ns: int = 0, others: object = ()) -> People2D:
    boxes = [
        (*(b[:, :2].min(axis=0) - 8), *(b[:, :2].max(axis=0) + 8)) for b in bodies
    ]  # fmt: skip
    n = len(bodies)
    return People2D(
        tuple(f"p{i}" for i in range(n)),
        np.array(boxes, np.float32).reshape(n, 4),
        np.ones(n, np.float32),
        np.array(bodies, np.float32).reshape(n, 17, 3),
        np.array(others, np.float32).reshape(-1, 4),
        view=View(stamp_ns, "eye", None, *SIZE),
    )


def noise() -> np.ndarray:
    """A picture that is nothing but detail."""
    return RNG.integers(0, 2, (SIZE[1], SIZE[0], 3), np.uint8) * np.uint8(255)


def detail(picture: np.ndarray) -> np.ndarray:
    """(H, W) how much neighbouring pixels differ."""
    return np.abs(cv2.Laplacian(picture.astype(np.float32), cv2.CV_32F)).max(axis=2)


def face_of(body: np.ndarray, height: float) -> tuple[slice, slice]:
    """Where eyes, nose and mouth are: 0.045 of the body height around the nose."""
    x, y, r = int(body[0, 0]), int(body[0, 1]), int(0.045 * height)
    return slice(y - r, y + r), slice(x - r, x + r)


@pytest.mark.parametrize("height", [60, 120, 180])
def test_no_detail_of_a_face_survives_and_the_rest_stays(height: int) -> None:
    body = person(height=height)
    image = noise()
    shown = Background(Privacy.BLUR).of(Frame(image), people(body))
    face = face_of(body, height)
    assert detail(image)[face].mean() > 300
    assert detail(shown)[face].max() < 60
    below = slice(int(40 + 0.4 * height), None)
    assert np.array_equal(shown[below], image[below])


def test_what_is_left_of_a_face_is_its_mean_colours() -> None:
    """Two faces with the same means in a grid of 4 x 4 give the same picture: they cannot be told apart."""
    cells = RNG.integers(60, 200, (4, 4, 3))
    one = np.kron(cells, np.ones((16, 16, 1))).astype(np.uint8)
    checks = np.indices((64, 64)).sum(axis=0)[..., None] % 2 * 2 - 1
    other = (one + 50 * checks).astype(np.uint8)
    box = np.array([0, 0, 64, 64], np.float32)
    for picture in (one, other):
        hide(picture, [box])
    assert np.array_equal(one, other)


def test_a_face_that_is_not_seen_is_looked_for_in_the_upper_part_of_the_box() -> None:
    body = person(face=0.1)
    (head,) = head_boxes(people(body))
    assert np.array_equal(head, upper_part(people(body).boxes[0]))
    shown = Background(Privacy.BLUR).of(Frame(noise()), people(body))
    assert detail(shown)[face_of(body, 160)].max() < 60


def test_somebody_who_lies_is_hidden_whole() -> None:
    box = np.array([20, 100, 220, 160], np.float32)
    head = upper_part(box)
    assert (head[:2] <= box[:2]).all()
    assert (head[2:] >= box[2:]).all()


def test_a_face_outside_the_box_is_not_believed() -> None:
    body = person()
    wrong = body.copy()
    wrong[:5, 0] += 120
    there = people(body)
    (head,) = head_boxes(People2D(there.ids, there.boxes, there.scores, wrong[None], view=there.view))
    assert np.array_equal(head, upper_part(there.boxes[0]))


def test_a_close_face_is_hidden_by_the_size_of_the_shoulders() -> None:
    """A box that the image cuts off below the shoulders says nothing about the size of the body."""
    body = person(height=900, top=10)
    body[7:, 2] = 0
    box = np.array([[0, 0, 320, 240]], np.float32)
    near = People2D(("p0",), box, np.ones(1, np.float32), body[None], view=View(0, "eye", None, *SIZE))
    shown = Background(Privacy.BLUR).of(Frame(noise()), near)
    assert detail(shown)[face_of(body, 900)].max() < 60


def test_a_face_from_the_side_is_hidden_by_its_own_size_where_the_image_cuts_off_the_body() -> None:
    """One ear, one eye and the nose of somebody of 700 px, of whom the image shows head and shoulders."""
    body = np.full((17, 3), 0, np.float32)
    body[[0, 1, 3]] = [(30, 120, 0.9), (50, 105, 0.9), (86, 112, 0.9)]  # nose to ear: 0.08 of 700 px
    box = np.array([[0, 40, 150, 240]], np.float32)
    near = People2D(("p0",), box, np.ones(1, np.float32), body[None], view=View(0, "eye", None, *SIZE))
    (head,) = head_boxes(near)
    margin = 0.115 * 700
    assert head[1] <= 105 - margin + 1
    assert head[3] >= 120 + margin - 1


def test_of_a_face_that_the_image_cuts_off_no_finer_colours_are_left() -> None:
    """A head of 160 px has cells of 40 px, also where only a corner of 40 px of it is in the image."""
    canvas = noise()
    hide(canvas, [np.array([-120, -120, 40, 40], np.float32)])
    assert len(np.unique(canvas[:40, :40].reshape(-1, 3), axis=0)) == 1


def test_somebody_whose_place_is_not_known_hides_the_image() -> None:
    """As from another node, or one that fails: nobody can tell where the face is."""
    for wrong in (np.nan, np.inf):
        there = people(person())
        boxes = np.full((1, 4), wrong, np.float32)
        lost = np.full((1, 17, 3), np.nan, np.float32)
        seen = People2D(there.ids, boxes, there.scores, lost, view=there.view)
        for lost in (seen, people(others=boxes)):
            shown = Background(Privacy.BLUR).of(Frame(noise()), lost)
            assert len(np.unique(shown.reshape(-1, 3), axis=0)) == 1


def test_boxes_that_are_not_confirmed_are_hidden_too() -> None:
    box = (50, 30, 110, 200)
    image = noise()
    shown = Background(Privacy.BLUR).of(Frame(image), people(others=[box]))
    assert detail(shown)[34:110, 54:106].max() < 60
    assert np.array_equal(shown[120:], image[120:])


def test_somebody_who_is_missed_in_an_image_stays_hidden_for_a_while() -> None:
    background, body = Background(Privacy.BLUR), person()
    background.of(Frame(noise()), people(body, stamp_ns=0))
    after = background.of(Frame(noise()), people(stamp_ns=int(0.9 * HOLD_S * 1e9)))
    assert detail(after)[face_of(body, 160)].max() < 60
    image = noise()
    later = background.of(Frame(image), people(stamp_ns=int(1.1 * HOLD_S * 1e9)))  # two images after
    assert np.array_equal(later, image)


def test_a_slow_camera_holds_until_the_next_image() -> None:
    """Two seconds from image to image: who is missed in one of them is hidden in it, and not in the next."""
    background, body, other = Background(Privacy.BLUR), person(x=80), (200, 60, 260, 230)
    background.of(Frame(noise()), people(body, others=[other]))
    after = background.of(Frame(noise()), people(stamp_ns=2 * 10**9))
    assert detail(after)[face_of(body, 160)].max() < 60
    assert detail(after)[64:140, 204:256].max() < 60
    image = noise()
    assert np.array_equal(background.of(Frame(image), people(stamp_ns=4 * 10**9)), image)
    background.of(Frame(noise()), people(body, stamp_ns=6 * 10**9))
    much_later = background.of(Frame(image), people(stamp_ns=60 * 10**9))
    assert np.array_equal(much_later, image)


def test_stamps_that_jump_back_forget() -> None:
    background, image = Background(Privacy.BLUR), noise()
    background.of(Frame(noise()), people(person(), stamp_ns=10**10))
    assert np.array_equal(background.of(Frame(image), people(stamp_ns=0)), image)


def test_skeleton_does_not_depend_on_the_image() -> None:
    background = Background(Privacy.SKELETON)
    first, second = (background.of(Frame(noise()), people(person())) for _ in range(2))
    assert np.array_equal(first, second)
    assert len(np.unique(first.reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize("privacy", [Privacy.BLUR, Privacy.SKELETON])
def test_an_image_without_results_is_not_shown(privacy: Privacy) -> None:
    shown = Background(privacy).of(Frame(noise()), None)
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) == 1


def test_the_image_itself_is_never_changed() -> None:
    image = noise()
    before = image.copy()
    Background(Privacy.BLUR).of(Frame(image), people(person()))
    assert np.array_equal(image, before)


def test_what_allows_what() -> None:
    assert [[a.allows(b) for b in Privacy] for a in Privacy] == [
        [True, True, True],
        [False, True, True],
        [False, False, True],
    ]


def test_boxes_that_mean_nothing_do_no_harm() -> None:
    canvas = noise()
    before = canvas.copy()
    boxes = [(-1e30, -1e30, -1e29, -1e29), (50, 50, 40, 40), (400, 400, 500, 500)]
    hide(canvas, np.array(boxes, np.float32))
    assert np.array_equal(canvas, before)
    hide(canvas, np.array([(-1e30, -1e30, 1e30, 1e30)], np.float32))
    assert detail(canvas).max() < 60


@pytest.mark.slow
@pytest.mark.shared
def test_faces_in_photos_are_covered(shared_data: Path) -> None:
    """Every third photo of the development data; docs/privacy.md has the figures of all."""
    from posemo_ros.evaluate.faces import labelled_faces
    from posemo_ros.inference.store import ModelStore
    from posemo_ros.pipeline import Models, Settings, build_people

    coco, store, models = shared_data / "coco_train", ModelStore(), Models(threads=1, runtime="onnxruntime")
    labels = json.loads((coco / "person_keypoints.json").read_text())
    labels["images"] = labels["images"][::3]
    kept = {image["id"] for image in labels["images"]}
    labels["annotations"] = [a for a in labels["annotations"] if a["image_id"] in kept]
    finder = build_people(models, store, Settings(detect_every=1))
    sharp, left = [], []
    for image in labels["images"]:
        picture = cv2.imread(str(coco / "images" / image["file_name"]))
        finder.reset()
        shown = Background(Privacy.BLUR).of(Frame(picture), finder.find(Frame(picture)))
        for x, y, r in labelled_faces(labels, image["id"]):
            area = slice(max(0, int(y - r)), int(y + r) + 1), slice(max(0, int(x - r)), int(x + r) + 1)
            sharp.append(detail(picture)[area].mean())
            left.append(detail(shown)[area].mean())
    hidden = np.array(left) < 0.25 * np.array(sharp)
    assert len(hidden) > 50
    assert hidden.mean() > 0.93


def test_places_that_are_found_again_and_again_are_held_once() -> None:
    """Otherwise a second of a fast camera would be hidden thirty times over."""
    background = Background(Privacy.BLUR)
    for i in range(30):
        seen = people(stamp_ns=i * 33_000_000, others=[(50 + i / 10, 30, 110 + i / 10, 200)])
        assert len(background.hidden(seen)) == 1
    elsewhere = people(stamp_ns=10**9, others=[(200, 30, 260, 200)])
    assert len(background.hidden(elsewhere)) == 2
