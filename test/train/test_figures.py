"""Figures of cards: the dots where the numbers are, the worst of a film and no other."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np

from train import figures
from train.data.sightings import Sightings


def sightings() -> Sightings:
    """Four persons in films 0, 1, 1, 3; errors of 50, 10, 30 and 20 px in frame 2."""
    rng = np.random.default_rng(0)
    truth = np.concatenate([rng.uniform(0, 200, (4, 1, 17, 2)), np.full((4, 1, 17, 1), 2)], -1).repeat(5, 1)
    truth = truth.astype(np.float32)
    found = truth.copy()
    found[..., 2] = 0.9
    for person, error in enumerate((50, 10, 30, 20)):
        found[person, 2, :, 0] += error
    joints = rng.normal(0, 0.3, (4, 5, 17, 3)).astype(np.float32)
    camera = np.tile(np.array([640, 480, 60], np.float32), (4, 1))
    return Sightings(found, truth, joints, camera, np.float32([[1.2, 0]] * 4), np.array([0, 1, 1, 3]), 30.0)


def names(page: str) -> list[str]:
    ET.fromstring(page)
    return re.findall(r"<text[^>]*>([^<]*)</text>", page)


def test_the_worst_of_each_film_to_report_is_drawn_worst_first() -> None:
    seen = sightings()
    size = [float(np.ptp(t[2, :, :2], axis=0).max()) for t in seen.truth]
    assert names(figures.worst_keypoints(seen)) == [
        f"{100 * 30 / size[2]:.0f} % of the size off",
        f"{100 * 20 / size[3]:.0f} % of the size off",
    ]


def test_skeletons_are_drawn_from_two_sides() -> None:
    seen = sightings()
    answers = [np.pad(j - j[:, :1], ((0, 0), (0, 0), (0, 1))) for j in seen.joints]
    answers[3] = answers[3] + np.float32([0.1, 0, 0, 0])
    assert names(figures.worst_skeletons(answers, seen)) == ["100 mm, from in front", "100 mm, from the side"]


def test_reliability_has_a_dot_per_bin_with_joints() -> None:
    page = figures.reliability_figure({"report": [[0.1, 0.2, 5], [0.5, 0.5, 0], [0.9, 1.0, 20]]})
    dots = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', page)
    assert dots == [("22.0", "176.0"), ("198.0", "0.0")]
    assert "report" in names(page)


def test_who_was_not_found_is_drawn_with_the_others_of_the_image() -> None:
    seen = sightings()
    seen.found[2, 1:4] = np.nan
    seen.found[0, :] = np.nan  # of a film that chooses
    seen.found[3, :, :, :2] = np.nan
    seen.truth[3, :, 4:, 2] = 1  # hardly visible: nobody could find them
    page = figures.missed(seen)
    height = float(np.ptp(seen.truth[2, 1, :, 1]))
    assert names(page) == [f"not found in 3 images, {height:.0f} px high here"]
    widths = re.findall(r'stroke-width="(\d)"', page)
    bones = 16  # of COCO-17
    assert (widths.count("5"), widths.count("2"), widths.count("1")) == (bones, bones, bones)
