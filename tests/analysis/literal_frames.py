"""Makes frames from text, and an experiment whose order is neither that of the frames nor the alphabet's."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pandas as pd
from fake_results import mapping

from art.config.experiment import Config
from art.config.reading import parse_config


def frame(text: str) -> pd.DataFrame:
    """A frame from columns separated by blanks; a dash is a missing value.

    A block after an empty line holds further columns of the same rows.
    """
    blocks = (StringIO(block) for block in text.strip().split("\n\n"))
    return pd.concat([pd.read_csv(block, sep=r"\s+", na_values=["-"]) for block in blocks], axis=1)


def experiment(**changes: Any) -> Config:
    """Two models, two tasks and all seven kinds of method; the baseline is a control that is not the default."""
    data = mapping(
        models={"tools-2m": {"path": "nowhere"}, "big-1m": {"path": "nowhere"}},
        tasks={"tool_call": {"scorer": "tool_call"}, "sums": {"scorer": "numeric"}},
        seeds=[3, 1, 2],
        analysis={"resamples": 100, "baseline": "random_image", "reference": "soft_prompt", "confidence": 0.9},
    )
    return parse_config(data | changes, "test")
