"""Figure of serving by an unmodified server: accuracy, and the cost of images and adapters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import style
from art.config.experiment import Config

READS = ("served", "serving_load")
KINDS = {"no_image": "no image", "image": "images", "adapter": "LoRA adapters"}
SOURCES = {"image": "art", "adapter": "lora", "no_image": "no_image"}  # methods that give a kind its colour and marker
BESIDE = {"image": 0.96, "adapter": 1.04}  # factors of x, so that ranges do not hide each other


def draw(config: Config, frames: Mapping[str, pd.DataFrame], results: Path) -> Figure:
    """Rows: models and tasks; columns: accuracy of server and evaluation, throughput, time to the first token."""
    served, load = frames["served"], frames["serving_load"]
    if served.empty:
        return style.message("This experiment serves nothing.")
    styles = style.method_styles(config)
    cells = list(served.groupby(["model", "task"], sort=False).groups)
    figure, panels = style.grid(len(cells), 3, 0.9 + 0.17 * served["method"].nunique())
    for row, (model, task) in enumerate(cells):
        here = served[(served["model"] == model) & (served["task"] == task)]
        _accuracy(panels[row, 0], here, styles)
        style.title(panels[row, 0], model, task, int(here["n"].max()))
        costs = load[(load["model"] == model) & (load["task"] == task)]
        for axes, name, label in (
            (panels[row, 1], "rate", "completion tokens / s"),
            (panels[row, 2], "first_token", "time to first token (s)"),
        ):
            _cost(axes, costs, name)
            axes.set_ylabel(label)
            requests, repeats = int(costs["requests"].max()), int(costs["repeats"].max())
            axes.set_title(f"{requests} requests,\nn = {repeats} repeats", fontsize=7.5)
    panels[-1, 0].set_xlabel("greedy accuracy (%)")
    for axes in panels[-1, 1:]:
        axes.set_xlabel("images or adapters")
    handles = [
        Line2D([], [], color=style.GREY, marker="o", ls="", mfc="white", ms=5, label="evaluation"),
        Line2D([], [], color=style.GREY, marker="o", ls="", ms=3.5, label="served"),
        *(
            Line2D([], [], color=colour, marker=marker, ls="-", ms=4, label=KINDS[kind])
            for kind, (colour, marker) in ((kind, style.KIND_STYLE[SOURCES[kind]]) for kind in BESIDE)
        ),
        Line2D([], [], color=style.KIND_STYLE[SOURCES["no_image"]][0], ls="--", lw=1, label=KINDS["no_image"]),
    ]
    style.legend_below(figure, handles, 5)
    return figure


def _accuracy(axes: Axes, frame: pd.DataFrame, styles: Mapping[str, style.MethodStyle]) -> None:
    """One row per method: a hollow mark for the evaluation, a filled one for the server."""
    for place, row in enumerate(frame.itertuples()):
        look = styles[row.method]
        pair = [100 * row.accuracy_evaluated, 100 * row.accuracy_served]
        axes.plot(pair, [place, place], color=look.colour, lw=1)
        axes.plot(pair[0], place, "o", color=look.colour, mfc="white", ms=6, clip_on=False)
        axes.plot(pair[1], place, "o", color=look.colour, ms=3.5, clip_on=False)
    axes.set_yticks(range(len(frame)), [styles[name].label for name in frame["method"]])
    axes.set_ylim(len(frame) - 0.5, -0.5)
    axes.set_xlim(0, 100)


def _cost(axes: Axes, frame: pd.DataFrame, name: str) -> None:
    """One line per kind over the number of variants: medians and ranges; no image is a level line with its range."""
    for kind, source in SOURCES.items():
        colour, marker = style.KIND_STYLE[source]
        rows = frame[frame["kind"] == kind]
        if kind == "no_image":
            for row in rows.itertuples():
                axes.axhline(getattr(row, name), color=colour, ls="--", lw=1)
                axes.axhspan(getattr(row, f"{name}_low"), getattr(row, f"{name}_high"), color=colour, alpha=0.12, lw=0)
            continue
        spread = [rows[name] - rows[f"{name}_low"], rows[f"{name}_high"] - rows[name]]
        axes.errorbar(
            rows["variants"] * BESIDE[kind], rows[name], yerr=spread, color=colour, marker=marker, ms=4, capsize=2
        )
    counts = sorted(frame.loc[frame["variants"] > 0, "variants"].unique())
    if counts:
        axes.set_xscale("log", base=2)
        axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_ylim(bottom=0)
