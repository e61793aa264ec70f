r"""Numeric answers: the number that follows an explicit announcement of the final answer.

Which number counts: the last readable one after ``Answer:``.  The prompt asks for this form, and the paper's authors
count no other.  Only where it is missing, the last of the other explicit forms counts: ``The answer is 7``,
``\boxed{7}``, or ``#### 7`` on a line of its own.  A number without an announcement is not an answer: in the authors'
rewards "some number" is worth less than "a parseable answer".

How it is read: the number must follow the announcement directly, on the same line; only markdown, LaTeX, quotes,
brackets and currency signs may stand between them.  It may have thousands separators (``1,234.50``), a minus sign, or
one of the forms ``3/4``, ``1 1/2``, ``\frac{3}{4}``, ``1.5e3`` and ``1.5 \times 10^3``.  Worked answers are read, too:
``3 * 6 = 18`` is 18, ``x = 5`` is 5.  Units and percent signs after the number are ignored: ``50%`` is 50.  A number
that touches another (``1 2``, ``1,2``, ``5 or 6``, ``12:30``, ``2^10``, ``3 + 4``) is not read at all, so digits are
never joined and a list never scores.

Values are exact fractions, compared within the authors' tolerance; the reward bands are the authors' as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Context, Decimal, Inexact
from fractions import Fraction

from art.scoring.judgement import Judgement
from art.store.problem import Problem

TOLERANCE = Fraction(1, 10**6)
"""Differences below this count as equal (the authors' value)."""

BANDS = ((Fraction(1, 100), 0.4), (Fraction(1, 10), 0.2))
"""Training reward by relative error, the narrowest band first (the authors' values)."""
PARSEABLE = 0.1
SOME_NUMBER = 0.01

# Bounds that keep the reading fast: on the length of a line, the length of a numeral, and a power of ten.
_LINE = 1000
_NUMERAL = 300
_EXPONENT = 300

# Possessive quantifiers ("*+") match repeated blanks: a long run of blanks must not take quadratic time.
_ASKED = re.compile(r"(?<![a-z])answer[*_`]*+[ \t]*+[:\uff1a]", re.IGNORECASE | re.ASCII)
_OTHER = re.compile(
    r"(?<![a-z])answer[*_`]*+[ \t]++is\b[*_`]*+:?|\\boxed\{|^[ \t]*+####(?!#)(?=[^a-z\n]*$)",
    re.IGNORECASE | re.ASCII | re.MULTILINE,
)

_REWRITTEN = {
    "\u2212": "-",
    "\u00d7": "*",
    "\u00f7": "/",
    "\u2044": "/",
    "\\times": "*",
    "\\cdot": "*",
    "\u00b7": "*",
    "\u22c5": "*",
    "\\div": "/",
    "\\$": "$",
    "\\%": "%",
    "\\,": ",",  # a thin space: 5\,000
    "{,}": ",",
}
_LETTER_X = re.compile(r"(?<=[0-9]) ?[xX] ?(?=[0-9])")

_MARKS = r"""(?: [ *_`$€£¥₹"'\u201c\u2018<(\[{~≈]
      | \\(?:boxed|text(?:bf)?|math(?:bf|rm)|displaystyle|left)
      | \\[(\[!;:] )*+"""
_OPENING = re.compile(_MARKS, re.VERBOSE)
_WORKING = re.compile(r"(?:[A-Za-z] *)?(?:[-+*/^] *\(|[-+*/^%$0-9= )]|[.,](?=[0-9]))*=")

# What may stand between two numbers that touch: closing marks, and signs or words that make a list or a range.
_GAP = r"""(?: [ *_`%$)}\]"'\u201d\u2019>] | \\[,;:!%)\]] )*+"""
_LINK = rf"(?: [,;|&~\u2026] | \.\.++ | (?:and|or|to|vs)\b ) {_GAP} {_MARKS} (?: [A-Za-z][ ]*= {_MARKS} )? [-+]?"
_DECIMAL = r"(?:(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)"
_NUMBER = re.compile(
    rf"""
    (?P<sign>[-+]?) [ ]*+ [$€£¥₹]? [ ]*+
    (?> # atomic: a number that touches another must not be read as a shorter number
        (?: (?P<whole>[0-9]+) (?: [ ]+ | (?=\\) ) )?
        (?: \\[dt]?frac\{{ (?P<top>-?{_DECIMAL}) \}}\{{ (?P<bottom>{_DECIMAL}) \}}
          | (?P<over>{_DECIMAL}) [ ]*/[ ]* (?P<under>{_DECIMAL}) )
      | (?P<plain>{_DECIMAL}) (?: [eE](?P<e>[-+]?[0-9]+) | [ ]*\*[ ]*10\^\{{?(?P<power>[-+]?[0-9]+)\}}? )?
    )
    (?! [.:'\u2019_\u066c]?[0-9]
      | [²³¹⁰-⁹¼-¾⅐-⅞]
      | {_GAP} (?: {_LINK} )? [$€£¥₹]? \.?[0-9]
      | [ ]*+ [-\u2013+*/^]+ [ ]*+ [$€£¥₹({{]*+ \.?[0-9] )
    """,
    re.VERBOSE,
)


def extract(completion: str) -> str | None:
    """Return the answer as a plain decimal, or as ``a/b`` in lowest terms where no decimal is exact, or None."""
    value = _answer(completion)
    return None if value is None else _text(value)


def judge(completion: str, problem: Problem) -> Judgement:
    """Compare the answer with the gold answer.

    Raises:
        ValueError: the gold answer of ``problem`` is not a number.
    """
    wanted = _whole(problem.answer)
    if wanted is None:
        raise ValueError(f"problem {problem.id}: answer {problem.quoted_answer} is not a number")
    value = _answer(completion)
    if value is None:
        return Judgement(None, 0, SOME_NUMBER if re.search("[0-9]", completion) else 0.0)
    error = abs(value - wanted)
    if error < TOLERANCE:
        return Judgement(_text(value), 1, 1.0)
    reward = next((reward for share, reward in BANDS if error <= share * abs(wanted)), PARSEABLE)
    return Judgement(_text(value), 0, reward)


def _answer(completion: str) -> Fraction | None:
    """Value of the answer that counts (see the module)."""
    for announcement in (_ASKED, _OTHER):
        end = len(completion)
        for match in reversed(list(announcement.finditer(completion))):
            value = _leading(completion[match.end() : min(match.end() + _LINE, end)])
            if value is not None:
                return value
            end = match.start()  # no text is read twice, so that thousands of announcements stay fast
    return None


def _leading(text: str) -> Fraction | None:
    """Number at the beginning of a text's first line."""
    line, *_ = text.splitlines() or [""]
    cut = len(line) == _LINE  # a number at the very end may be cut off
    line = _plain(line)
    line = _OPENING.sub("", line, count=1)
    for rest in _readings(line):
        match = _NUMBER.match(rest)
        if match and not (cut and match.end() == len(rest)):
            return _value(match)
    return None


def _readings(line: str) -> Iterator[str]:
    """Texts to read: what follows the last equals sign of a worked answer, if there is one; then the whole line."""
    working = _WORKING.match(line)
    if working:
        yield _OPENING.sub("", line[working.end() :], count=1)
    yield line


def _whole(text: str) -> Fraction | None:
    """Value of a text that is one number and nothing else."""
    match = _NUMBER.fullmatch(_plain(text.strip()))
    return _value(match) if match else None


def _plain(line: str) -> str:
    """The line with every blank as a space, and one spelling of each operator."""
    line = re.sub(r"\s", " ", line)
    for written, meant in _REWRITTEN.items():
        line = line.replace(written, meant)
    return _LETTER_X.sub("*", line)


def _value(match: re.Match[str]) -> Fraction | None:
    """Value of a matched number; None for x/0, an improper mixed number, and numbers that are too long or too large."""
    if any(len(numeral) > _NUMERAL for numeral in match.groups(default="")):
        return None
    if match["plain"]:
        exponent = int(match["e"] or match["power"] or 0)
        if abs(exponent) > _EXPONENT:
            return None
        size = _fraction(match["plain"]) * Fraction(10) ** exponent
    else:
        divisor = _fraction(match["bottom"] or match["under"])
        if not divisor:
            return None
        size = _fraction(match["top"] or match["over"]) / divisor
        if match["whole"]:
            if not 0 < size < 1:
                return None
            size += int(match["whole"])
    return -size if match["sign"] == "-" else size


def _fraction(numeral: str) -> Fraction:
    return Fraction(numeral.replace(",", ""))


def _text(value: Fraction) -> str:
    context = Context(prec=2 * (_NUMERAL + _EXPONENT), traps=[Inexact])
    try:
        return f"{context.divide(Decimal(value.numerator), Decimal(value.denominator)).normalize(context):f}"
    except Inexact:
        return str(value)
