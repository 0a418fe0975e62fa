"""Shipped files are found wherever the package was installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from posemo_ros.errors import ModelError
from posemo_ros.inference import resources


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package without any files of its own."""
    folder = tmp_path / "site-packages" / "posemo_ros"
    folder.mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", folder)
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    return folder


def test_the_tests_run_on_this_checkout_or_an_installation() -> None:
    assert (resources.share_dir("config") / "models.yaml").is_file()


def test_installed_with_pip(package: Path) -> None:
    (package / "_share" / "models").mkdir(parents=True)
    assert resources.share_dir("models") == package / "_share" / "models"


def test_run_from_a_checkout(package: Path) -> None:
    (package.parent / "config").mkdir()
    (package.parent / "setup.cfg").touch()
    assert resources.share_dir("config") == package.parent / "config"


def test_a_folder_that_happens_to_lie_beside_the_package_is_not_ours(package: Path) -> None:
    (package.parent / "config").mkdir()
    with pytest.raises(ModelError):
        resources.share_dir("config")


def test_ros_workspace(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share = tmp_path / "ws" / "share" / "posemo_ros" / "models"
    share.mkdir(parents=True)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path / 'other'}:{tmp_path / 'ws'}")
    assert resources.share_dir("models") == share


def test_nowhere(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/opt/ros/none")
    with pytest.raises(ModelError, match=r"_share/models.*/opt/ros/none/share/posemo_ros/models.*pip"):
        resources.share_dir("models")
