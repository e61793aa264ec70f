"""Answer extraction, accuracy (0/1) and training reward, one module a kind of answer."""

from __future__ import annotations

from art.scoring import multiple_choice, numeric, tool_call
from art.scoring.judgement import Judgement, Scorer

SCORERS: dict[str, Scorer] = {
    "numeric": numeric,
    "multiple_choice": multiple_choice,
    "tool_call": tool_call,
}

__all__ = ["SCORERS", "Judgement", "Scorer"]
