"""Drawing: changes appear where they should and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posemo_ros.draw import fit_view, overlay, person_colour, scene
from posemo_ros.draw.style import EMOTION_COLOURS
from posemo_ros.emotion.descriptors import DESCRIPTORS
from posemo_ros.types import Emotions, EmotionStatus, People2D, Skeletons3D

GREY = np.full((480, 640, 3), 127, np.uint8)


def somebody(score: float = 0.9) -> People2D:
    """A person in the box 200..300 x 100..400, keypoints on a zigzag inside it."""
    y = np.linspace(110, 390, 17)
    x = np.where(np.arange(17) % 2, 220, 280)
    keypoints = np.stack([x, y, np.full(17, score)], axis=1)[None].astype(np.float32)
    return People2D(("p1",), np.float32([[200, 100, 300, 400]]), np.float32([0.9]), keypoints)


def standing(z: float = 3.0) -> Skeletons3D:
    joints = np.zeros((1, 17, 3), np.float32)
    joints[0, :, 1] = np.linspace(0.8, -0.8, 17)
    joints[0, :, 0] = np.linspace(-0.2, 0.2, 17)
    joints -= joints[:, :1]
    return Skeletons3D(("p1",), joints, np.float32([[0, 0.2, z]]), np.ones((1, 17), np.float32))


def changed(picture: np.ndarray) -> np.ndarray:
    return (picture != GREY).any(axis=2)


def test_overlay_draws_on_the_person_and_leaves_the_input_alone() -> None:
    before = GREY.copy()
    picture = overlay(GREY, somebody())
    np.testing.assert_array_equal(GREY, before)
    rows, columns = np.nonzero(changed(picture))
    assert 150 < columns.min() < 205
    assert 295 < columns.max() < 350
    assert 60 < rows.min() < 105
    assert 395 < rows.max() < 425


def test_unseen_keypoints_are_not_drawn() -> None:
    visible, unseen = changed(overlay(GREY, somebody())), changed(overlay(GREY, somebody(score=0.1)))
    inside = (slice(130, 380), slice(215, 285))
    assert visible[inside].sum() > 500
    assert unseen[inside].sum() == 0
    missing = somebody()
    missing.keypoints[:, :, :2] = np.nan
    assert changed(overlay(GREY, missing))[inside].sum() == 0


def test_people_beyond_the_image_do_no_harm() -> None:
    people = somebody()
    far = People2D(
        people.ids, people.boxes + np.float32(5000), people.scores, people.keypoints + np.float32(5000)
    )
    overlay(GREY, far)
    nobody = overlay(GREY, People2D())
    assert not changed(nobody).any()


@pytest.mark.parametrize("status", [EmotionStatus.VALID, EmotionStatus.NOT_ENOUGH_EVIDENCE])
def test_emotions_or_the_reason_for_none_are_written_beside(status: EmotionStatus) -> None:
    emotions = Emotions(
        ("p1",),
        np.float32([[0.5, 0.1, 0.1, 0.1, 0.1, 0.1]]),
        (status,),
        np.float32([2]),
        np.float32([np.nan]),
    )
    plain, told = overlay(GREY, somebody()), overlay(GREY, somebody(), emotions)
    changed = (plain != told).any(axis=2).sum()
    # A card for an answer; where there is none, a word in the tag and nothing over other people.
    assert changed > 5000 if status is EmotionStatus.VALID else 20 < changed < 2000


def test_what_an_answer_rests_on_is_written_below_its_bars() -> None:
    answer = (("p1",), np.float32([[0.5, 0.1, 0.1, 0.1, 0.1, 0.1]]), (EmotionStatus.VALID,))
    rest = np.float32([2]), np.float32([np.nan])
    bare = overlay(GREY, somebody(), Emotions(*answer, *rest))
    reasons = (("head bowed", "slow", "arms close"),)
    written = (bare != overlay(GREY, somebody(), Emotions(*answer, *rest, evidence=reasons))).any(axis=2)
    rows, columns = np.nonzero(written[:, 304:])  # beside the person, whose joints are ringed
    assert len(rows) > 60
    assert np.ptp(rows) < 40  # two lines of words: the third reason is left out
    assert np.ptp(columns) < 150


def answered(ids: tuple[str, ...], words: str = "head bowed") -> Emotions:
    n = len(ids)
    rows = np.tile(np.float32([0.5, 0.1, 0.1, 0.1, 0.1, 0.1]), (n, 1))
    rest = np.full(n, 2, np.float32), np.full(n, np.nan, np.float32)
    return Emotions(ids, rows, (EmotionStatus.VALID,) * n, *rest, evidence=((words,),) * n)


@pytest.mark.parametrize("words", sorted({w for d in DESCRIPTORS.values() for w in (d.high, d.low)}))
def test_every_reason_stays_on_its_card(words: str) -> None:
    """Beside the person is the card and nothing else: a rectangle, all columns of one height."""
    picture = overlay(GREY, somebody(), answered(("p1",), words))
    heights = changed(picture)[:, 304:].sum(axis=0)
    assert heights.max() > 100
    assert set(heights[heights > 0]) == {heights.max()}


def test_a_word_at_somebody_far_away_is_small() -> None:
    """In a crowd the words of those in front stood on the heads of those behind."""

    def height_of_tag(box: list[float]) -> int:
        people = People2D(
            ("p1",), np.float32([box]), np.ones(1, np.float32), np.zeros((1, 17, 3), np.float32)
        )
        emotions = replace(answered(("p1",)), status=(EmotionStatus.NOT_ENOUGH_EVIDENCE,))
        above = changed(overlay(GREY, people, emotions))[: int(box[1]) - 2, int(box[0]) + 1]
        return int(above.sum())

    assert height_of_tag([300, 200, 316, 240]) <= 10
    assert 13 <= height_of_tag([300, 200, 400, 440]) <= 18


def test_cards_hide_nobody_in_a_small_picture() -> None:
    """Where there is no free place the answer is a word at the box."""
    boxes = np.float32([[10, 20, 60, 170], [70, 20, 120, 170], [130, 20, 180, 170], [185, 20, 235, 170]])
    ids = ("p1", "p2", "p3", "p4")
    people = People2D(ids, boxes, np.ones(4, np.float32), np.zeros((4, 17, 3), np.float32))
    image = np.full((180, 240, 3), 128, np.uint8)
    said = answered(("p2",))
    hidden = (overlay(image, people) != overlay(image, people, said)).any(axis=2)
    for x0, y0, x1, y1 in boxes.astype(int):
        assert hidden[y0:y1, x0:x1].mean() < 0.3


def test_joints_that_an_answer_rests_on_are_ringed() -> None:
    answer = (("p1",), np.float32([[0.1, 0.1, 0.1, 0.1, 0.5, 0.1]]), (EmotionStatus.VALID,))
    rest = np.float32([2]), np.float32([np.nan])
    people = somebody()

    def ringed(words: str) -> set[int]:
        """Keypoints with the colour of sadness near by."""
        picture = overlay(GREY, people, Emotions(*answer, *rest, evidence=((words,),)))
        near = (np.abs(picture.astype(int) - EMOTION_COLOURS["sadness"]).max(axis=2) < 12)[:, :300]
        rows, columns = np.nonzero(near)
        return {
            k
            for k, (x, y) in enumerate(people.keypoints[0, :, :2])
            if ((np.abs(columns - x) < 14) & (np.abs(rows - y) < 14)).sum() > 15
        }

    assert ringed("hands low") == {9, 10}  # the wrists of COCO-17
    assert ringed("knees bent") == {13, 14}
    assert ringed("said by another network") == set()
    people.keypoints[0, 9, 2] = 0.1  # too weak to be drawn
    assert ringed("hands low") == {10}


def test_colours_belong_to_ids() -> None:
    assert person_colour("p1") == person_colour("p1")
    assert len({person_colour(f"p{i}") for i in range(1, 5)}) == 4


def test_scene_shows_a_person_large_enough() -> None:
    skeletons = standing()
    view = fit_view([skeletons.joints])
    empty, picture = scene(None, (480, 480), view), scene(skeletons, (480, 480), view)
    rows, columns = np.nonzero((empty != picture).any(axis=2))
    assert rows.max() - rows.min() > 0.4 * 480
    ends = view.project(skeletons.joints[0], (480, 480))
    for x, y, _ in ends[[0, 16]]:
        near = (np.abs(columns - x) < 12) & (np.abs(rows - y) < 12)
        assert near.any()


def test_scene_names_people_without_a_place() -> None:
    lost = standing()
    lost.roots[:] = np.nan
    view = fit_view([])
    assert (scene(lost, (480, 480), view) != scene(None, (480, 480), view)).any()


def test_view_glides() -> None:
    a, b = fit_view([standing(2).joints]), fit_view([standing(6).joints])
    between = fit_view([standing(6).joints], previous=a)
    assert a.centre[2] < between.centre[2] < a.centre[2] + 0.2 * (b.centre[2] - a.centre[2])


def test_joints_that_were_not_seen_look_like_a_guess() -> None:
    seen, guessed = standing(), standing()
    guessed.scores[:] = 0
    view = fit_view([seen.joints])
    colourful = [np.ptp(scene(s, (480, 480), view).astype(int), axis=2) > 80 for s in (seen, guessed)]
    assert colourful[1].sum() < 0.5 * colourful[0].sum()
