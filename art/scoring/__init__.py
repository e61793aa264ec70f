"""Answer extraction, accuracy (0/1) and training reward, one module per kind of answer (art/config/registry.py)."""

from __future__ import annotations

from pathlib import Path

from art.config.registry import SCORERS, implementation
from art.errors import RecordError
from art.files import read_records
from art.scoring.judgement import Judgement, Scorer
from art.store.problem import Problem

__all__ = ["Judgement", "Scorer", "load_problems", "scorer_of"]


def scorer_of(name: str) -> Scorer:
    """The module of a scorer."""
    return implementation(SCORERS[name])


def load_problems(path: Path, scorer: Scorer) -> list[Problem]:
    """Read a problem file and check that the scorer can read its gold answers.

    Raises:
        RecordError: a line is not a problem, or its gold answer does not have the scorer's form (file:line).
    """
    problems = read_records(path, Problem)
    for number, problem in enumerate(problems, start=1):
        try:
            scorer.judge("", problem)
        except (ValueError, RecordError) as error:
            raise RecordError(f"{path}:{number}: {error}") from None
    return problems
