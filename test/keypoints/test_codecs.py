"""Codecs: round trips with their accuracy, and slow references written from the papers' code."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from posemo_ros.errors import ModelError
from posemo_ros.inference.manifest import ImageInput, KeypointSpec
from posemo_ros.keypoints.codecs import codec_for, in_order
from posemo_ros.keypoints.heatmap import HeatmapCodec
from posemo_ros.keypoints.simcc import SimccCodec
from posemo_ros.skeleton import COCO17

HEATMAPS = ("quarter", "dark", "udp")


def heatmap_codec(kind: str) -> HeatmapCodec:
    codec = codec_for(KeypointSpec(ImageInput(192, 256), kind))  # type: ignore[arg-type]
    assert isinstance(codec, HeatmapCodec)
    return codec


def points(n: int = 50, margin: float = 32) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    return rng.uniform([margin, margin], [191 - margin, 255 - margin], (n, 17, 2))


def visible(n: int = 50) -> NDArray[np.bool_]:
    return np.ones((n, 17), np.bool_)


# ---- round trips -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "worst_px"),
    [
        ("quarter", 2.05),  # the target's centre is rounded to a cell of 4 px; nothing gets that back
        ("dark", 0.01),  # the whole Gaussian is encoded, away from the border nothing is lost
        ("udp", 0.01),
    ],
)
def test_heatmap_round_trip(kind: str, worst_px: float) -> None:
    codec = heatmap_codec(kind)
    maps, weights = codec.encode(points(), visible())
    assert maps.shape == (50, 17, 64, 48)
    assert maps.dtype == weights.dtype == np.float32
    assert (weights == 1).all()
    found = codec.decode([maps])
    assert found.dtype == np.float32
    assert np.abs(found[..., :2] - points()).max() < worst_px
    assert (found[..., 2] > 0.85).all()  # the peak lies at most half a cell beside the cell's centre


def test_quarter_moves_towards_the_true_place() -> None:
    """On Gaussians with a true sub-cell centre the quarter rule leaves at most a quarter cell."""
    codec = heatmap_codec("quarter")
    maps, _ = HeatmapCodec("dark", 192, 256, (48, 64)).encode(points(), visible())
    error = np.abs(codec.decode([maps])[..., :2] - points())
    assert error.max() < 1.01
    assert error.mean() == pytest.approx(0.5, abs=0.03)  # uniform in 0 to a quarter of 4 px


def test_simcc_round_trip() -> None:
    codec = SimccCodec(192, 256, 2.0)
    *labels, weights = codec.encode(points(), visible())
    assert [v.shape for v in labels] == [(50, 17, 384), (50, 17, 512)]
    assert (weights == 1).all()
    found = codec.decode(labels)
    assert np.abs(found[..., :2] - points()).max() <= 0.2501  # half a bin of half a pixel
    assert (found[..., 2] > 0.95).all()


def test_simcc_sigmas_are_those_of_rtmpose() -> None:
    assert SimccCodec(192, 256).sigmas == pytest.approx((4.9, 5.66), abs=0.005)
    assert SimccCodec(288, 384).sigmas == pytest.approx((6.0, 6.93), abs=0.005)


# ---- targets ---------------------------------------------------------------------------------


def test_hrnet_target_by_hand() -> None:
    where = np.full((1, 17, 2), (41.0, 82.5))  # cell int(41/4 + 0.5) = 10, int(82.5/4 + 0.5) = 21
    maps, _ = heatmap_codec("quarter").encode(where, visible(1))
    expected = np.zeros((64, 48))
    for y in range(64):
        for x in range(48):
            if abs(x - 10) <= 6 and abs(y - 21) <= 6:
                expected[y, x] = np.exp(-((x - 10) ** 2 + (y - 21) ** 2) / 8)
    np.testing.assert_allclose(maps[0, 0], expected, atol=1e-6)


@pytest.mark.parametrize("kind", HEATMAPS)
def test_weights_are_zero_where_the_gaussian_misses_the_map(kind: str) -> None:
    where = np.full((1, 17, 2), (20.0, 20.0))
    where[0, 0] = (-24.0, 20)  # 6 cells outside: the outermost column still touches
    where[0, 1] = (-28.0, 20)  # 7 cells: does not
    where[0, 2] = (20, 255 + 40.0)
    where[0, 3] = (np.nan, np.nan)
    labelled = visible(1)
    labelled[0, 3] = False
    maps, weights = heatmap_codec(kind).encode(where, labelled)
    assert weights[0, :5].tolist() == [1, 0, 0, 0, 1]
    assert maps[0, 0].max() > 0
    assert maps[0, 1:4].max() == 0


def test_udp_grid_spans_the_crop() -> None:
    """The last cell is the crop's last pixel: 47 cells are 191 px, 63 are 255 px."""
    maps = np.zeros((1, 17, 64, 48), np.float32)
    maps[0, :, 63, 47] = 1
    udp = heatmap_codec("udp")
    assert udp.unbiased
    np.testing.assert_allclose(udp.stride, (191 / 47, 255 / 63))
    assert not heatmap_codec("quarter").unbiased
    np.testing.assert_allclose(heatmap_codec("quarter").decode([maps])[0, 0, :2], (188, 252))


# ---- decoding against slow references --------------------------------------------------------


def rough_maps() -> NDArray[np.float32]:
    """(4, 17, 64, 48) what a network may put out: a peak, noise, some peaks at the border."""
    rng = np.random.default_rng(2)
    where = rng.uniform([0, 0], [191, 255], (4, 17, 2))
    where[0, :4] = [(0, 100), (191, 255), (90, 252), (2, 2)]
    maps, _ = HeatmapCodec("dark", 192, 256, (48, 64)).encode(where, visible(4))
    return (maps * 0.8 + rng.normal(0, 0.02, maps.shape)).astype(np.float32)


def slow_quarter(m: NDArray[np.float32]) -> tuple[float, float]:
    y, x = np.unravel_index(m.argmax(), m.shape)
    px, py = float(x), float(y)
    if 1 < x < 47 and 1 < y < 63:
        px += 0.25 * float(np.sign(m[y, x + 1] - m[y, x - 1]))
        py += 0.25 * float(np.sign(m[y + 1, x] - m[y - 1, x]))
    return px * 4, py * 4


def smoothed(m: NDArray[np.float32]) -> NDArray[np.float64]:
    padded = np.pad(m.astype(np.float64), 5)
    blurred = cv2.GaussianBlur(padded, (11, 11), 0)[5:-5, 5:-5]
    return np.asarray(blurred * (m.max() / blurred.max()), np.float64)


def slow_dark(m: NDArray[np.float32]) -> tuple[float, float]:
    y, x = (int(v) for v in np.unravel_index(m.argmax(), m.shape))
    h = np.log(np.maximum(smoothed(m), 1e-10))
    step = np.zeros(2)
    if 1 < x < 46 and 1 < y < 62:
        g = np.array([(h[y, x + 1] - h[y, x - 1]) / 2, (h[y + 1, x] - h[y - 1, x]) / 2])
        xy = (h[y + 1, x + 1] - h[y - 1, x + 1] - h[y + 1, x - 1] + h[y - 1, x - 1]) / 4
        xx = (h[y, x + 2] - 2 * h[y, x] + h[y, x - 2]) / 4
        yy = (h[y + 2, x] - 2 * h[y, x] + h[y - 2, x]) / 4
        step = -np.linalg.inv([[xx, xy], [xy, yy]]) @ g
    return (x + step[0]) * 4, (y + step[1]) * 4


def slow_udp(m: NDArray[np.float32]) -> tuple[float, float]:
    y, x = (int(v) for v in np.unravel_index(m.argmax(), m.shape))
    h = np.pad(np.log(np.clip(smoothed(m), 1e-3, 50)), 1, mode="edge")
    y, x = y + 1, x + 1
    g = np.array([(h[y, x + 1] - h[y, x - 1]) / 2, (h[y + 1, x] - h[y - 1, x]) / 2])
    xx = h[y, x + 1] - 2 * h[y, x] + h[y, x - 1]
    yy = h[y + 1, x] - 2 * h[y, x] + h[y - 1, x]
    ring = h[y + 1, x + 1] - h[y, x + 1] - h[y + 1, x] - h[y, x - 1] - h[y - 1, x] + h[y - 1, x - 1]
    xy = (ring + 2 * h[y, x]) / 2
    step = -np.linalg.inv([[xx, xy], [xy, yy]]) @ g
    return (x - 1 + step[0]) / 47 * 191, (y - 1 + step[1]) / 63 * 255


@pytest.mark.parametrize("kind", HEATMAPS)
def test_decoding_is_that_of_the_slow_loop(kind: str) -> None:
    slow = {"quarter": slow_quarter, "dark": slow_dark, "udp": slow_udp}[kind]
    maps = rough_maps()
    found = heatmap_codec(kind).decode([maps]).reshape(-1, 3)
    expected = np.array([slow(m) for m in maps.reshape(-1, 64, 48)])
    np.testing.assert_allclose(found[:, 2], maps.reshape(-1, 64 * 48).max(axis=1).clip(0, 1))
    compared = np.ones(len(found), np.bool_)
    if kind == "udp":  # in the outermost cells the smoothed map has no peak; the loop leaves the map
        cells = np.array([np.unravel_index(m.argmax(), m.shape)[::-1] for m in maps.reshape(-1, 64, 48)])
        compared = ((cells > 0) & (cells < (47, 63))).all(axis=1)
        assert ((found[~compared, :2] >= 0) & (found[~compared, :2] <= (191, 255))).all()
    assert compared.sum() > 60
    np.testing.assert_allclose(found[compared, :2], expected[compared], atol=2e-3)


def test_simcc_decoding_by_hand() -> None:
    x, y = np.zeros((1, 17, 384), np.float32), np.zeros((1, 17, 512), np.float32)
    x[0, 0, 101], y[0, 0, 77] = 0.9, 0.6  # the lower one is the score
    x[0, 1, 383], y[0, 1, 0] = 3.0, 2.0  # heights over 1 count as 1
    x[0, 2] = -1.0
    found = SimccCodec(192, 256, 2.0).decode([x, y])
    np.testing.assert_allclose(found[0, 0], (50.5, 38.5, 0.6))
    np.testing.assert_allclose(found[0, 1], (191.5, 0, 1))
    np.testing.assert_array_equal(found[0, 2], (np.nan, np.nan, 0))


# ---- nothing known, wrong shapes -------------------------------------------------------------


@pytest.mark.parametrize("kind", HEATMAPS)
def test_a_map_without_a_positive_value_says_nothing(kind: str) -> None:
    maps = rough_maps()
    maps[0, 0], maps[0, 1], maps[0, 2] = 0, -1, np.nan
    found = heatmap_codec(kind).decode([maps])
    np.testing.assert_array_equal(found[0, :3], [(np.nan, np.nan, 0)] * 3)
    assert np.isfinite(found[0, 3:]).all()


@pytest.mark.parametrize("kind", HEATMAPS)
def test_nobody(kind: str) -> None:
    codec = heatmap_codec(kind)
    assert codec.decode([np.zeros((0, 17, 64, 48), np.float32)]).shape == (0, 17, 3)
    maps, weights = codec.encode(np.zeros((0, 17, 2)), np.zeros((0, 17), np.bool_))
    assert maps.shape == (0, 17, 64, 48)
    assert weights.shape == (0, 17)


def test_outputs_of_another_form_are_explained() -> None:
    with pytest.raises(ModelError, match=r"\(N, K, 64, 48\).*\(1, 17, 96, 72\).*correct the model's"):
        heatmap_codec("dark").decode([np.zeros((1, 17, 96, 72), np.float32)])
    with pytest.raises(ModelError, match=r"\(N, K, 384\).*\(1, 17, 64, 48\)"):
        SimccCodec(192, 256).decode([np.zeros((1, 17, 64, 48), np.float32)])


# ---- mirrored crops --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", HEATMAPS)
def test_flipped_heatmaps_come_back(kind: str) -> None:
    """Targets for the mirrored person, flipped back, are targets for the person: to a pixel (the
    grid of the ordinary codecs cannot do better), and exactly for UDP."""
    codec = heatmap_codec(kind)
    mirrored = points()[:, COCO17.flip_index].copy()
    mirrored[..., 0] = 191 - mirrored[..., 0]
    maps, _ = HeatmapCodec("udp" if kind == "udp" else "dark", 192, 256, (48, 64)).encode(mirrored, visible())
    found = heatmap_codec("udp" if kind == "udp" else "dark").decode(codec.flip([maps], COCO17.flip_index))
    assert np.abs(found[..., :2] - points()).max() < (0.1 if kind == "udp" else 1.1)


def test_outputs_of_simcc_are_told_by_their_names() -> None:
    """Of a square crop nothing else tells x from y, and exporters may turn them round."""
    assert in_order(["simcc_y", "simcc_x"]) == in_order(["simcc_x", "simcc_y"]) == ["simcc_x", "simcc_y"]
    assert in_order(["Y", "X"]) == ["X", "Y"]
    assert in_order(["1204", "1203"]) == ["1204", "1203"]
    assert in_order(["heatmaps_y"]) == ["heatmaps_y"]


def test_flipped_simcc_comes_back() -> None:
    codec = SimccCodec(192, 256)
    mirrored = points()[:, COCO17.flip_index].copy()
    mirrored[..., 0] = 191 - mirrored[..., 0]
    *labels, _ = codec.encode(mirrored, visible())
    found = codec.decode(codec.flip(labels, COCO17.flip_index))
    assert np.abs(found[..., :2] - points()).max() < 0.8
