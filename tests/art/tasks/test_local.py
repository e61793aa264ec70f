"""A task from a file of the user's own: what is read, how it is cut into splits, which line is at fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from published import WEATHER, section, user, write_lines

from art.errors import ConfigError, RecordError
from art.tasks.local import read_problems, split

NUMBERS = {"train": 8, "validation": 9, "test": 10}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Sixty problems and, at the end, the first one again."""
    return write_lines(tmp_path / "mine.jsonl", [question(n) for n in (*range(60), 0)])


def question(number: int, **fields: Any) -> dict[str, Any]:
    return {"question": f"Half of {2 * number}?", "answer": str(number), **fields}


def cut(source: Path, task: str = "halves", **numbers: int) -> dict[str, list[str]]:
    """Answers of each split, in order."""
    made, _ = split(task, section("numeric", None, **{**NUMBERS, **numbers}), source)
    return {part: [problem.answer for problem in problems] for part, problems in made.items()}


def test_parts_have_the_wanted_sizes_and_share_nothing(source: Path) -> None:
    parts = cut(source)
    assert [(part, len(answers)) for part, answers in parts.items()] == list(NUMBERS.items())
    assert len({answer for answers in parts.values() for answer in answers}) == 27


def test_the_test_part_is_cut_first_then_validation(source: Path) -> None:
    parts, trained, validated = cut(source), cut(source, train=30), cut(source, validation=30)
    assert parts["test"] == trained["test"] == validated["test"]
    assert parts["validation"] == trained["validation"] == validated["validation"][:9]
    assert parts["train"] == trained["train"][:8]
    assert cut(source, test=11)["test"][:10] == parts["test"]


def test_the_order_is_that_of_the_seed_and_the_task(source: Path) -> None:
    first = cut(source)
    assert first == cut(source)
    assert first["test"] not in (
        [str(n) for n in range(10)],
        cut(source, seed=1)["test"],
        cut(source, task="others")["test"],
    )


def test_a_line_of_the_same_content_counts_once_and_the_first_stands(tmp_path: Path) -> None:
    tools, messages = {"tools": [WEATHER]}, {"messages": [user("Half of 6?"), user("Well?")]}
    lines = [
        question(3, solution="6 / 2 = 3", topic="halves"),
        question(3, solution="3"),
        question(3, **tools),
        question(3, **messages, veiled=True),
    ]
    found = read_problems(write_lines(tmp_path / "mine.jsonl", lines))
    assert [(one.solution, one.topic, one.tools, one.messages, one.veiled) for one in found] == [
        ("6 / 2 = 3", "halves", None, None, False),
        (None, None, tools["tools"], None, False),
        (None, None, None, messages["messages"], True),
    ]


def test_as_many_as_there_are_can_be_had_and_no_more(source: Path) -> None:
    assert sum(map(len, cut(source, train=41).values())) == 60
    with pytest.raises(ConfigError, match=rf"tasks\.halves: 61 problems .* {source} holds only 60 distinct ones"):
        cut(source, train=42)


def test_a_question_with_other_case_blanks_or_answer_is_in_one_split(tmp_path: Path) -> None:
    twice = [question(n, **({"tools": [WEATHER]} if n % 2 else {})) for n in range(30)]
    twice += [
        {"question": f"  HALF of\t{2 * n}? ", "answer": f"{n}.0", **({"tools": [WEATHER]} if n % 2 else {})}
        for n in range(30)
    ]
    source = write_lines(tmp_path / "mine.jsonl", twice)
    made, left_out = split("halves", section("numeric", None, **NUMBERS), source)
    assert {name: len(problems) for name, problems in made.items()} == NUMBERS
    held = {name: {int(float(one.answer)) for one in problems} for name, problems in made.items()}
    assert not held["train"] & held["test"] and not held["train"] & held["validation"]
    assert not held["test"] & held["validation"]
    assert 0 < left_out <= 30
    with pytest.raises(ConfigError, match=rf"61 problems .* {source} holds only 60 distinct ones, \d+ of which repeat"):
        split("halves", section("numeric", None, **{**NUMBERS, "train": 42}), source)


def test_a_byte_order_mark_at_the_beginning_is_no_part_of_the_first_line(source: Path) -> None:
    before = read_problems(source)
    source.write_bytes(b"\xef\xbb\xbf" + source.read_bytes())
    assert read_problems(source) == before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not a problem with question and answer"),
        ("[" * 100_000, "not a problem with question and answer: RecursionError"),
        ("[1]", "not a problem with question and answer"),
        ('{"question": "q"}', "not a problem with question and answer: KeyError('answer')"),
        ('{"question": "q", "answer": 1}', "answer: Input should be a valid string"),
        ('{"question": "q", "answer": "1", "anser": "1"}', "anser: Extra inputs"),
        ('{"question": "q", "answer": "1", "messages": []}', "the first user message is not the question"),
    ],
)
def test_a_bad_line_is_named(source: Path, line: str, said: str) -> None:
    lines = source.read_text().splitlines()
    source.write_text("\n".join([*lines[:3], line, *lines[3:]]))
    with pytest.raises(RecordError) as caught:
        cut(source)
    assert str(caught.value).startswith(f"{source}:4: ") and said in str(caught.value)
