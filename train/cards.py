"""The figures of a model card, in a block that programs write and read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from posemo_ros.errors import InputError, reason

_BLOCK = re.compile(r"<!-- figures[^>]*-->\n```yaml\n(?P<figures>.*?)\n```\n<!-- end of figures -->", re.S)
_TEXT = (
    "<!-- figures: `python -m train export` and `python -m train card` write them -->\n"
    "```yaml\n{}\n```\n<!-- end of figures -->"
)


def read_figures(card: Path) -> dict[str, Any]:
    """What stands in the block; nothing where there is no block.

    Raises:
        InputError: The card cannot be read, or its block is no JSON object.
    """
    try:
        found = _BLOCK.search(card.read_text(encoding="utf-8"))
        figures = yaml.safe_load(found["figures"]) if found else {}
    except (OSError, yaml.YAMLError) as error:
        raise InputError(
            f"{card}: expected a model card with a YAML block of figures ({reason(error)})"
        ) from error
    if not isinstance(figures, dict):
        raise InputError(f"{card}: expected a mapping in the block of figures, got {type(figures).__name__}")
    return figures


def write_figures(card: Path, **figures: Any) -> None:
    """Put figures into a card, made if need be; those of other names in it stay.

    Args:
        card: Markdown file.
        figures: Name, such as ``test`` or ``evaluate_lift``, to numbers, texts, lists and mappings of them.
    """
    old = read_figures(card) if card.exists() else {}
    text = yaml.safe_dump({**old, **figures}, sort_keys=False, default_flow_style=None, width=110)
    block = _TEXT.format(text.rstrip())
    text = card.read_text(encoding="utf-8") if card.exists() else f"# {card.stem}\n"
    found = _BLOCK.search(text)
    if found:
        text = text[: found.start()] + block + text[found.end() :]
    else:
        text = f"{text.rstrip()}\n\n## Figures\n\n{block}\n"
    card.write_text(text, encoding="utf-8")
