"""JSON and YAML of other systems and of hostile people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from posemo_ros.cli import main
from posemo_ros.text_files import json_of, yaml_of

both = pytest.mark.parametrize("read", [json_of, yaml_of])


@both
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_byte_order_marks_of_windows(tmp_path: Path, read: Callable[[Path], Any], codec: str) -> None:
    path = tmp_path / "a.json"
    mark = b"\xff\xfe" if codec == "utf-16-le" else b""
    path.write_bytes(mark + '{"größe": [1, 2]}'.encode(codec))
    assert read(path) == {"größe": [1, 2]}


@both
@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b"{", b"\xff\xfe\x00", b"\xff", b"[" * 5000 + b"]" * 5000, b"9" * 5000]
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, read: Callable[[Path], Any], content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        read(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb:\n  c: 2\n  c: 3\n", "the key 'c' is there twice, again in line 4"),
        ('{"a": 1, "a": 2}', "the key 'a' is there twice, again in line 1"),
        ("- {a: 1}\n- {b: 1, b: 1}\n", "the key 'b' is there twice, again in line 2"),
        ("a:\n  b: 1\n\tc: 2\n", "a tab is at the beginning of line 3; YAML wants blanks"),
    ],
)
def test_slips_in_yaml_are_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ValueError, match=says):
        yaml_of(tmp_path / "a.yaml")


def test_anchors_and_merged_keys_of_yaml(tmp_path: Path) -> None:
    """A key in the place of a merged one is no repetition, wherever the mapping is used again."""
    text = "a: &a {x: 1, y: 2}\nb: &b {<<: *a, x: 3}\nc: {<<: *b, y: 4}\nd: [*a, *b]\n1: one\n'1': word\n"
    (tmp_path / "a.yaml").write_text(text)
    found = yaml_of(tmp_path / "a.yaml")
    assert found["b"] == {"x": 3, "y": 2}
    assert found["c"]["y"] == 4
    assert found["d"] == [found["a"], found["b"]]
    assert (found[1], found["1"]) == ("one", "word")


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "coco", "--images", ".", "--boxes", "gt", "--annotations", "deep.json"),
        ("evaluate", "faces", "--images", ".", "--annotations", "deep.json"),
        ("evaluate", "compare", "deep.json", "deep.json"),
        ("models", "--manifest", "deep.json", "list"),
        ("run", "a.png", "--preset", "deep.json"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_commands_name_a_file_that_is_nested_too_deeply(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("deep.json").write_text("[" * 5000 + "]" * 5000)
    assert main([*words]) == 1
    said = capsys.readouterr().err
    assert "deep.json" in said
    assert "nested too deeply" in said


@both
def test_what_is_no_text_is_called_so(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    (tmp_path / "a").write_bytes(b'"\xff"')
    with pytest.raises(ValueError, match=r"^it is no text in UTF-8$"):
        read(tmp_path / "a")
