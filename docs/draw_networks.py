"""Draws the figures of docs/models.md: ``python docs/draw_networks.py`` writes docs/figures/*.svg.

A figure is a grid of boxes and arrows between them. Blue boxes take or give data, green ones are
what the two papers add, everything else is grey; the small text is what leaves the box.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt
from matplotlib.patches import FancyBboxPatch

FOLDER = Path(__file__).parent / "figures"
FILL = {"data": "#dbe9f9", "added": "#d7efd5", "layer": "#eeeeee"}
EDGE = {"data": "#3a6ea5", "added": "#3f8f3a", "layer": "#888888"}
PITCH, SIZE = (2.45, 1.25), (1.95, 0.82)  # grid pitch and box size, in figure units


@dataclass(frozen=True)
class Box:
    """A box in column and row; ``text`` says what it does, ``shape`` what leaves it."""

    column: float
    row: float
    text: str
    shape: str = ""
    kind: str = "layer"

    @property
    def centre(self) -> tuple[float, float]:
        """Place in the figure."""
        return self.column * PITCH[0], -self.row * PITCH[1]


@dataclass(frozen=True)
class Figure:
    """Boxes by key, arrows ``a>b``, and a caption inside the picture."""

    boxes: dict[str, Box]
    arrows: str
    caption: str = ""


def chain(*keys: str) -> str:
    """Arrows from each key to the next one."""
    return " ".join(f"{a}>{b}" for a, b in pairwise(keys))


def branches(stage: int, modules: int, column: float) -> dict[str, Box]:
    """The boxes of an HRNet stage, one per branch; AMs stand in the first."""
    sizes = ("w×64×48", "2w×32×24", "4w×16×12", "8w×8×6")[:stage]
    text = f"stage {stage} (×{modules})\n4 blocks"
    return {
        f"s{stage}{row}": Box(column, row, text, size, "layer" if row else "added")
        for row, size in enumerate(sizes)
    }


FIGURES = {
    "hrnet": Figure(
        {
            "image": Box(0, 0, "image", "B×3×256×192", "data"),
            "stem": Box(1, 0, "stem, layer1\n2 conv s2, 4 bottlenecks", "256×64×48"),
            **branches(2, 1, 2.1),
            **branches(3, 4, 3.2),
            **branches(4, 3, 4.3),
            "head": Box(5.4, 0, "1×1 conv", "B×17×64×48", "data"),
        },
        "image>stem stem>s20 stem>s21 s20>s30 s20>s31 s21>s30 s21>s31 s21>s32 "
        "s30>s40 s30>s41 s31>s40 s31>s41 s31>s42 s32>s41 s32>s42 s32>s43 s40>head "
        "s41>head s42>head s43>head",
        "every module ends in a fusion of all branches; w = 32 or 48; "
        "green: with an AM after the last two blocks of each stage (six)",
    ),
    "attention": Figure(
        {
            "x": Box(0, 0, "block's output", "C×H×W", "data"),
            "g": Box(1, 0, "mean over the image", "C×1×1", "added"),
            "a": Box(2, 0, "1×1, ReLU", "C/s", "added"),
            "b": Box(3, 0, "1×1, ReLU", "C/s", "added"),
            "c": Box(4, 0, "1×1, sigmoid", "C", "added"),
            "y": Box(5, 0, "x · gate", "C×H×W", "data"),
            "p": Box(0, 1.2, "joints of a frame", "J×d", "data"),
            "p1": Box(1, 1.2, "depth-wise k5", "d×J", "added"),
            "p2": Box(2, 1.2, "GELU, group norm", "d×J", "added"),
            "p3": Box(3, 1.2, "depth-wise k5", "d×J", "added"),
            "p4": Box(5, 1.2, "+ P", "J×d", "data"),
            "t": Box(0, 2.4, "frames", "F×D", "data"),
            "q": Box(1, 2.4, "Q, K, V: 1×1 convs", "3 × (32×F)", "added"),
            "t2": Box(2, 2.4, "softmax(QᵀK / √32)", "F×F", "added"),
            "t3": Box(3, 2.4, "weigh V", "32×F", "added"),
            "t4": Box(4, 2.4, "1×1, group norm", "D×F", "added"),
            "t5": Box(5, 2.4, "+ P", "F×D", "data"),
        },
        chain("x", "g", "a", "b", "c", "y")
        + " "
        + chain("p", "p1", "p2", "p3", "p4")
        + " "
        + chain("t", "q", "t2", "t3", "t4", "t5"),
        "paper B's three modules: AM (eq. 1–2), SAM (eq. 5), TAM (eq. 7)",
    ),
    "poseformer": Figure(
        {
            "in": Box(0, 0, "2D keypoints", "B×F×17×2", "data"),
            "e": Box(1, 0, "linear + position", "B·F×17×32"),
            "s": Box(2, 0, "4 spatial blocks", "B·F×17×32"),
            "r": Box(3, 0, "norm, concatenate\n+ position", "B×F×544"),
            "t": Box(4, 0, "4 temporal blocks", "B×F×544"),
            "w": Box(5, 0, "norm, weighted mean\nover the frames", "B×1×544"),
            "h": Box(6, 0, "norm, linear", "B×1×17×3", "data"),
            "b0": Box(0.5, 1.4, "a block:", "B×N×D", "data"),
            "b1": Box(1.5, 1.4, "+ MSA(norm)", "8 heads"),
            "b2": Box(2.5, 1.4, "SAM or TAM", "after MSA", "added"),
            "b3": Box(3.5, 1.4, "+ MLP(norm)", "ratio 2"),
        },
        chain("in", "e", "s", "r", "t", "w", "h") + " " + chain("b0", "b1", "b2", "b3"),
        "SAM and TAM may also stand before MSA or after the MLP, each alone or both (Tables VI, VIII)",
    ),
    "crossformer": Figure(
        {
            "in": Box(0, 0, "2D keypoints", "B×81×17×2", "data"),
            "e": Box(1, 0, "linear + position", "B·81×17×32"),
            "s": Box(2, 0, "4 blocks with\nCross-Joint", "B·81×17×32"),
            "r": Box(3, 0, "norm, concatenate\n+ one position", "B×81×544"),
            "t": Box(4, 0, "4 blocks with\nCross-Frame", "B×81×544"),
            "w": Box(5, 0, "norm, weighted mean", "B×1×544"),
            "h": Box(6, 0, "norm, linear", "B×1×17×3", "data"),
            "b0": Box(0.5, 1.4, "a block:", "B×N×D", "data"),
            "b1": Box(1.5, 1.4, "+ γ₁ MSA(norm)", "8 heads"),
            "b2": Box(2.5, 1.4, "+ γ₃ Cross(norm)", "own residual inside", "added"),
            "b3": Box(3.5, 1.4, "+ γ₂ MLP(norm)", "ratio 4"),
        },
        chain("in", "e", "s", "r", "t", "w", "h") + " " + chain("b0", "b1", "b2", "b3"),
    ),
    "pstmo": Figure(
        {
            "in": Box(0, 0, "2D keypoints", "B×243×17×2", "data"),
            "e": Box(1, 0, "1×1 convs, batch norm\nper frame", "B×243×256"),
            "t": Box(2, 0, "L attention layers\n+ position", "B×243×256"),
            "r": Box(3, 0, "5 layers, stride 3", "B×1×256"),
            "h": Box(4, 0, "batch norm, 1×1", "B×1×17×3", "data"),
            "a": Box(3, 1, "batch norm, 1×1", "B×243×17×3\n(training)", "data"),
            "m": Box(0, 2, "80 % of the frames,\n2 joints per frame hidden", "B×243×17×2", "data"),
            "me": Box(1, 2, "the same encoder", "B×243×256"),
            "mt": Box(2, 2, "the same L layers,\nvisible frames alone", "B×49×256"),
            "md": Box(3, 2, "mask tokens,\nL−1 layers of 128", "B×243×128"),
            "mh": Box(4, 2, "batch norm, 1×1", "B×243×17×2", "data"),
        },
        chain("in", "e", "t", "r", "h") + " t>a " + chain("m", "me", "mt", "md", "mh"),
        "below: pre-training; L = 3 (P-STMO-S) or 4",
    ),
    "motionagformer": Figure(
        {
            "in": Box(0, 0.5, "2D keypoints, score", "B×T×17×3", "data"),
            "e": Box(1, 0.5, "linear + position", "B×T×17×64"),
            "a1": Box(2.1, 0, "attention\namong joints", "B×T×17×64"),
            "a2": Box(3.1, 0, "attention\namong frames", "B×T×17×64"),
            "g1": Box(2.1, 1, "graph of bones", "B×T×17×64"),
            "g2": Box(3.1, 1, "graph of the 2 most\nsimilar frames", "B×T×17×64"),
            "f": Box(4.2, 0.5, "learned mixture", "B×T×17×64"),
            "h": Box(5.2, 0.5, "norm, linear 512,\ntanh, linear", "B×T×17×3", "data"),
        },
        "in>e e>a1 e>g1 a1>a2 g1>g2 a2>f g2>f f>h",
        "two streams and mixture: 12 times (XS, T = 27) or 26 times (S, T = 81)",
    ),
    "moemo_official": Figure(
        {
            "p": Box(0, 0, "3D poses", "B×16×17×3", "data"),
            "m": Box(1, 0, "pose beside next pose,\nfour times", "B×15×17×24"),
            "q": Box(2, 0, "a token per cell", "B×408×15"),
            "c": Box(0, 1, "CLIP tokens", "B×16×50×768", "data"),
            "k": Box(1, 1, "5 convolutions", "B×15×17×24"),
            "kv": Box(2, 1, "a token per cell", "B×408×15"),
            "x": Box(3.1, 0, "cross-attention\nQ movement, KV context", "B×408×15", "added"),
            "s": Box(4.2, 0, "MLP, 3 × (self-\nattention, MLP)", "B×408×15"),
            "h": Box(5.2, 0.5, "+ context, mean,\nlinear", "B×6", "data"),
        },
        "p>m m>q c>k k>kv q>x kv>x x>s s>h kv>h",
        "one head, relative position bias over the 17×24 grid, no residual around attention",
    ),
    "moemo_x": Figure(
        {
            "p": Box(0, 0, "3D poses", "B×T×17×3", "data"),
            "m": Box(1, 0, "movement: pair, delta\nor both; joint subset", "B×(T−1)×J×6"),
            "q": Box(2, 0, "linear + joint + time,\nCLS", "B×(1+(T−1)J)×D"),
            "c": Box(0, 1, "context tokens", "B×K×P×C", "data"),
            "k": Box(1.5, 1, "norm, linear\n+ patch + time", "B×K·P×D"),
            "x": Box(3.1, 0.5, "4 × { movement asks\ncontext; itself }", "B×(1+(T−1)J)×D", "added"),
            "h": Box(4.3, 0.5, "norm of CLS, linear", "B×6", "data"),
        },
        "p>m m>q c>k q>x k>x x>h",
        "fusion = cross; self, concat, pose and context leave out or move the green box",
    ),
    "context": Figure(
        {
            "i": Box(0, 0, "image", "B×3×224×224", "data"),
            "p": Box(1, 0, "32×32 patches, class\ntoken, + position", "B×50×768"),
            "t": Box(2, 0, "12 transformer layers", "B×50×768"),
            "o": Box(3.2, 0, "tokens", "B×50×768", "data"),
            "c": Box(3.2, 1, "norm of the class\ntoken, projection", "B×512", "data"),
        },
        "i>p p>t t>o t>c",
        "CLIP ViT-B/32; B/16 gives 197 tokens, L/14 257 of 1024",
    ),
    "image_baseline": Figure(
        {
            "i": Box(0, 0, "T images", "B×T×3×224×224", "data"),
            "b": Box(1.1, 0, "ResNet-50 or ViT-B/16\nper image", "B·T×2048 or 768"),
            "m": Box(2.2, 0, "mean over the images", "B×2048 or 768"),
            "h": Box(3.2, 0, "linear", "B×6", "data"),
        },
        "i>b b>m m>h",
    ),
}


def draw(figure: Figure, path: Path) -> None:
    """Write one figure as SVG."""
    boxes = figure.boxes
    xs, ys = zip(*(b.centre for b in boxes.values()), strict=True)
    left, right = min(xs) - 1.1, max(xs) + 1.1
    bottom, top = min(ys) - (1.15 if figure.caption else 0.8), max(ys) + 0.55
    drawing, axes = plt.subplots(figsize=((right - left) * 0.72, (top - bottom) * 0.72))
    axes.set(xlim=(left, right), ylim=(bottom, top), position=(0, 0, 1, 1))
    axes.axis("off")
    for arrow in figure.arrows.split():
        _arrow(axes, *(boxes[key] for key in arrow.split(">")))
    for box in boxes.values():
        _box(axes, box)
    axes.text((left + right) / 2, bottom + 0.12, figure.caption, ha="center", size=7.5, style="italic")
    drawing.savefig(path, metadata={"Date": None})
    plt.close(drawing)


def _box(axes: plt.Axes, box: Box) -> None:
    x, y = box.centre
    corner = (x - SIZE[0] / 2, y - SIZE[1] / 2)
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(
        FancyBboxPatch(corner, *SIZE, boxstyle=style, fc=FILL[box.kind], ec=EDGE[box.kind], lw=0.9)
    )
    axes.text(x, y, box.text, ha="center", va="center", size=7)
    axes.text(x, y - SIZE[1] / 2 - 0.05, box.shape, ha="center", va="top", size=6, color="#444444")


def _arrow(axes: plt.Axes, source: Box, target: Box) -> None:
    (x0, y0), (x1, y1) = source.centre, target.centre
    if x0 == x1:
        start, end = (x0, y0 - SIZE[1] / 2), (x1, y1 + SIZE[1] / 2)
    else:
        start, end = (x0 + SIZE[0] / 2, y0), (x1 - SIZE[0] / 2, y1)
    arrow = {"arrowstyle": "-|>", "color": "#555555", "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=arrow)


def main() -> None:
    """Draw all figures."""
    FOLDER.mkdir(exist_ok=True)
    settings = {"svg.fonttype": "none", "svg.hashsalt": "posemo", "font.family": "sans-serif"}
    with mpl.rc_context(settings):
        for name, figure in FIGURES.items():
            draw(figure, FOLDER / f"{name}.svg")


if __name__ == "__main__":
    main()
