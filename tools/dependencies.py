#!/usr/bin/env python3
"""Write the table of docs/security.md: what the package needs, in which versions, under which licence.

    python tools/dependencies.py            # print the table
    python tools/dependencies.py --write    # put it into docs/security.md

Names and versions are those of setup.cfg, licences what the installed packages state.
"""

from __future__ import annotations

import argparse
import configparser
import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- table: tools/dependencies.py -->\n", "<!-- end of table -->"
EXTRAS_OF_USERS = (
    "live",
    "rerun",
    "parquet",
    "evaluate",
    "openvino",
    "tensorrt",
    "ray",
    "datasets",
    "vision",
    "train",
)
UNKNOWN = "not installed where this was made"


def main() -> int:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write docs/security.md")
    text = table()
    if not parser.parse_args().write:
        sys.stdout.write(text)
        return 0
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    PAGE.write_text(before + BEGIN + text + END + rest.split(END)[1], encoding="utf-8")
    return 0


def table() -> str:
    """Markdown; a row for each package."""
    lines = ["| package | versions | for | licence |", "|---|---|---|---|"]
    for name, (versions, users) in sorted(needed().items()):
        lines.append(f"| {name} | {versions or 'any'} | {', '.join(users)} | {licence(name)} |")
    return "\n".join(lines) + "\n"


def needed() -> dict[str, tuple[str, list[str]]]:
    """Range of versions, and who needs it, by name."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    lists = {"all": setup["options"]["install_requires"]}
    lists |= {
        extra: text for extra, text in setup["options.extras_require"].items() if extra in EXTRAS_OF_USERS
    }
    found: dict[str, tuple[str, list[str]]] = {}
    for user, text in lists.items():
        for line in filter(None, map(str.strip, text.split("\n"))):
            parts = re.fullmatch(r"([\w.-]+)(?:\[[\w,]+\])?\s*([^;]*)(?:;.*)?", line)
            assert parts is not None, line
            found.setdefault(parts[1].lower(), (parts[2].strip(), []))[1].append(user)
    return found


def licence(name: str) -> str:
    """What an installed package states; its classifier where it puts the whole text."""
    try:
        stated = metadata(name)
    except PackageNotFoundError:
        return UNKNOWN
    short = stated.get("License-Expression") or stated.get("License") or ""
    classes = [
        c.rpartition(" :: ")[2] for c in stated.get_all("Classifier") or [] if c.startswith("License ::")
    ]
    if not short or len(short) > 60 or "\n" in short:
        short = ", ".join(c for c in classes if c != "OSI Approved") or short.split("\n")[0][:60]
    return short.strip() or "not stated"


if __name__ == "__main__":
    sys.exit(main())
