"""SVAMP (Patel et al. 2021, MIT): ``Body``, ``Question``, ``Equation``, ``Answer`` and ``Type``.

It is read from its authors' single JSON file, which has no splits, or from the hub's Parquet files (ChilleD/SVAMP),
whose splits of 700 and 300 are not the authors'.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from art.config.sections import TaskSection
from art.errors import RecordError
from art.store.problem import Problem
from art.tasks.candidate import Candidate, Dropped, make_problem, text_of
from art.tasks.published.gsm8k import INSTRUCTION
from art.tasks.source import Layout, origin, read_files

__all__ = ["origin", "read"]

LAYOUTS: tuple[Layout, ...] = (
    {"all": "SVAMP.json"},
    {"train": "data/train-*.parquet", "test": "data/test-*.parquet"},
)


def read(task: str, section: TaskSection) -> Iterator[Candidate | Dropped]:
    """See ``art.tasks.candidate.Reader``."""
    return read_files(task, section, LAYOUTS, convert)


def convert(row: dict[str, Any]) -> tuple[str, Problem]:
    """Body and question as one text, and the problem; its solution is the published equation."""
    question = f"{text_of(row, 'Body')} {text_of(row, 'Question')}"
    number = _plain(row.get("Answer"))
    solution = f"{text_of(row, 'Equation')} = {number}\nAnswer: {number}"
    return question, make_problem(question + INSTRUCTION, number, solution=solution, topic=text_of(row, "Type"))


def _plain(answer: Any) -> str:
    """51.0, "51" or 51 as "51"."""
    try:
        value = Decimal(str(answer))
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise RecordError("no number under 'Answer'")
    return f"{value.normalize():f}"
