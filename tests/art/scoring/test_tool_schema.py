"""The types and defaults in a tool's definition."""

from __future__ import annotations

from typing import Any

import pytest

from art.scoring.tool_schema import defaults, kind_of, kinds, properties, required

TYPES = {
    "boolean": ("boolean", "bool", "Boolean"),
    "number": ("integer", "int", "long", "number", "float", "double", "Integer"),
    "string": ("string", "str", "STRING", "str, optional", " str"),
    "array": ("array", "list", "tuple", "list[int]", "Tuple[str, int]"),
    "object": ("object", "dict", "dict[str, int]"),
    "null": ("null",),
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in TYPES.items() for name in names])
def test_names_of_types(kind: str, name: str) -> None:
    assert kinds({"type": name}) == {kind}


@pytest.mark.parametrize(
    ("schema", "allowed"),
    [
        ({"type": ["integer", "null"]}, {"number", "null"}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"string", "null"}),
        ({"oneOf": [{"type": "integer"}, {"type": "array"}, {"type": "null"}]}, {"number", "array", "null"}),
        ({"enum": ["a", 1, True, None, [1], {"a": 1}]}, {"string", "number", "boolean", "null", "array", "object"}),
        ({"type": "string", "enum": [1, 2]}, {"string"}),
        ({"anyOf": [{"type": "string"}, {"enum": [1, 2]}]}, {"string", "number"}),
        ({"allOf": [{"type": "string"}]}, {"string"}),
        ({"allOf": [{"type": ["string", "null"]}, {"description": "more"}, {"type": "string"}]}, {"string"}),
        ({"allOf": [{"description": "more"}]}, set()),
        ({"type": "integer", "allOf": [{"minimum": 0}]}, {"number"}),
        # all kinds, or a schema that cannot be read
        ({}, set()),
        ({"type": "any"}, set()),
        ({"type": 7}, set()),
        ({"type": ["string", "any"]}, set()),
        ({"type": "any", "enum": ["a"]}, {"string"}),
        ({"anyOf": [{"type": "string"}, {"description": "more"}]}, set()),
        ({"anyOf": [{"type": "string"}, 7]}, set()),
        ({"anyOf": 7}, set()),
        (None, set()),
    ],
)
def test_kinds_that_a_schema_allows(schema: Any, allowed: set[str]) -> None:
    assert kinds(schema) == allowed


def test_whole_numbers_and_others_are_one_kind() -> None:
    assert kind_of(2) == kind_of(2.5) == "number"
    assert kind_of(False) == "boolean"


FIELDS = {"a": {"type": "integer", "default": 1}, "b": {"type": "string", "default": None}, "c": {"type": "string"}}


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "function": {"name": "f", "parameters": {"properties": FIELDS, "required": ["b"]}}},
        {"type": "function", "function": {"name": "f", "arguments": {"properties": FIELDS, "required": ["b"]}}},
        {"name": "f", "parameters": {"properties": FIELDS, "required": ["b"]}},
        {"name": "f", "arguments": {"properties": FIELDS, "required": ["b"]}},
    ],
)
def test_forms_of_definitions(tool: dict[str, Any]) -> None:
    tools = [{"function": "f"}, {"name": "g", "parameters": {"properties": {"z": {"default": 0}}}}, tool]
    assert properties(tools, "f") == FIELDS
    assert defaults(tools, "f") == {"a": 1}
    assert required(tools, "f") == ["b"] and required(tools, "g") == required(None, "f") == []
    assert defaults(tools, "g") == {"z": 0}
    assert properties(tools, "h") == defaults(tools, "h") == defaults(None, "f") == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ({"type": "integer", "default": "10"}, 10),
        ({"type": "bool, optional", "default": "false"}, False),
        ({"type": "integer", "default": "ten"}, "ten"),
        ({"type": "integer", "default": "[1]"}, "[1]"),
        ({"type": "array", "default": "[" * 100_000}, "[" * 100_000),
        ({"type": "string", "default": "10"}, "10"),
        ({"type": ["string", "integer"], "default": "10"}, "10"),
        ({"default": "10"}, "10"),
    ],
)
def test_a_default_written_as_text_is_of_the_kind_that_the_argument_has(field: dict[str, Any], value: Any) -> None:
    found = defaults([{"name": "f", "parameters": {"properties": {"a": field}}}], "f")["a"]
    assert found == value and type(found) is type(value)
