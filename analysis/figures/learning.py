"""Figure of the learning curves: reward of sampled completions and greedy validation accuracy over steps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import style
from art.config.experiment import Config
from art.config.methods import TRAINED_KINDS

READS = ("learning",)
QUANTITIES = {"reward": "training reward\n(sampled)", "validation_accuracy": "validation accuracy\n(greedy)"}


def draw(config: Config, frames: Mapping[str, pd.DataFrame], results: Path) -> Figure:
    """Rows: two quantities per model; columns: tasks.  Lines are means over seeds, bands their ranges."""
    frame, styles = frames["learning"], style.method_styles(config)
    trained = frame[frame["kind"].isin(TRAINED_KINDS)]
    if trained.empty:
        return style.message("No method of this experiment is trained.")
    models = style.present(config.models, trained["model"])
    tasks = style.present(config.tasks, trained["task"])
    methods = style.present(config.methods, trained["method"])
    figure, panels = style.grid(2 * len(models), len(tasks), 1.6, sharex=True, sharey=True)
    for column, task in enumerate(tasks):
        for row, (model, quantity) in enumerate((model, quantity) for model in models for quantity in QUANTITIES):
            axes = panels[row, column]
            cell = trained[(trained["model"] == model) & (trained["task"] == task)]
            for method in methods:
                _curve(axes, cell[cell["method"] == method], quantity, styles[method])
            if row == 0:
                axes.set_title(style.readable(task))
            if column == 0:
                axes.set_ylabel(f"{model}\n{QUANTITIES[quantity]}", fontsize=7.5)
            if row == 2 * len(models) - 1:
                axes.set_xlabel("optimisation step")
            style.whole_steps(axes)
    panels[0, 0].set_ylim(-0.03, 1.03)
    handles = [
        Line2D([], [], color=styles[name].colour, marker=styles[name].marker, ms=3, label=styles[name].label)
        for name in methods
    ]
    style.legend_below(figure, handles, 4)
    checked = config.training.validation_problems
    batch = f"{config.training.prompts} x {config.training.completions} completions a step"
    seeds = f"; {len(config.seeds)} seeds: mean and range" if len(config.seeds) > 1 else ""
    figure.suptitle(f"validation: n = {checked} problems{seeds}\nreward: {batch}", fontsize=7.5)
    return figure


def _curve(axes: Axes, runs: pd.DataFrame, quantity: str, look: style.MethodStyle) -> None:
    by_step = runs.dropna(subset=[quantity]).groupby("step")[quantity]
    mean, low, high = by_step.mean(), by_step.min(), by_step.max()
    sparse = quantity == "validation_accuracy"
    axes.plot(
        mean.index,
        mean,
        color=look.colour,
        marker=look.marker if sparse else None,
        ms=3,
        lw=1.3 if sparse else 1.0,
    )
    if runs["seed"].nunique() > 1:
        axes.fill_between(mean.index, low, high, color=look.colour, alpha=0.2, lw=0)
