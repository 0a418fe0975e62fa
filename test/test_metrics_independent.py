"""The metrics against other people's implementations: SciPy, torchmetrics, pycocotools."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posemo_ros import metrics

RNG = np.random.default_rng(11)
TRUTH = RNG.normal(0, 0.4, (20, 17, 3))
PREDICTED = TRUTH + RNG.normal(0, 0.1, TRUTH.shape)


def test_p_mpjpe_is_scipys_best_rotation_with_the_best_scale() -> None:
    errors = []
    for a, b in zip(PREDICTED, TRUTH, strict=True):
        a0, b0 = a - a.mean(0), b - b.mean(0)
        turn, _ = Rotation.align_vectors(b0, a0)
        turned = turn.apply(a0)
        scale = (turned * b0).sum() / (turned**2).sum()
        errors.append(np.linalg.norm(scale * turned - b0, axis=1).mean())
    assert metrics.p_mpjpe(PREDICTED, TRUTH) == pytest.approx(np.mean(errors), rel=1e-9)


def test_mpjpe_mpjve_pck_and_auc_written_out() -> None:
    total = moved = near = count = 0.0
    area = []
    for t in range(20):
        for j in range(17):
            d = sum((PREDICTED[t, j, k] - TRUTH[t, j, k]) ** 2 for k in range(3)) ** 0.5
            total, near, count = total + d, near + (d < 0.15), count + 1
            area.append(sum(d < 0.005 * step for step in range(31)) / 31)
            if t:
                v = (PREDICTED[t, j] - PREDICTED[t - 1, j]) - (TRUTH[t, j] - TRUTH[t - 1, j])
                moved += float(np.sqrt((v**2).sum()))
    assert metrics.mpjpe(PREDICTED, TRUTH) == pytest.approx(total / count)
    assert metrics.mpjve(PREDICTED, TRUTH) == pytest.approx(moved / (19 * 17))
    assert metrics.pck(PREDICTED, TRUTH) == pytest.approx(near / count)
    assert metrics.auc(PREDICTED, TRUTH) == pytest.approx(np.mean(area))


def test_classification_is_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.functional.classification")
    probabilities = RNG.dirichlet(np.full(6, 0.4), 500)
    label = RNG.integers(0, 6, 500)
    p, y = torch.from_numpy(probabilities), torch.from_numpy(label)
    matrix = metrics.confusion(probabilities.argmax(1), label, 6)
    counts = classification.multiclass_confusion_matrix(p, y, 6).numpy()
    np.testing.assert_array_equal(matrix, counts)
    accuracy = classification.multiclass_accuracy(p, y, 6, average="micro")
    assert metrics.accuracy(matrix) == pytest.approx(float(accuracy), abs=1e-6)
    f1 = classification.multiclass_f1_score(p, y, 6, average="macro")
    assert metrics.macro_f1(matrix) == pytest.approx(float(f1), abs=1e-6)
    recall = classification.multiclass_recall(p, y, 6, average=None).numpy()
    np.testing.assert_allclose(metrics.recall(matrix), recall, atol=1e-6)
    error = classification.multiclass_calibration_error(p, y, 6, n_bins=15)
    assert metrics.expected_calibration_error(probabilities, label) == pytest.approx(float(error), abs=1e-6)


def test_oks_is_pycocotools() -> None:
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = np.concatenate([RNG.uniform(0, 100, (4, 17, 2)), RNG.integers(0, 3, (4, 17, 1))], 2)
    answer = truth + np.concatenate([RNG.normal(0, 5, (4, 17, 2)), np.zeros((4, 17, 1))], 2)
    area = RNG.uniform(1000, 5000, 4)
    people = [
        {
            "id": i + 1,
            "image_id": i,
            "category_id": 1,
            "iscrowd": 0,
            "area": float(area[i]),
            "bbox": [0, 0, 100, 100],
            "keypoints": truth[i].ravel().tolist(),
            "num_keypoints": int((truth[i, :, 2] > 0).sum()),
        }
        for i in range(4)
    ]
    results = [
        {"image_id": i, "category_id": 1, "keypoints": answer[i].ravel().tolist(), "score": 1.0}
        for i in range(4)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": i} for i in range(4)],
            "annotations": people,
            "categories": [{"id": 1}],
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "keypoints")
        evaluation._prepare()
        expected = [float(evaluation.computeOks(i, 1)[0, 0]) for i in range(4)]
    np.testing.assert_allclose(metrics.oks(answer, truth, area), expected, rtol=1e-9)
