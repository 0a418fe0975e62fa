"""What a run learned, on one HTML page: curves, results, attention maps, answers to some samples.

The page holds its pictures, so that it can be sent to somebody. Symbols: B samples, N and M tokens.
"""

from __future__ import annotations

import base64
import contextlib
import html
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from posemo_ros.errors import InputError, PosemoError
from posemo_ros.types import EMOTIONS

from .models.attention import AttentionModule
from .models.interaction import TemporalAttentionModule
from .tasks.callbacks import draw_curves, read_logs
from .tasks.checkpoint import best_checkpoint, start_from
from .tasks.cli import prepare
from .tasks.task import Task

SAMPLES = 4
CLASSES = (*EMOTIONS, "neutral")
Maps = dict[str, NDArray[np.float32]]  # name -> (N, M) mean over samples and heads


def write_page(folder: Path) -> Path:
    """Write ``show.html`` into the folder of a run.

    Raises:
        InputError: The folder holds no run.
    """
    config = newest_config(folder)
    parts = [_curves(folder), _results(folder)]
    try:
        parts += _answers(*load(folder, config))
    except PosemoError as error:  # curves and results are worth a page without the data
        parts.append(_section("Attention and answers", f"<p>Not shown: {html.escape(str(error))}</p>"))
    parts.append(_section("Configuration", f"<pre>{html.escape(config.read_text(encoding='utf-8'))}</pre>"))
    title = html.escape(str(folder))
    page = folder / "show.html"
    page.write_text(_PAGE.format(title=title, body="\n".join(parts)), encoding="utf-8")
    return page


def newest_config(folder: Path) -> Path:
    """The configuration that stands beside the newest log of a run."""
    found = sorted(folder.glob("csv/version_*/config.yaml"), key=lambda p: int(p.parent.name.split("_")[1]))
    if not found:
        raise InputError(
            f"{folder}: no csv/version_*/config.yaml; expected the folder of a run of `train fit`"
        )
    return found[-1]


def load(folder: Path, config: Path) -> tuple[Task, dict[str, Any]]:
    """The run's task with its best weights, and a batch of its test set.

    Raises:
        PosemoError: Data or weights are not there.
    """
    cli = prepare(config, "--data.init_args.workers=0")
    start_from(cli.model.network, best_checkpoint(folder))
    cli.trainer.strategy.connect(cli.model)
    data = cli.datamodule
    data.trainer = cli.model.trainer = cli.trainer
    cli.trainer.datamodule = data  # type: ignore[attr-defined]
    data.datasets["test"] = dataset = data.make("test")
    chosen = np.linspace(0, len(dataset) - 1, min(SAMPLES, len(dataset))).astype(int).tolist()
    rows = dataset[[(0, i) for i in chosen] if data.epochs else chosen]
    return cli.model.eval(), {name: torch.from_numpy(np.asarray(value)) for name, value in rows.items()}


@contextlib.contextmanager
def attention_maps(network: nn.Module) -> Iterator[Maps]:
    """Collects what the attention of a network looks at while it runs.

    Self- and cross-attention: the weights (N, M). ``AttentionModule``: the gates (1, C).
    ``TemporalAttentionModule``: the weights of frame on frame (F, F).
    """
    maps: Maps = {}
    inside: list[str] = []
    hooks = []

    def enter(name: str) -> Any:
        return lambda module, inputs: inside.append(name)

    def leave(module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        name = inside.pop()
        if isinstance(module, AttentionModule):
            gate = (out / inputs[0].where(inputs[0] != 0, torch.nan)).nanmean((0, 2, 3))
            maps.setdefault(name, gate[None].float().numpy())
        elif isinstance(module, TemporalAttentionModule):
            z = inputs[0].transpose(1, 2)
            pairs = module.q(z).transpose(1, 2) @ module.k(z)
            weights = (pairs * module.scale).softmax(-1) if module.correlation == "softmax" else pairs
            maps.setdefault(name, weights.mean(0).float().numpy())

    plain = nn.functional.scaled_dot_product_attention

    def watched(q: Tensor, k: Tensor, v: Tensor, *others: Any, **options: Any) -> Tensor:
        weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        name = inside[-1] if inside else "attention"
        maps.setdefault(name, weights.flatten(0, -3).mean(0).float().numpy())  # not of the mirror image
        return plain(q, k, v, *others, **options)

    for name, module in network.named_modules():
        if "ttention" in type(module).__name__:
            hooks += [module.register_forward_pre_hook(enter(name)), module.register_forward_hook(leave)]
    nn.functional.scaled_dot_product_attention = watched  # type: ignore[assignment]
    try:
        yield maps
    finally:
        nn.functional.scaled_dot_product_attention = plain
        for hook in hooks:
            hook.remove()


def _answers(task: Task, batch: Mapping[str, Any]) -> list[str]:
    with torch.no_grad(), attention_maps(task.network) as maps:
        answer = task.predict_step(dict(batch), 0)
    found = [_section("Attention", _maps(maps))] if maps else []
    return [*found, _section("Answers to some samples", _pictures(answer, batch))]


def _maps(maps: Maps) -> str:
    columns = 4
    rows = -(-len(maps) // columns)
    figure = _figure(2.8 * columns, 2.6 * rows)
    for i, (name, values) in enumerate(maps.items()):
        axes = figure.add_subplot(rows, columns, i + 1)
        axes.imshow(values, aspect="auto", cmap="viridis")
        axes.set_title(name, fontsize=7)
        axes.tick_params(labelsize=6)
    return _image(figure) + "<p>Mean over the samples and heads; rows look at columns.</p>"


def _pictures(answer: Mapping[str, Tensor], batch: Mapping[str, Any]) -> str:
    count = len(answer["index"])
    figure = _figure(3.2 * count, 3.2)
    for i in range(count):
        if "joints" in answer:
            axes = figure.add_subplot(1, count, i + 1, projection="3d")
            truth = batch["joints"][i, batch["joints"].shape[1] // 2]
            for points, colour in ((truth, "tab:gray"), (answer["joints"][i], "tab:red")):
                x, y, z = points.T
                axes.scatter(x, z, -y, s=8, color=colour)
        elif "probabilities" in answer:
            axes = figure.add_subplot(1, count, i + 1)
            label = int(batch["label"][i])
            shares = answer["probabilities"][i].numpy()
            colours = ["tab:green" if k == label else "tab:gray" for k in range(len(shares))]
            axes.barh(CLASSES[: len(shares)], shares, color=colours)
            axes.set_xlim(0, 1)
        else:
            axes = figure.add_subplot(1, count, i + 1)
            image = batch["images"][i].float().numpy()
            image = image if image.shape[-1] == 3 else image.transpose(1, 2, 0)
            axes.imshow((image - image.min()) / max(float(np.ptp(image)), 1e-6))
            there = answer["keypoints"][i][:, :2]
            if "matrices" in batch:  # the answer is in the photo, the picture is the crop
                matrix = batch["matrices"][i].to(there.dtype)
                there = there @ matrix[:, :2].T + matrix[:, 2]
            axes.scatter(there[:, 0], there[:, 1], s=10, color="tab:red")
        axes.tick_params(labelsize=6)
    legend = {"joints": "Grey: truth; red: answer.", "probabilities": "Green: the labelled emotion."}
    return _image(figure) + f"<p>{next((t for k, t in legend.items() if k in answer), '')}</p>"


def _curves(folder: Path) -> str:
    logs = {n: v for n, v in read_logs(folder).items() if n.startswith(("train/", "val/"))}
    if not logs:
        return _section("Curves", "<p>No logs.</p>")
    out = io.BytesIO()
    draw_curves(logs, out)
    return _section("Curves", _embedded(out.getvalue()))


def _results(folder: Path) -> str:
    path = folder / "test.json"
    if not path.exists():
        return _section("Results", "<p>Not tested: python -m train test --config … --ckpt_path …</p>")
    result = json.loads(path.read_text(encoding="utf-8"))
    parts = [_table({"": result["metrics"]})]
    parts += [_table(result[t]) for t in ("per_action", "per_camera", "per_joint") if t in result]
    if "confusion" in result:
        rows = {
            t: dict(zip(EMOTIONS, r, strict=True)) for t, r in zip(EMOTIONS, result["confusion"], strict=True)
        }
        parts.append("<p>Rows: true; columns: answered.</p>" + _table(rows))
    conditions = (
        f"{result['samples']:,} samples of {result['data']}, {result['device']}, {result['precision']}"
    )
    return _section("Results", f"<p>{html.escape(conditions)}</p>" + "".join(parts))


def _table(rows: Mapping[str, Mapping[str, float]]) -> str:
    names = list(next(iter(rows.values()), {}))
    head = "".join(f"<th>{html.escape(n)}</th>" for n in ("", *names))
    lines = [
        f"<th>{html.escape(row)}</th>" + "".join(f"<td>{values.get(n, np.nan):.4g}</td>" for n in names)
        for row, values in rows.items()
    ]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><tr>{head}</tr>{body}</table>"


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _image(figure: Figure) -> str:
    out = io.BytesIO()
    figure.savefig(out, dpi=90, format="png")
    return _embedded(out.getvalue())


def _embedded(png: bytes) -> str:
    return f'<img src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _section(title: str, body: str) -> str:
    return f"<h2>{html.escape(title)}</h2>\n{body}"


_PAGE = """<!DOCTYPE html>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font-family: sans-serif; max-width: 75em; margin: 2em auto; }}
table {{ border-collapse: collapse; margin: 1em 0; }}
th, td {{ border: 1px solid #ccc; padding: 0.2em 0.6em; text-align: right; }}
img {{ max-width: 100%; }}
</style>
<h1>{title}</h1>
{body}
"""
