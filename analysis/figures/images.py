"""Figure of the pictures: the initialisation, the trained picture, their amplified difference, and its spectrum."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.figures import style
from analysis.load import Experiment
from analysis.pictures import initial_path, trained_path
from analysis.steganography import log_power
from art.config.experiment import Config, RunKey
from art.pictures.png import decode_png

READS: tuple[str, ...] = ()
TITLES = ("trained", "difference", "spectrum of difference")


def draw(config: Config, frames: Mapping[str, pd.DataFrame], results: Path) -> Figure:
    """One row per task and model, of the first ART method and its first seed.

    The difference (trained less initialisation) is drawn as 128 + k x difference, clipped; k is written above it.
    """
    runs = _shown(config, results)
    if not runs:
        return style.message("No picture was trained in this experiment.")
    differences = [_difference(config, results, run) for run in runs]
    spectra = [log_power(difference) for difference in differences]
    low, high = np.quantile(spectra, 0.01), max(spectrum.max() for spectrum in spectra)
    figure, panels = style.grid(len(runs), 4, 1.28)
    figure.set_layout_engine("constrained", h_pad=0.01, hspace=0.0)
    for row, (run, difference, spectrum) in enumerate(zip(runs, differences, spectra, strict=True)):
        factor = max(1, int(127 / max(1.0, np.quantile(np.abs(difference), 0.99))))
        paths = (initial_path(results, run), trained_path(results, run))
        pictures = [decode_png(path, config.image.size) for path in paths]
        pictures.append(np.clip(128 + factor * difference, 0, 255).astype(np.uint8))
        for column, picture in enumerate(pictures):
            _bare(panels[row, column]).imshow(picture)
        shown = _bare(panels[row, 3]).imshow(
            spectrum, cmap="viridis", vmin=low, vmax=high, extent=(-0.5, 0.5, -0.5, 0.5)
        )
        if row == 0:
            for column, title in enumerate((_start_title(config, run), *TITLES)):
                panels[0, column].set_title(title, fontsize=7.5, pad=12 if column == 2 else 6)
        panels[row, 2].text(
            0.5, 1.02, f"x {factor}", transform=panels[row, 2].transAxes, ha="center", va="bottom", fontsize=6.5
        )
        panels[row, 0].set_ylabel(f"{style.readable(run.task)}\n{run.model}", fontsize=7.5)
    bar = figure.colorbar(shown, ax=panels[:, 3], location="right", aspect=30 * len(runs) / 3, pad=0.03)
    bar.set_label("log10 power (levels squared)")
    bar.outline.set_visible(False)
    last = panels[-1, 3]
    last.set_xticks([-0.5, 0, 0.5], ["-.5", "0", ".5"])
    last.set_xlabel("cycles / pixel", fontsize=7)
    return figure


def _shown(config: Config, results: Path) -> list[RunKey]:
    first: dict[tuple[str, str], RunKey] = {}
    for run in Experiment(config, results).trained_images():
        first.setdefault((run.task, run.model), run)
    return [first[task, model] for task in config.tasks for model in config.models if (task, model) in first]


def _start_title(config: Config, run: RunKey) -> str:
    grey = getattr(config.methods[run.method], "start", "picture") != "picture"
    return "initialisation (grey)" if grey else "seed picture"


def _difference(config: Config, results: Path, run: RunKey) -> NDArray[np.int64]:
    trained, start = (decode_png(find(results, run), config.image.size) for find in (trained_path, initial_path))
    return trained.astype(np.int64) - start


def _bare(axes: Axes) -> Axes:
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes
