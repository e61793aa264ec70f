"""Tables of paired comparisons with the baseline and with the reference method."""

from __future__ import annotations

import pandas as pd

from analysis.names import method_labels
from analysis.tables.format import Frames, interval, number, p_value, percent
from art.config.experiment import Config


def comparison(config: Config, frames: Frames, baseline: str) -> pd.DataFrame:
    """Paired comparison of each method's greedy accuracy with that of ``baseline``."""
    frame, labels = frames["comparisons"], method_labels(config)
    frame = frame[(frame["baseline"] == baseline) & (frame["decoding"] == "greedy")]
    columns = {
        "Model": frame["model"],
        "Task": frame["task"],
        "Method": frame["method"].map(labels),
        "n": frame["n"].astype(str),
        f"Difference to {labels[baseline]}, points": [
            interval(row.difference, row.low, row.high, signed=True) for row in frame.itertuples()
        ],
        "Only method": frame["only_method"].map(lambda value: number(value, int(value % 1 > 0))),
        f"Only {labels[baseline]}": frame["only_baseline"].map(lambda value: number(value, int(value % 1 > 0))),
        "p (paired exact)": frame["p_exact"].map(p_value),
        "p (bootstrap)": frame["p_bootstrap"].map(p_value),
        "p (Holm)": frame["p_holm"].map(p_value),
        "MDE, points": frame["mde"].map(percent),
    }
    return pd.DataFrame(columns)


def against_baseline(config: Config, frames: Frames) -> pd.DataFrame:
    return comparison(config, frames, config.analysis.baseline)


def against_reference(config: Config, frames: Frames) -> pd.DataFrame:
    return comparison(config, frames, config.analysis.reference)
