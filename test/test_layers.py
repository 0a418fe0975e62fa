"""Who may import whom (README, architecture)."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OPTIONAL = {"ray", "openvino", "tensorrt", "tensorrt_rtx", "rerun", "cuda", "cv_bridge"}


def imports(path: Path) -> dict[str, bool]:
    """Absolute names a file imports -> whether at module level; relative ones are resolved."""
    package = path.relative_to(ROOT).with_suffix("").parts
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = {id(node) for node in ast.iter_child_nodes(tree)}
    found: dict[str, bool] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: -node.level]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            found[name] = found.get(name, False) or id(node) in top
    return found


def uses(found: dict[str, bool], module: str) -> bool:
    return any(name == module or name.startswith(module + ".") for name in found)


CORE = sorted(p for p in (ROOT / "posemo_ros").rglob("*.py") if "nodes" not in p.relative_to(ROOT).parts)
ALL = sorted((ROOT / "posemo_ros").rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_is_something_to_check() -> None:
    assert len(CORE) > 10
    assert len(ALL) > len(CORE)


@pytest.mark.parametrize("path", CORE, ids=name)
def test_core_knows_neither_ros_nor_the_nodes(path: Path) -> None:
    found = imports(path)
    for forbidden in ("rclpy", "sensor_msgs", "posemo_msgs", "posemo_ros.nodes"):
        assert not uses(found, forbidden), f"{name(path)} imports {forbidden}"


@pytest.mark.parametrize("path", ALL, ids=name)
def test_runtime_knows_neither_torch_nor_train(path: Path) -> None:
    found = imports(path)
    for forbidden in ("torch", "train"):
        assert not uses(found, forbidden), f"{name(path)} imports {forbidden}"


@pytest.mark.parametrize("path", CORE, ids=name)
def test_optional_packages_are_imported_where_they_are_used(path: Path) -> None:
    at_top = {module for module, top in imports(path).items() if top}
    clash = {module.split(".")[0] for module in at_top} & OPTIONAL
    assert not clash, f"{name(path)} imports {clash} at module level"
