"""``--depth-topic``: which topic it may be, which image belongs to a picture, what is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from posemo_ros import cli
from posemo_ros.errors import InputError
from posemo_ros.replay.bag_depth import BagDepth
from posemo_ros.replay.choice import Choice
from posemo_ros.replay.sources import open_source
from posemo_ros.types import View

from ..depth_codec import compressed
from .makers import PERIOD, STAMPS, START, images_at, jpeg_image, raw_image, write_bag

DEPTH = "/cam/aligned_depth/image_raw"


def depth_at(stamp_ns: int, millimetres: int, topic: str = DEPTH) -> tuple[str, int, object]:
    return topic, stamp_ns, raw_image(stamp_ns, np.full((48, 64), millimetres, np.uint16), "16UC1")


def packed_at(
    stamp_ns: int, millimetres: int, form: str = "16UC1; compressedDepth png"
) -> tuple[str, int, object]:
    data = compressed(np.full((48, 64), millimetres, np.uint16), rvl="rvl" in form)
    message = jpeg_image(stamp_ns, data)
    message.format = form
    return f"{DEPTH}/compressedDepth", stamp_ns, message


def by_time(messages: list[tuple[str, int, object]]) -> list[tuple[str, int, object]]:
    return sorted(messages, key=lambda m: m[1])


def metres(source: BagDepth, stamp_ns: int) -> float | None:
    found = source.at(View(stamp_ns, "front_optical", None, 64, 48))
    return None if found is None else float(found.metres[0, 0])


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Pictures with depth beside them."""
    depths = [depth_at(stamp, 1000 + n) for n, stamp in enumerate(STAMPS)]
    return write_bag(tmp_path / "bag", by_time(images_at(STAMPS) + depths))


def test_depth_of_another_frame_is_not_that_of_the_picture(bag: Path) -> None:
    """The depth camera itself, not aligned: the same shape, other pixels."""
    source = BagDepth(bag, DEPTH)
    assert source.at(View(STAMPS[3], "colour", None, 64, 48)) is None
    assert any("of the frame 'front_optical', the picture of 'colour'" in note for note in source.notes())
    assert source.at(View(STAMPS[4], "/front_optical", None, 64, 48)) is not None
    source.close()


class TestWhichTopic:
    def test_its_name_with_or_without_the_slash(self, bag: Path) -> None:
        for name in (DEPTH, DEPTH[1:]):
            with open_source(bag, Choice(depth_topic=name)) as source:
                assert isinstance(source.depth, BagDepth)
                assert source.depth.topic == DEPTH

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("/nothing", f"no topic '/nothing' with images; its depth topics (messages): {DEPTH} (24)"),
            (
                "/cam/image_raw",
                f"/cam/image_raw is no depth (16UC1 or 32FC1); depth topics in it (messages): {DEPTH}",
            ),
        ],
    )
    def test_what_has_no_depth_is_refused_with_what_has(self, bag: Path, name: str, words: str) -> None:
        with pytest.raises(InputError) as error:
            open_source(bag, Choice(depth_topic=name))
        assert words in str(error.value)

    @pytest.mark.parametrize("form", ["16UC1; compressedDepth png", "16UC1; compressedDepth rvl"])
    def test_compressed_by_its_name_or_that_of_the_raw_one(self, tmp_path: Path, form: str) -> None:
        packed = [packed_at(stamp, 1000 + n, form) for n, stamp in enumerate(STAMPS)]
        path = write_bag(tmp_path / "bag", by_time(images_at(STAMPS) + packed))
        for name in (DEPTH, DEPTH + "/compressedDepth"):
            with open_source(path, Choice(depth_topic=name)) as source:
                assert source.depth is not None
                assert source.depth.topic == DEPTH + "/compressedDepth"
                assert [metres(source.depth, s) for s in STAMPS] == pytest.approx(
                    [1 + n / 1000 for n in range(24)]
                )

    def test_of_two_forms_one_is_named(self, tmp_path: Path) -> None:
        both = [make(stamp, 1000) for stamp in STAMPS for make in (depth_at, packed_at)]
        with open_source(write_bag(tmp_path / "bag", by_time(images_at(STAMPS) + both))) as source:
            (note,) = [note for note in source.notes if "depth" in note]
            assert note.startswith(f"depth is in {DEPTH};")

    def test_damaged_ones_are_counted_with_the_reason(self, tmp_path: Path) -> None:
        packed = [packed_at(stamp, 1000) for stamp in STAMPS]
        packed[3][2].data = packed[3][2].data[:40]  # type: ignore[attr-defined]
        source = BagDepth(write_bag(tmp_path / "bag", packed), packed[0][0])
        assert [metres(source, s) is None for s in STAMPS] == [n == 3 for n in range(24)]
        assert "1 pictures without depth" in " ".join(source.notes())
        assert "cut off" in " ".join(source.notes())

    def test_not_used_unless_named_since_it_may_not_be_aligned(self, bag: Path) -> None:
        with open_source(bag) as source:
            assert source.depth is None
            assert (
                f"depth is in {DEPTH}; aligned with the pictures, --depth-topic NAME uses it" in source.notes
            )

    def test_no_rate_beside_it(self) -> None:
        with pytest.raises(InputError, match="by the stamps of the messages"):
            Choice(rate_hz=10, depth_topic=DEPTH)

    def test_only_bags_have_topics(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").write_bytes(b"film")
        with pytest.raises(InputError, match="is no bag"):
            open_source(tmp_path / "a.mp4", Choice(depth_topic=DEPTH))


class TestWhichImage:
    def test_that_of_the_time(self, bag: Path) -> None:
        source = BagDepth(bag, DEPTH)
        assert [metres(source, s) for s in STAMPS] == pytest.approx([1 + n / 1000 for n in range(24)])
        assert metres(source, STAMPS[-1] + PERIOD) is None

    def test_recorded_late(self, tmp_path: Path) -> None:
        """A driver that needs longer for depth than for colour: recorded 0.3 s later."""
        late = [(t, stamp + 300_000_000, m) for t, stamp, m in (depth_at(s, 1500) for s in STAMPS)]
        source = BagDepth(write_bag(tmp_path / "bag", late), DEPTH)
        assert [metres(source, s) for s in STAMPS] == pytest.approx([1.5] * len(STAMPS))

    def test_asked_again_and_by_a_lifter_that_waits(self, bag: Path) -> None:
        source = BagDepth(bag, DEPTH)
        for stamp in (STAMPS[20], STAMPS[20], STAMPS[5]):
            assert metres(source, stamp) is not None

    @pytest.mark.parametrize("loops", [2, 3])
    def test_a_source_that_starts_again(self, tmp_path: Path, loops: int) -> None:
        stamps = [START + n * PERIOD for n in range(50)]
        source = BagDepth(
            write_bag(tmp_path / "bag", [depth_at(s, 1000 + n) for n, s in enumerate(stamps)]), DEPTH
        )
        for _ in range(loops):
            assert [metres(source, s) for s in stamps] == pytest.approx([1 + n / 1000 for n in range(50)])

    def test_stamps_that_start_again_within_the_bag(self, tmp_path: Path) -> None:
        """A recorded replay in a loop: the stamps step back, the time of recording goes on."""
        stamps = [START + n * PERIOD for n in range(50)]
        twice = [
            (DEPTH, START + (n + 50 * again) * PERIOD, depth_at(s, 1000 + n + 500 * again)[2])
            for again in (0, 1)
            for n, s in enumerate(stamps)
        ]
        source = BagDepth(write_bag(tmp_path / "bag", twice), DEPTH)
        found = [metres(source, s) for _ in (0, 1) for s in stamps]
        assert found == pytest.approx([1 + n / 1000 + again / 2 for again in (0, 1) for n in range(50)])

    def test_of_another_view(self, tmp_path: Path) -> None:
        wide = raw_image(START, np.full((48, 90), 1000, np.uint16), "16UC1")
        source = BagDepth(write_bag(tmp_path / "bag", [(DEPTH, START, wide)]), DEPTH)
        assert metres(source, START) is None
        assert "1 pictures without depth" in " ".join(source.notes())
        assert "not the same view" in " ".join(source.notes())


def test_the_command_places_people_by_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx", reason="onnx makes the networks of this test")
    from ..nodes.tiny_models import write_stand_ins

    monkeypatch.setenv("POSEMO_MODELS", str(write_stand_ins(tmp_path / "models")))
    walker = np.zeros((120, 160, 3), np.uint8)
    walker[30:100, 40:70] = 255
    messages: list[tuple[str, int, object]] = []
    for stamp in STAMPS[:12]:
        messages += [("/cam/image_raw", stamp, raw_image(stamp, walker)), depth_at(stamp, 2500)]
    path = write_bag(tmp_path / "bag", messages)
    words = ["run", str(path), "--threads", "1", "--runtime", "onnxruntime", "--depth-topic", DEPTH]
    assert cli.main([*words, "--out", str(tmp_path / "with")]) == 0
    notes = json.loads((tmp_path / "with" / "summary.json").read_text())["notes"]
    assert any(f"{DEPTH} placed " in note and "of 12 skeletons" in note for note in notes)
    assert cli.main([*words[:-1], "/nothing", "--out", str(tmp_path / "none")]) == 1
