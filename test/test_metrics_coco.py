"""COCO's average precision against a slow implementation of its definition and against faster-coco-eval."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from posemo_ros import metrics
from posemo_ros.errors import InputError

AREAS = {"all": (0, 1e10), "medium": (32**2, 96**2), "large": (96**2, 1e10)}


def _scene(seed: int, images: int = 12) -> tuple[dict, list[dict]]:
    """People, some crowds, some without labels; good, bad, double and missing answers."""
    rng = np.random.default_rng(seed)
    annotations, results = [], []
    for image in range(1, images + 1):
        for _ in range(rng.integers(0, 5)):
            size = rng.uniform(25, 200)
            points = np.concatenate([rng.uniform(0, size, (17, 2)) + 100, np.zeros((17, 1))], 1)
            points[:, 2] = rng.integers(0, 3, 17) * (rng.random() > 0.1)
            points[points[:, 2] == 0] = 0
            number = len(annotations) + 1
            annotations.append(
                {
                    "id": number,
                    "image_id": image,
                    "category_id": 1,
                    "iscrowd": int(rng.random() < 0.07),
                    "area": float(size**2 * 0.6),
                    "bbox": [100.0, 100.0, float(size), float(size)],
                    "keypoints": points.ravel().tolist(),
                    "num_keypoints": int((points[:, 2] > 0).sum()),
                }
            )
            for _ in range(rng.integers(0, 3)):
                noisy = points.copy()
                noisy[:, :2] += rng.normal(0, size * rng.choice([0.02, 0.08, 0.5]), (17, 2))
                noisy[:, 2] = rng.random(17)
                results.append(
                    {
                        "image_id": image,
                        "category_id": 1,
                        "keypoints": noisy.ravel().tolist(),
                        "score": float(rng.random()),
                    }
                )
    truth = {
        "images": [{"id": i, "width": 640, "height": 480, "file_name": ""} for i in range(1, images + 1)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }
    return truth, results


def _similarity(answer: dict, person: dict) -> float:
    """The definition on cocodataset.org; without labels, the distance to twice the box."""
    d, g = (np.array(x["keypoints"], float).reshape(17, 3) for x in (answer, person))
    variance = (2 * metrics.COCO_SIGMAS) ** 2
    if (g[:, 2] > 0).any():
        away = ((d[:, :2] - g[:, :2]) ** 2).sum(1)[g[:, 2] > 0]
        return float(np.exp(-away / variance[g[:, 2] > 0] / 2 / (person["area"] + np.spacing(1))).mean())
    x, y, w, h = person["bbox"]
    dx = np.maximum(0, np.maximum(x - w - d[:, 0], d[:, 0] - (x + 2 * w)))
    dy = np.maximum(0, np.maximum(y - h - d[:, 1], d[:, 1] - (y + 2 * h)))
    return float(np.exp(-(dx**2 + dy**2) / variance / 2 / (person["area"] + np.spacing(1))).mean())


def _slow(truth: dict, results: list[dict], area: str, threshold: float) -> tuple[float, float]:
    """Precision averaged over 101 recalls, and the highest recall, by hand."""
    low, high = AREAS[area]
    rows, wanted = [], 0
    for image in truth["images"]:
        people = [dict(a) for a in truth["annotations"] if a["image_id"] == image["id"]]
        for p in people:
            p["ignored"] = p["iscrowd"] or not p["num_keypoints"] or not low <= p["area"] <= high
        people.sort(key=lambda p: p["ignored"])
        wanted += sum(not p["ignored"] for p in people)
        answers = sorted((r for r in results if r["image_id"] == image["id"]), key=lambda r: -r["score"])[:20]
        taken: set[int] = set()
        for answer in answers:
            best, found = threshold, None
            for p in people:
                if p["id"] in taken and not p["iscrowd"]:
                    continue
                if found is not None and not found["ignored"] and p["ignored"]:
                    break
                if (value := _similarity(answer, p)) >= best:
                    best, found = value, p
            if found is not None:
                taken.add(found["id"])
                rows.append((answer["score"], True, found["ignored"]))
            else:
                points = np.array(answer["keypoints"]).reshape(17, 3)[:, :2]
                extent = np.prod(points.max(0) - points.min(0))
                rows.append((answer["score"], False, not low <= extent <= high))
    if not wanted:
        return np.nan, np.nan
    rows = [r for r in sorted(rows, key=lambda r: -r[0]) if not r[2]]
    if not rows:
        return 0.0, 0.0
    hits = np.array([r[1] for r in rows], float)
    recall = np.cumsum(hits) / wanted
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    grid = [precision[recall >= r - 1e-12].max(initial=0) for r in np.linspace(0, 1, 101)]
    return float(np.mean(grid)), float(recall[-1])


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_definition(seed: int) -> None:
    truth, results = _scene(seed)
    got = metrics.coco_keypoint_ap(truth, results)
    steps = np.linspace(0.5, 0.95, 10)
    table = {a: np.array([_slow(truth, results, a, t) for t in steps]) for a in AREAS}
    expected = {
        "AP": table["all"][:, 0].mean(),
        "AP50": table["all"][0, 0],
        "AP75": table["all"][5, 0],
        "APM": table["medium"][:, 0].mean(),
        "APL": table["large"][:, 0].mean(),
        "AR": table["all"][:, 1].mean(),
    }
    assert 0.05 < got["AP"] < 0.95
    for name, value in expected.items():
        assert got[name] == pytest.approx(value, abs=1e-6, nan_ok=True), name


def test_equals_faster_coco_eval() -> None:
    pytest.importorskip("faster_coco_eval")
    from faster_coco_eval import COCO, COCOeval_faster

    truth, results = _scene(7, images=30)
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO(truth)
        evaluation = COCOeval_faster(reference, reference.loadRes(results), "keypoints")
        evaluation.evaluate(), evaluation.accumulate(), evaluation.summarize()
    got = metrics.coco_keypoint_ap(truth, results)
    np.testing.assert_allclose(list(got.values()), evaluation.stats[:6], atol=1e-6)


def test_perfect_answers_and_none() -> None:
    truth, _ = _scene(1)
    truth["annotations"] = [a for a in truth["annotations"] if a["num_keypoints"] and not a["iscrowd"]]
    perfect = [
        {"image_id": a["image_id"], "category_id": 1, "keypoints": a["keypoints"], "score": 1.0}
        for a in truth["annotations"]
    ]
    assert metrics.coco_keypoint_ap(truth, perfect)["AP"] == pytest.approx(1)
    assert metrics.coco_keypoint_ap(truth, [])["AP"] == 0


def test_only_the_chosen_joints_count() -> None:
    truth, results = _scene(2)
    for r in results:  # legs far off, arms as they are
        r["keypoints"][3 * 11 :] = [0.0] * 18
    legs = metrics.coco_keypoint_ap(truth, results, joints=range(13, 17))["AP"]
    arms = metrics.coco_keypoint_ap(truth, results, joints=range(5, 11))["AP"]
    assert arms > 0.1
    assert legs < 0.5 * arms


def test_files_and_errors(tmp_path: Path) -> None:
    truth, results = _scene(3)
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth))
    assert metrics.coco_keypoint_ap(path, results) == metrics.coco_keypoint_ap(truth, results)
    with pytest.raises(InputError, match=r"not in the annotations: \[99\]"):
        metrics.coco_keypoint_ap(truth, [{**results[0], "image_id": 99}])
    path.write_text("{}")
    with pytest.raises(InputError, match="COCO's format"):
        metrics.coco_keypoint_ap(path, results)


def test_nms_keeps_the_better_of_two_that_agree() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.uniform(0, 100, (17, 2)), np.ones((17, 1))], 1)

    many = points + np.array([0, 0.5, 60, 0])[:, None, None] * [1, 0, 0]
    scores, areas = [0.5, 0.9, 0.4, 0.1], [5000.0] * 4
    assert metrics.oks_nms([1, 1, 1, 2], many, scores, areas) == [1, 2, 3]
    assert metrics.oks_nms([], np.zeros((0, 17, 3)), [], []) == []


def test_results_by_hrnets_protocol() -> None:
    """The box's score times the mean of the keypoint scores above 0.2; what is missing lies nowhere."""
    points = np.zeros((2, 17, 3))
    points[:, :, :2] = np.random.default_rng(0).uniform(0, 100, (17, 2))
    points[0, :, 2] = 0.1
    points[0, :4, 2] = (0.5, 0.7, 0.2, 0.3)
    points[1, :, 2] = np.nan
    points[1, 3] = np.nan
    first, second = metrics.coco_results([7, 8], points, [0.8, 1.0], [5000, 5000])
    assert first["score"] == pytest.approx(0.8 * 0.5)
    assert (first["image_id"], first["category_id"], len(first["keypoints"])) == (7, 1, 51)
    assert second["score"] == 0
    assert second["keypoints"][9] < -1000
