"""An evaluation as one self-contained page: what was measured, on what, plots and tables."""

from __future__ import annotations

from html import escape
from pathlib import Path

from ..machine import machine_text
from ..replay.html import PLOTS_BY, as_data, asset, losses_table, section, table, write_filled
from ..replay.run_folder import make_folder
from .plots import Plot
from .report import Report, shown


def write_page(path: Path, report: Report) -> None:
    """Write the page.

    Args:
        path: The file; its folder is made where there is none.
        report: What was found.

    Raises:
        InputError: The folder cannot be made or written.
    """
    make_folder(path.parent)
    title = f"posemo_ros: evaluation, {report.what}"
    plots = "".join(section(escape(p.title), _plot(f"plot{i}", p)) for i, p in enumerate(report.plots))
    tables = "".join(
        section(escape(t.title), table(t.columns, [[shown(value) for value in row] for row in t.rows]))
        for t in report.tables
    )
    parts = {
        "title": escape(title),
        "lead": _lead(report),
        "sections": plots + tables + _how(report),
        "footer": f"<p>Measured on {escape(machine_text())}. {PLOTS_BY}</p>",
        "data": as_data([plot.as_data() for plot in report.plots]),
        "js": asset("evaluation.js"),
    }
    write_filled(path, "evaluation.html", parts)


def _plot(name: str, plot: Plot) -> str:
    label = escape(f"{plot.title}: {plot.text}", quote=True)
    return f"<p>{escape(plot.text)}</p><div id='{name}' class='plot' role='img' aria-label=\"{label}\"></div>"


def _lead(report: Report) -> str:
    words = [f"Measured on {report.sample_words()}."]
    if report.models:
        words.append(f"Networks: {', '.join(report.network_words())}.")
    return f"<p>{escape(' '.join(words))}</p>"


def _how(report: Report) -> str:
    rows = [(name.replace("_", " "), shown(value)) for name, value in report.protocol.items()]
    notes = "".join(f"<p>{escape(note)}.</p>" for note in report.notes)
    lost = losses_table(report.losses)
    return section("How it was measured", table(("what", "how"), rows)) + section(
        "Losses and notes", lost + notes
    )
