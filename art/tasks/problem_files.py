"""Writes a task's problem files and their report."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from art.config.sections import Split
from art.files import write_json, write_records
from art.store.problem import Problem, text_hash

Splits = Mapping[Split, Sequence[Problem]]


def write_problem_files(splits: Splits, out: Path, **origin: Any) -> None:
    """Write ``{train,validation,test}.jsonl``, and ``report.json``, which begins with ``origin``."""
    for name, problems in splits.items():
        write_records(out / f"{name}.jsonl", problems)
    write_json(out / "report.json", origin | report(splits))


def report(splits: Splits) -> dict[str, Any]:
    """Sizes of the splits, their topics, and how many problems any two of them share."""
    topics = {name: Counter(one.topic for one in problems if one.topic) for name, problems in splits.items()}
    return {
        "problems": {name: len(problems) for name, problems in splits.items()},
        "topics": {name: dict(sorted(counter.items())) for name, counter in topics.items()},
        "shared": {f"{a}/{b}": _repeated(splits[a], splits[b]) for a, b in itertools.combinations(splits, 2)},
    }


def _repeated(one: Sequence[Problem], other: Sequence[Problem]) -> int:
    """How many problems of ``other`` have a question that also occurs in ``one``; must be 0.

    It is counted from the problems that are written, so that a mistake in selecting them shows.
    """
    known = {text_hash(problem.question) for problem in one}
    return sum(text_hash(problem.question) in known for problem in other)
