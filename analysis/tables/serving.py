"""Tables of serving by an unmodified server."""

from __future__ import annotations

import pandas as pd

from analysis.names import method_labels
from analysis.tables.format import MISSING, Frames, interval, number, p_value, percent, spread
from art.config.experiment import Config


def served(config: Config, frames: Frames) -> pd.DataFrame:
    """Greedy accuracy of the server and of the evaluation on the same problems, and how many answers differ."""
    frame, labels = frames["served"], method_labels(config)
    columns = {
        "Model": frame["model"],
        "Task": frame["task"],
        "Method": frame["method"].map(labels),
        "n": frame["n"].astype(str),
        "Evaluated by": frame["engine"],
        "Evaluated, %": frame["accuracy_evaluated"].map(percent),
        "Served, %": frame["accuracy_served"].map(percent),
        "Difference, points": [interval(row.difference, row.low, row.high, signed=True) for row in frame.itertuples()],
        "p (paired exact)": frame["p_exact"].map(p_value),
        "Score differs, %": frame["score_differs"].map(percent),
        "Text differs, %": frame["text_differs"].map(percent),
    }
    return pd.DataFrame(columns)


def serving_load(config: Config, frames: Frames) -> pd.DataFrame:
    """Throughput and time to the first token, and their ratios to no image: medians and ranges over repeats."""
    frame = frames["serving_load"]
    rows = list(frame.itertuples())
    kinds = {"no_image": "no image", "image": "image", "adapter": "adapter"}
    columns = {
        "Model": frame["model"],
        "Task": frame["task"],
        "Condition": frame["kind"].map(kinds),
        "Variants": [MISSING if row.kind == "no_image" else str(row.variants) for row in rows],
        "Repeats": frame["repeats"].astype(str),
        "Prompt tokens / request": [number(row.prompt_tokens / row.requests, 1) for row in rows],
        "Tokens / s": [spread(row.rate, row.rate_low, row.rate_high, 0) for row in rows],
        "Tokens / s, ratio": [spread(row.rate_ratio, row.rate_ratio_low, row.rate_ratio_high, 2) for row in rows],
        "First token, s": [spread(row.first_token, row.first_token_low, row.first_token_high, 2) for row in rows],
        "First token, ratio": [
            spread(row.first_token_ratio, row.first_token_ratio_low, row.first_token_ratio_high, 2) for row in rows
        ],
    }
    return pd.DataFrame(columns)


def gap(config: Config, frames: Frames) -> pd.DataFrame:
    """Log-probability mismatch between engine and policy."""
    frame, labels = frames["gap"], method_labels(config)
    columns = {
        "Model": frame["model"],
        "Task": frame["task"],
        "Measured in": frame["source"],
        "Method": frame["method"].map(labels),
        "Tokens": frame["tokens"].map(lambda value: number(value, 0)),
        "Mean mismatch, nats": frame["mean"].map(lambda value: number(value, 4)),
        "Maximum mismatch, nats": frame["maximum"].map(lambda value: number(value, 3)),
        "Effective sample, %": frame["effective"].map(lambda value: number(100 * value, 2)),
    }
    return pd.DataFrame(columns)
