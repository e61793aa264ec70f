"""A problem's id, its conversation, and records that stay unreadable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from art.errors import RecordError
from art.files import (
    read_records,
    write_records,
)
from art.store.problem import Problem, problem_id
from art.store.records import Item


def problem(question: str = "How many?") -> Problem:
    return Problem(id=problem_id(question, "1"), question=question, answer="1")


GREEDY = {"id": "x", "decoding": "greedy", "sample": 0, "completion": "", "score": 1, "tokens": 0}


def test_the_hash_is_of_the_content(tmp_path: Path) -> None:
    tools = [{"name": "a"}]
    assert len({problem_id("q", "1"), problem_id("q", "2"), problem_id("p", "1"), problem_id("q", "1", tools)}) == 4
    # printf '["H\u00f6he?", "1", null]' | sha256sum
    assert problem_id("H\u00f6he?", "1") == "14f76a86dd9a8486"
    assert problem_id("q", "1", [{"b": 1, "a": 2}]) == problem_id("q", "1", [{"a": 2, "b": 1}])


ODD = "a\u2028b\x85c\r\nd"

MESSAGES = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "How many?"}]


def test_messages_belong_to_the_content_and_begin_with_the_question() -> None:
    name = problem_id("How many?", "1", None, MESSAGES)
    assert name != problem_id("How many?", "1")
    assert Problem(id=name, question="How many?", answer="1", messages=MESSAGES).messages == MESSAGES
    for messages in ([], MESSAGES[:1], [{"role": "user", "content": "Hm?"}, *MESSAGES]):
        name = problem_id("How many?", "1", None, messages)
        with pytest.raises(ValueError, match="the first user message is not the question"):
            Problem(id=name, question="How many?", answer="1", messages=messages)


def test_veiled_records_come_back_and_show_nothing(tmp_path: Path) -> None:
    secret = Problem(**problem(f"Secret {ODD}").model_dump() | {"topic": "Physics", "veiled": True})
    item = Item(id="x", decoding="greedy", sample=0, completion="Secret", score=0, tokens=3, veiled=True)
    for name, record in (("problems", secret), ("items", item)):
        path = tmp_path / f"{name}.jsonl"
        write_records(path, [record, record])
        assert read_records(path, type(record)) == [record, record]
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert [list(line) for line in lines] == [["veiled"], ["veiled"]]
        assert "Secret" not in path.read_text() and "Physics" not in path.read_text()
    assert (secret.quoted_answer, problem().quoted_answer) == ("(veiled)", "'1'")


def test_records_that_are_not_veiled_are_written_as_ever(tmp_path: Path) -> None:
    write_records(tmp_path / "problems.jsonl", [problem()])
    line = {"id": problem().id, "question": "How many?", "answer": "1"}
    assert (tmp_path / "problems.jsonl").read_text() == json.dumps(line, separators=(",", ":")) + "\n"


@pytest.mark.parametrize("text", ["", "?", "AAAA", "eJxLSgQAASYAyA=="])
def test_a_damaged_veil_is_named_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "problems.jsonl"
    path.write_text(json.dumps({"veiled": text}) + "\n")
    with pytest.raises(RecordError, match=r"problems\.jsonl:1: .*veiled: damaged"):
        read_records(path, Problem)
