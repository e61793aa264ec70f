"""Figure of accuracy against the distance of the trained picture to the seed picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import style
from art.config.experiment import Config

READS = ("distance", "accuracy")


def draw(config: Config, frames: Mapping[str, pd.DataFrame], results: Path) -> Figure:
    """One panel per model and task; each point is a method, its distances are means over seeds."""
    frame, accuracy = frames["distance"], frames["accuracy"]
    if frame.empty:
        return style.message("No picture was trained in this experiment.")
    models = style.present(config.models, frame["model"])
    tasks = style.present(config.tasks, frame["task"])
    figure, panels = style.grid(len(models), len(tasks), 1.75, sharex=True, sharey=True)
    greedy = accuracy[accuracy["decoding"] == "greedy"]
    for row, model in enumerate(models):
        for column, task in enumerate(tasks):
            axes = panels[row, column]
            here = (greedy["model"] == model) & (greedy["task"] == task)
            runs = frame[(frame["model"] == model) & (frame["task"] == task)]
            far = runs.groupby("method", sort=False)[["measured_max", "measured_mean", "max_distance"]].mean()
            for point in greedy[here].set_index("method").join(far, how="inner").itertuples():
                _point(axes, point)
            base = greedy[here & (greedy["method"] == config.analysis.baseline)]
            for line in base.itertuples():
                axes.axhspan(line.low, line.high, color=style.GREY, alpha=0.12, lw=0)
                axes.axhline(line.accuracy, color=style.GREY, lw=0.8, ls="--")
            style.title(axes, model, task, greedy.loc[here, "n"].max())
            if row == len(models) - 1:
                axes.set_xlabel("distance to seed (levels)")
            if column == 0:
                axes.set_ylabel("accuracy (greedy)")
    panels[0, 0].set_xlim(0, 1.06 * max(1, frame[["measured_max", "max_distance"]].max().max()))
    panels[0, 0].set_ylim(-0.03, 1.03)
    colour, grey = style.KIND_STYLE["art"][0], style.GREY
    confidence = f"{100 * config.analysis.confidence:g} %"
    baseline = style.method_styles(config)[config.analysis.baseline].label
    handles = [
        Line2D([], [], color=colour, marker="o", ms=4, label=f"largest distance, {confidence} interval"),
        Line2D([], [], color=colour, marker="o", mfc="white", ls="", ms=3.5, label="mean distance"),
        Line2D([], [], color=grey, lw=0.9, ls=":", label="bound"),
        Line2D([], [], color=grey, lw=0.8, ls="--", label=f"{baseline}, {confidence} interval"),
    ]
    style.legend_below(figure, handles, 4)
    return figure


def _point(axes: Axes, point: Any) -> None:
    colour = style.KIND_STYLE["art"][0]
    axes.plot([point.measured_mean, point.measured_max], [point.accuracy] * 2, color=colour, lw=0.7, alpha=0.5)
    axes.plot([point.measured_max] * 2, [point.low, point.high], color=colour, lw=1.2)
    axes.plot(point.measured_max, point.accuracy, "o", color=colour, ms=4)
    axes.plot(point.measured_mean, point.accuracy, "o", color=colour, mfc="white", ms=3.5)
    if not pd.isna(point.max_distance):
        axes.axvline(point.max_distance, color=style.GREY, lw=0.9, ls=":", zorder=0)
