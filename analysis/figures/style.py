"""Shared by all figures: sizes, colours of methods, saving without dates.

Grid and colours are seaborn's.  Colour-blind readers can tell these colours apart; markers differ, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.names import method_labels
from art.config.experiment import Config
from art.files import atomic_path

WIDTH = 6.7  # inches: text width of an A4 page with 2 cm margins
PALETTE = seaborn.color_palette("colorblind").as_hex()
BLUE, ORANGE, GREEN, RED, PURPLE, BROWN, _, _, YELLOW, SKY = PALETTE
GREY, LIGHT_GREY = "#4D4D4D", "#D9D9D9"
KIND_STYLE = {
    "art": (RED, "o"),
    "lora": (BLUE, "s"),
    "soft_prompt": (GREEN, "D"),
    "no_image": (GREY, "X"),
    "random_image": (ORANGE, "^"),
    "seed_image": (SKY, "v"),
    "random_string": (PURPLE, "P"),
}
OTHER_STYLE = (BROWN, "h")  # for a kind that is not listed
MODEL_STYLES = [("o", "-"), ("s", "--"), ("^", ":"), ("D", "-.")]
TASK_COLOURS = [BLUE, RED, GREEN, PURPLE, ORANGE, SKY, GREY]
PHASE_COLOURS = [BLUE, ORANGE, GREEN, PURPLE, SKY, RED, YELLOW, BROWN]
SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "legend.fontsize": 7.5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.edgecolor": "black",
    "xtick.bottom": True,
    "xtick.major.size": 3.5,
    "xtick.major.width": 0.8,
    "xtick.minor.size": 2.0,
    "ytick.left": True,
    "ytick.major.size": 3.5,
    "ytick.major.width": 0.8,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.6,
    "patch.force_edgecolor": False,
    "lines.linewidth": 1.3,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "image.interpolation": "nearest",
}


class MethodStyle(NamedTuple):
    """Label, colour and marker of a method."""

    label: str
    colour: tuple[float, float, float]
    marker: str


def method_styles(config: Config) -> dict[str, MethodStyle]:
    """The fixed colour and marker of each method's kind; each further variant of a kind is lighter."""
    labels, styles = method_labels(config), {}
    for name, section in config.methods.items():
        family = [other for other, candidate in config.methods.items() if candidate.kind == section.kind]
        share = 0.65 * family.index(name) / len(family)
        colour, marker = KIND_STYLE.get(section.kind, OTHER_STYLE)
        red, green, blue = (part + (1 - part) * share for part in to_rgb(colour))
        styles[name] = MethodStyle(labels[name], (red, green, blue), marker)
    return styles


def grid(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, Any]:
    """A figure of the paper's width (narrower for one column) with rows of ``height`` inches, and its axes (2-D)."""
    width = WIDTH if columns > 1 else 0.62 * WIDTH
    figure = Figure(figsize=(width, rows * height + 0.5), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def message(text: str) -> Figure:
    """A figure that only says why there is nothing to draw."""
    figure = Figure(figsize=(WIDTH, 1.0), layout="constrained")
    figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure


def title(axes: Axes, model: str, task: str, n: int | None = None) -> None:
    """Set a panel's title in two lines, since names of models are long."""
    count = f" (n = {n})" if n is not None else ""
    axes.set_title(f"{model}\n{readable(task)}{count}", fontsize=7.5, linespacing=1.1)


def present(names: Iterable[str], column: pd.Series) -> list[str]:
    """The names that occur in a column, in the order of ``names``."""
    return [name for name in names if (column == name).any()]


def readable(task: str) -> str:
    """A task's name as shown in titles."""
    return task.replace("_", " ")


def whole_steps(axes: Axes) -> None:
    """Integer ticks on the x axis."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))


def legend_below(figure: Figure, handles: list[Any], columns: int) -> None:
    """One legend below all panels."""
    labels = [handle.get_label() for handle in handles]
    columns = columns if figure.get_figwidth() >= WIDTH else 2
    figure.legend(handles, labels, loc="outside lower center", ncols=min(columns, len(handles)), columnspacing=1.2)


@contextmanager
def applied() -> Iterator[None]:
    """Apply the shared settings while a figure is drawn and saved."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        seaborn.set_theme(context="paper", style="whitegrid", palette=PALETTE, rc=SETTINGS)
        yield


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write NAME.pdf and NAME.png (200 dpi) atomically; the same figure gives the same bytes."""
    for kind, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        with atomic_path(folder / f"{name}.{kind}") as partial:
            figure.savefig(partial, format=kind, dpi=200, metadata=metadata)
