"""Figure of the cost of training: wall time by phase, and the number of trained parameters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.figures import style
from art.config.experiment import Config
from art.config.methods import TRAINED_KINDS

READS = ("cost",)
WHOLES = ("seconds_total", "seconds_training")


def draw(config: Config, frames: Mapping[str, pd.DataFrame], results: Path) -> Figure:
    """Rows: models.  Columns: wall time for each task, then the trained parameters.

    Times are means over seeds; beside a bar is the ratio of the steps' time to the reference method's.
    """
    frame = frames["cost"]
    frame = frame[frame["kind"].isin(TRAINED_KINDS)]
    if frame.empty:
        return style.message("No method of this experiment is trained.")
    styles = style.method_styles(config)
    models = style.present(config.models, frame["model"])
    tasks = style.present(config.tasks, frame["task"])
    methods = style.present(config.methods, frame["method"])
    phases = [name for name in frame if name.startswith("seconds_") and name not in WHOLES and frame[name].sum() > 0]
    means = frame.groupby(["model", "task", "method"]).mean(numeric_only=True)
    height = 0.55 + 0.24 * len(methods)
    figure, panels = style.grid(len(models), len(tasks) + 1, height, sharey=True, sharex="col")
    longest = means["seconds_total"].max()
    for row, model in enumerate(models):
        for column, task in enumerate(tasks):
            axes = panels[row, column]
            for place, method in enumerate(methods):
                if (model, task, method) in means.index:
                    _bar(axes, place, means.loc[(model, task, method)], phases)
            axes.set_xlim(0, 1.22 * longest)
            style.title(axes, model, task)
        _parameters(panels[row, -1], frame[frame["model"] == model], methods, styles)
        style.title(panels[row, -1], model, "size")
    for axes in panels[-1, :-1]:
        axes.set_xlabel("wall time (s)")
    panels[-1, -1].set_xlabel("trained parameters")
    panels[0, 0].set_yticks(range(len(methods)), [styles[name].label for name in methods])
    panels[0, 0].set_ylim(len(methods) - 0.4, -0.6)
    for axes in panels.flat:
        axes.grid(axis="y", visible=False)
    colours = [*style.PHASE_COLOURS[: len(phases)], style.LIGHT_GREY]
    names = [*(name.removeprefix("seconds_") for name in phases), "start-up, validation, storing"]
    style.legend_below(
        figure, [Patch(color=colour, label=name) for name, colour in zip(names, colours, strict=True)], 6
    )
    runs = int(frame.groupby(["model", "task", "method"]).size().max())
    count = f"mean of n = {runs} runs" if runs > 1 else "n = 1 run"
    reference = styles[config.analysis.reference].label
    figure.suptitle(f"{count}; beside a bar: ratio of the coloured part to {reference}'s", fontsize=7.5)
    return figure


def _bar(axes: Axes, place: int, row: pd.Series, phases: list[str]) -> None:
    start = 0.0
    for phase, colour in zip(phases, style.PHASE_COLOURS, strict=False):
        seconds = 0.0 if pd.isna(row[phase]) else float(row[phase])
        axes.barh(place, seconds, left=start, color=colour, height=0.66)
        start += seconds
    total = float(row["seconds_total"])
    axes.barh(place, max(0.0, total - start), left=start, color=style.LIGHT_GREY, height=0.66)
    if not pd.isna(row["ratio_to_reference"]):
        axes.annotate(
            f"{row['ratio_to_reference']:.1f}x",
            (max(total, start), place),
            xytext=(2, 0),
            textcoords="offset points",
            va="center",
            fontsize=6.5,
        )


def _parameters(axes: Axes, frame: pd.DataFrame, methods: list[str], styles: Mapping[str, style.MethodStyle]) -> None:
    counts = frame.groupby("method")["trained_numbers"].first()
    for place, method in enumerate(methods):
        if method in counts:
            axes.plot(counts[method], place, styles[method].marker, color=styles[method].colour, ms=5)
    axes.set_xscale("log")
    axes.margins(x=0.25)
