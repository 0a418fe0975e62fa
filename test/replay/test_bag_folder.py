"""Folders with bag files as they are left behind: parts missing, not listed, or of several recordings."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import pytest
import yaml

from posemo_ros.errors import InputError
from posemo_ros.replay.source_list import expand
from posemo_ros.replay.sources import open_source

from .makers import STAMPS, images_at, lost, picture, write_bag


def part(folder: Path, name: str, first: int, count: int = 8) -> Path:
    """A bag file with some of 24 images; rosbag2's metadata.yaml of it is at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    made = write_bag(folder / "made", images_at(STAMPS)[first : first + count])
    (file,) = made.glob("*.mcap")
    text = (made / "metadata.yaml").read_text()
    file.rename(folder / name)
    shutil.rmtree(made)
    (folder / "metadata.yaml").write_text(text.replace("made.mcap", name))
    return folder / name


def split_bag(folder: Path, listed: list[str], count: int) -> Path:
    """Three files of eight images."""
    for number in range(3):
        part(folder, f"rec_{number}.mcap", 8 * number)
    metadata = yaml.safe_load((folder / "metadata.yaml").read_text())
    entry = metadata["rosbag2_bagfile_information"]
    entry["relative_file_paths"] = listed
    entry["topics_with_message_count"][0]["message_count"] = count
    (folder / "metadata.yaml").write_text(yaml.safe_dump(metadata))
    return folder


def test_a_part_that_is_gone_is_named(tmp_path: Path) -> None:
    names = [f"rec_{number}.mcap" for number in range(3)]
    bag = split_bag(tmp_path / "bag", names, 24)
    assert [f.stamp_ns for f in open_source(bag)] == STAMPS
    (bag / "rec_1.mcap").unlink()
    source = open_source(bag)
    assert len(list(source)) == 16
    assert lost(source) == {"stated but not there": 8}
    assert "metadata.yaml lists rec_1.mcap, not there: a part is missing" in source.notes
    (bag / "metadata.yaml").unlink()
    source = open_source(bag)
    assert len(list(source)) == 16
    assert "no file rec_1: a part is missing" in source.notes


def test_a_last_part_that_is_not_listed_is_read(tmp_path: Path) -> None:
    """The recorder was killed; or the part was unpacked by hand, and the list has its packed name."""
    source = open_source(split_bag(tmp_path / "bag", ["rec_0.mcap", "rec_1.mcap"], 16))
    assert [f.stamp_ns for f in source] == STAMPS
    assert "metadata.yaml does not list rec_2.mcap: read, too" in source.notes
    packed = split_bag(tmp_path / "packed", ["rec_0.mcap", "rec_1.mcap", "rec_2.mcap.zstd"], 24)
    source = open_source(packed)
    assert [f.stamp_ns for f in source] == STAMPS
    assert not any("metadata" in note for note in source.notes)


def test_a_file_of_another_recording_beside_a_bag_is_left_alone(tmp_path: Path) -> None:
    bag = split_bag(tmp_path / "bag", [f"rec_{number}.mcap" for number in range(3)], 24)
    shutil.copy(bag / "rec_1.mcap", bag / "walk.mcap")
    source = open_source(bag)
    assert [f.stamp_ns for f in source] == STAMPS
    assert "metadata.yaml does not list walk.mcap: left alone" in source.notes


def test_recordings_side_by_side_are_no_film(tmp_path: Path) -> None:
    """They were read as one, their images mixed where the times are the same."""
    for name in ("walk.mcap", "run.mcap"):
        part(tmp_path / "bags", name, 0)
    (tmp_path / "bags" / "metadata.yaml").unlink()
    with pytest.raises(InputError, match=r"several recordings in one folder \(run.mcap, walk.mcap\); name"):
        open_source(tmp_path / "bags")
    files = [str(tmp_path / "bags" / name) for name in ("run.mcap", "walk.mcap")]
    assert expand([str(tmp_path / "bags")]) == expand([str(tmp_path)]) == files


def test_the_same_file_packed_and_unpacked_is_read_once(tmp_path: Path) -> None:
    part(tmp_path / "bag", "rec_0.mcap", 0)
    (tmp_path / "bag" / "metadata.yaml").unlink()
    shutil.copy(tmp_path / "bag" / "rec_0.mcap", tmp_path / "bag" / "rec_0.mcap.zstd")
    source = open_source(tmp_path / "bag")
    assert len(list(source)) == 8
    assert any("rec_0.mcap.zstd: the same as another file" in note for note in source.notes)


def test_metadata_of_a_data_set_makes_no_bag(tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number))
    (tmp_path / "metadata.yaml").write_text("name: photos of mine\n")
    assert len(list(open_source(tmp_path))) == 3
    assert expand([str(tmp_path)]) == [str(tmp_path)]


def test_recordings_below_pictures_are_said(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "preview.png"), picture(0))
    (tmp_path / "left").mkdir()
    cv2.imwrite(str(tmp_path / "left" / "1.png"), picture(0))
    part(tmp_path / "walk", "walk_0.mcap", 0)
    source = open_source(tmp_path)
    assert len(list(source)) == 1
    assert any("left alone: 2 folders with recordings of their own" in note for note in source.notes)
