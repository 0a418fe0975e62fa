"""``python -m train table``: the papers' rows, ours beneath, and what a row still needs.

Our numbers come from ``test.json`` in the folder of a row's run, ``runs/<table>/<row>`` below the
root folder; parameters are counted from the configuration. With ``--evaluate`` rows that have
weights and data but no result are tested first, without training: released checkpoints named in
the configuration, or the best checkpoint of a run of ours.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
import math
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from pydoc import locate
from typing import Any, cast

import torch

from posemo_ros.errors import InputError, ModelError, PosemoError
from posemo_ros.text_files import yaml_of
from train.models.counting import count_parameters
from train.models.zoo import build
from train.tasks.checkpoint import best_checkpoint, configuration, identity, read_result, same_weights

from .cmu_section import section as cmu_section
from .papers import TABLES, Column, Row, Table

_log = logging.getLogger(__name__)
CONFIGS = Path(__file__).resolve().parent.parent / "configs"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "reproduction.md"
_FILES = {  # data module -> files it tests on, from its arguments
    "Human36M": ("{folder}/data_3d_h36m.npz", "{folder}/data_2d_h36m_{keypoints}.npz"),
    "Mpi3dhp": ("{folder}/data_test_3dhp.npz",),
    "Keypoints": ("{val_annotations}", "{val_images}", "{detections}"),
    "EmotionVideos": ("{folder}/test", "{folder}/actors.csv"),
    "EmotionFrames": ("{folder}/test", "{folder}/actors.csv"),
    "MoEmoFiles": ("{folder}/test_tensor or {folder}/tensor/test", "{folder}/joints"),
}


_PLAN = ("max_epochs", "max_steps", "gradient_clip_val")
# Options of data that change no figure, or say where the same files are.
_OF_A_MACHINE = ("folder", "workers", "threads", "eval_batch", "seed", "manifests")


@dataclass(frozen=True)
class State:
    """What is known about a row.

    Attributes:
        results: Content of ``test.json`` and the parameters, of one run or of one per seed.
        conditions: On what it was measured, or what is missing.
        measured: Whether there is a result.
    """

    results: tuple[dict[str, Any], ...] = ()
    conditions: str = ""
    measured: bool = False


def run(names: Sequence[str], root: Path, *, evaluate: bool = False, write: bool = False) -> None:
    """Print tables; write the page of all tables where asked.

    Args:
        names: Of ``TABLES``; all when empty.
        root: Folder with ``data/``, ``weights/`` and ``runs/``.
        evaluate: Test rows that can be tested and were not.
        write: Write ``docs/reproduction.md``.

    Raises:
        InputError: A table is unknown; or, when the tables are printed, runs could not be tested.
    """
    unknown = [n for n in names if n not in TABLES]
    if unknown:
        raise InputError(f"no table {', '.join(unknown)} (known: {', '.join(TABLES)})")
    chosen = [TABLES[n] for n in names] or list(TABLES.values())
    failed: list[str] = []
    if evaluate:
        for row in dict.fromkeys(r.config for t in chosen for r in t.rows if r.config):
            failed += evaluate_row(row, root).failed
    print("\n\n".join(render(t, root) for t in chosen))
    if write:
        PAGE.write_text(page(root), encoding="utf-8")
        print(f"\n{PAGE.name} written")
    if failed:
        raise InputError(f"not tested: {'; '.join(failed)}")


def load_config(name: str) -> dict[str, Any]:
    """A configuration below ``train/configs``."""
    config: dict[str, Any] = yaml_of(CONFIGS / f"{name}.yaml")
    return config


def needed_data(config: dict[str, Any], root: Path) -> list[str]:
    """Files the test of a configuration would read and that are not there."""
    arguments = config["data"]["init_args"]
    templates = _FILES.get(config["data"]["class_path"].rsplit(".", 1)[1], ())
    files = [t.format(**{"detections": "", **arguments}).split(" or ") for t in templates]
    return [f[0] for f in files if f[0] not in ("", "None") and not any((root / one).exists() for one in f)]


def needed_models(config: dict[str, Any], root: Path) -> list[str]:
    """Manifests of exported networks (CLIP, P-STMO) that the data module reads and that are not there."""
    return [m for m in config["data"]["init_args"].get("manifests", ()) if not (root / m).exists()]


def checkpoint(name: str, config: dict[str, Any], root: Path) -> tuple[Path | None, str]:
    """Our own checkpoint of a row, if its weights come from there; and what is missing.

    Raises:
        ModelError: The run is damaged, or its best checkpoint is gone.
    """
    released = config["model"]["init_args"].get("weights")
    run_folder = root / config["out"]
    if (run_folder / "checkpoints" / "last.ckpt").exists():
        return best_checkpoint(run_folder), ""
    if released and not config["model"]["init_args"].get("may_miss"):
        return None, "" if (root / released).exists() else f"weights {released}"
    return None, f"training ({name})"


def state(name: str, root: Path, *, count: bool = False) -> State:
    """What is known about a configuration's row; ``count``: its parameters too."""
    config = load_config(name)
    counted: dict[str, Any] = {"parameters": parameters(config)} if count else {}
    out = root / config["out"]
    measured = {folder: read_result(folder) for folder in tested_folders(out)}
    if measured:
        results = tuple({**m, **counted} for m in measured.values())
        return State(results, f"measured here: {_conditions(config, out, measured)}", True)
    missing = needed_data(config, root)
    try:
        _, weights = checkpoint(name, config, root)
    except ModelError as error:
        weights = f"a run that is whole ({error})"
    folders = dict.fromkeys("/".join(Path(m).parts[:2]) for m in missing)
    models = needed_models(config, root)
    wanted = [f"data in {', '.join(folders)}"] if missing else []
    wanted += [f"exports {', '.join(models)}"] if models else []
    wanted += [weights] if weights else []
    return State((counted,), f"needs {'; '.join(wanted)}" if wanted else "not run yet: --evaluate")


def _conditions(config: Mapping[str, Any], out: Path, measured: Mapping[Path, dict[str, Any]]) -> str:
    """On what, with which weights, and what to know about runs that were stopped, changed or left out."""
    results = list(measured.values())
    texts = [f"{r['samples']:,} samples, {r['data']}, {r['device']}, {r['precision']}" for r in results]
    parts = [" and ".join(dict.fromkeys(texts))]
    weights = [r["checkpoint"].get("weights", "") for r in results if r.get("checkpoint")]
    parts += [" and ".join(dict.fromkeys(weights))] if any(weights) else []
    parts += [f"{len(measured)} seeds"] if len(measured) > 1 else []
    left_out = [f.name for f in run_folders(out) if f.exists() and f not in measured]
    parts += [f"without {', '.join(left_out)}, not tested"] if left_out else []
    notes = [
        text for folder in measured for text in (unfinished(folder), other_options(config, folder)) if text
    ]
    return "; ".join([", ".join(parts), *notes, *_outdated(measured)])


def unfinished(folder: Path) -> str:
    """How far a run has come that was to go further; empty for one that came to its end."""
    try:
        come = identity(folder / "checkpoints" / "last.ckpt")
        plan = yaml_of(configuration(folder)).get("trainer", {})
    except (OSError, ModelError):  # only its result is here
        return ""
    for unit in ("epochs", "steps"):
        wanted = plan.get(f"max_{unit}")
        if wanted is not None and wanted > 0 and come.get(unit, wanted) >= wanted:
            return ""
    wanted = {u: plan[f"max_{u}"] for u in ("epochs", "steps") if (plan.get(f"max_{u}") or -1) > 0}
    text = " or ".join(f"{come.get(u)} of {n:,} {u}" for u, n in wanted.items())
    return f"{folder.name} has had {text}" if text else ""


def trained_network(folder: Path) -> dict[str, Any]:
    """``network`` and ``options`` that a run was trained with; empty where nobody knows."""
    try:
        arguments = yaml_of(configuration(folder))["model"]["init_args"]
    except (OSError, KeyError, ModelError):  # only its result is here
        return {}
    return {"network": arguments.get("network"), "options": arguments.get("options") or {}}


def other_options(config: Mapping[str, Any], folder: Path) -> str:
    """How network and training of a run differ from its row's; empty where they do not, or nobody knows.

    Args:
        config: Of the row.
        folder: Of the run.
    """
    row, run = config["model"]["init_args"], trained_network(folder)
    if not run:
        return ""
    own, wanted = ({"network": a.get("network"), **(a.get("options") or {})} for a in (run, row))
    differing = [
        f"{name} {own.get(name, 'by default')} (row: {wanted.get(name, 'by default')})"
        for name in dict.fromkeys([*own, *wanted])
        if own.get(name) != wanted.get(name)
    ]
    differing += _other_recipe(config, yaml_of(configuration(folder)))
    return f"{folder.name} was trained with {', '.join(differing)}" if differing else ""


def _other_recipe(row: Mapping[str, Any], run: Mapping[str, Any]) -> list[str]:
    """In what the length, the data and the optimiser of a run are not those of its row.

    Args:
        row: Its configuration, which states what differs from the defaults.
        run: The whole configuration of the run.
    """
    own, wanted = _recipe(run), _defaults(row["data"]["class_path"]) | _recipe(row)
    names = [n for n in dict.fromkeys([*own, *wanted]) if n in _PLAN or (n in own and n in wanted)]
    return [
        f"{name} {own.get(name, 'by default')} (row: {wanted.get(name, 'by default')})"
        for name in names
        if own.get(name) != wanted.get(name)
    ]


def _recipe(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a configuration says of its training, by option."""
    arguments, trainer = config["model"]["init_args"], config.get("trainer", {})
    found = {name: trainer[name] for name in _PLAN if trainer.get(name) not in (None, -1)}
    found |= {n: v for n, v in config["data"]["init_args"].items() if n not in _OF_A_MACHINE}
    if "batch" in found:  # of one process, for one step
        found["batch"] *= trainer.get("accumulate_grad_batches", 1) * _processes(trainer)
    for part in ("optimizer", "scheduler"):
        if chosen := arguments.get(part):
            found[part] = chosen["class_path"]
            found |= {f"{part}.{name}": value for name, value in chosen.get("init_args", {}).items()}
    return found


def _processes(trainer: Mapping[str, Any]) -> int:
    """As far as a configuration says it."""
    counts = (trainer.get(name, 1) for name in ("devices", "num_nodes"))
    return math.prod(count for count in counts if isinstance(count, int) and count > 0)


def _defaults(class_path: str) -> dict[str, Any]:
    """What a data module takes where nothing is said, as a configuration would say it."""
    found: dict[str, Any] = {}
    for base in reversed(cast(type, locate(class_path)).__mro__):
        made = vars(base).get("__init__")
        for parameter in inspect.signature(made).parameters.values() if made else ():
            if parameter.default is not parameter.empty and parameter.name not in _OF_A_MACHINE:
                found[parameter.name] = _plain(parameter.default)
    return found


def _plain(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(one) for name, one in asdict(value).items()}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _outdated(measured: Mapping[Path, dict[str, Any]]) -> list[str]:
    """Runs whose best checkpoint is no longer the one that was tested."""
    old = [folder.name for folder, result in measured.items() if not _is_of_best(folder, result)]
    return [f"{', '.join(old)} has learned since, test again: --evaluate"] if old else []


def _is_of_best(folder: Path, result: dict[str, Any]) -> bool:
    tested = result.get("checkpoint")
    if not tested or not (folder / "checkpoints" / "last.ckpt").exists():
        return True
    try:
        return same_weights(tested, identity(folder))
    except ModelError:  # the best is gone: nothing better can be said
        return True


def run_folders(out: Path) -> list[Path]:
    """A row's run, and the same with other seeds in ``OUT-seed1``, ``OUT-seed2``, ..."""
    return [out, *sorted(out.parent.glob(f"{out.name}-seed*"))]


def tested_folders(out: Path) -> list[Path]:
    """``run_folders`` that have a result; one that is damaged is none."""
    return [f for f in run_folders(out) if _tested(f)]


def parameters(config: dict[str, Any]) -> int:
    """Of the configuration's network, counted without making it."""
    arguments = config["model"]["init_args"]
    if "network" not in arguments:
        return 0
    with torch.device("meta"):
        network = build(arguments["network"], **arguments.get("options", {})).network
    return count_parameters(network)


@dataclass(frozen=True)
class Evaluated:
    """What ``evaluate_row`` did.

    Attributes:
        tested: Folders of runs.
        failed: Folders and why they could not be tested.
    """

    tested: tuple[Path, ...] = ()
    failed: tuple[str, ...] = ()


def evaluate_row(name: str, root: Path) -> Evaluated:
    """Test a row's runs, of all seeds, that have data and weights and no result of these weights.

    It says which weights it tests, and why it leaves a run out that was begun.
    """
    config = load_config(name)
    if needed_data(config, root) or needed_models(config, root):
        return Evaluated()
    tested: list[Path] = []
    failed: list[str] = []
    for out in run_folders(root / config["out"]):
        try:
            tested += [out] if _evaluate(name, config, out, root) else []
        except PosemoError as error:
            failed.append(f"{out}: {error}")
    return Evaluated(tuple(tested), tuple(failed))


def _evaluate(name: str, config: dict[str, Any], out: Path, root: Path) -> bool:
    """Test a run, if that is to be done; whether it was."""
    path, missing = checkpoint(name, {**config, "out": str(out.relative_to(root))}, root)
    if _tested(out) and _is_of_best(out, read_result(out)):
        return False
    if missing:
        if out.exists() and not _tested(out):
            print(f"{out}: no checkpoint yet, left out")
        return False
    print(f"testing {path or config['model']['init_args']['weights']}", flush=True)
    for text in filter(None, (unfinished(out), other_options(config, out)) if path is not None else ()):
        print(f"  {text}", flush=True)
    other = trained_network(out) if path is not None and other_options(config, out) else {}
    _test(name, out, path, root, other)
    return True


def _tested(out: Path) -> bool:
    try:
        return bool(read_result(out))
    except InputError as error:
        if (out / "test.json").exists():
            _log.warning("%s", error)
        return False


def _test(name: str, out: Path, path: Path | None, root: Path, network: Mapping[str, Any]) -> None:
    """Test as the row says, but the network that was trained."""
    from train.tasks.cli import run as run_task

    arguments = ["test", "--config", str(CONFIGS / f"{name}.yaml"), "--trainer.precision=32-true"]
    arguments.append(f"--out={out.relative_to(root)}")
    if network:
        arguments.append(f"--model.init_args.network={network['network']}")
        arguments.append(f"--model.init_args.options={json.dumps(network['options'])}")
    if path is not None:
        arguments.append(f"--ckpt_path={path.resolve()}")
    with _inside(root):
        run_task(arguments)


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def render(table: Table, root: Path) -> str:
    """The table in Markdown."""
    heading = ["Method", "", *(c.name for c in table.columns), "Conditions"]
    lines = [f"### Table {table.name}: {table.title}", "", _line(heading), _line(["---"] * len(heading))]
    for row in table.rows:
        lines += _row_lines(row, table.columns, root)
    return "\n".join([*lines, "", table.notes]).rstrip()


def _row_lines(row: Row, columns: tuple[Column, ...], root: Path) -> list[str]:
    lines = []
    if row.paper:
        printed = [_number(v, c) for v, c in zip(row.paper, columns, strict=True)]
        lines.append(_line([row.label, "paper", *printed, row.note]))
    if not row.config:
        return lines
    known = state(row.config, root, count=any(c.key == "parameters" for c in columns))
    spreads = [_values(known.results, c) for c in columns]
    label, note = ("", known.conditions) if row.paper else (row.label, _join(row.note, known.conditions))
    cells = [_cell(values, c) for values, c in zip(spreads, columns, strict=True)]
    lines.append(_line([label, "ours", *cells, note]))
    if row.paper and known.measured:
        gaps = [
            "" if not a or b is None else f"{statistics.mean(a) - b:+.{c.digits}f}"
            for a, b, c in zip(spreads, row.paper, columns, strict=True)
        ]
        lines.append(_line(["", "gap", *gaps, ""]))
    return lines


def _values(results: Sequence[dict[str, Any]], column: Column) -> list[float]:
    """The column's number in each result that has it."""
    values = []
    for found in results:
        value: Any = found
        for key in column.key.split("/"):
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            values.append(float(value) * column.scale)
    return values


def _cell(values: Sequence[float], column: Column) -> str:
    """The mean, and with several seeds their standard deviation."""
    if not values:
        return ""
    spread = f" ± {statistics.stdev(values):.{column.digits}f}" if len(set(values)) > 1 else ""
    return _number(statistics.mean(values), column) + spread


def _number(value: float | None, column: Column) -> str:
    return "" if value is None else f"{value:.{column.digits}f}"


def _join(*parts: str) -> str:
    return "; ".join(p for p in parts if p)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


INTRODUCTION = """# Reproduction

Written by `python -m train table --write`. Every table of paper B ("Attention Module for Enhanced
Posture Accurate in 2D-3D Pose Estimation Network") and the numbers and open questions of paper A
(MoEmo, arXiv 2310.09757), theirs in the lines `paper`, ours in the lines `ours`, the difference in
the lines `gap`.

- A number in a line `ours` was measured or counted on the machine that wrote this page; the last
  column says on what. Parameters are counted from the configuration. An empty cell was not measured.
- `needs data` and `weights` name what is not here. None of these data sets may be shipped with
  this package; [training.md](training.md) tells how to get them. With the files in place,
  `python -m train table II --evaluate` tests without training.
- `training (table_2/ours)` stands for `python -m train fit --config train/configs/table_2/ours.yaml`,
  which was not run here. Rows that would train the same network share a configuration. Runs with other
  seeds lie beside it (`--out runs/table_2/ours-seed1 --seed_everything 1 --data.init_args.seed 1`); the
  row then shows mean and standard deviation.
- The papers contradict themselves in places; their numbers stand as printed, with a note.
"""


def page(root: Path) -> str:
    """``docs/reproduction.md``."""
    return (
        "\n\n".join([INTRODUCTION.strip(), cmu_section(), *(render(t, root) for t in TABLES.values())]) + "\n"
    )
