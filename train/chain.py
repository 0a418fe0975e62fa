"""A whole chain from checkpoints: the networks of a preset, their manifests, and a preset that names them."""

from __future__ import annotations

import ast
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from posemo_ros.errors import InputError
from posemo_ros.inference.checksum import sha256_of
from posemo_ros.inference.manifest import STATIONS, EmotionSpec
from posemo_ros.inference.store import ModelStore
from posemo_ros.presets import load_preset
from posemo_ros.text_files import yaml_of

from .export import check_station, export
from .models.zoo import NETWORKS, Entry, build
from .tasks.checkpoint import CONFIG, best_checkpoint, configuration, learned_settings, start_from
from .tasks.cli import read_run

RANDOM = "random"  # in the place of a checkpoint
ENTRY = "entry."  # before a setting of the manifest's entry among the options of a network
_PARTS = ("seed_everything", "out", "model", "data", "trainer")


@dataclass(frozen=True)
class Source:
    """Where the network of a station comes from.

    Attributes:
        entry: The network with its weights; None for one that is in a manifest already.
        name: Of the manifest's entry then.
        origin: For the manifest of the new one.
    """

    entry: Entry | None
    name: str = ""
    origin: str = ""


def read_source(text: str, store: ModelStore) -> Source:
    """What a word of the command line means.

    Args:
        text: Folder of a run (``runs/table_2/ours``: its best checkpoint); or a network of the zoo with
            options and a checkpoint, ``hrnet,width=48@pose_hrnet_w48_256x192.pth``,
            ``clip,pretrained=openai``, ``hrnet@random`` to measure the speed; or a name in the manifest.
            ``entry.KEY=VALUE`` among the options is for the manifest, where weights were trained otherwise
            than the zoo says: ``pstmo,entry.input_joints=coco17@PSTMOS_no_refine_48_5137_in_the_wild.pth``.
        store: Of the manifest.

    Raises:
        PosemoError: It is none of these, or the weights do not fit.
    """
    described, _, weights = text.partition("@")
    network, *options = re.split(r",(?![^(\[{]*[)\]}])", described)  # not within brackets
    if network in NETWORKS:
        return _from_zoo(network, options, weights)
    if Path(text).is_dir():
        return _from_run(Path(text))
    if text in store.specs():
        return Source(None, text)
    raise InputError(
        f"{text!r} is neither the folder of a run, nor a network of the zoo ({', '.join(NETWORKS)}; "
        "with options and weights: NAME,OPTION=VALUE@FILE), nor a name in the manifest"
    )


def _from_zoo(network: str, options: list[str], weights: str) -> Source:
    given = dict(map(setting, options))
    chosen = {name: value for name, value in given.items() if not name.startswith(ENTRY)}
    if not weights and not chosen.get("pretrained"):
        raise InputError(
            f"{network}: name its weights: {network}@FILE, or {network}@{RANDOM} to measure the speed alone"
        )
    try:
        entry = build(network, **chosen)
    except (TypeError, ValueError) as error:
        raise InputError(f"{network}: {error}") from error
    entry.settings.update({n.removeprefix(ENTRY): v for n, v in given.items() if n.startswith(ENTRY)})
    if weights == RANDOM:
        return Source(entry, origin=f"{network}, random weights")
    if weights:
        start_from(entry.network, Path(weights))
    return Source(entry, origin=Path(weights).name or f"{network} {chosen['pretrained']}")


def _from_run(run: Path) -> Source:
    best = best_checkpoint(run)
    entry = _read(configuration(run))
    entry.settings.update(learned_settings(best))
    start_from(entry.network, best)
    return Source(entry, origin=f"{run.name}, {best.name}")


def _read(saved: Path) -> Entry:
    """The network of a saved configuration, which also holds options of the command that saved it."""
    whole = yaml_of(saved)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / CONFIG
        path.write_text(yaml.safe_dump({k: whole[k] for k in _PARTS if k in whole}), encoding="utf-8")
        return read_run(path)[0]


def setting(text: str) -> tuple[str, Any]:
    """``frames=9`` as ``("frames", 9)``; what is no Python literal is a word.

    Raises:
        InputError: There is no ``=``.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"{text!r}: expected OPTION=VALUE")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


def _looks_at_the_scene(store: ModelStore, name: str) -> bool:
    spec = store.spec(name).spec
    return isinstance(spec, EmotionSpec) and bool(spec.context_frames)


def _behind_the_lifter(entry: Entry, lifter: Path) -> Entry:
    """An emotion network that learned from the chain's own lifter calls it by its name in the chain."""
    learned = entry.settings.get("trained_behind", {}).get("lifter")
    if learned is None or not lifter.is_file() or sha256_of(lifter) != learned:
        return entry
    return replace(entry, settings={**entry.settings, "poses": lifter.stem})


def export_chain(preset: str, out: Path, sources: Mapping[str, str], *, licence: str = "not stated") -> Path:
    """Export the networks of a preset and write a preset file that runs them.

    Stations without a source keep the name in the preset, or what an earlier call wrote to ``out``.

    Args:
        preset: Name or file; gives the names and the settings.
        out: Folder: ``<model>.onnx`` and ``<model>.yaml`` for every network, ``<preset>.yaml``.
        sources: Station -> see ``read_source``.
        licence: Of the weights, for the manifests.

    Returns:
        The preset file.

    Raises:
        PosemoError: A source is wrong, or a network is for another station.
    """
    chosen, store = load_preset(preset), ModelStore()
    path = out / f"{chosen.name}.yaml"
    before = load_preset(str(path)) if path.is_file() else None
    models = {**dict.fromkeys(STATIONS, ""), **(before or chosen).models}
    read = {station: read_source(text, store) for station, text in sources.items()}
    models |= {s: source.name or chosen.models[s] for s, source in read.items()}
    found = {s: source.entry for s, source in read.items() if source.entry is not None}
    if "emotion" in read and "emotion" not in found and not _looks_at_the_scene(store, models["emotion"]):
        models["context"] = ""
    for station, entry in found.items():
        check_station(entry)
        if entry.task != station:
            raise InputError(f"--{station} {sources[station]}: the network is for the station {entry.task!r}")
    manifests = {p.name for p in before.manifests} if before else set()
    for station, entry in found.items():
        if station == "emotion":
            entry = _behind_the_lifter(entry, out / f"{models['lifter']}.onnx")
        if entry.settings.get("context_frames"):
            entry = replace(entry, settings={**entry.settings, "context_model": models["context"]})
        elif station == "emotion":
            models["context"] = ""
        file = out / f"{models[station]}.onnx"
        export(entry, file, licence=licence, source=read[station].origin)
        manifests.add(file.with_suffix(".yaml").name)
    own = [station for station in STATIONS if f"{models[station]}.yaml" in manifests]
    content = {
        "description": f"The chain of the preset {chosen.name}; own weights: {', '.join(own) or 'none'}",
        "models": models,
        "settings": dict(chosen.settings),
        "manifests": sorted(manifests),
        "missing": chosen.missing.strip(),
        **({"note": chosen.note.strip()} if chosen.note else {}),
    }
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False, width=110), encoding="utf-8")
    return path
