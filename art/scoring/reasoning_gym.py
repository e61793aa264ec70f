"""Answers to problems of reasoning-gym: what stands between the last ``<answer>`` and ``</answer>``.

The reference is the JSON of ``{"dataset", "answer", "metadata"}``.  Each data set of the package has a scorer of its
own, which often takes every right answer and not just the published one; an answer counts when that scorer gives 1,
less is training reward only.  Where it cannot be trusted the answer must be the published one, as a number or as text.
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
"""Training reward of an answer in its tags that is not right at all (ours)."""

VERSION = "0.1.25"
"""The version whose scorers were examined: what follows holds for no other."""

EXACT = frozenset(
    (
        # their scorers run the answer as Python code
        "binary_matrix",
        "intermediate_integration",
        "polynomial_multiplication",
        "simple_integration",
        "spiral_matrix",
        "string_insertion",
        # compare with what JSON cannot hold
        "arc_agi",
        "rearc",
        # give 1 to any answer, to any beginning of the right one ("0" of 0.25), to "nan"
        "game_of_life_halting",
        "coin_flip",
        "complex_arithmetic",
    )
)
# These run the answer as well, but several are right: only what cannot be but harmless reaches them.
_ARITHMETIC = re.compile(r"(?!.*\*\s*\*)[0-9+\-*/()\s]{1,200}", re.DOTALL)
HARMLESS = {"countdown": _ARITHMETIC, "puzzle24": _ARITHMETIC, "n_queens": re.compile(r"[Q_\s]{1,2000}")}

_ANSWER = re.compile(r"<answer>((?:(?!<answer>).)*?)</answer>", re.DOTALL)


def extract(completion: str) -> str | None:
    """Return the last answer in tags, without blanks around it, or None."""
    found = _ANSWER.findall(completion)
    return found[-1].strip() if found else None


def judge(completion: str, problem: Problem) -> Judgement:
    """Compare the answer with the reference.

    Raises:
        ValueError: the reference is not of the form above; the package is not there, or is another version, or has no
            such data set.
    """
    reference = _parse(problem)
    own = None if reference["dataset"] in EXACT else _own_scorer(reference["dataset"])
    answer = extract(completion)
    if answer is None:
        return Judgement(None, 0, 0.0)
    value = _value(answer, reference, own)
    return Judgement(answer, 1, 1.0) if value == 1 else Judgement(answer, 0, max(WELL_FORMED, value))


def _parse(problem: Problem) -> dict[str, Any]:
    try:
        reference = json.loads(problem.answer)
    except ValueError:
        reference = None
    if not isinstance(reference, dict) or reference.keys() != {"dataset", "answer", "metadata"}:
        raise ValueError(f"problem {problem.id}: answer is not the JSON of dataset, answer and metadata")
    return reference


@cache
def _own_scorer(dataset: str) -> Callable[[str, dict[str, Any]], float]:
    try:
        from reasoning_gym.factory import get_score_answer_fn

        installed, scorer = version("reasoning-gym"), get_score_answer_fn(dataset)
    except (ImportError, ValueError) as error:
        raise RecordError(f"reasoning-gym: no scorer of {dataset!r}: {error}") from None
    if installed != VERSION:
        raise RecordError(
            f"reasoning-gym {installed} is installed; which of its scorers can be trusted is known of {VERSION} only: "
            "pip install '.[reasoning-gym]'"
        )
    return scorer


def _value(answer: str, reference: dict[str, Any], own: Callable[..., float] | None) -> float:
    """Score in [0, 1]; 0 where the data set's scorer fails or gives what is no share, such as nan."""
    harmless = HARMLESS.get(reference["dataset"])
    if own is None or (harmless and not harmless.fullmatch(answer)):
        return float(_same(answer, reference["answer"]))
    try:
        value = float(own(answer, reference))
    except Exception:  # whatever a scorer of so many stumbles over, the answer is not right
        return 0.0
    return value if 0 <= value <= 1 else 0.0


def _same(a: str, b: Any) -> bool:
    if not isinstance(b, str):
        return False
    try:
        return Decimal(a) == Decimal(b)
    except InvalidOperation:
        return a.split() == b.split()
