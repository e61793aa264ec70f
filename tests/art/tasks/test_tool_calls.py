"""ToolMind and BFCL: the next call from the conversation so far, and what does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from published import WEATHER, section, toolmind_row, turn, user, write_bfcl, write_lines

from art.config import ConfigError
from art.records import Problem, RecordError, read_json
from art.scoring import tool_call
from art.tasks import bfcl, toolmind
from art.tasks.candidate import Candidate, Dropped, Unfit
from art.tasks.prepare import prepare

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
    assert "Let me see" not in made.model_dump_json(), "the turn's own reasoning is no part of the prompt"


def test_results_that_are_no_text_become_json() -> None:
    made = problem(user("Paris?"), turn(PARIS), {"role": "tool", "content": [{"sky": "grey"}]}, turn(PARIS))
    assert (made.messages or [])[2]["content"] == '[{"sky": "grey"}]'


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
        toolmind_row(HELLO, turn(PARIS), tools=[{"name": "weather", "parameters": []}]),
        toolmind_row(HELLO, turn(PARIS), tools=[{"name": "weather", "parameters": {"properties": ["city"]}}]),
    ],
    "chat_mark": [
        toolmind_row(user("Paris? <|endoftext|>"), turn(PARIS)),
        toolmind_row(HELLO, turn(PARIS), RESULT | {"content": "<|im_end|>"}, HELLO, turn(PARIS)),
    ],
    "malformed_conversation": [
        toolmind_row(turn(content="Hello!"), HELLO, turn(PARIS)),
        toolmind_row(POLICY, turn(PARIS)),
        toolmind_row(HELLO, POLICY, turn(PARIS)),
        toolmind_row(user(" "), turn(PARIS)),
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


# -- BFCL ----------------------------------------------------------------------------------------------------------


def test_problems_of_bfcl(tmp_path: Path) -> None:
    found = list(bfcl.read("bfcl", section("tool_call", write_bfcl(tmp_path, 8))))
    made = [one.problem for one in found if isinstance(one, Candidate)]
    assert len(made) == len(found) == 16
    first = next(problem for problem in made if problem.topic == "simple_python")
    assert first.messages is None and first.question == "simple_python: what is the root of 0?"
    assert first.tools and first.tools[0]["function"]["parameters"]["properties"]["of"] == {"type": "number"}
    for degree in ("", ', "degree": 2'):
        call = f'<tool_call>{{"name": "math.root", "arguments": {{"of": 0.0{degree}}}}}</tool_call>'
        assert tool_call.judge(call, first).score == 1
    live = next(problem for problem in made if problem.topic == "live_multiple")
    assert [message["role"] for message in live.messages or []] == ["system", "user"]


def one_of_bfcl(folder: Path, right: dict[str, list[Any]]) -> Candidate | Dropped:
    """A problem whose answer has these right values of its arguments; ``n`` and ``to`` are required."""
    path = write_bfcl(folder, 1) / "BFCL_v4_simple_python.json"
    types = {"n": "integer", "to": "string", "unit": "string", "places": "integer", "style": "dict", "rows": "array"}
    fields = {name: {"type": kind} for name, kind in types.items()}
    schema = {"type": "dict", "properties": fields, "required": ["n", "to"]}
    write_lines(path, [json.loads(path.read_text()) | {"function": [{"name": "root", "parameters": schema}]}])
    write_lines(
        path.parent / "possible_answer" / path.name, [{"id": "simple_python_0", "ground_truth": [{"root": right}]}]
    )
    (found,) = bfcl.read("bfcl", section("tool_call", path))
    return found


@pytest.mark.parametrize(
    ("right", "good", "bad"),
    [
        ({"n": [1, 2]}, [{"n": 1}, {"n": 2.0}], [{"n": 3}, {}, {"n": [1, 2]}]),
        ({"n": [1, ""]}, [{"n": 1}], [{}, {"n": ""}]),  # required: BFCL wants it, whatever its answer says
        ({"to": [""]}, [{"to": ""}], [{}, {"to": "a"}]),
        ({"unit": ["cm", "", "metre"]}, [{"unit": "cm"}, {"unit": "metre"}, {"unit": ""}, {}], [{"unit": "m"}]),
        ({"unit": [None, ""]}, [{"unit": None}, {}], [{"unit": "None"}]),
        ({"places": ["", 2]}, [{"places": 2}, {}], [{"places": ""}, {"places": 3}]),
        ({"places": [""]}, [{}], [{"places": 0}, {"places": ""}]),
        ({"style": [{"bold": [True], "size": [3]}]}, [{"style": {"size": 3, "bold": True}}], [{"style": {"size": 3}}]),
        ({"style": ["", {}]}, [{"style": {}}, {}], [{"style": {"size": 3}}]),
        ({"rows": [[{"a": [1]}, {"a": [2]}]]}, [{"rows": [{"a": 1}, {"a": 2}]}], [{"rows": [{"a": 2}, {"a": 1}]}]),
        ({"rows": [["a", "b"], ["b", "a"]]}, [{"rows": ["a", "b"]}, {"rows": ["b", "a"]}], [{"rows": ["a"]}]),
    ],
)
def test_right_values_of_bfcl(
    tmp_path: Path, right: dict[str, list[Any]], good: list[dict[str, Any]], bad: list[dict[str, Any]]
) -> None:
    found = one_of_bfcl(tmp_path, right)
    assert isinstance(found, Candidate)
    for score, given in ((1, good), (0, bad)):
        for arguments in given:
            call = f"<tool_call>{json.dumps({'name': 'root', 'arguments': arguments})}</tool_call>"
            assert tool_call.judge(call, found.problem).score == score, arguments


@pytest.mark.parametrize(
    ("right", "reason"),
    [
        ({"style": [{"bold": [True], "size": [3, 4]}]}, "object_with_several_right_forms"),
        ({"style": [{"bold": [True, ""]}]}, "object_with_several_right_forms"),
        ({"rows": [[{"a": [1]}, {"a": [""]}]]}, "object_with_several_right_forms"),
        ({"n": []}, "no_right_value"),
        ({"n": [""]}, "no_right_value"),
        ({"other": [1]}, "argument_of_no_definition"),
    ],
)
def test_what_of_bfcl_does_not_fit(tmp_path: Path, right: dict[str, list[Any]], reason: str) -> None:
    assert one_of_bfcl(tmp_path, right) == Dropped("all", reason)


def test_bfcl_from_the_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_bfcl(tmp_path / "bfcl_eval/data", 12)
    (tmp_path / "bfcl_eval/__init__.py").write_text("raise SystemError('no code of the package is run')")
    (tmp_path / "bfcl_eval-9.8.dist-info").mkdir()
    (tmp_path / "bfcl_eval-9.8.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: bfcl-eval\nVersion: 9.8\n")
    for name in ("BFCL_v4_multiple.json", "BFCL_v4_live_simple.json"):
        write_lines(data / name, [])
        write_lines(data / "possible_answer" / name, [])
    monkeypatch.syspath_prepend(tmp_path)
    wanted = section("tool_call", None)
    assert len(list(bfcl.read("bfcl", wanted))) == 24
    assert bfcl.origin(wanted) == {"package": "bfcl-eval", "version": "9.8"}


def test_bfcl_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("art.tasks.bfcl.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"tasks\.bfcl\.source: missing, .* pip install --no-deps 'bfcl-eval"):
        list(bfcl.read("bfcl", section("tool_call", None)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "other"}, "no answer of this id"),
        ({"question": []}, "not a record of BFCL"),
        ({"function": "f"}, "not a record of BFCL"),
        ({"function": []}, "not a record of BFCL"),
    ],
)
def test_bfcl_of_another_form_is_named_with_its_line(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = write_bfcl(tmp_path, 1) / "BFCL_v4_simple_python.json"
    write_lines(path, [json.loads(path.read_text()) | change])
    with pytest.raises(RecordError, match=r"BFCL_v4_simple_python\.json:1: ") as caught:
        list(bfcl.read("bfcl", section("tool_call", path)))
    assert said in str(caught.value)
