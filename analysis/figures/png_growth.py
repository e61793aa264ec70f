"""Figure of PNG sizes: bytes over training steps, and growth against the gain in accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import style
from art.config.experiment import Config

READS = ("png", "png_steps", "accuracy")


def draw(config: Config, frames: Mapping[str, pd.DataFrame], results: Path) -> Figure:
    """Left: snapshots of the first ART method (all seeds); right: all trained and random pictures."""
    steps, sizes = frames["png_steps"], frames["png"]
    sizes = sizes[sizes["encoder"] == "png"]
    if steps.empty:
        return style.message("No picture was trained in this experiment.")
    figure, panels = style.grid(1, 2, 2.7)
    colours = dict(zip(config.tasks, cycle(style.TASK_COLOURS), strict=False))
    looks = dict(zip(config.models, cycle(style.MODEL_STYLES), strict=False))
    _over_steps(panels[0, 0], steps[steps["method"] == steps["method"].iloc[0]], sizes, colours, looks)
    _against_gain(panels[0, 1], sizes, colours, looks)
    handles = [Line2D([], [], color=colours[name], lw=4, label=style.readable(name)) for name in colours]
    handles += [
        Line2D([], [], color=style.GREY, marker=marker, ls=line, ms=4, label=name)
        for name, (marker, line) in looks.items()
    ]
    handles.append(Line2D([], [], color=style.GREY, marker="o", mfc="white", ls="", ms=4, label="random image"))
    style.legend_below(figure, handles, 6)
    counts = frames["accuracy"].groupby("task")["n"].first()
    n = ", ".join(f"{counts[task]} ({style.readable(task)})" for task in config.tasks if task in counts)
    figure.suptitle(f"accuracy: greedy, n = {n}", fontsize=7.5)
    return figure


def _over_steps(
    axes: Axes,
    steps: pd.DataFrame,
    sizes: pd.DataFrame,
    colours: Mapping[str, str],
    looks: Mapping[str, tuple[str, str]],
) -> None:
    for (model, task, _), run in steps.groupby(["model", "task", "seed"], sort=False):
        marker, line = looks[model]
        axes.plot(run["step"], run["bytes"] / 1000, color=colours[task], ls=line, marker=marker, ms=2.5, lw=1)
    raw = sizes["raw_bytes"].iloc[0] / 1000
    axes.axhline(raw, color=style.GREY, lw=0.8, ls="--", zorder=0)
    axes.annotate("raw pixels", (0, raw), xytext=(2, -3), textcoords="offset points", va="top", fontsize=7)
    axes.set_xlabel("optimisation step")
    axes.set_ylabel("PNG file (kB)")
    axes.set_ylim(0, 1.08 * max(raw, steps["bytes"].max() / 1000))
    style.whole_steps(axes)


def _against_gain(
    axes: Axes, sizes: pd.DataFrame, colours: Mapping[str, str], looks: Mapping[str, tuple[str, str]]
) -> None:
    for point in sizes[sizes["role"].isin(["trained", "random"])].itertuples():
        face = colours[point.task] if point.role == "trained" else "white"
        axes.plot(
            point.growth, 100 * point.gain, looks[point.model][0], color=colours[point.task], mfc=face, ms=5, mew=0.9
        )
    axes.axhline(0, color=style.GREY, lw=0.8, zorder=0)
    axes.set_xlim(left=0)
    axes.set_xlabel("PNG size / size at initialisation")
    axes.set_ylabel("accuracy gain over baseline (points)")
