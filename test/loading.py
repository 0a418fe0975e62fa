"""Scripts as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

TOOLS = Path(__file__).resolve().parents[1] / "tools"


def load(file: Path) -> ModuleType:
    """A file that is in no package that could be imported, as a module of its name."""
    name = file.name.partition(".")[0]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def load_tool(name: str) -> ModuleType:
    """A script of ``tools/``."""
    return load(TOOLS / f"{name}.py")
