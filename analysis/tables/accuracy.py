"""Tables of accuracy: greedy, sampled, and compared with the published values."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from analysis.names import LABELS, method_labels
from analysis.tables.format import MISSING, Frames, interval, number, percent
from art.config.experiment import Config

PUBLISHED = Path(__file__).parents[1] / "published.csv"


def accuracy(config: Config, frames: Frames, decoding: str = "greedy") -> pd.DataFrame:
    """One row per model and method, one column per task; the heading of the task gives n."""
    frame = frames["accuracy"]
    frame = frame[frame["decoding"] == decoding]
    labels, rows = method_labels(config), []
    sizes = frame.groupby("task")["n"].first()
    for (model, method), group in frame.groupby(["model", "method"], sort=False):
        cells = {row.task: interval(row.accuracy, row.low, row.high) for row in group.itertuples()}
        tasks = {f"{task}, % (n = {sizes[task]})": cells.get(task, MISSING) for task in config.tasks if task in sizes}
        rows.append({"Model": model, "Method": labels[method], "Seeds": str(group["seeds"].iloc[0])} | tasks)
    return pd.DataFrame(rows, columns=None if rows else ["Model", "Method", "Seeds", *config.tasks])


def sampled(config: Config, frames: Frames) -> pd.DataFrame:
    """The same for sampled completions; it has no rows where the config asks for none."""
    return accuracy(config, frames, "sampled")


def published(config: Config, frames: Frames) -> pd.DataFrame:
    """Published accuracies and ours of the same model, task and method (by name), where this experiment has them."""
    ours = frames["accuracy"].query("decoding == 'greedy'").set_index(["model", "task", "method"])
    labels, rows = LABELS | method_labels(config), []
    for row in pd.read_csv(PUBLISHED, comment="#").itertuples():
        key = (row.model, row.task, row.method)
        shown = ("not run", MISSING, MISSING)
        if key in ours.index:
            found = ours.loc[key]
            inside = "yes" if found.low <= row.accuracy <= found.high else "no"
            difference = percent(found.accuracy - row.accuracy, signed=True)
            shown = (interval(found.accuracy, found.low, found.high), difference, inside)
        rows.append((row.model, row.task, labels[row.method], number(100 * row.accuracy, 2), *shown))
    names = ("Published, %", "Ours, %", "Ours to published, points", "Published in our interval")
    return pd.DataFrame(rows, columns=["Model", "Task", "Method", *names])
