"""What all figures share: sizes, colours of methods, saving without dates.

Colours are Okabe & Ito's, which colour-blind readers can tell apart; markers differ too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.names import method_labels
from art.config import Config
from art.records import atomic_path

WIDTH = 6.7  # inches: text width of an A4 page with 2 cm margins
KIND_STYLE = {
    "art": ("#D55E00", "o"),
    "lora": ("#0072B2", "s"),
    "soft_prompt": ("#009E73", "D"),
    "no_image": ("#4D4D4D", "X"),
    "random_image": ("#E69F00", "^"),
    "seed_image": ("#56B4E9", "v"),
    "random_string": ("#CC79A7", "P"),
}
OTHER_STYLE = ("#8C6D46", "h")  # of a kind that is not listed
MODEL_STYLES = [("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", ":"), ("#CC79A7", "D", "-.")]
TASK_COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4D4D4D"]
PHASE_COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#8C6D46", "#999999"]
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
    "axes.grid": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.3,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "image.interpolation": "nearest",
}


class MethodStyle(NamedTuple):
    """How a method is drawn."""

    label: str
    colour: tuple[float, float, float]
    marker: str


def method_styles(config: Config) -> dict[str, MethodStyle]:
    """The fixed colour and marker of each method's kind; further variants of a kind get lighter."""
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
    """Name a panel in two lines, since names of models are long."""
    count = f" (n = {n})" if n is not None else ""
    axes.set_title(f"{model}\n{readable(task)}{count}", fontsize=7.5, linespacing=1.1)


def readable(task: str) -> str:
    """A task's name for a title."""
    return task.replace("_", " ")


def whole_steps(axes: Axes) -> None:
    """Integer ticks on the x axis."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))


def legend_below(figure: Figure, handles: list[Any], columns: int) -> None:
    """One legend for all panels, under them."""
    labels = [handle.get_label() for handle in handles]
    columns = columns if figure.get_figwidth() >= WIDTH else 2
    figure.legend(handles, labels, loc="outside lower center", ncols=min(columns, len(handles)), columnspacing=1.2)


@contextmanager
def applied() -> Iterator[None]:
    """The shared settings, for drawing and saving."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        yield


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write NAME.pdf and NAME.png (200 dpi) atomically; the same figure gives the same bytes."""
    for kind, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        with atomic_path(folder / f"{name}.{kind}") as partial:
            figure.savefig(partial, format=kind, dpi=200, metadata=metadata)
