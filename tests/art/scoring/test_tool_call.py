import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from art.records import Problem, problem_id
from art.scoring import tool_call

PROPERTIES = {
    "city": {"type": "string"},
    "days": {"type": "integer", "default": 1},
    "alerts": {"type": "boolean", "default": False},
    "unit": {"type": "string", "default": "C"},
}
TOOLS = [
    {"type": "function", "function": {"name": "clock", "parameters": {}}},
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": PROPERTIES, "required": ["city", "unit"]},
        },
    },
]


def call(name: Any = "weather", **arguments: Any) -> str:
    return json.dumps({"name": name, "arguments": arguments})


def tagged(body: str) -> str:
    return f"<tool_call>\n{body}\n</tool_call>"


def problem(answer: str, tools: list[dict[str, Any]] | None = TOOLS) -> Problem:
    return Problem(id=problem_id("?", answer, tools), question="?", answer=answer, tools=tools)


REFERENCE = problem(call(city="Oslo", days=2, unit="C"))


@pytest.mark.parametrize(
    ("body", "score", "reward"),
    [
        (call(city="Oslo", days=2, unit="C"), 1, 1.0),
        (call(unit="C", days=2.0, city="Oslo"), 1, 1.0),
        (call(city="Oslo", days=2, unit="C", alerts=False), 1, 1.0),
        (call(city="Oslo", days=2, unit="C", alerts=0), 0, 0.2 + 0.7 * 3 / 4),
        (call(city="Oslo", days=2, unit="C", alerts=True), 0, 0.2 + 0.7 * 3 / 4),
        (call(city="Oslo", days=2), 0, 0.2 + 0.7 * 2 / 3),  # "unit" is required: its default does not stand in
        (call(city="Bergen", days=1, unit="F"), 0, 0.2),
        (call(), 0, 0.2),
        (call("clock", city="Oslo", days=2, unit="C"), 0, 0.1),
        (call(7, city="Oslo", days=2, unit="C"), 0, 0.0),
        ('{"name": "weather"}', 0, 0.0),
        ('{"name": "weather", "arguments": "{}"}', 0, 0.0),
        ('{"name": "weather", "arguments": {"days": NaN}}', 0, 0.0),
        ('{"name": "weather", "arguments": {"days": -Infinity}}', 0, 0.0),
        ('{"name": "weather", "arguments": {"days": 1e999}}', 0, 0.0),
        ('{"name": "weather", "arguments": {"days": ' + "9" * 5000 + "}}", 0, 0.0),
        ('{"name": "weather", "arguments": {"days": 2, "days": 2}}', 0, 0.0),
        ("{'name': 'weather', 'arguments': {}}", 0, 0.0),
        ('{"name": "weather", "arguments": {"days": ' + "[" * 40 + "]" * 40 + "}}", 0, 0.0),
        ('{"name": "weather", "arguments": {"days": ' + "[" * 100_000 + "]" * 100_000 + "}}", 0, 0.0),
        ("", 0, 0.0),
    ],
)
def test_reward(body: str, score: int, reward: float) -> None:
    judgement = tool_call.judge(tagged(body), REFERENCE)
    assert judgement.score == score
    assert judgement.reward == pytest.approx(reward)


@pytest.mark.parametrize(
    "completion",
    [
        tagged(call(city="Oslo", days=2, unit="C")) * 2,
        tagged(call(city="Oslo", days=2, unit="C")) + tagged(call("clock")),
        "<tool_call>" + tagged(call(city="Oslo", days=2, unit="C")),
        tagged(call(city="Oslo", days=2, unit="C")) + "</tool_call>",
        call(city="Oslo", days=2, unit="C"),
        "</tool_call>{}<tool_call>",
        "",
    ],
)
def test_exactly_one_tagged_call(completion: str) -> None:
    assert tool_call.judge(completion, REFERENCE) == (None, 0, 0.0)


def test_text_around_the_call_is_tolerated() -> None:
    judgement = tool_call.judge(f"I look it up.\n{tagged(call(city='Oslo', days=2, unit='C'))}\n", REFERENCE)
    assert judgement.score == 1


@pytest.mark.parametrize(("given", "wanted"), [(True, 1), (1, True), (0, False), ("2", 2), ([1, True], [1, 1])])
def test_types_matter(given: Any, wanted: Any) -> None:
    assert tool_call.judge(tagged(call(x=given)), problem(call(x=wanted))).score == 0


def test_nested_structures() -> None:
    reference = problem(call(x={"a": [1, {"b": None}], "c": "d"}))
    assert tool_call.judge(tagged(call(x={"c": "d", "a": [1.0, {"b": None}]})), reference).score == 1
    assert tool_call.judge(tagged(call(x={"c": "d", "a": [{"b": None}, 1]})), reference).score == 0


def test_flat_definitions_with_arguments_for_parameters() -> None:
    tools = [{"name": "weather", "arguments": {"properties": {"days": {"default": 1}}}}]
    reference = problem(call(city="Oslo"), tools)
    assert tool_call.judge(tagged(call(city="Oslo", days=1)), reference).score == 1


@pytest.mark.parametrize("schema", [None, 3, {"properties": 3}, {"properties": {"x": 3}, "required": True}])
def test_odd_schemas_have_no_defaults(schema: Any) -> None:
    tools = [{"function": 3}, {"function": {"name": "weather", "parameters": schema}}]
    assert tool_call.judge(tagged(call(x=1)), problem(call(), tools)).score == 0


def test_reference_that_is_no_call_is_named() -> None:
    with pytest.raises(ValueError, match="is not a JSON tool call"):
        tool_call.judge("", problem("42"))


@given(st.text() | st.text('{}[]":,0123456789.eE-truefalsn\\u').map(tagged))
def test_no_completion_raises(completion: str) -> None:
    judgement = tool_call.judge(completion, REFERENCE)
    assert judgement.score == 0
    assert 0.0 <= judgement.reward < 1.0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.text(min_size=1), st.dictionaries(st.text(), JSON, max_size=4))
def test_reference_scores_and_an_extra_argument_does_not(name: str, arguments: dict[str, Any]) -> None:
    answer = json.dumps({"name": name, "arguments": arguments})
    reference = problem(answer, None)
    assert tool_call.judge(tagged(answer), reference)[1:] == (1, 1.0)
    assert json.loads(tool_call.extract(tagged(answer)) or "null") == json.loads(answer)
    extra = json.dumps({"name": name, "arguments": arguments | {"surely new": 1}})
    assert tool_call.judge(tagged(extra), reference).score == 0
