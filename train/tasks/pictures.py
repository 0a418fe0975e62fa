"""Pictures of what a network attends to and answers, for the page of a run and for TensorBoard.

Symbols: B samples, N and M tokens.
"""

from __future__ import annotations

import contextlib
import io
import logging
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from posemo_ros.skeleton import COCO17, H36M17
from posemo_ros.types import EMOTIONS
from train.models.attention import AttentionModule
from train.models.interaction import TemporalAttentionModule

from .callbacks import CURVES_FILE, draw_curves, learned
from .task import Task

_log = logging.getLogger(__name__)
SAMPLES = 4
SHOWN_SCORE = 0.3  # of boxes
SECONDS_BETWEEN_PICTURES = 600.0
CLASSES = (*EMOTIONS, "neutral")
CURVES, ATTENTION, ANSWERS = "curves", "attention", "answers"
Maps = dict[str, NDArray[np.float32]]  # name -> (N, M) mean over samples and heads
Pictures = dict[str, bytes]  # name -> PNG
Bones = tuple[tuple[int, int], ...]


def curves(folder: Path) -> Pictures:
    """The curves of a run, those before a resume included; nothing without logs."""
    rows = learned(folder)
    if not rows:
        return {}
    out = io.BytesIO()
    draw_curves(rows, out)
    return {CURVES: out.getvalue()}


def some_samples(data: Any, part: str) -> dict[str, Tensor]:
    """A batch of samples that lie far apart in a data set, which is made where it is not there yet."""
    if part not in data.datasets:
        data.datasets[part] = data.make(part)
    dataset = data.datasets[part]
    chosen = np.linspace(0, len(dataset) - 1, min(SAMPLES, len(dataset))).astype(int).tolist()
    rows = dataset[[(0, i) for i in chosen] if data.epochs else chosen]
    return {name: torch.from_numpy(np.asarray(value)) for name, value in rows.items()}


def answers(task: Task, batch: Mapping[str, Tensor]) -> Pictures:
    """What a network attends to in some samples, where it attends, and what it answers.

    Args:
        task: With its data; its network is put into evaluation mode for it.
        batch: Of ``some_samples``.
    """
    here = {name: value.to(task.device) for name, value in batch.items()}
    training = task.training
    task.eval()
    try:
        with torch.no_grad(), attention_maps(task.network) as maps:
            answer = {name: value.cpu() for name, value in task.predict_step(here, 0).items()}
    finally:
        task.train(training)
    found = {ATTENTION: _maps(maps)} if maps else {}
    return {**found, ANSWERS: answers_of(answer, batch, _bones(task))}


def write_events(writer: Any, pictures: Pictures, step: int) -> None:
    """Put pictures among the images of TensorBoard, as they are.

    Args:
        writer: torch's ``SummaryWriter``.
        pictures: To be shown under their names.
        step: Of the training.
    """
    from tensorboard.compat.proto.summary_pb2 import Summary

    for name, png in pictures.items():
        width, height = struct.unpack(">II", png[16:24])  # of the first chunk of every PNG
        image = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=png)
        writer.file_writer.add_summary(Summary(value=[Summary.Value(tag=name, image=image)]), step)
    writer.flush()


class Show(Callback):
    """Pictures of the validation set in TensorBoard, every ten minutes and at the end of a training.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._shown = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Of the weights of the moment."""
        if time.monotonic() - self._shown > SECONDS_BETWEEN_PICTURES:
            self._show(trainer, module)

    def on_fit_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Of the averaged weights."""
        self._show(trainer, module)

    def _show(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        loggers = [one for one in trainer.loggers if isinstance(one, TensorBoardLogger)]
        if not (trainer.is_global_zero and loggers and isinstance(module, Task)):
            return
        drawn = self.folder / CURVES_FILE  # by Curves, a moment ago
        shown = {CURVES: drawn.read_bytes()} if drawn.exists() else {}
        try:
            shown |= answers(module, some_samples(module.datamodule, "val"))
        except NotImplementedError:  # a pre-training has nothing to answer
            pass
        except Exception:  # a picture is not worth the hours of a training
            _log.warning("no pictures of the answers in TensorBoard", exc_info=True)
        for logger in loggers:
            write_events(logger.experiment, shown, trainer.global_step)
        self._shown = time.monotonic()


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
            maps.setdefault(name, gate[None].float().cpu().numpy())
        elif isinstance(module, TemporalAttentionModule):
            z = inputs[0].transpose(1, 2)
            pairs = module.q(z).transpose(1, 2) @ module.k(z)
            weights = (pairs * module.scale).softmax(-1) if module.correlation == "softmax" else pairs
            maps.setdefault(name, weights.mean(0).float().cpu().numpy())

    plain = nn.functional.scaled_dot_product_attention

    def watched(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None, **options: Any) -> Tensor:
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        weights = (scores if attn_mask is None else scores + attn_mask).softmax(-1)  # a bias: MoEmo's places
        name = inside[-1] if inside else "attention"
        maps.setdefault(name, weights.flatten(0, -3).mean(0).float().cpu().numpy())  # not of the mirror image
        return plain(q, k, v, attn_mask=attn_mask, **options)

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


def _maps(maps: Maps) -> bytes:
    columns = 4
    rows = -(-len(maps) // columns)
    figure = _figure(2.8 * columns, 2.6 * rows)
    for i, (name, values) in enumerate(maps.items()):
        axes = figure.add_subplot(rows, columns, i + 1)
        axes.imshow(values, aspect="auto", cmap="viridis")
        axes.set_title(name, fontsize=7)
        axes.tick_params(labelsize=6)
    return _png(figure)


def _bones(task: Task) -> Bones:
    """Of the joints that a lifter answers with; none where their order is another one."""
    layout = getattr(task.datamodule, "layout", None)
    return H36M17.bones if layout is not None and layout.names == H36M17.joints else ()


def answers_of(answer: Mapping[str, Tensor], batch: Mapping[str, Tensor], bones: Bones = ()) -> bytes:
    """A picture (PNG) with a sample in every column: what ``predict_step`` of a task says of a batch.

    Args:
        answer, batch: Their first axis is the samples.
        bones: Of lifted skeletons, pairs of joints.
    """
    count = len(answer["index"])
    figure = _figure(3.2 * count, 3.2)
    draw = next(one for name, one in _KINDS.items() if name in answer)
    for i in range(count):
        sample = {name: value[i] for name, value in batch.items()}
        draw(figure, (1, count, i + 1), {name: value[i] for name, value in answer.items()}, sample, bones)
    return _png(figure)


Place = tuple[int, int, int]  # of matplotlib's add_subplot
Sample = Mapping[str, Tensor]


def _pose(figure: Figure, place: Place, answer: Sample, sample: Sample, bones: Bones) -> None:
    axes: Any = figure.add_subplot(*place, projection="3d")
    truth = sample["joints"][len(sample["joints"]) // 2]
    for points, colour in ((truth, "tab:gray"), (answer["joints"], "tab:red")):
        x, y, z = points.numpy().T
        axes.scatter(x, z, -y, s=8, color=colour)
        for bone in bones:
            axes.plot(x[[*bone]], z[[*bone]], -y[[*bone]], linewidth=1, color=colour)
    axes.set_aspect("equal")
    axes.tick_params(labelsize=6)


def _probabilities(figure: Figure, place: Place, answer: Sample, sample: Sample, bones: Bones) -> None:
    axes, label, shares = figure.add_subplot(*place), int(sample["label"]), answer["probabilities"].numpy()
    label = label if label >= 0 else len(EMOTIONS)  # neutral
    colours = ["tab:green" if k == label else "tab:gray" for k in range(len(shares))]
    axes.barh(CLASSES[: len(shares)], shares, color=colours)
    axes.set_xlim(0, 1)
    axes.tick_params(labelsize=6)


def _keypoints(figure: Figure, place: Place, answer: Sample, sample: Sample, bones: Bones) -> None:
    axes, there = _photo(figure, place, sample), answer["keypoints"][:, :2]
    if "matrices" in sample:  # the answer is in the photo, the picture is the crop
        matrix = sample["matrices"].to(there.dtype)
        there = there @ matrix[:, :2].T + matrix[:, 2]
    axes.scatter(there[:, 0], there[:, 1], s=10, color="tab:red")
    for bone in COCO17.bones if len(there) == len(COCO17) else ():
        axes.plot(*there[[*bone]].T, linewidth=1, color="tab:red")


def _boxes(figure: Figure, place: Place, answer: Sample, sample: Sample, bones: Bones) -> None:
    axes, scale = _photo(figure, place, sample), float(sample["scales"])
    for x1, y1, x2, y2, score in answer["boxes"].tolist():
        if score > SHOWN_SCORE:
            corners = scale * np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2], [x1, y1]])
            axes.plot(*corners.T, color="tab:red", linewidth=1)


_KINDS = {"joints": _pose, "probabilities": _probabilities, "keypoints": _keypoints, "boxes": _boxes}


def _photo(figure: Figure, place: Place, sample: Sample) -> Any:
    axes, image = figure.add_subplot(*place), sample["images"].float().numpy()
    # Crops for the starter networks are OpenCV's; the papers' are tensors, R, G, B.
    image = image[..., ::-1] if image.shape[-1] == 3 else image.transpose(1, 2, 0)
    axes.imshow((image - image.min()) / max(float(np.ptp(image)), 1e-6))
    axes.set_xlim(0, image.shape[1])
    axes.set_ylim(image.shape[0], 0)
    axes.tick_params(labelsize=6)
    return axes


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, dpi=90, format="png")
    return out.getvalue()
