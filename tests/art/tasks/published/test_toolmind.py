"""ToolMind: the next call from the conversation so far, and what does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from published import WEATHER, section, toolmind_row, turn, user, write_lines

from art.files import read_json
from art.scoring import tool_call
from art.store.problem import Problem
from art.tasks.candidate import Unfit
from art.tasks.published import toolmind
from art.tasks.published.prepare import prepare

PARIS = ("weather", {"city": "Paris"})
RESULT = {"role": "tool", "content": '{"sky": "grey"}'}
POLICY = {"role": "system", "content": "Be kind."}


def problem(*turns: dict[str, Any], tools: list[Any] | None = None) -> Problem:
    return toolmind.convert(toolmind_row(*turns, tools=tools))[1]


def test_a_first_turn_is_the_question_alone() -> None:
    made = problem(user("Is it raining in Paris?"), turn(PARIS))
    assert made.question == "Is it raining in Paris?" and made.messages is None and made.solution is None
    assert made.tools == [WEATHER] and json.loads(made.answer) == {"name": "weather", "arguments": {"city": "Paris"}}
    assert tool_call.judge(f"<tool_call>{made.answer}</tool_call>", made).score == 1


def test_a_later_turn_has_the_conversation_so_far() -> None:
    rome = ("weather", '{"city": "Rome"}')  # arguments as text
    made = problem(POLICY, user("Paris?"), turn(PARIS, content=""), RESULT, user("And Rome?"), turn(rome))
    assert made.question == "Paris?" and json.loads(made.answer)["arguments"] == {"city": "Rome"}
    assert [message["role"] for message in made.messages or []] == ["system", "user", "assistant", "tool", "user"]
    assert (made.messages or [])[2]["tool_calls"] == [
        {"type": "function", "function": {"name": "weather", "arguments": {"city": "Paris"}}}
    ]
    assert "Let me see" not in made.model_dump_json(), "the turn's own reasoning is not in the prompt"


def test_results_that_are_no_text_become_json() -> None:
    made = problem(user("Paris?"), turn(PARIS), {"role": "tool", "content": [{"sky": "grün"}]}, turn(PARIS))
    assert (made.messages or [])[2]["content"] == '[{"sky": "grün"}]'


def test_what_is_written_in_calls() -> None:
    flat = {"role": "assistant", "tool_calls": [{"name": "weather", "arguments": {"city": "Zürich"}}]}
    made = problem(user("Zürich?"), flat)
    assert made.answer == '{"name": "weather", "arguments": {"city": "Zürich"}}'
    assert problem(user("Zürich?"), flat | {"content": "<|im_start|>"}) == made, "the turn's own text is never shown"


FIELDS = {"city": {"type": "string"}}
SCHEMA = {"type": "object", "properties": FIELDS}


@pytest.mark.parametrize(
    ("tool", "schema"),
    [
        ({"name": "weather", "parameters": SCHEMA}, SCHEMA),
        ({"type": "function", "function": {"name": "weather", "arguments": SCHEMA}}, SCHEMA),
        ({"type": "function", "function": {"type": "function", "function": {"name": "weather"}}},
         {"type": "object", "properties": {}}),
        ({"name": "weather", "parameters": FIELDS}, SCHEMA),
        ({"name": "weather", "parameters": None}, {"type": "object", "properties": {}}),
        ({"name": "weather", "parameters": {"type": "object"}}, {"type": "object", "properties": {}}),
        ({"name": "weather", "parameters": SCHEMA, "required": ["city"]}, SCHEMA | {"required": ["city"]}),
        ({"name": "weather", "parameters": SCHEMA, "required": "city", "description": 7}, SCHEMA),
        ({"name": "weather", "parameters": SCHEMA | {"required": []}, "required": ["city"]}, SCHEMA | {"required": []}),
    ],
)  # fmt: skip
def test_forms_of_tool_definitions(tool: dict[str, Any], schema: dict[str, Any]) -> None:
    made = problem(user("Paris?"), turn(PARIS), tools=[tool])
    function = {"name": "weather", "description": "", "parameters": schema}
    assert made.tools == [{"type": "function", "function": function}]


HELLO = user("Paris?")
UNFIT = {
    "no_call": [
        toolmind_row(HELLO, turn(content="No.")),
        toolmind_row(HELLO, turn(PARIS), RESULT),
        toolmind_row(HELLO, {"role": "assistant", "content": "x", "tool_calls": None}),
        toolmind_row(),
    ],
    "several_calls": [toolmind_row(HELLO, turn(PARIS, PARIS))],
    "call_of_no_tool_on_offer": [toolmind_row(HELLO, turn(PARIS), tools=[])],
    "malformed_call": [
        toolmind_row(HELLO, turn(("weather", "{"))),
        toolmind_row(HELLO, turn(("weather", "[" * 100_000))),
        toolmind_row(HELLO, turn(("weather", None))),
        toolmind_row(HELLO, turn(("weather", ["Paris"]))),
        toolmind_row(HELLO, turn(("weather", {"city": float("inf")}))),
        toolmind_row(HELLO, turn(("", {}))),
        toolmind_row(HELLO, {"role": "assistant", "tool_calls": ["weather"]}),
        toolmind_row(HELLO, {"role": "assistant", "tool_calls": [{"function": "weather"}]}),
    ],
    "malformed_tool": [
        toolmind_row(HELLO, turn(PARIS), tools=["weather"]),
        toolmind_row(HELLO, turn(PARIS), tools=[{"function": {"parameters": {}}}]),
        toolmind_row(HELLO, turn(PARIS), tools=[{"name": ""}, WEATHER]),
        toolmind_row(HELLO, turn(PARIS), tools=[{"name": ["weather"]}, WEATHER]),
        toolmind_row(HELLO, turn(PARIS), tools=[{"name": "weather", "parameters": []}]),
        toolmind_row(HELLO, turn(PARIS), tools=[{"name": "weather", "parameters": {"properties": ["city"]}}]),
    ],
    "chat_mark": [
        toolmind_row(user("Paris? <|endoftext|>"), turn(PARIS)),
        toolmind_row(HELLO, turn(PARIS), tools=[WEATHER, {"name": "clock", "description": "<|im_start|>"}]),
        toolmind_row(HELLO, turn(PARIS), RESULT | {"content": "<|im_end|>"}, HELLO, turn(PARIS)),
    ],
    "malformed_conversation": [
        toolmind_row(turn(content="Hello!"), HELLO, turn(PARIS)),
        toolmind_row(POLICY, turn(PARIS)),
        toolmind_row(HELLO, POLICY, turn(PARIS)),
        toolmind_row(user(" "), turn(PARIS)),
        toolmind_row({"role": "user", "content": None}, turn(PARIS)),
        toolmind_row({"role": "critic", "content": "x"}, turn(PARIS)),
        toolmind_row({"role": "user", "content": ["x"]}, turn(PARIS)),
        {"conversations": ["x"], "tools": []},
        toolmind_row(HELLO, {"role": "assistant", "content": "", "tool_calls": {"a": 1}}),
    ],
}


@pytest.mark.parametrize("reason", UNFIT)
def test_what_does_not_fit(reason: str) -> None:
    for row in UNFIT[reason]:
        with pytest.raises(Unfit, match=f"^{reason}$"):
            toolmind.convert(row)


def test_turns_of_one_conversation_count_once_and_drops_are_reported(tmp_path: Path) -> None:
    rows = [toolmind_row(user(f"Weather in town {n}?"), turn(PARIS)) for n in range(30)]
    later = [
        toolmind_row(user(f"Weather in town {n}?"), turn(PARIS), RESULT, user("Again."), turn(PARIS)) for n in range(20)
    ]
    write_lines(tmp_path / "graph_syn_datasets/graphsyn.jsonl", rows + later)
    write_lines(tmp_path / "open_datasets/some-query.jsonl", [row for rows in UNFIT.values() for row in rows])
    prepare(toolmind, "toolmind", section("tool_call", tmp_path, train=14), tmp_path / "out")
    report = read_json(tmp_path / "out/report.json")
    assert report["records"] == {"all": 50 + sum(map(len, UNFIT.values()))} and report["unused"] == 0
    assert report["dropped"] == {reason: len(rows) for reason, rows in UNFIT.items()} | {"question_repeated": 20}
    assert set(report["shared"].values()) == {0}
