"""What the self-contained pages share: their files, tables, and plotly.js out of the installed wheel.

plotly.js (MIT) is put into a page when it is made; a page loads nothing from anywhere (its content
security policy forbids it).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

PLOTS_BY = "Plots: plotly.js (MIT)."


def write_filled(path: Path, template: str, parts: Mapping[str, str]) -> None:
    """Write a page: a file of ``page_files`` with every ``{{name}}`` replaced.

    ``css`` (``page.css``) and ``plotly`` come by themselves.

    Args:
        path: The file; complete or not there at all.
        template: Name in ``page_files``.
        parts: HTML by name.
    """
    known = {"css": asset("page.css"), "plotly": plotly_source().replace("</script", "<\\/script"), **parts}
    text = re.sub(r"\{\{(\w+)\}\}", lambda match: known[match[1]], asset(template))
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8", errors="backslashreplace")  # names of files may be no text
    part.replace(path)


def asset(name: str) -> str:
    """The text of a file of ``page_files``."""
    return (files(__package__) / "page_files" / name).read_text(encoding="utf-8")


def as_data(value: Any) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def section(heading: str, body: str) -> str:
    """A section of HTML; nothing when there is no body."""
    return f"<section><h2>{heading}</h2>\n{body}\n</section>" if body else ""


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table that scrolls by itself where it is wider than the page."""
    cells = "".join(f"<th scope='col'>{escape(h)}</th>" for h in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(value))}</td>" for value in row) + "</tr>" for row in rows
    )
    return (
        f"<div class='scroll' tabindex='0' role='region' aria-label='{escape(head[0])}'>"
        f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def losses_table(losses: Mapping[str, Any]) -> str:
    """``Losses.as_dict`` as a table, or that there are none."""
    rows = [
        (reason, loss["images"], ", ".join(dict.fromkeys(e["item"] for e in loss["examples"])))
        for reason, loss in losses["by_reason"].items()
    ]
    return table(("lost because", "images", "for example"), rows) if rows else "<p>Nothing was lost.</p>"


def plotly_source() -> str:
    """plotly.js, from the installed wheel."""
    from plotly.offline import get_plotlyjs

    source: str = get_plotlyjs()
    return source
