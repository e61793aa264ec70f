"""Reads tool calls from text; calls are never executed.

A call stands between ``<tool_call>`` and ``</tool_call>`` in one of the two forms that Qwen models write:

- JSON: ``{"name": ..., "arguments": {...}}`` and no other key; the arguments may also be a string that holds the
  JSON of an object, as OpenAI's interface has them;
- tags, the form of Qwen3.5: ``<function=NAME>``, any number of ``<parameter=KEY>VALUE</parameter>``, ``</function>``.
  One line break at either end of a value belongs to the form, not to the value.

The tags do not mark the type of a value: the text ``42`` and the number 42 look the same, and definitions often
name no type, or another than the data use.  Such a value therefore has several readings:
the text, and the JSON that it is (or Python's ``True``, ``False``, ``None``, as templates write them).  The reading of
a kind that the tool's definition allows comes first; it is the one to show.

Tags inside a JSON string or a value belong to it.  A value ends at the first ``</parameter>`` that another parameter
or ``</function>`` follows.

JSON is strict: no repeated key, no NaN, nothing that overflows, nothing nested deeper than 32 levels.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NamedTuple

from art.scoring.tool_schema import kind_of, kinds, properties, required

MAX_DEPTH = 32

_TAG = re.compile(r"(</?tool_call>)\s*+")
_CLOSING = re.compile(r"\s*+</tool_call>")
_FUNCTION = re.compile(r"<function=([^<>\n]+)>\s*+")
_PARAMETER = re.compile(
    r"<parameter=([^<>\n]+)>\n?(.*?)\n?</parameter>\s*+(?=<parameter=[^<>\n]+>|</function>)\s*+", re.DOTALL
)
_FUNCTION_END = "</function>"
_PYTHON = {"True": "true", "False": "false", "None": "null"}


class Call(NamedTuple):
    """A call, with the values that each argument can be read as; the first one is the likeliest."""

    name: str
    readings: dict[str, list[Any]]

    @property
    def arguments(self) -> dict[str, Any]:
        """The likeliest value of each argument."""
        return {name: values[0] for name, values in self.readings.items()}


def read_calls(text: str, tools: list[dict[str, Any]] | None = None) -> list[Call] | None:
    """Calls in ``text`` in their order, without the text around them.

    None where a call is malformed or a tag has no partner.
    """
    calls = []
    position = 0
    while tag := _TAG.search(text, position):
        if tag[1] != "<tool_call>":
            return None
        start = tag.end()
        found = _tags_at(text, start, tools) if text.startswith("<", start) else _json_at(text, start)
        closing = found and _CLOSING.match(text, found[1])
        if not found or not closing:
            return None
        calls.append(found[0])
        position = closing.end()
    return calls


def call_of(value: Any) -> Call | None:
    """The call that a parsed JSON value is, or None."""
    if not isinstance(value, dict) or value.keys() != {"name", "arguments"}:
        return None
    name, arguments = value["name"], value["arguments"]
    try:
        arguments = read_json(arguments) if isinstance(arguments, str) else arguments
    except ValueError:
        return None
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return None
    return Call(name, {key: [part] for key, part in arguments.items()})


def read_json(text: str) -> Any:
    """Value of strict JSON.

    Raises:
        ValueError: not JSON, a repeated key, a number that is not finite or too long, or too deep.
    """
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("too deep") from None
    _refuse_depth(value)
    return value


def _json_at(text: str, start: int) -> tuple[Call, int] | None:
    try:
        value, end = _DECODER.raw_decode(text, start)
        _refuse_depth(value)
    except (ValueError, RecursionError):
        return None
    call = call_of(value)
    return (call, end) if call else None


def _tags_at(text: str, start: int, tools: list[dict[str, Any]] | None) -> tuple[Call, int] | None:
    function = _FUNCTION.match(text, start)
    if not function:
        return None
    name, position = function[1], function.end()
    schemas, needed = properties(tools, name), required(tools, name)
    written: dict[str, str] = {}
    while parameter := _PARAMETER.match(text, position):
        if parameter[1] in written:
            return None
        written[parameter[1]] = parameter[2]
        position = parameter.end()
    if not text.startswith(_FUNCTION_END, position):
        return None
    readings = {
        key: _readings(value, kinds(schemas.get(key)))
        for key, value in written.items()
        if key in needed or not _left_empty(value, kinds(schemas.get(key)))
    }
    return Call(name, readings), position + len(_FUNCTION_END)


def _left_empty(text: str, allowed: set[str]) -> bool:
    """Whether a parameter has no value: nothing is written, and its kind can be known to be no text."""
    return not text.strip() and bool(allowed) and "string" not in allowed


def _readings(text: str, allowed: set[str]) -> list[Any]:
    """Values that a parameter's text can stand for, the likeliest first."""
    try:
        value = read_json(_PYTHON.get(text.strip(), text))
    except ValueError:
        return [text]
    if isinstance(value, str) and allowed:
        return [text]  # the form writes no quotes around a text
    return [value, text] if not allowed or kind_of(value) in allowed else [text, value]


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


def _refuse_depth(value: Any) -> None:
    if _deeper_than(value, MAX_DEPTH):
        raise ValueError("too deep")


def _deeper_than(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(part, levels - 1) for part in inner)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_refuse_constant, parse_float=_finite_float)
