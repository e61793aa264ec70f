"""GSM8K (Cobbe et al. 2021, MIT): ``question``, and ``answer`` with its working and ``#### NUMBER`` at the end.

It is read from its authors' JSON lines or the hub's Parquet files (openai/gsm8k); both have the two published splits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from art.config.sections import TaskSection
from art.errors import RecordError
from art.store.problem import Problem
from art.tasks.candidate import Candidate, Dropped, make_problem, text_of
from art.tasks.source import Layout, origin, read_files

__all__ = ["origin", "read"]

LAYOUTS: tuple[Layout, ...] = (
    {"train": "train.jsonl", "test": "test.jsonl"},
    {"train": "main/train-*.parquet", "test": "main/test-*.parquet"},
)
INSTRUCTION = "\n\nEnd your response with: Answer: <number>"
"""The instruction of the paper's authors; SVAMP uses it, too."""

_NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?", re.ASCII)
_CALCULATOR = re.compile(r"<<[^>]*>>")


def read(task: str, section: TaskSection) -> Iterator[Candidate | Dropped]:
    """See ``art.tasks.candidate.Reader``."""
    return read_files(task, section, LAYOUTS, convert)


def convert(row: dict[str, Any]) -> tuple[str, Problem]:
    """The question and the problem; its solution is the published working without the calculator's annotations."""
    question, answer = text_of(row, "question"), text_of(row, "answer")
    working, mark, number = answer.rpartition("####")
    number = number.strip()
    if not mark or not _NUMBER.fullmatch(number):
        raise RecordError(
            "no '#### NUMBER' at the end of 'answer'; a number is digits, with or without a comma before each three"
        )
    number = number.replace(",", "")
    solution = f"{_CALCULATOR.sub('', working).strip()}\nAnswer: {number}"
    return question, make_problem(question + INSTRUCTION, number, solution=solution)
