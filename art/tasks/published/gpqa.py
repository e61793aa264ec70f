"""GPQA (Rein et al. 2023, CC-BY-4.0, gated): a CSV file with a question, its right answer and three wrong ones.

Its authors ask that no example is ever shown in plain text, so that none gets into a training corpus.  Problem files
hold veiled records (``Problem.veiled``), and no error message quotes a record.

The paper evaluates on 273 problems.  We read that as half of the extended set of 546, and select the half by content
hash; which half the authors took is not known.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from art.config.sections import TaskSection
from art.store.problem import Problem, text_hash
from art.tasks.candidate import Candidate, Dropped, Unfit, make_problem, text_of
from art.tasks.source import Layout, origin, read_files

__all__ = ["origin", "read"]

LAYOUTS: tuple[Layout, ...] = ({"all": "gpqa_extended.csv"},)
OPTIONS = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
INSTRUCTION = "\n\nEnd your response with: The correct answer is (X)"


def read(task: str, section: TaskSection) -> Iterator[Candidate | Dropped]:
    """See ``art.tasks.candidate.Reader``."""
    return read_files(task, section, LAYOUTS, convert)


def convert(row: dict[str, Any]) -> tuple[str, Problem]:
    """The question, and the problem with its options in an order that depends only on the question's text."""
    question = text_of(row, "Question")
    options = [text_of(row, name) for name in OPTIONS]
    if len(set(options)) < len(options):
        raise Unfit("option_repeated")
    right = options[0]
    random.Random(text_hash(question)).shuffle(options)
    lettered = "\n".join(f"({letter}) {option}" for letter, option in zip("ABCD", options, strict=True))
    problem = make_problem(
        f"{question}\n\n{lettered}{INSTRUCTION}",
        "ABCD"[options.index(right)],
        topic=text_of(row, "High-level domain"),
        veiled=True,
    )
    return question, problem
