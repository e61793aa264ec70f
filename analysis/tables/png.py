"""Table of the sizes of the pictures."""

from __future__ import annotations

import pandas as pd

from analysis.names import method_labels
from analysis.tables.format import Frames, number, percent
from art.config.experiment import Config


def png(config: Config, frames: Frames) -> pd.DataFrame:
    """Sizes of pictures (means over seeds or draws) under the fixed PNG setting and the best compressor."""
    frame, labels, rows = frames["png"], method_labels(config), []
    for (model, task, method), group in frame.groupby(["model", "task", "method"], sort=False):
        means = group.groupby("encoder", sort=False)[["bytes", "ratio", "growth"]].mean()
        best = means.drop("best")["bytes"].idxmin()
        rows.append(
            {
                "Model": model,
                "Task": task,
                "Picture": labels[method],
                "PNG, bytes": number(means.loc["png", "bytes"], 0),
                "PNG / raw": number(means.loc["png", "ratio"], 3),
                "PNG growth": number(means.loc["png", "growth"], 2),
                "Best compressor": best.replace("_", " "),
                "Best, bytes": number(means.loc["best", "bytes"], 0),
                "Best growth": number(means.loc["best", "growth"], 2),
                "Gain, points": percent(group["gain"].mean(), signed=True),
            }
        )
    return pd.DataFrame(rows)
