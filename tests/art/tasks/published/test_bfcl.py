"""BFCL: one call, one or more tools on offer, and every right value of an argument."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from published import section, user, write_bfcl, write_lines

from art.config.sections import TaskSection
from art.errors import ConfigError, RecordError
from art.scoring import tool_call
from art.store.problem import Problem
from art.tasks.candidate import Candidate, Dropped
from art.tasks.published import bfcl

CATEGORIES = ("simple_python", "multiple", "live_simple", "live_multiple")
OTHERS = ("simple_java", "parallel", "parallel_multiple", "live_parallel", "irrelevance", "multi_turn_base")


def tool(name: str, **types: str) -> dict[str, Any]:
    """A definition as BFCL writes it; ``n`` and ``to`` are required."""
    fields = {argument: {"type": kind} for argument, kind in types.items()}
    return {
        "name": name,
        "description": "",
        "parameters": {"type": "dict", "properties": fields, "required": ["n", "to"]},
    }


def write_category(folder: Path, name: str, right: Any, **changes: Any) -> Path:
    """Write one problem of a category to a folder; its answer is ``{"ask": {"n": right}}``."""
    row = {"id": name, "question": [[user(f"{name}?")]], "function": [tool("ask", n="integer")]}
    truth = {"id": name, "ground_truth": [{"ask": {"n": right}}]}
    write_lines(folder / f"possible_answer/BFCL_v4_{name}.json", [truth])
    return write_lines(folder / f"BFCL_v4_{name}.json", [row | changes])


def problem(path: Path) -> Problem:
    (found,) = bfcl.read("bfcl", section("tool_call", path))
    assert isinstance(found, Candidate) and found.published == "all" and found.text == found.problem.question
    return found.problem


def score(made: Problem, name: str = "root", **arguments: Any) -> int:
    call = json.dumps({"name": name, "arguments": arguments})
    return tool_call.judge(f"<tool_call>{call}</tool_call>", made).score


@pytest.mark.parametrize("installed", [True, False])
def test_four_categories_are_read_with_their_own_answers_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    for number, name in enumerate((*CATEGORIES, *OTHERS)):
        write_category(tmp_path / "bfcl_eval/data", name, [number])
    (tmp_path / "bfcl_eval/__init__.py").write_text("raise SystemError('no code of the package is run')")
    (tmp_path / "bfcl_eval-9.8.dist-info").mkdir()
    (tmp_path / "bfcl_eval-9.8.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: bfcl-eval\nVersion: 9.8\n")
    monkeypatch.syspath_prepend(tmp_path)
    wanted = section("tool_call", None if installed else tmp_path / "bfcl_eval/data")
    found = [one.problem for one in bfcl.read("bfcl", wanted) if isinstance(one, Candidate)]
    assert {made.topic: (made.question, made.answer) for made in found} == {
        name: (f"{name}?", f'{{"name": "ask", "arguments": {{"n": {number}}}}}')
        for number, name in enumerate(CATEGORIES)
    }
    path = {"path": str(tmp_path / "bfcl_eval/data")}
    assert bfcl.origin(wanted) == ({"package": "bfcl-eval", "version": "9.8"} if installed else path)


def test_all_tools_are_on_offer_and_the_called_one_counts(tmp_path: Path) -> None:
    functions = [tool("clock", zone="string"), tool("ask", n="integer"), tool("bell")]
    made = problem(write_category(tmp_path, "multiple", [7], function=functions))
    assert [one["function"]["name"] for one in made.tools or []] == ["clock", "ask", "bell"]
    assert score(made, "ask", n=7) == 1 and score(made, "clock", n=7) == 0


def test_the_first_message_of_a_user_is_the_question(tmp_path: Path) -> None:
    spoken = [
        {"role": "system", "content": "Be brief."},
        user("Ask."),
        {"role": "assistant", "content": "What?"},
        user("7"),
    ]
    made = problem(write_category(tmp_path, "live_simple", [7], question=[spoken]))
    assert made.question == "Ask." and made.messages == spoken


def test_types_have_the_names_of_json_schemas(tmp_path: Path) -> None:
    fields = {
        "a": {"type": "float", "description": "float"},
        "b": {"type": "tuple", "items": {"type": "any"}},
        "c": {"type": "dict", "properties": {"type": {"type": "integer"}}},
        "d": {"anyOf": [{"type": "tuple"}, {"type": "boolean"}]},
    }
    function = {"name": "ask", "parameters": {"type": "dict", "properties": {**fields, "n": {"type": "integer"}}}}
    made = problem(write_category(tmp_path, "multiple", [7], function=[function]))
    assert (made.tools or [])[0]["function"]["parameters"] == {
        "type": "object",
        "properties": {
            "a": {"type": "number", "description": "float"},
            "b": {"type": "array", "items": {"type": "string"}},
            "c": {"type": "object", "properties": {"type": {"type": "integer"}}},
            "d": {"anyOf": [{"type": "array"}, {"type": "boolean"}]},
            "n": {"type": "integer"},
        },
    }


@pytest.mark.parametrize(
    ("right", "more"),
    [
        ([7], {}),
        ([7, 8, 9], {"accepted": {"n": [8, 9]}}),
        ([7, ""], {"optional": ["n"]}),
        ([""], {"arguments": {}}),
        (["", 7, 8], {"accepted": {"n": [8]}, "optional": ["n"]}),
    ],
)
def test_the_reference_says_only_what_there_is(tmp_path: Path, right: list[Any], more: dict[str, Any]) -> None:
    function = tool("ask", n="integer")
    function["parameters"]["required"] = []
    made = problem(write_category(tmp_path, "multiple", right, function=[function]))
    assert json.loads(made.answer) == {"name": "ask", "arguments": {"n": 7}} | more


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
    types = {"n": "integer", "to": "string", "unit": "string", "places": "integer", "style": "dict", "rows": "array"}
    path = write_category(folder, "simple_python", [], function=[tool("root", **types, free="any")])
    truth = {"id": "simple_python", "ground_truth": [{"root": right}]}
    write_lines(path.parent / "possible_answer" / path.name, [truth])
    (found,) = bfcl.read("bfcl", section("tool_call", path))
    return found


@pytest.mark.parametrize(
    ("right", "good", "bad"),
    [
        ({"n": [1, 2]}, [{"n": 1}, {"n": 2.0}], [{"n": 3}, {}, {"n": [1, 2]}]),
        ({"n": [1, ""]}, [{"n": 1}], [{}, {"n": ""}]),  # BFCL wants a required argument, whatever its answer says
        ({"to": [""]}, [{"to": ""}], [{}, {"to": "a"}]),
        ({"unit": ["cm", "", "metre"]}, [{"unit": "cm"}, {"unit": "metre"}, {"unit": ""}, {}], [{"unit": "m"}]),
        ({"unit": ["cm"]}, [{"unit": "cm"}], [{}, {"unit": ""}]),
        ({"free": [1, ""]}, [{"free": 1}, {"free": ""}, {}], [{"free": 0}]),
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
    assert [score(found.problem, **arguments) for arguments in good] == [1] * len(good)
    assert [score(found.problem, **arguments) for arguments in bad] == [0] * len(bad)


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


@pytest.mark.parametrize("spec", [None, SimpleNamespace(submodule_search_locations=None)])
def test_bfcl_that_is_not_there(monkeypatch: pytest.MonkeyPatch, spec: Any) -> None:
    monkeypatch.setattr("art.tasks.published.bfcl.find_spec", {"bfcl_eval": spec}.get)
    with pytest.raises(ConfigError, match=r"tasks\.bfcl\.source: missing, .* pip install --no-deps 'bfcl-eval"):
        list(bfcl.read("bfcl", section("tool_call", None)))


def test_bfcl_is_not_read_from_the_hub() -> None:
    source = {"repository": "some/one", "revision": "0123456789" * 4}
    wanted = TaskSection.model_validate({"scorer": "tool_call", "source": source})
    with pytest.raises(ConfigError, match=r"^tasks\.bfcl\.source: give path, a folder with BFCL_v4_simple"):
        list(bfcl.read("bfcl", wanted))


def test_an_answer_of_two_calls_is_no_record_of_these_categories(tmp_path: Path) -> None:
    path = write_category(tmp_path, "multiple", [7])
    truth = {"id": "multiple", "ground_truth": [{"ask": {"n": [7]}, "bell": {}}]}
    write_lines(tmp_path / "possible_answer" / path.name, [truth])
    with pytest.raises(RecordError, match="not a record of BFCL"):
        list(bfcl.read("bfcl", section("tool_call", path)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "other"}, "no answer of this id in possible_answer/BFCL_v4_simple_python.json"),
        ({"question": []}, "not a record of BFCL"),
        ({"question": [[user("One?")], [user("Two?")]]}, "not a record of BFCL"),
        ({"question": [[1]]}, "not a record of BFCL"),
        ({"function": [{"name": "math.root"}]}, "not a record of BFCL: KeyError('parameters')"),
        ({"function": "f"}, "not a record of BFCL"),
        ({"function": []}, "not a record of BFCL"),
    ],
)
def test_bfcl_of_another_form_is_named_with_its_line(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = write_bfcl(tmp_path, 1) / "BFCL_v4_simple_python.json"
    write_lines(path, [json.loads(path.read_text()) | change])
    with pytest.raises(RecordError, match=r"/BFCL_v4_simple_python\.json:1: ") as caught:
        list(bfcl.read("bfcl", section("tool_call", path)))
    assert said in str(caught.value)
