"""Accuracy against the distance of the trained picture to the one that training began from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import style
from art.config import Config

READS = ("distance", "accuracy")


def draw(config: Config, frames: Mapping[str, pd.DataFrame], results: Path) -> Figure:
    """A panel for each model and task; a run has its largest and mean distance, its bound and its interval."""
    frame, accuracy = frames["distance"], frames["accuracy"]
    if frame.empty:
        return style.message("No picture was trained in this experiment.")
    models = [name for name in config.models if name in set(frame["model"])]
    tasks = [name for name in config.tasks if name in set(frame["task"])]
    figure, panels = style.grid(len(models), len(tasks), 1.75, sharex=True, sharey=True)
    greedy = accuracy[accuracy["decoding"] == "greedy"]
    for row, model in enumerate(models):
        for column, task in enumerate(tasks):
            axes = panels[row, column]
            here = (greedy["model"] == model) & (greedy["task"] == task)
            for run in frame[(frame["model"] == model) & (frame["task"] == task)].itertuples():
                _point(axes, run)
            base = greedy[here & (greedy["method"] == config.analysis.baseline)]
            for line in base.itertuples():
                axes.axhspan(line.low, line.high, color="#4D4D4D", alpha=0.12, lw=0)
                axes.axhline(line.accuracy, color="#4D4D4D", lw=0.8, ls="--")
            axes.set_title(f"{model}: {task} (n = {greedy.loc[here, 'n'].iloc[0]})", fontsize=8)
            if row == len(models) - 1:
                axes.set_xlabel("distance to the start (levels)")
            if column == 0:
                axes.set_ylabel("accuracy (greedy)")
    panels[0, 0].set_xlim(-4, 259)
    panels[0, 0].set_xticks([0, 64, 128, 192, 255])
    panels[0, 0].set_ylim(-0.03, 1.03)
    colour, grey = style.KIND_STYLE["art"][0], "#4D4D4D"
    confidence = f"{100 * config.analysis.confidence:g} %"
    baseline = style.method_styles(config)[config.analysis.baseline].label
    handles = [
        Line2D([], [], color=colour, marker="o", ms=4, label=f"largest distance, {confidence} interval"),
        Line2D([], [], color=colour, marker="o", mfc="white", ls="", ms=3.5, label="mean distance"),
        Line2D([], [], color=colour, marker="|", ls="", ms=9, label="bound"),
        Line2D([], [], color=grey, lw=0.8, ls="--", label=f"{baseline}, {confidence} interval"),
    ]
    style.legend_below(figure, handles, 4)
    return figure


def _point(axes: Axes, run: tuple) -> None:
    colour = style.KIND_STYLE["art"][0]
    axes.plot([run.measured_mean, run.measured_max], [run.accuracy] * 2, color=colour, lw=0.7, alpha=0.5)
    axes.plot([run.measured_max] * 2, [run.low, run.high], color=colour, lw=1.2)
    axes.plot(run.measured_max, run.accuracy, "o", color=colour, ms=4)
    axes.plot(run.measured_mean, run.accuracy, "o", color=colour, mfc="white", ms=3.5)
    if not pd.isna(run.max_distance):
        axes.plot(run.max_distance, run.accuracy, "|", color=colour, ms=9)
