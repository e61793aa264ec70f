"""Reads tool calls from text; calls are never executed.

A call stands between ``<tool_call>`` and ``</tool_call>`` in one of the two forms that Qwen models write:

- JSON: ``{"name": ..., "arguments": {...}}`` and no other key; the arguments may also be a string that holds the
  JSON of an object, as OpenAI's interface has them;
- tags, the form of Qwen3.5: ``<function=NAME>``, any number of ``<parameter=KEY>VALUE</parameter>``, ``</function>``.
  One line break at either end of a value belongs to the form, not to the value.  A value is text where the tool's
  definition says string.  Otherwise it is read as JSON (or Python's ``True``, ``False``, ``None``, as templates write
  them); where it is not JSON of a kind that the definition allows, it is text.

JSON is strict: no repeated key, no NaN, nothing that overflows, nothing nested deeper than 32 levels.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NamedTuple

from art.scoring.tool_schema import kind_of, kinds, properties

MAX_DEPTH = 32

_TAG = re.compile(r"(</?tool_call>)")
_FUNCTION = re.compile(r"<function=([^<>\n]+)>(.*)</function>", re.DOTALL)
_PARAMETER = re.compile(r"\s*+<parameter=([^<>\n]+)>\n?(.*?)\n?</parameter>\s*+", re.DOTALL)
_PYTHON = {"True": "true", "False": "false", "None": "null"}


class Call(NamedTuple):
    name: str
    arguments: dict[str, Any]


def read_calls(text: str, tools: list[dict[str, Any]] | None = None) -> list[Call] | None:
    """Calls in ``text`` in their order, without the text around them.

    None where a call is malformed or a tag has no partner.
    """
    parts = _TAG.split(text)
    tags, bodies = parts[1::2], parts[2::4]
    if tags != ["<tool_call>", "</tool_call>"] * (len(tags) // 2):
        return None
    calls = [call for body in bodies if (call := read_call(body, tools)) is not None]
    return calls if len(calls) == len(bodies) else None


def read_call(text: str, tools: list[dict[str, Any]] | None = None) -> Call | None:
    """Read one call without its ``tool_call`` tags; None where it is malformed."""
    text = text.strip()
    return _tagged(text, tools) if text.startswith("<") else _json(text)


def read_json(text: str) -> Any:
    """Value of strict JSON.

    Raises:
        ValueError: not JSON, a repeated key, a number that is not finite or too long, or too deep.
    """
    try:
        value = json.loads(
            text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant, parse_float=_finite_float
        )
    except RecursionError:
        raise ValueError("too deep") from None
    if _deeper_than(value, MAX_DEPTH):
        raise ValueError("too deep")
    return value


def _json(text: str) -> Call | None:
    try:
        value = read_json(text)
        if not isinstance(value, dict) or value.keys() != {"name", "arguments"}:
            return None
        name, arguments = value["name"], value["arguments"]
        arguments = read_json(arguments) if isinstance(arguments, str) else arguments
    except ValueError:
        return None
    return Call(name, arguments) if isinstance(name, str) and isinstance(arguments, dict) else None


def _tagged(text: str, tools: list[dict[str, Any]] | None) -> Call | None:
    function = _FUNCTION.fullmatch(text)
    if not function:
        return None
    name, body = function.groups()
    schemas = properties(tools, name)
    arguments: dict[str, Any] = {}
    position = len(body) - len(body.lstrip())
    while position < len(body):
        parameter = _PARAMETER.match(body, position)
        if not parameter or parameter[1] in arguments:
            return None
        arguments[parameter[1]] = _typed(parameter[2], schemas.get(parameter[1]))
        position = parameter.end()
    return Call(name, arguments)


def _typed(text: str, schema: Any) -> Any:
    """Value of a parameter's text, typed by the schema of its argument."""
    allowed = kinds(schema)
    if allowed == {"string"}:
        return text
    try:
        value = read_json(_PYTHON.get(text.strip(), text))
    except ValueError:
        return text
    return value if not allowed or kind_of(value) in allowed else text


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
