"""``python -m train prepare``."""

from __future__ import annotations

import argparse
from pathlib import Path

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import as_path, new_folder

_FOLDERS = {"h36m": Path("data/h36m"), "3dhp": Path("data/mpi_inf_3dhp")}


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", choices=sorted(_FOLDERS), help="Human3.6M or MPI-INF-3DHP")
    parser.add_argument("--source", type=as_path, required=True, help="folder of the unpacked download")
    parser.add_argument("--out", type=new_folder, help="default: data/h36m or data/mpi_inf_3dhp")


def _run(args: argparse.Namespace) -> None:
    from train.data.originals import convert_3dhp, convert_h36m

    convert = {"h36m": convert_h36m, "3dhp": convert_3dhp}[args.dataset]
    for path in convert(args.source, args.out or _FOLDERS[args.dataset]):
        print(path)


COMMAND = Command(
    help="the official files of Human3.6M or MPI-INF-3DHP, in the forms that training reads",
    examples=(
        ("python -m train prepare h36m --source downloads/h36m", "into data/h36m"),
        ("python -m train prepare 3dhp --source downloads/mpi_inf_3dhp", "into data/mpi_inf_3dhp"),
    ),
    run=_run,
    add_options=_options,
)
