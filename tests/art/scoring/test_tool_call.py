import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from art.scoring import tool_call
from art.store.problem import Problem, problem_id

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
        (call(city="Oslo", days=2), 0, 0.2 + 0.7 * 2 / 3),  # "unit" is required, so its default does not count
        (call(city="Bergen", days=1, unit="F"), 0, 0.2),
        (call(), 0, 0.2),
        (call("clock", city="Oslo", days=2, unit="C"), 0, 0.1),
        (call(7, city="Oslo", days=2, unit="C"), 0, 0.0),
        ('{"name": "weather"}', 0, 0.0),
        ('{"name": "weather", "arguments": "{}"}', 0, 0.2),
        ("<function=weather><parameter=days>2</parameter></function>", 0, 0.2 + 0.7 * 1 / 3),
        ("{'name': 'weather', 'arguments': {}}", 0, 0.0),
        ("", 0, 0.0),
    ],
)
def test_reward(body: str, score: int, reward: float) -> None:
    judgement = tool_call.judge(tagged(body), REFERENCE)
    assert judgement.score == score
    assert judgement.reward == pytest.approx(reward)


RIGHT = tagged(call(city="Oslo", days=2, unit="C"))


@pytest.mark.parametrize(
    "completion",
    [
        RIGHT * 2,
        RIGHT + tagged(call("clock")),
        RIGHT + tagged("not a call"),
        "<tool_call>" + RIGHT,
        RIGHT + "</tool_call>",
        call(city="Oslo", days=2, unit="C"),
        "</tool_call>{}<tool_call>",
        "",
    ],
)
def test_exactly_one_tagged_call(completion: str) -> None:
    assert tool_call.judge(completion, REFERENCE)[1:] == (0, 0.0)


def test_what_was_read_is_shown() -> None:
    one = {"name": "clock", "arguments": {}}
    assert tool_call.extract(tagged(json.dumps(one))) == json.dumps(one, sort_keys=True)
    assert tool_call.extract(tagged(json.dumps(one)) * 2) == json.dumps([one, one], sort_keys=True)
    assert tool_call.extract("") is tool_call.extract("<tool_call>") is None


def test_the_tagged_form_scores_like_json() -> None:
    body = "<function=weather>\n<parameter=days>\n2\n</parameter>\n<parameter=unit>\nC\n</parameter>\n"
    body += "<parameter=city>\nOslo\n</parameter>\n</function>"
    assert tool_call.judge(tagged(body), REFERENCE) == (tool_call.extract(RIGHT), 1, 1.0)


@pytest.mark.parametrize(
    "kind", ["string", "str, optional", "integer", "boolean", "object", "any", None, ["string", "integer"]]
)
@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("7", (7, 7.0, "7")),
        ("None", (None, "None")),
        ("null", (None, "null")),
        ("True", (True, "True")),
        ("2024-01-02", ("2024-01-02",)),
        ('["a"]', (["a"], '["a"]')),
    ],
)
def test_values_of_the_tagged_form_are_right_whatever_type_the_tools_declare(
    kind: Any, written: str, right: tuple[Any, ...]
) -> None:
    tools = [{"name": "f", "parameters": {"properties": {"x": {"type": kind}}, "required": ["x"]}}]
    body = tagged(f"<function=f><parameter=x>{written}</parameter></function>")
    for value in (
        7,
        8,
        "7",
        "8",
        None,
        "None",
        "null",
        True,
        False,
        1,
        "True",
        "2024-01-02",
        "2024",
        ["a"],
        '["a"]',
        [],
    ):
        expected = any(value == one and type(value) is type(one) for one in right)
        assert tool_call.judge(body, problem(call("f", x=value), tools)).score == expected, value


def test_a_default_that_the_reference_writes_may_be_left_out() -> None:
    assert tool_call.judge(tagged(call(city="Oslo", unit="C")), problem(call(city="Oslo", days=1, unit="C"))).score == 1
    assert tool_call.judge(tagged(call(city="Oslo", days=1)), problem(call(city="Oslo", days=1, unit="C"))).score == 0


A, B, C = call("clock", zone="A"), call("clock", zone="B"), call("bell")


def several(*calls: str) -> str:
    return f"[{', '.join(calls)}]"


@pytest.mark.parametrize(
    ("given_calls", "wanted", "score", "reward"),
    [
        ([A, B], [A, B], 1, 1.0),
        ([B, A], [A, B], 1, 1.0),
        ([A, A, B], [A, B, A], 1, 1.0),
        ([A], [A], 1, 1.0),
        ([A, B, B], [A, A, B], 0, (1.0 + 0.2 + 1.0) / 3),
        ([A, C], [A, B], 0, (1.0 + 0.1) / 2),
        ([call("clock", zone="C"), B], [A, B], 0, (0.2 + 1.0) / 2),
        # the first wanted call takes the best given call, the second takes the other
        (
            [call("clock", hour=1), call("clock", zone="B", form=1)],
            [call("clock", zone="A", form=1), call("clock", zone="B", form=1)],
            0,
            (0.2 + 0.7 / 2 + 0.2) / 2,
        ),
        ([A], [A, B], 0, 0.0),
        ([A, B, B], [A, B], 0, 0.0),
        ([A, A], [A], 0, 0.0),
    ],
)
def test_several_calls_match_as_a_multiset(given_calls: list, wanted: list, score: int, reward: float) -> None:
    judgement = tool_call.judge("\n".join(map(tagged, given_calls)), problem(several(*wanted)))
    assert judgement.score == score
    assert judgement.reward == pytest.approx(reward)


def accepting(**more: Any) -> str:
    return json.dumps(json.loads(call("clock", zone="A", form="long")) | more)


@pytest.mark.parametrize(
    ("body", "score"),
    [
        (call("clock", zone="A", form="long"), 1),
        (call("clock", zone="B", form="long"), 1),
        (call("clock", zone="A"), 1),
        (call("clock", zone="A", hour=None), 1),
        (call("clock", form="long"), 0),
        (call("clock", zone="C"), 0),
        (call("clock", zone="A", form="short"), 0),
        (call("clock", zone="A", hour=1), 0),
    ],
)
def test_references_that_accept_several_answers(body: str, score: int) -> None:
    reference = accepting(accepted={"zone": ["B"], "hour": [None]}, optional=["form", "hour"])
    assert tool_call.judge(tagged(body), problem(reference)).score == score


def test_pairing_looks_ahead_where_answers_overlap() -> None:
    either, only = accepting(accepted={"zone": ["B"]}), accepting()
    first, second = call("clock", zone="A", form="long"), call("clock", zone="B", form="long")
    for answer in (several(either, only), several(only, either)):
        assert tool_call.judge(tagged(first) + tagged(second), problem(answer)).score == 1
        assert tool_call.judge(tagged(second) + tagged(first), problem(answer)).score == 1
        judgement = tool_call.judge(tagged(second) * 2, problem(answer))
        assert judgement.score == 0 and judgement.reward < 1


def test_text_around_the_call_is_tolerated() -> None:
    judgement = tool_call.judge(f"I look it up.\n{tagged(call(city='Oslo', days=2, unit='C'))}\n", REFERENCE)
    assert judgement.score == 1


@pytest.mark.parametrize(("given", "wanted"), [(True, 1), (1, True), (0, False), ("2", 2), ([1, True], [1, 1])])
def test_types_matter(given: Any, wanted: Any) -> None:
    assert tool_call.judge(tagged(call(x=given)), problem(call(x=wanted))).score == 0


def test_nested_structures() -> None:
    reference = problem(call(x={"a": [1, {"b": None}], "c": "d"}))
    assert tool_call.judge(tagged(call(x={"c": "d", "a": [1.0, {"b": None}]})), reference).score == 1
    for wrong in ({"c": "d", "a": [{"b": None}, 1]}, {"c": "d"}, {"c": "d", "a": [1]}, {"c": "d", "a": [1, {}]}, {}):
        assert tool_call.judge(tagged(call(x=wrong)), reference).score == 0


def test_flat_definitions_with_arguments_for_parameters() -> None:
    tools = [{"name": "weather", "arguments": {"properties": {"days": {"default": 1}}}}]
    reference = problem(call(city="Oslo"), tools)
    assert tool_call.judge(tagged(call(city="Oslo", days=1)), reference).score == 1


@pytest.mark.parametrize("schema", [None, 3, {"properties": 3}, {"properties": {"x": 3}, "required": True}])
def test_odd_schemas_have_no_defaults(schema: Any) -> None:
    tools = [{"function": 3}, {"function": {"name": "weather", "parameters": schema}}]
    assert tool_call.judge(tagged(call(x=1)), problem(call(), tools)).score == 0


@pytest.mark.parametrize(
    "answer",
    [
        "42",
        "[]",
        "[42]",
        "weather()",
        '{"name": "weather"}',
        '{"name": "weather", "arguments": {}, "id": 1}',
        '{"name": "weather", "arguments": {}, "accepted": {"days": 1}}',
        '{"name": "weather", "arguments": {}, "accepted": ["days"]}',
        '{"name": "weather", "arguments": {}, "optional": [1]}',
        '{"name": "weather", "arguments": {}, "optional": "days"}',
        "[" * 100_000,
    ],
)
def test_reference_that_is_no_call_is_named(answer: str) -> None:
    for veiled, shown in ((False, repr(answer)), (True, "(veiled)")):
        made = problem(answer).model_copy(update={"veiled": veiled})
        with pytest.raises(ValueError, match=re.escape(f"problem {made.id}: answer {shown} is no JSON tool call")):
            tool_call.judge("", made)


@given(st.text() | st.text('{}[]":,0123456789.eE-truefalsn\\u').map(tagged))
def test_no_completion_raises(completion: str) -> None:
    judgement = tool_call.judge(completion, REFERENCE)
    assert judgement.score == 0
    assert 0.0 <= judgement.reward < 1.0


TEXT = st.text() | st.sampled_from(["<tool_call>", "a </tool_call>", "</parameter>", "None", "42", "[1]"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(TEXT.filter(bool), st.dictionaries(TEXT, JSON, max_size=4))
def test_reference_scores_and_an_extra_argument_does_not(name: str, arguments: dict[str, Any]) -> None:
    answer = json.dumps({"name": name, "arguments": arguments})
    reference = problem(answer, None)
    assert tool_call.judge(tagged(answer), reference)[1:] == (1, 1.0)
    assert json.loads(tool_call.extract(tagged(answer)) or "null") == json.loads(answer)
    extra = json.dumps({"name": name, "arguments": arguments | {"surely new": 1}})
    assert tool_call.judge(tagged(extra), reference).score == 0


@given(st.dictionaries(TEXT, JSON, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_arguments_does_not_matter(arguments: dict[str, Any], random: Any) -> None:
    shuffled = dict(random.sample(list(arguments.items()), len(arguments)))
    body = json.dumps({"name": "f", "arguments": shuffled})
    assert tool_call.judge(tagged(body), problem(json.dumps({"name": "f", "arguments": arguments}))).score == 1


@given(st.lists(st.sampled_from([A, B, C]), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_calls_does_not_matter_and_their_number_does(calls: list[str], random: Any) -> None:
    reference = problem(several(*calls))
    shuffled = [tagged(one) for one in random.sample(calls, len(calls))]
    assert tool_call.judge("".join(shuffled), reference)[1:] == (1, 1.0)
    assert tool_call.judge("".join([*shuffled, shuffled[0]]), reference).score == 0
    assert tool_call.judge("".join(shuffled[1:]), reference).score == 0


@given(st.integers())
def test_whole_numbers_equal_their_decimals_and_not_their_neighbours(number: int) -> None:
    reference = problem(call(x=number))
    assert tool_call.judge(tagged(call(x=number)), reference).score == 1
    assert tool_call.judge(tagged(call(x=number + 1)), reference).score == 0
    assert tool_call.judge(tagged(call(x=str(number))), reference).score == 0
    if abs(number) < 2**53:
        assert tool_call.judge(tagged(call(x=float(number))), reference).score == 1
