"""Multiple choice: the last ``The correct answer is (X)`` of the completion (the format of the paper's authors)."""

from __future__ import annotations

import re
from string import ascii_uppercase

from art.records import Problem
from art.scoring.judgement import Judgement

WELL_FORMED = 0.1
"""Training reward of a wrong letter that is among the options (ours)."""

_ANSWER = re.compile(r"the\s+correct\s+answer\s+is[\s:*_`]*\([\s*_`]*([A-Z])[\s*_`]*\)", re.IGNORECASE | re.ASCII)
_OPTION = re.compile(r"(?:^|(?<=\s))(?:\(([A-Z])\)|([A-Z])[).:])(?=\s)", re.MULTILINE)


def extract(completion: str) -> str | None:
    """Return the letter of the last ``The correct answer is (X)`` in upper case, or None."""
    letters = _ANSWER.findall(completion)
    return letters[-1].upper() if letters else None


def judge(completion: str, problem: Problem) -> Judgement:
    """Compare the chosen letter with the reference.

    Raises:
        ValueError: the reference of ``problem`` is not one letter A-Z.
    """
    if len(problem.answer) != 1 or problem.answer not in ascii_uppercase:
        raise ValueError(f"problem {problem.id}: answer {problem.answer!r} is not a letter A-Z")
    extracted = extract(completion)
    if extracted == problem.answer:
        return Judgement(extracted, 1, 1.0)
    return Judgement(extracted, 0, WELL_FORMED if extracted in options(problem) else 0.0)


def options(problem: Problem) -> set[str]:
    """Letters that the problem offers: A, B, ... as long as the question marks them, the reference included.

    Marks are ``(A)``, ``A)``, ``A.`` and ``A:`` between blanks; the run from A on keeps out stray initials.
    """
    marked = {a or b for a, b in _OPTION.findall(problem.question)} | {problem.answer}
    last = next((i for i, letter in enumerate(ascii_uppercase) if letter not in marked), len(ascii_uppercase))
    return set(ascii_uppercase[: max(last, ascii_uppercase.index(problem.answer) + 1)])
