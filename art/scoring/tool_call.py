"""Tool calls: exactly one ``<tool_call>{"name": ..., "arguments": {...}}</tool_call>``, compared as structures.

The reference (``Problem.answer``) is the JSON of the same object.  The order of arguments does not matter; 2 equals
2.0 but True does not equal 1; an optional argument at its schema's default counts as absent.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from art.records import Problem
from art.scoring.judgement import Judgement

# Training reward (ours; the paper gives none for tool calls): a well-formed call, then the right function, then up
# to ARGUMENTS more by the share of right arguments among those wanted or given; a whole match is 1.
WELL_FORMED = 0.1
RIGHT_NAME = 0.2
ARGUMENTS = 0.7

_MAX_DEPTH = 32
_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)


def extract(completion: str) -> str | None:
    """Return the completion's only call as canonical JSON (sorted keys, ASCII), or None.

    None as well when there are several calls, equal ones included, or a tag without its partner.
    """
    call = _only_call(completion)
    return None if call is None else json.dumps(call, sort_keys=True)


def judge(completion: str, problem: Problem) -> Judgement:
    """Compare the completion's call with the reference.

    Raises:
        ValueError: the reference of ``problem`` is not a well-formed call.
    """
    wanted = _parse(problem.answer)
    if wanted is None:
        raise ValueError(f"problem {problem.id}: answer {problem.answer!r} is not a JSON tool call")
    given = _only_call(completion)
    if given is None:
        return Judgement(None, 0, 0.0)
    extracted = json.dumps(given, sort_keys=True)
    if given["name"] != wanted["name"]:
        return Judgement(extracted, 0, WELL_FORMED)
    defaults = _defaults(problem.tools, wanted["name"])
    right, total = _compare(_without(given["arguments"], defaults), _without(wanted["arguments"], defaults))
    if right == total:
        return Judgement(extracted, 1, 1.0)
    return Judgement(extracted, 0, RIGHT_NAME + ARGUMENTS * right / total)


def _only_call(completion: str) -> dict[str, Any] | None:
    if completion.count("<tool_call>") != 1 or completion.count("</tool_call>") != 1:
        return None
    match = _CALL.search(completion)
    return _parse(match[1]) if match else None


def _parse(text: str) -> dict[str, Any] | None:
    """Call in ``text``, or None where it is not strict JSON, too deep, or not {"name": str, "arguments": object}."""
    try:
        value = json.loads(
            text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant, parse_float=_finite_float
        )
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or value.keys() != {"name", "arguments"}:
        return None
    well_formed = isinstance(value["name"], str) and isinstance(value["arguments"], dict)
    return value if well_formed and not _deeper_than(value, _MAX_DEPTH) else None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("repeated key")
    return found


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large")
    return value


def _deeper_than(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(part, levels - 1) for part in inner)


def _compare(given: dict[str, Any], wanted: dict[str, Any]) -> tuple[int, int]:
    """Number of right arguments and of all arguments that are given or wanted."""
    names = given.keys() | wanted.keys()
    right = sum(name in given and name in wanted and _same(given[name], wanted[name]) for name in names)
    return right, len(names)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, bool) or isinstance(b, bool):  # in Python True == 1; in JSON it is not
        return a is b
    return bool(a == b)


def _without(arguments: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in arguments.items() if not (k in defaults and _same(v, defaults[k]))}


def _defaults(tools: list[dict[str, Any]] | None, name: str) -> dict[str, Any]:
    """Defaults of the optional arguments of tool ``name``; empty where its schema does not say.

    Definitions come nested under "function" or flat, and some data sets write "arguments" for "parameters".
    """
    for tool in tools or []:
        function: Any = tool.get("function", tool)
        if not isinstance(function, dict) or function.get("name") != name:
            continue
        schema: Any = function.get("parameters", function.get("arguments"))
        properties = schema.get("properties") if isinstance(schema, dict) else None
        if not isinstance(properties, dict):
            return {}
        required = schema.get("required")
        required = required if isinstance(required, list) else []
        return {
            key: field["default"]
            for key, field in properties.items()
            if key not in required and isinstance(field, dict) and "default" in field
        }
    return {}
