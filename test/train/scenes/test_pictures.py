"""Training pictures: labels that fit, and the same seed gives the same pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from train.data import coco

pytestmark = [pytest.mark.shared, pytest.mark.slow]


def test_pictures_have_labels_that_fit(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("vtkmodules")
    from train.scenes.pictures import HEIGHT, WIDTH, make_pictures

    for folder in ("a", "b"):
        make_pictures(tmp_path / folder, 4, shared_data, cast=1, seed=3)
    first, second = (json.loads((tmp_path / f / "annotations.json").read_text()) for f in ("a", "b"))
    assert first == second
    people = coco.read_people(tmp_path / "a" / "annotations.json", tmp_path / "a" / "images", "synthetic")
    assert len(people) >= 4
    for person in people:
        assert person.photo.pixels().shape == (HEIGHT, WIDTH, 3)
        seen = person.keypoints[person.keypoints[:, 2] == 2, :2]
        assert len(seen) >= 5
        assert ((seen >= person.box[:2] - 3) & (seen <= person.box[2:] + 3)).all()
        assert ((person.box >= 0) & (person.box <= max(WIDTH, HEIGHT))).all()
    shades = [np.std(p.photo.pixels()) for p in people]
    assert min(shades) > 5
