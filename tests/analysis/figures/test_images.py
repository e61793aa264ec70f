"""Compares the pixels in the figure with pictures whose differences are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from artists import drawn, labels, titles, words
from fake_results import write_record
from literal_frames import experiment
from matplotlib.figure import Figure

from analysis.steganography import log_power
from art.config.experiment import Config
from art.pictures.png import encode_png

SIZE = 32
METHODS = {
    "random_image": {"kind": "random_image"},
    "soft_prompt": {"kind": "soft_prompt"},
    "art_late": {"kind": "art", "models": ["big-1m"], "tasks": ["sums"]},
    "art": {"kind": "art"},
}


ORDER = np.random.default_rng(0).permutation(SIZE * SIZE * 3)


def picture(level: int, *changed: tuple[int, int]) -> np.ndarray:
    """A flat picture; each change (count, level) sets the first values of ORDER; later changes win."""
    levels = np.full(SIZE * SIZE * 3, level, np.uint8)
    for count, new in changed:
        levels[ORDER[:count]] = new
    return levels.reshape(SIZE, SIZE, 3)


# Of 3,072 values 31 lie above the 0.99 quantile: 3 large differences do not change the factor, 300 do.
PAIRS = {
    ("tool_call", "tools-2m", "art"): (picture(100), picture(100, (300, 120), (6, 200), (3, 0)), 6),
    ("tool_call", "big-1m", "art"): (picture(50), picture(50, (300, 30)), 6),
    ("sums", "tools-2m", "art"): (picture(10), picture(10, (3, 11)), 127),
    ("sums", "big-1m", "art_late"): (picture(20), picture(240, (1500, 230)), 1),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Path]:
    """Records of all runs, but pictures only of the runs that the figure shows: the first seed of the first method."""
    root, config = tmp_path_factory.mktemp("pictures"), experiment(methods=METHODS)
    for run in config.grid():
        write_record(root, config, run)
    for (task, model, method), (start, trained, _) in PAIRS.items():
        folder = root / f"runs/{model}/{task}/{method}/seed3"
        encode_png(start, folder / "snapshots/step0000.png")
        encode_png(picture(77), folder / "snapshots/step0012.png")
        encode_png(trained, folder / "artifact/image.png")
    return config, root


@pytest.fixture(scope="module")
def figure(tree: tuple[Config, Path]) -> Figure:
    return drawn("images", tree[0], {}, tree[1])


def shown(figure: Figure, row: int, column: int) -> np.ndarray:
    (image,) = figure.axes[4 * row + column].images
    return np.asarray(image.get_array())


@pytest.mark.parametrize("row", range(4))
def test_a_row_is_start_trained_and_the_difference_amplified(figure: Figure, row: int) -> None:
    start, trained, factor = list(PAIRS.values())[row]
    assert (shown(figure, row, 0) == start).all() and (shown(figure, row, 1) == trained).all()
    (text,) = figure.axes[4 * row + 2].texts
    assert text.get_text() == f"x {factor}"


def test_the_difference_is_trained_less_start_about_mid_grey_and_clipped(figure: Figure) -> None:
    values = shown(figure, 0, 2).reshape(-1)[ORDER]
    assert values.dtype == np.uint8
    assert values[[0, 2, 3, 5, 6, 299, 300, -1]].tolist() == [0, 0, 255, 255, 248, 248, 128, 128]  # 128 + 6 x 20
    assert np.unique(shown(figure, 1, 2)).tolist() == [8, 128]  # 128 - 6 x 20
    assert shown(figure, 2, 2).reshape(-1)[ORDER[:4]].tolist() == [255, 255, 255, 128]  # 128 + 127 x 1
    assert np.unique(shown(figure, 3, 2)).tolist() == [255]  # 128 + 210 and more


def test_spectra_are_of_the_plain_differences_on_one_scale(figure: Figure) -> None:
    spectra = [log_power(trained.astype(int) - start) for start, trained, _ in PAIRS.values()]
    for row, spectrum in enumerate(spectra):
        assert np.allclose(shown(figure, row, 3), spectrum)
        (image,) = figure.axes[4 * row + 3].images
        assert image.get_clim() == pytest.approx((np.quantile(np.stack(spectra), 0.01), np.max(spectra)))
        assert list(image.get_extent()) == [-0.5, 0.5, -0.5, 0.5] and image.get_cmap().name == "viridis"


def test_rows_columns_and_units_are_named(figure: Figure) -> None:
    *panels, bar = titles(figure)
    assert panels == ["seed picture", "trained", "difference", "spectrum of difference", *[""] * 12] and bar == ""
    assert [text for text in labels(figure, "y") if text] == [
        *("tool call\ntools-2m", "tool call\nbig-1m", "sums\ntools-2m", "sums\nbig-1m"),
        "log10 power (levels squared)",
    ]
    assert [bool(text) for text in labels(figure, "y")[::4]] == [True] * 5, "the first column and the colour bar"
    assert [text for text in labels(figure, "x") if text] == ["cycles / pixel"] == labels(figure, "x")[15:16]
    assert figure.get_size_inches().tolist() == pytest.approx([6.7, 4 * 1.28 + 0.5])


def test_only_the_last_spectrum_has_ticks(figure: Figure) -> None:
    ticked = [[float(place) for place in axes.get_xticks()] for axes in figure.axes[:16]]
    assert ticked == [*[[]] * 15, [-0.5, 0, 0.5]]
    assert [text.get_text() for text in figure.axes[15].get_xticklabels()] == ["-.5", "0", ".5"]
    for axes in figure.axes[:16]:
        assert not list(axes.get_yticks()) and not any(spine.get_visible() for spine in axes.spines.values())


def test_a_start_from_grey_is_called_so(tmp_path: Path) -> None:
    config = experiment(
        methods={"art": {"kind": "art", "start": "grey"}, "no_image": {"kind": "no_image"}},
        models={"tools-2m": {"path": "nowhere"}},
        tasks={"sums": {"scorer": "numeric"}},
        analysis={"baseline": "no_image", "reference": "art"},
    )
    for run in config.grid():
        write_record(tmp_path, config, run)
    folder = tmp_path / "runs/tools-2m/sums/art/seed3"
    encode_png(picture(128), folder / "snapshots/step0000.png")
    encode_png(picture(130), folder / "artifact/image.png")
    assert titles(drawn("images", config, {}, tmp_path))[0] == "initialisation (grey)"


def test_without_trained_pictures_the_figure_says_so(tmp_path: Path) -> None:
    config = experiment(
        methods={"no_image": {"kind": "no_image"}}, analysis={"baseline": "no_image", "reference": "no_image"}
    )
    for run in config.grid():
        write_record(tmp_path, config, run)
    assert words(drawn("images", config, {}, tmp_path)) == ["No picture was trained in this experiment."]
