"""Tool calls: the calls of the completion and of the gold answer, compared as parsed structures.

The syntax of calls is in ``tool_syntax``.  Calls match as a multiset: the order of calls and of arguments does not
matter, but a missing, an extra or a repeated call is wrong.  2 equals 2.0, True does not equal 1, strings must agree
to the letter, and an optional argument at its declared default may be written or left out.  A value in the tagged form,
which has no types, is right where one of its readings is.

The gold answer (``Problem.answer``) is the JSON of a call, ``{"name": ..., "arguments": {...}}``, or of a list of
calls.  Two more keys serve data sets that accept several answers: "accepted" holds further values of arguments
(``{"unit": ["m", "metre"]}``), "optional" the names of arguments that may be left out although the definition gives no
default.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from art.scoring.judgement import Judgement
from art.scoring.tool_schema import defaults
from art.scoring.tool_syntax import Call, call_of, read_calls, read_json
from art.store.problem import Problem

# Training reward of a call (ours; the paper gives none for tool calls): WELL_FORMED, or with the right function
# RIGHT_NAME and up to ARGUMENTS more, by the share of right arguments among those wanted or given; a full match is 1.
# Several calls get their mean; a wrong number of calls gets 0.
WELL_FORMED = 0.1
RIGHT_NAME = 0.2
ARGUMENTS = 0.7


class Wanted(NamedTuple):
    """A call of the gold answer: the values that each argument may have, and the arguments that may be left out."""

    name: str
    values: dict[str, list[Any]]
    optional: frozenset[str]
    defaults: dict[str, Any]


def extract(completion: str) -> str | None:
    """Return the calls as canonical JSON (sorted keys, ASCII), a list where there are several; or None.

    Also None where a call is malformed or a tag has no partner.  Without the tools' definitions, values in the tagged
    form are shown as JSON where they can be read so.
    """
    return _text(read_calls(completion))


def judge(completion: str, problem: Problem) -> Judgement:
    """Compare the completion's calls with the gold answer.

    Raises:
        ValueError: the gold answer of ``problem`` is not a well-formed call or list of calls.
    """
    wanted = _gold_calls(problem)
    given = read_calls(completion, problem.tools)
    extracted = _text(given)
    if not given or len(given) != len(wanted):
        return Judgement(extracted, 0, 0.0)
    credits = [[_credit(call, one) for call in given] for one in wanted]
    if _all_paired(credits):
        return Judgement(extracted, 1, 1.0)
    return Judgement(extracted, 0, _partial(credits))


def _text(calls: list[Call] | None) -> str | None:
    if not calls:
        return None
    found = [{"name": call.name, "arguments": call.arguments} for call in calls]
    return json.dumps(found[0] if len(found) == 1 else found, sort_keys=True)


def _gold_calls(problem: Problem) -> list[Wanted]:
    try:
        value = read_json(problem.answer)
        calls = [_wanted(call, problem) for call in (value if isinstance(value, list) else [value])]
    except ValueError:
        calls = []
    if not calls:
        raise ValueError(f"problem {problem.id}: answer {problem.quoted_answer} is no JSON tool call or list of them")
    return calls


def _wanted(value: Any, problem: Problem) -> Wanted:
    if not isinstance(value, dict):
        raise ValueError("not an object")
    core = {key: part for key, part in value.items() if key not in ("accepted", "optional")}
    call = call_of(core)
    accepted, optional = value.get("accepted", {}), value.get("optional", [])
    if call is None or not _named_lists(accepted) or not _names(optional):
        raise ValueError("not a call")
    values = dict(call.readings)
    for name, more in accepted.items():
        values.setdefault(name, []).extend(more)
    return Wanted(call.name, values, frozenset(optional), defaults(problem.tools, call.name))


def _named_lists(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(part, list) for part in value.values())


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


def _credit(given: Call, wanted: Wanted) -> float:
    """Reward of a given call for a wanted one; 1 exactly where they match."""
    if given.name != wanted.name:
        return WELL_FORMED
    right, total = _compare(given.readings, wanted)
    return 1.0 if right == total else RIGHT_NAME + ARGUMENTS * right / total


def _compare(given: dict[str, list[Any]], wanted: Wanted) -> tuple[int, int]:
    """Number of right arguments and of all arguments that are given or wanted.

    An argument at its default counts as left out.  An optional argument that is left out does not count.
    """
    defaults = wanted.defaults
    written = {name: values for name, values in given.items() if not _at_default(name, values, defaults)}
    needed = {
        name
        for name, values in wanted.values.items()
        if name not in wanted.optional and not _at_default(name, values, defaults)
    }
    names = written.keys() | needed
    right = sum(name in written and _agree(written[name], wanted.values.get(name, [])) for name in names)
    return right, len(names)


def _at_default(name: str, values: list[Any], defaults: dict[str, Any]) -> bool:
    return name in defaults and _agree(values, [defaults[name]])


def _agree(readings: list[Any], values: list[Any]) -> bool:
    return any(_same(reading, value) for reading in readings for value in values)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, bool) or isinstance(b, bool):  # in Python True == 1; in JSON it is not
        return a is b
    return bool(a == b)


def _all_paired(credits: list[list[float]]) -> bool:
    """Whether every wanted call (row) can be paired with its own matching given call (column)."""
    row_of: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column, credit in enumerate(credits[row]):
            if credit == 1.0 and column not in tried:
                tried.add(column)
                if column not in row_of or place(row_of[column], tried):
                    row_of[column] = row
                    return True
        return False

    return all(place(row, set()) for row in range(len(credits)))


def _partial(credits: list[list[float]]) -> float:
    """Mean reward when each wanted call in turn takes the best of the remaining given calls."""
    left = set(range(len(credits)))
    total = 0.0
    for row in credits:
        best = max(left, key=lambda column: (row[column], -column))
        left.remove(best)
        total += row[best]
    return total / len(credits)
