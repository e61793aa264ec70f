"""Reads the types and defaults of a tool's arguments from its definition.

Definitions may be nested under "function" or flat; some data sets write "arguments" for "parameters", and some name
types as Python does, with more behind the name (``str, optional``, ``list[int]``).  A definition that cannot be read
allows every value and has no defaults.
"""

from __future__ import annotations

import json
import re
from typing import Any

_KINDS = {
    "boolean": {"boolean", "bool"},
    "number": {"integer", "int", "long", "number", "float", "double"},
    "string": {"string", "str"},
    "array": {"array", "list", "tuple"},
    "object": {"object", "dict"},
    "null": {"null"},
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names}


def properties(tools: list[dict[str, Any]] | None, name: str) -> dict[str, Any]:
    """Schemas of the arguments of tool ``name``; empty where there are none."""
    found = _parameters(tools, name).get("properties")
    return found if isinstance(found, dict) else {}


def required(tools: list[dict[str, Any]] | None, name: str) -> list[Any]:
    """Names of the arguments that tool ``name`` must get; empty where the definition does not say."""
    found = _parameters(tools, name).get("required")
    return found if isinstance(found, list) else []


def defaults(tools: list[dict[str, Any]] | None, name: str) -> dict[str, Any]:
    """Defaults of the optional arguments of tool ``name``."""
    needed = required(tools, name)
    return {
        key: _default(schema)
        for key, schema in properties(tools, name).items()
        if key not in needed and isinstance(schema, dict) and "default" in schema
    }


def _default(schema: dict[str, Any]) -> Any:
    """The default of an argument; a text is read as JSON where the argument is of another kind than text."""
    value, allowed = schema["default"], kinds(schema)
    if isinstance(value, str) and allowed and "string" not in allowed:
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return read if kind_of(read) in allowed else value
    return value


def kinds(schema: Any) -> set[str]:
    """Kinds of JSON value that the schema of an argument allows; empty where it allows all or does not say."""
    if isinstance(schema, dict) and isinstance(schema.get("allOf"), list):
        own = {key: value for key, value in schema.items() if key != "allOf"}
        parts = [each for part in (own, *schema["allOf"]) if (each := kinds(part))]
        return set.intersection(*parts) if parts else set()
    found: set[str] = set()
    for part in _alternatives(schema):
        named = part.get("type")
        names = named if isinstance(named, list) else [named]
        here = {_KIND_OF.get(_first_word(name)) if isinstance(name, str) else None for name in names}
        if None in here and isinstance(part.get("enum"), list):
            here = {kind_of(value) for value in part["enum"]}
        known = {kind for kind in here if kind is not None}
        if known != here:
            return set()
        found |= known
    return found


def _first_word(name: str) -> str:
    return re.split(r"[^a-z]", name.strip().lower(), maxsplit=1)[0]


def kind_of(value: Any) -> str:
    """Kind of a parsed JSON value; integers and other numbers are one kind, since 2 equals 2.0."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list) else "number"


def _alternatives(schema: Any) -> list[dict[str, Any]]:
    """The schema, or the alternatives under its ``anyOf`` or ``oneOf``."""
    if not isinstance(schema, dict):
        return [{}]
    inner = schema.get("anyOf", schema.get("oneOf"))
    return [part if isinstance(part, dict) else {} for part in inner] if isinstance(inner, list) else [schema]


def _parameters(tools: list[dict[str, Any]] | None, name: str) -> dict[str, Any]:
    for tool in tools or []:
        function = tool.get("function", tool)
        if isinstance(function, dict) and function.get("name") == name:
            schema = function.get("parameters", function.get("arguments"))
            return schema if isinstance(schema, dict) else {}
    return {}
