r"""Numeric answers: the last ``Answer: <number>`` of the completion.

The format and the reward bands are those of the paper's authors.  Their pattern is not: theirs counts
``Answer: **18**`` as wrong and reads ``Answer: 5``, a new paragraph, ``10 apples`` as 510.  Here a number never
leaves its line, and markdown, currency signs, ``\boxed{72}``, fractions, trailing units and thousands separators
are understood.
"""

from __future__ import annotations

import re
from fractions import Fraction

from art.records import Problem
from art.scoring.judgement import Judgement

TOLERANCE = Fraction(1, 10**6)
"""Largest absolute difference that still counts as equal (the authors' value)."""

BANDS = ((Fraction(1, 100), 0.4), (Fraction(1, 10), 0.2))
"""Training reward by relative error, the nearest band first (the authors' values)."""
PARSEABLE = 0.1
SOME_NUMBER = 0.01

# Exact arithmetic on longer numbers would cost time and memory without bound ("1e999999999").
_MAX_CHARACTERS = 60
_MAX_EXPONENT = 30

# Possessive quantifiers ("*+") where blanks may repeat: a long blank run must not cost its length cubed.
_PLAIN = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
_NUMBER = rf"""
    (?P<sign>[-+\u2212]?)[ \t]*+[$€£]?[ \t]*+
    (?: \\[dt]?frac\{{(?P<top>{_PLAIN})\}}\{{(?P<bottom>{_PLAIN})\}}
      | (?P<plain>{_PLAIN}) (?: [eE](?P<exponent>[-+]?[0-9]+) | [ \t]*/[ \t]*(?P<over>{_PLAIN}) )? )
"""
_REFERENCE = re.compile(_NUMBER, re.VERBOSE)
_ANSWER = re.compile(
    rf"""(?<![A-Za-z]) answer [*_`]*+ [ \t]*+ : (?: [ \t*_`$€£"'<(\[{{] | \\boxed | \\text | \\[(\[$] )*+ {_NUMBER}""",
    re.VERBOSE | re.IGNORECASE,
)


def extract(completion: str) -> str | None:
    """Return the last ``Answer: <number>`` as plain text (no separators, currency or plus sign), or None."""
    found = [text for match in _ANSWER.finditer(completion) if (text := _normal(match)) is not None]
    return found[-1] if found else None


def judge(completion: str, problem: Problem) -> Judgement:
    """Compare the last ``Answer: <number>`` with the reference.

    Raises:
        ValueError: the reference of ``problem`` is not a number.
    """
    match = _REFERENCE.fullmatch(problem.answer.strip())
    reference = _normal(match) if match else None
    if reference is None:
        raise ValueError(f"problem {problem.id}: answer {problem.answer!r} is not a number")
    extracted = extract(completion)
    if extracted is None:
        return Judgement(None, 0, SOME_NUMBER if re.search("[0-9]", completion) else 0.0)
    wanted = Fraction(reference)
    error = abs(Fraction(extracted) - wanted)
    if error < TOLERANCE:
        return Judgement(extracted, 1, 1.0)
    reward = next((reward for share, reward in BANDS if error <= share * abs(wanted)), PARSEABLE)
    return Judgement(extracted, 0, reward)


def _normal(match: re.Match[str]) -> str | None:
    """Text of a matched number that ``Fraction`` takes; None for 1/0 and for absurdly long or large numbers."""
    top = match["plain"] or match["top"]
    over = match["over"] or match["bottom"]
    exponent = match["exponent"]
    if max(len(top), len(over or ""), len(exponent or "")) > _MAX_CHARACTERS:
        return None
    if exponent and abs(int(exponent)) > _MAX_EXPONENT:
        return None
    text = ("" if match["sign"] in ("", "+") else "-") + top.replace(",", "")
    if exponent:
        return f"{text}e{int(exponent)}"
    if over is None:
        return text
    divisor = Fraction(over.replace(",", ""))
    if not divisor:
        return None
    whole = "." not in text and divisor.denominator == 1
    return f"{text}/{divisor}" if whole else str(Fraction(text) / divisor)
