"""Keypoints of the CMU clips in the joints a network sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posemo_ros.errors import InputError
from posemo_ros.skeleton import h36m_from_coco
from train.data.modules import Cmu, CmuBodies
from train.data.sequences import H36M

from .runs import command, lifter_config, write_cmu


def config_of(tmp_path: Path, **data: Any) -> dict[str, Any]:
    write_cmu(tmp_path / "data/cmu_mocap")
    config = lifter_config(tmp_path / "data", tmp_path / "run", network="motionagformer")
    config["model"]["init_args"]["options"] = {"frames": 3, "channels": 2, "layers": 1, "width": 16}
    folder = {"folder": str(tmp_path / "data"), "views": 1, "batch": 32, "workers": 0}
    config["data"] = {"class_path": "train.data.modules.Cmu", "init_args": {**folder, **data}}
    return config


def test_of_human36m_they_are_what_the_station_makes_of_coco(tmp_path: Path) -> None:
    write_cmu(tmp_path / "cmu_mocap")
    coco, h36m = Cmu(tmp_path, noise="perfect"), Cmu(tmp_path, noise="perfect", joints="h36m17")
    for one, other in zip(coco.videos("test"), h36m.videos("test"), strict=True):
        np.testing.assert_array_equal(h36m_from_coco(one.keypoints), other.keypoints)
        np.testing.assert_array_equal(one.joints, other.joints)
        # a hip's keypoint lies where the hip is; COCO's joint of this number is an ear
        assert np.corrcoef(other.keypoints[:, 4, 0], one.keypoints[:, 11, 0])[0, 1] > 0.999
    assert (h36m.layout, h36m.fixed_settings["input_joints"]) == (H36M, "h36m17")
    assert coco.fixed_settings["input_joints"] == "coco17"


@pytest.mark.parametrize("joints", ["coco17", "h36m17"])
def test_a_graph_of_joints_gets_these_joints(tmp_path: Path, joints: str) -> None:
    config = config_of(tmp_path, joints=joints)
    if joints == "h36m17":
        command(config, tmp_path / "c.yaml")
        return
    with pytest.raises(InputError, match="sees joints as a graph of h36m17; the data are coco17"):
        command(config, tmp_path / "c.yaml")


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    for wrong in ({"joints": "mpii"}, {"joints": "h36m17", "normalisation": "person"}):
        with pytest.raises(InputError, match="expected coco17, or h36m17 with normalisation: screen"):
            Cmu(tmp_path, **wrong)
    with pytest.raises(InputError, match="coco17 alone"):
        CmuBodies(tmp_path, joints="h36m17", normalisation="screen")
