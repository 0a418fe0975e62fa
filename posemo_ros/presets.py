"""Presets: the networks and settings of a whole chain under one name.

``config/presets/<name>.yaml``, or a file of the user's own (``python -m train export --preset``
writes one)::

    description: one line
    models: {detector: …, keypoints: …, lifter: …, emotion: …, context: …}   # names in the manifest
    settings: {detect_every: 5, delay_frames: 13, …}   # of ``settings.Models`` and ``settings.Settings``
    manifests: [models.yaml]   # read besides the package's own; relative to this file
    missing: how to get the models that do not come with the package
    note: what whoever starts the chain should know, such as that its networks are weak

What is named singly (an option, a launch argument) goes before the preset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .errors import InputError, ModelError, reason
from .inference.manifest import STATIONS
from .inference.resources import share_dir
from .inference.store import ModelStore
from .settings import Models, Settings
from .text_files import yaml_of

_KEYS = ("description", "models", "settings", "manifests", "missing", "note")
CHAIN_SETTINGS = tuple(f.name for f in fields(Models) if f.name not in STATIONS)


@dataclass(frozen=True)
class Preset:
    """A chain.

    Attributes:
        name: Of its file.
        description: One line.
        models: Station -> name in the manifest, empty for none; stations left out stay as they are.
        settings: Fields of ``Models`` (but the stations) and ``Settings``.
        manifests: More manifest files.
        missing: What to do where a model is not on this machine.
        note: Said at every start; empty for none.
    """

    name: str = ""
    description: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    manifests: tuple[Path, ...] = ()
    missing: str = ""
    note: str = ""

    def choose(self, given: Mapping[str, Any]) -> Models:
        """The networks: what is given, else the preset's, else the default."""
        own = {k: v for k, v in self.settings.items() if k in CHAIN_SETTINGS}
        return Models(**{**self.models, **own, **given})

    def set(self, given: Mapping[str, Any]) -> Settings:
        """The settings: what is given, else the preset's, else the default."""
        own = {k: v for k, v in self.settings.items() if k not in CHAIN_SETTINGS}
        return Settings(**{**own, **given})

    def absent(self, store: ModelStore, models: Mapping[str, str] | None = None) -> list[str]:
        """``station name`` of what is named here and not on this machine.

        Args:
            store: Where the models are.
            models: Station -> name that is used; what differs from the preset does not count.
        """
        used = {s: n for s, n in self.models.items() if n and (models is None or models.get(s, n) == n)}
        known = store.specs()
        return [f"{s} {n}" for s, n in used.items() if n not in known or not store.present(n)]

    def check(self, store: ModelStore, models: Models) -> None:
        """Refuse a chain of which something is not here.

        Raises:
            ModelError: It says what, and how to get it.
        """
        absent = self.absent(store, {s: getattr(models, s) for s in STATIONS})
        if absent:
            advice = self.missing or "see `posemo models list`"
            raise ModelError(f"preset {self.name!r}: not on this machine: {', '.join(absent)}; {advice}")


NO_PRESET = Preset()


def preset_files() -> dict[str, Path]:
    """Those that come with the package, by name."""
    return {path.stem: path for path in sorted((share_dir("config") / "presets").glob("*.yaml"))}


def load_preset(name: str) -> Preset:
    """A preset of the package, or a file; the empty name is no preset.

    Raises:
        InputError: There is none of this name, or it has another form; says what is expected.
    """
    if not name:
        return NO_PRESET
    known = preset_files()
    path = known.get(name) or Path(name).expanduser()
    if name not in known and not path.is_file():
        raise InputError(f"there is no preset {name!r}: neither a file nor one of {', '.join(known)}")
    try:
        data = yaml_of(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the preset {path}: {reason(error)}") from error
    return _parse(path, data)


def _parse(path: Path, data: object) -> Preset:
    if not isinstance(data, Mapping) or set(data) - set(_KEYS):
        raise InputError(f"{path}: expected a preset, a mapping with {', '.join(_KEYS)}")
    models = _mapping(path, "models", data.get("models"), STATIONS)
    settings = _mapping(
        path, "settings", data.get("settings"), [*CHAIN_SETTINGS, *(f.name for f in fields(Settings))]
    )
    wrong = [s for s, n in models.items() if not isinstance(n, str)]
    defaults = {f.name: f.default for kind in (Models, Settings) for f in fields(kind)}
    wrong += [k for k, v in settings.items() if not _fits(v, defaults[k])]
    if wrong:
        raise InputError(f"{path}: {wrong[0]} is {({**models, **settings})[wrong[0]]!r}, of the wrong type")
    manifests = data.get("manifests") or []
    if not isinstance(manifests, list) or not all(isinstance(m, str) for m in manifests):
        raise InputError(f"{path}: manifests: expected a list of files, got {manifests!r}")
    return Preset(
        path.stem,
        str(data.get("description", "")),
        models,
        settings,
        tuple(path.parent / m for m in manifests),
        str(data.get("missing", "")),
        str(data.get("note", "")),
    )


def _mapping(path: Path, key: str, value: object, known: Iterable[str]) -> dict[str, Any]:
    known = list(known)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"{path}: {key}: expected a mapping, got {value!r}")
    unknown = sorted(set(map(str, value)) - set(known))
    if unknown:
        raise InputError(f"{path}: {key}: unknown {unknown[0]!r} (known: {', '.join(known)})")
    return {str(k): v for k, v in value.items()}


def _fits(value: object, default: object) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, str):
        return isinstance(value, str)
    return isinstance(value, int if isinstance(default, int) else (int, float))
