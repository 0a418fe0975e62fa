"""docs/models.md: its numbers are counted anew, its figures are there."""

import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from train.models import zoo  # noqa: E402
from train.models.counting import count_macs, count_parameters  # noqa: E402

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "models.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)\((.*)\)` \| ([\d,]+) \| ([\d.]+) \+ ([\d.]+) \|([^|\n]*)\|", re.MULTILINE)
ROWS = ROW.findall(PAGE)


def shape_text(tensors):
    return ", ".join(f"({','.join(['B', *map(str, t.shape[1:])])})" for t in tensors)


def test_table_was_found():
    assert len(ROWS) >= 20
    assert {row[0] for row in ROWS} == set(zoo.NETWORKS) - {"clip", "cnn_context", "image_baseline"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}({row[1]})")
def test_numbers(row):
    name, options, parameters, layers, products, shapes = row
    with torch.device("meta"):
        entry = eval(f"build({options})", {"build": zoo.NETWORKS[name]})
        network = entry.network.eval()
        macs = count_macs(network, *(v[:1] for v in entry.inputs.values()))
        assert f"{count_parameters(network):,}" == parameters
        assert (f"{macs.layers / 1e9:.3f}", f"{macs.products / 1e9:.3f}") == (layers, products)
        if "→" in shapes:
            out = network(*entry.inputs.values())
            outs = out if isinstance(out, tuple) else (out,)
            assert f"{shape_text(entry.inputs.values())} → {shape_text(outs)}" == shapes.strip()


def test_figures_are_there_and_shown():
    shown = set(re.findall(r"\(figures/(\w+\.svg)\)", PAGE))
    assert shown == {f.name for f in (DOCS / "figures").glob("*.svg")}
    drawn = (DOCS / "draw_networks.py").read_text(encoding="utf-8")
    assert all(f'"{name.removesuffix(".svg")}": Figure(' in drawn for name in shown)
