"""Figure of accuracy by method, task and model: greedy (filled) and sampled (hollow), with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import style
from art.config.experiment import Config

READS = ("accuracy",)
OFFSETS = {"greedy": -0.17, "sampled": 0.17}


def draw(config: Config, frames: Mapping[str, pd.DataFrame], results: Path) -> Figure:
    """One panel per model (rows) and task (columns); the dashed line is the baseline's greedy accuracy."""
    frame, styles = frames["accuracy"], style.method_styles(config)
    models = style.present(config.models, frame["model"])
    tasks = style.present(config.tasks, frame["task"])
    methods = style.present(config.methods, frame["method"])
    seeds = frame.groupby("method")["seeds"].max()
    figure, panels = style.grid(len(models), len(tasks), 0.55 + 0.2 * len(methods), sharex=True, sharey=True)
    for row, model in enumerate(models):
        for column, task in enumerate(tasks):
            axes = panels[row, column]
            cell = frame[(frame["model"] == model) & (frame["task"] == task)]
            for point in cell.itertuples():
                look, greedy = styles[point.method], point.decoding == "greedy"
                height = methods.index(point.method) + OFFSETS[point.decoding]
                axes.plot([point.low, point.high], [height, height], color=look.colour, solid_capstyle="butt")
                face = look.colour if greedy else "white"
                axes.plot(point.accuracy, height, look.marker, color=look.colour, mfc=face, ms=4)
                if greedy and point.method == config.analysis.baseline:
                    axes.axvline(point.accuracy, color=style.GREY, lw=0.8, ls="--", zorder=0)
            style.title(axes, model, task, cell["n"].max() if len(cell) else None)
            axes.grid(axis="y", visible=False)
            if row == len(models) - 1:
                axes.set_xlabel("accuracy (share correct)")
    draws = {name: f" ({seeds[name]})" if seeds[name] > 1 else "" for name in methods}
    panels[0, 0].set_yticks(range(len(methods)), [styles[name].label + draws[name] for name in methods])
    panels[0, 0].set_ylim(len(methods) - 0.4, -0.6)
    panels[0, 0].set_xlim(-0.02, 1.02)
    panels[0, 0].set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
    style.legend_below(figure, _legend(config, set(frame["decoding"])), 4)
    return figure


def _legend(config: Config, decodings: set[str]) -> list[Line2D]:
    grey, confidence = style.GREY, f"{100 * config.analysis.confidence:g} %"
    handles = [Line2D([], [], color=grey, marker="o", ms=4, label=f"greedy, {confidence} interval")]
    if "sampled" in decodings:
        handles.append(
            Line2D([], [], color=grey, marker="o", mfc="white", ms=4, label=f"sampled, {confidence} interval")
        )
    baseline = style.method_styles(config)[config.analysis.baseline].label
    return [*handles, Line2D([], [], color=grey, lw=0.8, ls="--", label=f"{baseline}, greedy")]
