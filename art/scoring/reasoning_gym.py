"""Answers to problems of reasoning-gym: the text between the last ``<answer>`` and ``</answer>``.

The gold answer is the JSON of ``{"dataset", "answer", "metadata"}``.  Each data set of the package has its own scorer,
which often accepts every right answer and not just the published one.  An answer is right when that scorer gives 1; a
lower value is training reward only.  Where the scorer cannot be trusted, the answer must be the published one, as a
number or as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.metadata import version
from typing import Any

from art.errors import RecordError
from art.scoring.judgement import Judgement
from art.store.problem import Problem

WELL_FORMED = 0.1
"""Least training reward of an answer in its tags (ours)."""

VERSION = "0.1.25"
"""The version whose scorers were examined: the lists below hold for no other version."""

# Data sets whose scorers are not trusted
EXACT = frozenset(
    (
        # their scorers run the answer as Python code
        "binary_matrix",
        "intermediate_integration",
        "polynomial_multiplication",
        "simple_integration",
        "spiral_matrix",
        "string_insertion",
        # their scorers compare with a value that JSON cannot hold
        "arc_agi",
        "rearc",
        # their scorers give 1, in this order: to any answer, to any beginning of the right one ("0" of 0.25), to "nan"
        "game_of_life_halting",
        "coin_flip",
        "complex_arithmetic",
    )
)
# These scorers run the answer, too, but more than one answer is right: they get only answers of these harmless forms.
_ARITHMETIC = re.compile(r"(?!.*\*\s*\*)[0-9+\-*/()\s]{1,200}", re.DOTALL)
HARMLESS = {"countdown": _ARITHMETIC, "puzzle24": _ARITHMETIC, "n_queens": re.compile(r"[Q_\s]{1,2000}")}

_ANSWER = re.compile(r"<answer>((?:(?!<answer>).)*?)</answer>", re.DOTALL)


def extract(completion: str) -> str | None:
    """Return the last answer in tags, without the blanks around it, or None."""
    found = _ANSWER.findall(completion)
    return found[-1].strip() if found else None


def judge(completion: str, problem: Problem) -> Judgement:
    """Compare the answer with the gold answer.

    Raises:
        ValueError: the gold answer does not have the form above.
        RecordError: the package is missing, has another version, or has no such data set.
    """
    gold = _parse(problem)
    own = None if gold["dataset"] in EXACT else _own_scorer(gold["dataset"])
    answer = extract(completion)
    if answer is None:
        return Judgement(None, 0, 0.0)
    value = _value(answer, gold, own)
    return Judgement(answer, 1, 1.0) if value == 1 else Judgement(answer, 0, max(WELL_FORMED, value))


def _parse(problem: Problem) -> dict[str, Any]:
    try:
        gold = json.loads(problem.answer)
    except ValueError:
        gold = None
    if not isinstance(gold, dict) or gold.keys() != {"dataset", "answer", "metadata"}:
        raise ValueError(f"problem {problem.id}: answer is not the JSON of dataset, answer and metadata")
    return gold


@cache
def _own_scorer(dataset: str) -> Callable[[str, dict[str, Any]], float]:
    try:
        from reasoning_gym.factory import get_score_answer_fn

        installed, scorer = version("reasoning-gym"), get_score_answer_fn(dataset)
    except (ImportError, ValueError) as error:
        raise RecordError(f"reasoning-gym: no scorer of {dataset!r}: {error}") from None
    if installed != VERSION:
        raise RecordError(
            f"reasoning-gym {installed} is installed; its scorers were examined in version {VERSION} only: "
            "pip install '.[reasoning-gym]'"
        )
    return scorer


def _value(answer: str, gold: dict[str, Any], own: Callable[..., float] | None) -> float:
    """Score in [0, 1]; 0 where the data set's scorer fails or gives another value, such as nan."""
    harmless = HARMLESS.get(gold["dataset"])
    if own is None or (harmless and not harmless.fullmatch(answer)):
        return float(_same(answer, gold["answer"]))
    try:
        value = float(own(answer, gold))
    except Exception:  # an answer that makes its scorer fail, in whatever way, is not right
        return 0.0
    return value if 0 <= value <= 1 else 0.0


def _same(a: str, b: Any) -> bool:
    if not isinstance(b, str):
        return False
    try:
        return Decimal(a) == Decimal(b)
    except InvalidOperation:
        return a.split() == b.split()
