"""``python -m train fit|validate|test|predict --config FILE``: LightningCLI with our defaults.

Everything of a run lies in one folder, ``--out``: ``checkpoints/`` (the best ones and
``last.ckpt``), ``csv/`` and ``tensorboard/`` logs, ``curves.png``, ``test.json``,
``predictions.npz``; the whole configuration stands beside the CSV log.
"""

from __future__ import annotations

import logging
import re
import sys
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from pydoc import locate
from typing import Any, get_args, get_type_hints

import yaml
from jsonargparse import ArgumentError, Namespace
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from posemo_ros.errors import InputError, ModelError, PosemoError, reason
from posemo_ros.text_files import yaml_of
from train.data.modules import Data
from train.models.weights import is_cut_off, why_refused
from train.models.zoo import Entry

from .callbacks import Curves, Ema, Lines, Predictions, Results, SeedEveryStep
from .pictures import Show
from .run_folder import Checkpoints, claimed, refuse_another
from .task import Task

COMMANDS = ("fit", "validate", "test", "predict")
OF_COMMANDS = ("ckpt_path", "verbose", "weights_only", "return_predictions")  # in the files beside logs

# Lightning's loggers print by themselves, and once more through the root logger of the command line; it
# advertises a service; and it warns of arguments in two places, which is what ``run`` is for.
for _name in ("lightning", "lightning.pytorch", "lightning.fabric"):
    _logger = logging.getLogger(_name)
    _logger.propagate = not _logger.handlers  # which of them has one depends on Lightning's version
logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(lambda r: "Tip:" not in r.getMessage())
warnings.filterwarnings("ignore", message="LightningCLI's args parameter")
warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")


# What ``load_state_dict`` complains of: names of parameters of another shape, or that one side lacks.
_MISFIT = re.compile(r'size mismatch for (\S+):|"(\S+)"')


class Cli(LightningCLI):
    """Adds the folder of the run and the callbacks every run has."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Options beside those of trainer, model and data."""
        parser.add_argument("--out", type=str, default="runs/default", help="folder of the run")
        parser.add_lightning_class_args(Checkpoints, "checkpoint")
        parser.add_lightning_class_args(EarlyStopping, "early_stopping")
        parser.add_lightning_class_args(Ema, "ema")
        parser.set_defaults(
            {
                "checkpoint.monitor": "val/loss",
                "checkpoint.mode": "min",
                "checkpoint.save_top_k": 3,
                "checkpoint.save_last": True,
                "checkpoint.filename": "{epoch:03d}-{step}",  # an epoch may be validated several times
                "checkpoint.auto_insert_metric_name": False,
                "checkpoint.enable_version_counter": False,  # with it the last may be called "last-v1"
                "early_stopping.monitor": "val/loss",
                "early_stopping.patience": 1000,
                "early_stopping.strict": False,  # an epoch that a resumed run only ends was not validated
            }
        )

    def before_instantiate_classes(self) -> None:
        """Everything goes into the folder of the run; what a checkpoint brings is not read twice."""
        config = self._settings
        for part in ("model", "data"):
            refuse_nulls(config[part], part)
        if self.subcommand not in (None, "fit") and config.ckpt_path is not None:
            config.model.init_args.weights = None
        out = Path(config.out)
        if config.checkpoint.dirpath is None:
            config.checkpoint.dirpath = str(out / "checkpoints")
        if config.trainer.default_root_dir is None:
            config.trainer.default_root_dir = str(out)
        if config.checkpoint.monitor is not None:
            config.early_stopping.monitor = config.checkpoint.monitor
            config.early_stopping.mode = config.checkpoint.mode
        if config.trainer.logger in (None, True):
            config.trainer.logger = [
                _of("lightning.pytorch.loggers.CSVLogger", save_dir=str(out), name="csv"),
                _of("lightning.pytorch.loggers.TensorBoardLogger", save_dir=str(out), name="tensorboard"),
            ]

    def _run_subcommand(self, subcommand: str) -> None:
        """A training has its folder for itself."""
        settings = self._settings
        with ExitStack() as stack:
            if subcommand == "fit":
                refuse_another(Path(settings.out), Path(settings.checkpoint.dirpath), settings.ckpt_path)
                if self.trainer.is_global_zero:  # for all processes
                    stack.enter_context(claimed(Path(settings.out)))
            super()._run_subcommand(subcommand)

    @property
    def _settings(self) -> Namespace:
        settings: Namespace = self.config[self.subcommand] if self.subcommand else self.config
        return settings

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        """With the callbacks that need the folder."""
        out = Path(self._settings.out)
        trainer: Any = super().instantiate_trainer(**kwargs)  # its list of callbacks is not declared
        trainer.callbacks += [SeedEveryStep(), Curves(out), Results(out), Predictions(out), Show(out)]
        if trainer.progress_bar_callback is None:
            trainer.callbacks.append(Lines())
        if self.subcommand != "fit":  # these belong to training alone
            trainer.callbacks = [c for c in trainer.callbacks if not isinstance(c, (Ema, EarlyStopping))]
        return trainer


def refuse_nulls(config: Namespace, where: str) -> None:
    """Refuse ``null`` for an option that knows none: the parser lets it pass, and what then fails names none.

    Args:
        config: Of a class: ``class_path`` and ``init_args``.
        where: Its name on the command line.

    Raises:
        InputError: It names the option and what it takes.
    """
    takes = _parameters(locate(config.class_path))
    for name, value in vars(config.get("init_args") or Namespace()).items():
        kind = takes.get(name, Any)
        if value is None and kind is not Any and type(None) not in get_args(kind):
            wanted = kind if get_args(kind) else getattr(kind, "__name__", kind)
            raise InputError(f"{where}.init_args.{name}: null; expected {wanted}")


def _parameters(cls: Any) -> dict[str, Any]:
    """Name -> type of what a class and those that it hands other arguments on to are made with."""
    found: dict[str, Any] = {}
    for base in cls.__mro__:
        if "__init__" in vars(base) and base.__module__.startswith("train."):
            found = {**get_type_hints(vars(base)["__init__"]), **found}
    return found


def _of(class_path: str, **init_args: Any) -> Namespace:
    return Namespace(class_path=class_path, init_args=Namespace(**init_args))


def run(arguments: Sequence[str], *, start: bool = True) -> Cli:
    """Run a command; the trainer, model and data of the run are in the answer.

    Args:
        arguments: The command and its options.
        start: False: only make trainer, model and data (then without a command).

    Raises:
        PosemoError: Data or weights are missing, malformed or of another network; an option is unknown or
            has a wrong value; a task does not know the command.
        ValueError: The trainer refuses a value.
    """
    try:
        return _cli(arguments, start)
    except ArgumentError as error:
        raise InputError(_short(error)) from error
    except MisconfigurationException as error:
        raise InputError(_short(error)) from error
    except (RuntimeError, EOFError, OSError) as error:
        if is_cut_off(error) and any(word.startswith("--ckpt_path") for word in arguments):
            raise ModelError(f"--ckpt_path: {why_refused(error)}; expected a checkpoint of a run") from error
        if "loading state_dict" not in str(error):
            raise
        names = ["".join(found) for found in _MISFIT.findall(str(error))]
        raise ModelError(
            f"the checkpoint is of another network than the configuration's: {len(names)} parameters do not "
            f"fit, such as {', '.join(names[:2])}; give the options of its training, or the configuration "
            "beside its log, csv/version_*/config.yaml"
        ) from error
    except ValueError as error:  # jsonargparse wraps what a constructor raises
        plain = _plain(error)
        if plain is not error:
            raise plain from None
        if "Does not validate" in str(error):  # with a dump of all values
            raise InputError(_short(error)) from error
        raise


def read_run(config: Path) -> tuple[Entry, Path]:
    """What a configuration trains, and where.

    Returns:
        The network with random weights and what task and data say about it; the folder of the run.

    Raises:
        InputError: The file is no configuration of a run.
    """
    cli = prepare(config)
    return cli.model.describe(cli.datamodule.fixed_settings), Path(cli.config.out)


def prepare(config: Path, *options: str) -> Cli:
    """Trainer, model and data of a run, on a CPU and without the weights it began with.

    Args:
        config: Of ``train/configs``, or the one that stands beside a log.
        options: What differs.

    Raises:
        InputError: The file is no configuration of a run.
    """
    here = {"accelerator": "cpu", "devices": 1, "strategy": "auto", "num_nodes": 1, "logger": "false"}
    words = [f"--trainer.{name}={value}" for name, value in here.items()]
    words += ["--trainer.precision=32-true", "--model.init_args.weights=null", *options]
    try:
        content = yaml_of(config)
        plain = {name: value for name, value in content.items() if name not in OF_COMMANDS}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / config.name
            path.write_text(yaml.safe_dump(plain), encoding="utf-8")
            return run(["--config", str(path), *words], start=False)
    except PosemoError:
        raise
    except (OSError, ValueError, AttributeError, SystemExit) as error:
        why = reason(error) if isinstance(error, (OSError, UnicodeError)) else _short(error)
        raise InputError(f"{config}: expected the configuration of a run ({why})") from error


def _short(error: BaseException) -> str:
    """An error in one line, without jsonargparse's dump of all values."""
    text = str(error).split("Given value type:")[0]
    if "Errors:" in text:
        start, causes = text.split("Does not validate")[0], text.split("Errors:")[1].split("  - ")
        told = [c for c in causes if c.strip() and "Expected a <class 'NoneType'>" not in c]
        text = f"{start}{'; '.join(told)}"
    return " ".join(text.split())


def _plain(error: BaseException) -> BaseException:
    """The error of this package behind another one, if there is one."""
    seen: list[BaseException] = []
    queue = [error]
    while queue:
        current = queue.pop(0)
        if isinstance(current, PosemoError):
            return current
        seen.append(current)
        queue += [e for e in (current.__cause__, current.__context__) if e is not None and e not in seen]
    return error


def _cli(arguments: Sequence[str], start: bool) -> Cli:
    return Cli(
        Task,
        Data,
        subclass_mode_model=True,
        subclass_mode_data=True,
        seed_everything_default=0,
        save_config_kwargs={"overwrite": True},
        trainer_defaults={
            "use_distributed_sampler": False,  # our sampler deals the batches out itself
            "deterministic": "warn",
            "log_every_n_steps": 10,
            "num_sanity_val_steps": 0,
            "enable_progress_bar": sys.stderr.isatty(),
        },
        auto_configure_optimizers=False,
        parser_kwargs={"exit_on_error": False, **{name: {"exit_on_error": False} for name in COMMANDS}},
        run=start,
        args=None if list(arguments) == sys.argv[1:] else list(arguments),
    )
