"""Reads from the artists of a figure what a reader sees: positions, colours (as hex), marks, words."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from analysis.figures import style
from art.config.experiment import Config

RED, BLUE, GREEN, ORANGE, PURPLE, SKY = "#d55e00", "#0173b2", "#029e73", "#de8f05", "#cc78bc", "#56b4e9"
GREY, LIGHT_GREY, WHITE = "#4d4d4d", "#d9d9d9", "#ffffff"


def drawn(name: str, config: Config, frames: Mapping[str, pd.DataFrame], results: Path = Path("nowhere")) -> Figure:
    """The figure, drawn only from the frames that it declares in ``READS``."""
    module = import_module(f"analysis.figures.{name}")
    with style.applied():
        return module.draw(config, {source: frames[source] for source in module.READS}, results)


def points(axes: Axes) -> list[tuple[float, float, str, str, str]]:
    """Single marks, sorted: x, y, marker, colour, fill."""
    lines = [line for line in axes.lines if len(line.get_xdata()) == 1]
    return sorted(
        (
            round(float(line.get_xdata()[0]), 6),
            round(float(line.get_ydata()[0]), 6),
            str(line.get_marker()),
            to_hex(line.get_color()),
            to_hex(line.get_markerfacecolor()),
        )
        for line in lines
    )


def lines(axes: Axes) -> list[tuple[list[float], list[float], str, str]]:
    """Lines through several points, sorted: xs, ys, style, colour.  Across a panel they run from 0 to 1 of the axes."""
    return sorted(
        (_rounded(line.get_xdata()), _rounded(line.get_ydata()), str(line.get_linestyle()), to_hex(line.get_color()))
        for line in axes.lines
        if len(line.get_xdata()) > 1
    )


def boxes(axes: Axes) -> list[tuple[float, float, float, float, str]]:
    """Bars and spans: left, bottom, width, height, colour."""
    return [
        (*(round(float(part), 6) for part in box.get_bbox().bounds), to_hex(box.get_facecolor()))
        for box in axes.patches
    ]


def bands(axes: Axes) -> list[tuple[dict[float, tuple[float, float]], str]]:
    """Filled ranges: lowest and highest y at each x, and their colours."""
    found = []
    for band in axes.collections:
        corners = np.concatenate([path.vertices for path in band.get_paths()]).round(6)
        heights = {x: [float(y) for at, y in corners if at == x] for x in sorted({float(x) for x, _ in corners})}
        found.append(({x: (min(ys), max(ys)) for x, ys in heights.items()}, to_hex(band.get_facecolor()[0])))
    return found


def ticks(axes: Axes, which: str) -> list[tuple[float, str]]:
    """Positions and labels of an axis's ticks."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    words = [label.get_text() for label in axis.get_ticklabels()]
    return list(zip(_rounded(axis.get_ticklocs()), words, strict=True))


def titles(figure: Figure) -> list[str]:
    """Titles of the panels, row by row."""
    return [axes.get_title() for axes in figure.axes]


def labels(figure: Figure, which: str) -> list[str]:
    """Labels of the panels' axes, row by row."""
    return [getattr(axes, f"get_{which}label")() for axes in figure.axes]


def legend(figure: Figure) -> dict[str, tuple[str, str, str, str]]:
    """For each label in the legend: marker, line style, colour and fill of its line."""
    (box,) = figure.legends
    entries = {}
    for line, text in zip(box.get_lines(), box.get_texts(), strict=True):
        look = (str(line.get_marker()), str(line.get_linestyle()), to_hex(line.get_color()))
        entries[text.get_text()] = (*look, to_hex(line.get_markerfacecolor()))
    return entries


def words(figure: Figure) -> list[str]:
    """Texts on the figure itself: a message, or the title above all panels."""
    over_all = figure.get_suptitle()
    return [over_all] if over_all else [text.get_text() for text in figure.texts]


def limits(axes: Axes) -> list[float]:
    """Limits of the axes: left, right, bottom, top."""
    return [round(float(edge), 6) for edge in (*axes.get_xlim(), *axes.get_ylim())]


def _rounded(values: object) -> list[float]:
    return [round(float(value), 6) for value in np.asarray(values)]
