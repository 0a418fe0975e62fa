"""docs/architecture.md names every room, and nobody imports from a floor below."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"


def floors(heading: str) -> list[list[str]]:
    """Rooms by floor, of the table whose second column has this heading."""
    table = PAGE.read_text(encoding="utf-8").split(f"| floor | {heading} |")[1].split("\n\n")[0]
    return [re.findall(r"`([\w.]+)`", row.split("|")[2]) for row in table.splitlines()[2:]]


def rooms(package: str) -> set[str]:
    """What lies at the top of a package."""
    found = {p.name for p in (ROOT / package).iterdir() if not p.name.startswith(("_", "."))}
    return found - {"py.typed"}


PACKAGE = floors("rooms")
FLOOR = {room: number for number, floor in enumerate(PACKAGE) for room in floor}


def imported(path: Path) -> set[str]:
    """Rooms of the package that a file imports when it is itself imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            names = [*parts[: -node.level], *(node.module or "").split(".")]
            names = [name for name in names if name]
            found |= {names[1]} if len(names) > 1 else {alias.name for alias in node.names}
    return found & set(FLOOR)


def test_every_room_is_on_one_floor() -> None:
    named = [room for floor in PACKAGE for room in floor]
    assert sorted(named) == sorted(room.removesuffix(".py") for room in rooms("posemo_ros"))


def test_every_room_of_train_is_named() -> None:
    named = [room for floor in floors("rooms of `train`") for room in floor]
    assert sorted(named) == sorted(rooms("train"))


@pytest.mark.parametrize("room", FLOOR)
def test_no_room_imports_from_a_floor_below(room: str) -> None:
    place = ROOT / "posemo_ros" / room
    for path in place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]:
        below = {other for other in imported(path) if FLOOR[other] > FLOOR[room]}
        assert not below, f"{path.relative_to(ROOT)} imports {', '.join(sorted(below))}"


def modules_imported(path: Path) -> set[str]:
    """Modules of the package that a file imports anywhere, also inside functions; not for types only."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in for_types:
            base = [*parts[: -node.level], *(node.module.split(".") if node.module else ())]
            found |= {".".join([*base, alias.name]) for alias in node.names} | {".".join(base)}
    return found


def test_no_module_imports_itself_by_a_detour() -> None:
    paths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in (ROOT / "posemo_ros").rglob("*.py")
        if path.stem != "__init__"
    }
    left = {name: modules_imported(path) & set(paths) - {name} for name, path in paths.items()}
    assert sum(map(len, left.values())) > len(left)  # it sees the imports
    while free := {name for name, needs in left.items() if not needs & set(left)}:
        left = {name: needs for name, needs in left.items() if name not in free}
    assert not left, f"in a circle, or above one: {', '.join(sorted(left))}"


def test_files_it_names_exist() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in re.findall(r"`([\w/]+\.(?:py|yaml))`", text):
        places = (ROOT, ROOT / "posemo_ros", ROOT / "train", ROOT / "train" / "models")
        assert any((place / name).exists() for place in places), name
