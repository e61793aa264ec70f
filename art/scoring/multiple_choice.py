r"""Multiple choice: one letter A-Z, of any number of options.

Which letter counts: the one in the last ``The correct answer is (X)``.  The prompt asks for this form, and the paper's
authors use it.  Only where it is missing, the last of the other explicit forms counts: ``the answer is X``, ``the
correct option is X``, ``Answer: X``, ``\boxed{X}``.  Where these are missing, too, the completion must be the letter
and nothing else.

In brackets a letter may be lower case.  Without brackets it must be a capital at the end of a line or clause, so that
the article in ``The answer is A bird`` is not an answer, nor the initial of ``C. elegans``.  A letter of a list is no
answer either: ``(A), (C)``, ``A or option B``, ``A vs B``, ``\boxed{A} or \boxed{B}``.  Nor is the prompt's own
instruction where a completion repeats it (``End your response with: The correct answer is (X)``), nor a letter that is
not among the problem's options.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import pairwise
from string import ascii_uppercase

from art.scoring.judgement import Judgement
from art.store.problem import Problem

WELL_FORMED = 0.1
"""Training reward of a wrong letter that is among the options (ours)."""

# Brackets and colons of full width, as Chinese text has them.
_PLAIN = str.maketrans("\uff08\uff09\uff3b\uff3d\uff1a\uff0e\uff0c\uff1b", "()[]:.,;")

# Possessive quantifiers ("*+") match repeated blanks: a long run of blanks must not take quadratic time.
_JOINT = r"(?: [,;/&+] | (?:or|and|nor|versus|vs)\b \.?+ )"
# Of one letter of a list to the next; "and I" and an article ("A bird") are prose.
_NEXT = r"""(?: (?i:option|choice)s?+ [ \t]++ )?+ [*_`]*+ (?: \\? [(\[] [ \t]*+ [A-Za-z] [ \t]*+ \\? [)\]] |
    [B-HJ-Z](?![A-Za-z0-9'\u2019]) | A(?=[ \t]*+(?:[*_`.,;:)\]}]|$|\n|is\b)) )
    (?! [*_`]*+ [ \t]++ (?:is|was|would|cannot|can|could|does|has)\b )"""  # "(B), (A) is wrong" is no list
_SINGLE = rf"(?! [*_`}}$]*+ [ \t]*+ (?: {_JOINT} [ \t]*+ )++ {_NEXT} )"
_BRACKETED = rf"\\? [(\[] [\s*_`]*+ ([A-Za-z]) [\s*_`]*+ \\? [)\]] {_SINGLE}"
_BARE = rf"""([A-Z]) {_SINGLE} (?! [ \t]++ [A-HJ-Z](?:[ \t.,;)]|$) | \.[a-z] )
    (?= [*_`)\]}}$".:,;!?] | [ \t]*+$ | [ \t]++ (?: \}} | (?:because|since|as)\b | [-\u2013\u2014]\s ) )"""
_NO_INITIAL = r"""(?! [\s*_`"$]*+ [A-Z]\.[ \t]*+[a-z] )"""  # "is C. elegans"; but "Answer: C. a worm"
_LETTER = rf"(?: {_BRACKETED} | {_BARE} )"

_FORMS = tuple(
    re.compile(form, re.ASCII | re.MULTILINE | re.VERBOSE)
    for form in (
        rf"(?i: the\s++correct\s++answer\s++is ) [\s:*_`$]*+ {_BRACKETED}",
        rf"""(?: (?<![A-Za-z]) (?i: answer|option|choice ) [*_`]*+
                (?: \s++(?i:is)\b {_NO_INITIAL} | [ \t]*+: ) | \\boxed\{{ )
            [\s:*_`"$]*+ (?: \\(?:boxed|text(?:bf)?|math(?:bf|rm))\{{ ){{0,3}}+ [ \t]*+
            (?: (?i:option|choice)\s++ )?+ [*_`]*+ {_LETTER}""",
        rf"\A \s*+ [*_`]*+ {_LETTER} [*_`).:]*+ \s*+ \Z",
    )
)
_LIST = re.compile(
    rf"[ \t*_`}}$)\]\\]*+ (?: {_JOINT} [ \t]*+ )++ (?: (?i:option|choice)s?+ [ \t]++ )?+ [*_`$]*+ \Z",
    re.VERBOSE,
)
# The prompt's own last line, in which X stands for the letter.
_INSTRUCTION = re.compile(
    r"(?i:end\s++your\s++response\s++with)\s*+:?+[\s*_`\"]*+(?i:the\s++correct\s++answer\s++is)[\s*_`]*+\([*_`]*+X[*_`]*+\)"
)
_OPTION = re.compile(r"(?:^|(?<=\s))(?:\(([A-Z])\)|([A-Z])[).:])(?=\s)", re.MULTILINE)


def extract(completion: str) -> str | None:
    """Return the letter that counts (see the module) in upper case, or None."""
    return _letter(completion, ascii_uppercase)


def judge(completion: str, problem: Problem) -> Judgement:
    """Compare the chosen letter with the gold answer.

    Raises:
        ValueError: the gold answer of ``problem`` is not one letter A-Z.
    """
    if len(problem.answer) != 1 or problem.answer not in ascii_uppercase:
        raise ValueError(f"problem {problem.id}: answer {problem.quoted_answer} is not a letter A-Z")
    extracted = _letter(completion, options(problem))
    if extracted == problem.answer:
        return Judgement(extracted, 1, 1.0)
    return Judgement(extracted, 0, WELL_FORMED if extracted else 0.0)


def options(problem: Problem) -> set[str]:
    """Letters that the problem offers: A, B, ... before the first that the question does not mark.

    The gold answer and all letters before it are always included.  Marks are ``(A)``, ``A)``, ``A.`` and ``A:`` between
    blanks.  A letter counts only if all letters before it are marked, too: this keeps out stray initials.
    """
    marked = {a or b for a, b in _OPTION.findall(problem.question)} | {problem.answer}
    last = next((i for i, letter in enumerate(ascii_uppercase) if letter not in marked), len(ascii_uppercase))
    return set(ascii_uppercase[: max(last, ascii_uppercase.index(problem.answer) + 1)])


def _name(found: re.Match[str]) -> str:
    return found[found.lastindex or 0].upper()


def _letter(completion: str, offered: Collection[str]) -> str | None:
    text = _INSTRUCTION.sub("", completion.translate(_PLAIN))
    for form in _FORMS:
        found = list(form.finditer(text))
        joined = {
            one
            for first, second in pairwise(found)
            if _name(first) != _name(second) and _LIST.match(text, first.end(), second.start())
            for one in (first, second)
        }
        letters = [_name(one) for one in found if one not in joined]
        if found:
            return next((letter for letter in reversed(letters) if letter in offered), None)
    return None
