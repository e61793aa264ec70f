"""Tables of the budget and the cost of training."""

from __future__ import annotations

import pandas as pd

from analysis.names import method_labels
from analysis.tables.format import Frames, number
from art.config.experiment import Config
from art.config.methods import TRAINED_KINDS


def _trained_costs(frames: Frames) -> pd.DataFrame:
    """Means over seeds of the trained methods' rows, by model, task and method."""
    frame = frames["cost"]
    frame = frame[frame["kind"].isin(TRAINED_KINDS)]
    return frame.groupby(["model", "task", "method"], sort=False).mean(numeric_only=True)


def budget(config: Config, frames: Frames) -> pd.DataFrame:
    """Budget and use of each trained method, means over seeds; comparable methods have equal steps and completions."""
    labels = method_labels(config)
    rows = [
        {
            "Model": model,
            "Task": task,
            "Method": labels[method],
            "Trained parameters": number(row["trained_numbers"], 0),
            "Prefix tokens": number(row["prefix_tokens"], 0),
            "Steps": number(row["steps"], 0),
            "Completions": number(row["completions"], 0),
            "Updates": number(row["updates"], 0),
            "Prompt tokens": number(row["prompt_tokens"], 0),
            "Completion tokens": number(row["completion_tokens"], 0),
        }
        for (model, task, method), row in _trained_costs(frames).iterrows()
    ]
    return pd.DataFrame(rows)


def cost(config: Config, frames: Frames) -> pd.DataFrame:
    """Time and memory of training, means over seeds; the ratio is of the steps' time to the reference method's."""
    labels, rows = method_labels(config), []
    reference = labels[config.analysis.reference]
    for (model, task, method), row in _trained_costs(frames).iterrows():
        rows.append(
            {
                "Model": model,
                "Task": task,
                "Method": labels[method],
                "Training, s": number(row["seconds_training"], 1),
                "s / step": number(row["seconds_training"] / row["steps"], 2),
                f"s / step, ratio to {reference}": number(row["ratio_to_reference"], 2),
                "Process, s": number(row["seconds_total"], 1),
                "Peak memory, MiB": number(row["peak_memory_bytes"] / 2**20, 0),
            }
        )
    return pd.DataFrame(rows)
