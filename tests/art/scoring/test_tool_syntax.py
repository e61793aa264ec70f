import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from art.scoring.tool_syntax import Call, read_call, read_calls, read_json

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
def test_values_of_the_tagged_form_are_typed_by_the_schema(argument: str, written: str, value: Any) -> None:
    call = read_call(tagged("f", **{argument: written}), TOOLS)
    assert call == Call("f", {argument: value})
    assert type(call.arguments[argument]) is type(value) or argument == "days"


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
    assert read_call(text) == Call("f", {})


def test_inline_parameters() -> None:
    assert read_call("<function=f><parameter=a>1</parameter><parameter=b>x</parameter></function>") == Call(
        "f", {"a": 1, "b": "x"}
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
    assert read_call(text, TOOLS) is None
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
    assert read_calls(text, TOOLS) == [Call("f", {"city": "2"}), Call("g", {"a": 1})]
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


@given(NAMES, st.dictionaries(NAMES, JSON, max_size=4))
def test_both_forms_of_a_call_mean_the_same(name: str, arguments: dict[str, Any]) -> None:
    """The tagged form as Qwen3.5's template writes it: strings as they are, everything else as JSON."""
    schemas = {key: {"type": "string"} for key, value in arguments.items() if isinstance(value, str)}
    tools = [{"function": {"name": name, "parameters": {"properties": schemas}}}]
    written = {key: value if isinstance(value, str) else json.dumps(value) for key, value in arguments.items()}
    given_json = read_call(json.dumps({"name": name, "arguments": arguments}), tools)
    given_text = read_call(json.dumps({"name": name, "arguments": json.dumps(arguments)}), tools)
    given_tags = read_call(f"<function={name}>\n" + tagged("", **written).partition("\n")[2], tools)
    assert given_json == given_text == given_tags == Call(name, arguments)


TAGS = ("<tool_call>", "</tool_call>", "<function=f>", "</function>", "<parameter=days>", "</parameter>", "{", '"', "1")


@given(st.lists(st.sampled_from(TAGS) | st.text(max_size=3), max_size=12).map("".join))
def test_no_text_raises(text: str) -> None:
    for found in (read_calls(text, TOOLS), read_calls(wrapped(text), TOOLS), [read_call(text, TOOLS)]):
        assert found is None or all(call is None or isinstance(call, Call) for call in found)
