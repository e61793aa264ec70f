import json
import re
import time
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from art.scoring.tool_syntax import Call, call_of, read_calls, read_json

SCHEMAS = {
    "city": {"type": "string"},
    "days": {"type": "integer"},
    "share": {"type": ["number", "null"]},
    "loud": {"type": "boolean"},
    "tags": {"type": "array"},
    "place": {"type": "dict"},
    "level": {"enum": ["1", "2"]},
    "since": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    "free": {"description": "no type"},
    "any": {"type": "any"},
    "odd": 7,
}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": SCHEMAS}}}]


def tagged(name: str, **arguments: str) -> str:
    parameters = "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in arguments.items())
    return f"<function={name}>\n{parameters}</function>"


def wrapped(*bodies: str) -> str:
    return "\n".join(f"<tool_call>\n{body}\n</tool_call>" for body in bodies)


def read_one(text: str, tools: list[dict[str, Any]] | None = None) -> tuple[str, dict[str, Any]] | None:
    """Name and likeliest arguments of the one call."""
    calls = read_calls(wrapped(text), tools)
    return (calls[0].name, calls[0].arguments) if calls else None


@pytest.mark.parametrize(
    ("argument", "written", "value"),
    [
        ("city", "Oslo", "Oslo"),
        ("city", "7", "7"),
        ("city", "null", "null"),
        ("city", '"Oslo"', '"Oslo"'),
        ("city", " two\n\nlines ", " two\n\nlines "),
        ("city", "a < b </p>", "a < b </p>"),
        ("city", "", ""),
        ("days", "7", 7),
        ("days", " 7 ", 7),
        ("days", "7.0", 7),
        ("days", "seven", "seven"),
        ("days", '"7"', '"7"'),
        ("days", "9" * 5000, "9" * 5000),
        ("days", "__import__('os').getpid()", "__import__('os').getpid()"),
        ("share", "0.5", 0.5),
        ("share", "None", None),
        ("share", "NaN", "NaN"),
        ("loud", "true", True),
        ("loud", "True", True),
        ("loud", " False ", False),
        ("loud", "1", "1"),
        ("tags", '["a", 1]', ["a", 1]),
        ("tags", "['a']", "['a']"),
        ("tags", "[" * 100_000, "[" * 100_000),
        ("place", '{"x": {"y": 1}}', {"x": {"y": 1}}),
        ("level", "1", "1"),
        ("since", "null", None),
        ("since", "2020", "2020"),
        ("free", "2", 2),
        ("free", "two", "two"),
        ("any", "[2]", [2]),
        ("odd", "2", 2),
        ("unknown", "2", 2),
    ],
)
def test_the_likeliest_value_of_the_tagged_form_is_of_the_kind_that_the_schema_names(
    argument: str, written: str, value: Any
) -> None:
    [call] = read_calls(wrapped(tagged("f", **{argument: written})), TOOLS)
    assert call.name == "f" and call.arguments == {argument: value}
    assert type(call.arguments[argument]) is type(value) or argument == "days"
    assert written in call.readings[argument]


@pytest.mark.parametrize(
    ("written", "readings"),
    [
        ("7", [7, "7"]),
        ("None", [None, "None"]),
        ("null", [None, "null"]),
        ("True", [True, "True"]),
        ("false", [False, "false"]),
        ('["a", "2"]', [["a", "2"], '["a", "2"]']),
        ('"7"', ["7", '"7"']),
        ("[1", ["[1"]),
        ("seven", ["seven"]),
        ("", [""]),
    ],
)
def test_a_value_without_a_type_has_every_reading(written: str, readings: list[Any]) -> None:
    [call] = read_calls(wrapped(tagged("f", a=written)))
    assert call.readings == {"a": readings}


@pytest.mark.parametrize(
    ("schema", "needed", "arguments"),
    [
        ({"type": "integer"}, [], {}),
        ({"type": "integer"}, ["a"], {"a": ""}),
        ({"type": ["string", "null"]}, [], {"a": ""}),
        ({"type": "any"}, [], {"a": ""}),
    ],
)
def test_a_parameter_left_empty_is_no_argument_where_it_cannot_be_a_text(
    schema: Any, needed: list[str], arguments: dict[str, Any]
) -> None:
    tools = [{"name": "f", "parameters": {"properties": {"a": schema}, "required": needed}}]
    assert read_one("<function=f><parameter=a>\n</parameter></function>", tools) == ("f", arguments)


INNER = (
    "</parameter>",
    "<parameter=b>",
    "</function>",
    "<tool_call>",
    "</tool_call>",
    "a </parameter> b",
    "<function=f>",
)


@pytest.mark.parametrize("value", INNER)
def test_tags_inside_a_value_belong_to_it(value: str) -> None:
    body = json.dumps({"name": "f", "arguments": {"a": value, "c": 1}})
    assert read_one(body) == ("f", {"a": value, "c": 1})
    assert read_one(tagged("f", a=value, c="1")) == ("f", {"a": value, "c": 1})
    both = read_calls(wrapped(body, tagged("f", a=value)) + "end")
    assert both is not None and [call.arguments for call in both] == [{"a": value, "c": 1}, {"a": value}]


@pytest.mark.parametrize(
    "text",
    [
        "<function=f></function>",
        "<function=f>\n</function>",
        '{"name": "f", "arguments": {}}',
        '{"arguments": "{}", "name": "f"}',
    ],
)
def test_calls_without_arguments(text: str) -> None:
    assert read_one(text) == ("f", {})


def test_inline_parameters() -> None:
    assert read_one("<function=f><parameter=a>1</parameter><parameter=b>x</parameter></function>") == (
        "f",
        {"a": 1, "b": "x"},
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "f(1)",
        "<function=f>",
        "<function=></function>",
        "<function=f></function> and more",
        "<function=f>text</function>",
        "<function=f><parameter=a>1</function>",
        "<function=f><parameter=a>1</parameter><parameter=a>1</parameter></function>",
        "<function=f><parameter=a>1</parameter>text</function>",
        "<function=f></function><function=g></function>",
        "{}",
        "[]",
        '{"name": "f"}',
        '{"name": "f", "arguments": []}',
        '{"name": "f", "arguments": "[]"}',
        '{"name": "f", "arguments": "{"}',
        '{"name": "f", "arguments": null}',
        '{"name": "f", "arguments": {}, "id": 1}',
        '{"name": 7, "arguments": {}}',
        '{"name": "f", "arguments": {"a": NaN}}',
        '{"name": "f", "arguments": {"a": -Infinity}}',
        '{"name": "f", "arguments": {"a": 1e999}}',
        '{"name": "f", "arguments": {"a": ' + "9" * 5000 + "}}",
        '{"name": "f", "arguments": {"a": 1, "a": 1}}',
        '{"name": "f", "arguments": {"a": ' + "[" * 40 + "]" * 40 + "}}",
        '{"name": "f", "arguments": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}}",
        "{'name': 'f', 'arguments': {}}",
    ],
)
def test_malformed_calls(text: str) -> None:
    assert read_calls(wrapped(text), TOOLS) is None


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_json_is_read_to_32_levels(opening: str, closing: str) -> None:
    inner = "1" if closing == "}" else ""
    text = opening * 32 + inner + closing * 32
    assert read_json(text) == json.loads(text)
    with pytest.raises(ValueError, match="too deep"):
        read_json(f"[{text}]")


def test_several_calls_of_both_forms_amid_text() -> None:
    text = "First\n" + wrapped(tagged("f", city="2"), '{"name": "g", "arguments": {"a": 1}}') + "\nlast"
    assert read_calls(text, TOOLS) == [Call("f", {"city": ["2", 2]}), Call("g", {"a": [1]})]
    assert read_calls("no call", TOOLS) == []


@pytest.mark.parametrize(
    "text", ["<tool_call>{}", "</tool_call>{}", "</tool_call>{}<tool_call>", "<tool_call>{}<tool_call>"]
)
def test_tags_come_in_pairs(text: str) -> None:
    text = text.format(tagged("f"))
    assert read_calls(text) is None
    assert read_calls(wrapped(tagged("f")) + text) is None


@pytest.mark.parametrize("piece", ["<tool_call>", "</function>", "<parameter=a>", "</parameter>", " ", "\n", '{"a":'])
def test_long_runs_cost_little(piece: str) -> None:
    start = time.process_time()
    assert read_calls(wrapped("<function=f>" + piece * 10_000)) is None
    assert read_calls(wrapped("<function=f>" + piece * 10_000 + "x</function>")) is None
    assert time.process_time() - start < 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.text("abcdefg_.-", min_size=1)


TYPES = st.sampled_from(["string", "str, optional", "integer", "boolean", "object", "any", None, ["string", "null"]])
PARAMETERS = re.compile(r"</parameter>\s*(<parameter=[^<>\n]+>|</function>)")


@given(NAMES, st.dictionaries(NAMES, st.tuples(JSON, TYPES), max_size=4))
def test_both_forms_of_a_call_mean_the_same(name: str, typed: dict[str, tuple[Any, Any]]) -> None:
    """The tagged form as Qwen3.5's template writes it: strings as they are, lists and objects as JSON, the rest as
    Python writes it.  What the definition says of the types, right or wrong, does not matter."""
    arguments = {key: value for key, (value, _) in typed.items()}
    fields = {key: {"type": kind} for key, (_, kind) in typed.items()}
    tools = [{"function": {"name": name, "parameters": {"properties": fields, "required": list(fields)}}}]
    written = {
        key: json.dumps(value) if isinstance(value, dict | list) else str(value) for key, value in arguments.items()
    }
    body = json.dumps({"name": name, "arguments": arguments})
    assert call_of(json.loads(body)) == Call(name, {key: [value] for key, value in arguments.items()})
    assert read_one(body, tools) == (name, arguments)
    assert read_one(json.dumps({"name": name, "arguments": json.dumps(arguments)}), tools) == (name, arguments)
    tags = f"<function={name}>\n" + tagged("", **written).partition("\n")[2]
    assume(not any(PARAMETERS.search(f"{value}</parameter></function>", 0, len(value)) for value in written.values()))
    [call] = read_calls(wrapped(tags), tools)
    assert call.name == name and call.readings.keys() == arguments.keys()
    for key, value in arguments.items():
        assert any(one == value and type(one) is type(value) for one in call.readings[key])


TAGS = ("<tool_call>", "</tool_call>", "<function=f>", "</function>", "<parameter=days>", "</parameter>", "{", '"', "1")


@given(st.lists(st.sampled_from(TAGS) | st.text(max_size=3), max_size=12).map("".join))
def test_no_text_raises(text: str) -> None:
    for found in (read_calls(text, TOOLS), read_calls(wrapped(text), TOOLS)):
        assert found is None or all(isinstance(call, Call) for call in found)
