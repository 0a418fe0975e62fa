import numpy as np
import pytest

from posemo_ros.skeleton import COCO17, H36M17, JOINT_SETS, h36m_from_coco


@pytest.mark.parametrize("joints", JOINT_SETS.values(), ids=lambda s: s.name)
def test_flip_index_swaps_names(joints) -> None:
    for index, other in enumerate(joints.flip_index):
        swapped = joints.joints[index].replace("left", "X").replace("right", "left").replace("X", "right")
        assert joints.joints[other] == swapped
        expected = (
            "left"
            if "left" in joints.joints[index]
            else "right"
            if "right" in joints.joints[index]
            else "middle"
        )
        assert joints.side(index) == expected


def test_bones_reach_every_h36m_joint_once_from_its_parent() -> None:
    parents = {child: parent for parent, child in H36M17.bones}
    # parents as in ../shared/data/README.md / VideoPose3D's 17-joint skeleton
    assert [parents.get(i, -1) for i in range(17)] == [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15]


def test_unknown_joint_is_named() -> None:
    with pytest.raises(KeyError, match="coco17 has no joint 'hand'.*nose"):
        COCO17.index("hand")


def test_h36m_from_coco() -> None:
    rng = np.random.default_rng(0)
    coco = rng.uniform(0, 1, (2, 17, 3)).astype(np.float32)
    out = h36m_from_coco(coco)
    for name in ("left_knee", "right_wrist", "left_shoulder", "right_ankle"):
        np.testing.assert_array_equal(out[:, H36M17.index(name)], coco[:, COCO17.index(name)])
    pelvis = (coco[:, 11, :2] + coco[:, 12, :2]) / 2
    thorax = (coco[:, 5, :2] + coco[:, 6, :2]) / 2
    np.testing.assert_allclose(out[:, 0, :2], pelvis, rtol=1e-6)
    np.testing.assert_allclose(out[:, 7, :2], (pelvis + thorax) / 2, rtol=1e-6)
    np.testing.assert_allclose(out[:, 0, 2], np.minimum(coco[:, 11, 2], coco[:, 12, 2]))


def test_h36m_from_coco_spreads_nan_only_to_what_depends_on_it() -> None:
    coco = np.ones((17, 3), np.float32)
    coco[COCO17.index("left_hip"), :2] = np.nan
    missing = np.isnan(h36m_from_coco(coco)[:, 0])
    assert [H36M17.joints[i] for i in np.flatnonzero(missing)] == ["pelvis", "left_hip", "spine"]
