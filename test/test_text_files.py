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
