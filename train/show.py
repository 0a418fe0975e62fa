"""What a run learned, on one HTML page: curves, results, attention maps, answers to some samples.

The page holds its pictures, so that it can be sent to somebody; TensorBoard gets them, too.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from posemo_ros.errors import InputError, PosemoError
from posemo_ros.types import EMOTIONS

from .tasks.callbacks import read_logs
from .tasks.checkpoint import best_checkpoint, configuration, learned_settings, read_result, start_from
from .tasks.cli import prepare
from .tasks.pictures import ANSWERS, ATTENTION, CURVES, Pictures, answers, curves, some_samples, write_events
from .tasks.task import Task

_TITLES = {CURVES: "Curves", ATTENTION: "Attention", ANSWERS: "Answers to some samples"}
_LEGENDS = {
    ATTENTION: "Mean over the samples and heads; rows look at columns.",
    ANSWERS: "Grey: truth; red: answer. Of emotions green: the label.",
}


def write_page(folder: Path) -> Path:
    """Write ``show.html`` into the folder of a run.

    Raises:
        ModelError: The folder holds no run.
    """
    config = configuration(folder)
    shown = curves(folder)
    note, results = "" if shown else "No logs.", _results(folder)
    try:
        shown |= answers(*load(folder, config))
        note += f" Attention and answers are those of {best_checkpoint(folder).name}."
    except PosemoError as error:  # curves and results are worth a page without the data
        note = f"Attention and answers are not shown: {error}"
    except NotImplementedError:
        note, results = "A pre-training has nothing to answer: fine-tune and test what it learned.", ""
    _to_tensorboard(folder, shown)
    pictures = {name: _section(_TITLES[name], _picture(name, png)) for name, png in shown.items()}
    parts = [pictures.pop(CURVES, ""), results, *pictures.values(), f"<p>{html.escape(note.strip())}</p>"]
    words = html.escape(config.read_text(encoding="utf-8"))
    parts.append(f"<details><summary>Configuration</summary><pre>{words}</pre></details>")
    title = html.escape(str(folder))
    page = folder / "show.html"
    page.write_text(_PAGE.format(title=title, body="\n".join(parts)), encoding="utf-8")
    return page


def load(folder: Path, config: Path) -> tuple[Task, dict[str, Tensor]]:
    """The run's task with its best weights, and a batch of its test set.

    Raises:
        PosemoError: Data or weights are not there.
    """
    cli = prepare(config, "--data.init_args.workers=0")
    best = best_checkpoint(folder)
    start_from(cli.model.network, best)
    cli.model.learned = learned_settings(best)
    cli.trainer.strategy.connect(cli.model)
    data = cli.datamodule
    data.trainer = cli.model.trainer = cli.trainer
    cli.trainer.datamodule = data  # type: ignore[attr-defined]
    return cli.model, some_samples(data, "test")


def _results(folder: Path) -> str:
    if not (folder / "test.json").exists():
        return _section("Results", "<p>Not tested: python -m train test --config … --ckpt_path …</p>")
    try:
        result = read_result(folder)
    except InputError as error:
        return _section("Results", f"<p>{html.escape(str(error))}</p>")
    parts = [_table({"": result["metrics"]})]
    parts += [_table(result[t]) for t in ("per_action", "per_camera", "per_joint") if t in result]
    if "confusion" in result:
        rows = {
            t: dict(zip(EMOTIONS, r, strict=True)) for t, r in zip(EMOTIONS, result["confusion"], strict=True)
        }
        parts.append("<p>Rows: true; columns: answered.</p>" + _table(rows))
    weights = result.get("checkpoint", {}).get("weights", "weights not stated")
    where = f"{weights}, {result['device']}, {result['precision']}"
    conditions = f"{result['samples']:,} samples of {result['data']}, {where}"
    return _section("Results", f"<p>{html.escape(conditions)}</p>" + "".join(parts))


def _table(rows: Mapping[str, Mapping[str, float]]) -> str:
    names = list(next(iter(rows.values()), {}))
    head = "".join(f"<th>{html.escape(n)}</th>" for n in ("", *names))
    lines = [
        f"<th>{html.escape(row)}</th>" + "".join(f"<td>{_number(values.get(n, np.nan))}</td>" for n in names)
        for row, values in rows.items()
    ]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _number(value: float) -> str:
    """Four digits; counts whole."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _to_tensorboard(folder: Path, shown: Pictures) -> None:
    """At the step of the last line of the logs, as a run of its own beside those of the training."""
    from torch.utils.tensorboard.writer import SummaryWriter

    steps = [points[-1][0] for points in read_logs(folder).values()]
    with SummaryWriter(str(folder / "tensorboard" / "show")) as writer:
        write_events(writer, shown, max(steps, default=0))


def _picture(name: str, png: bytes) -> str:
    source = base64.b64encode(png).decode()
    return f'<img src="data:image/png;base64,{source}">\n<p>{_LEGENDS.get(name, "")}</p>'


def _section(title: str, body: str) -> str:
    return f"<h2>{html.escape(title)}</h2>\n{body}"


_PAGE = """<!DOCTYPE html>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font-family: sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; }}
h1 {{ overflow-wrap: anywhere; }}
.wide, details {{ overflow-x: auto; }}
table {{ border-collapse: collapse; margin: 1em 0; }}
th, td {{ border: 1px solid #ccc; padding: 0.2em 0.6em; text-align: right; }}
img {{ max-width: 100%; }}
</style>
<h1>{title}</h1>
{body}
"""
