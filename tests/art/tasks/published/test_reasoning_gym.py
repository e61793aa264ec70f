"""Tasks from reasoning-gym, by the name of its data set."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from published import section

from art.errors import ConfigError, RecordError
from art.files import read_json, read_records
from art.store.problem import Problem
from art.tasks.published import reasoning_gym
from art.tasks.published.prepare import prepare

REFUSALS = {"composite": AssertionError, "needs_more": TypeError, "odd": ValueError}


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Replace the package; return the list of the seeds with which data sets are made.

    ``sums`` are sums below 100; ``rare`` repeats each question nine times, in lower and upper case; the others are data
    sets that cannot be made by their name alone, or that no file can hold.
    """
    used: list[int] = []

    def entry(name: str, seed: int, index: int) -> dict[str, Any]:
        if name == "rare":
            text = f"seed {seed}, number {index // 9}?"
            return {"question": text.upper() if index % 2 else text, "answer": None, "metadata": {}}
        a, b = (Random(seed + index).randrange(10) for _ in range(2))
        made = {"question": f"{a} + {b} + {index % 7}?", "answer": str(a + b + index % 7)}
        return {"sums": {**made, "metadata": {"terms": [a, b], "from": 0}}, "sets": {**made, "metadata": {1, 2}}}.get(
            name, made
        )

    def create_dataset(name: str, seed: int, size: int) -> list[dict[str, Any]]:
        if name in REFUSALS:
            raise REFUSALS[name]("not by this name")
        used.append(seed)
        return [entry(name, seed, index) for index in range(size)]

    factory = ModuleType("reasoning_gym.factory")
    factory.DATASETS = dict.fromkeys(("sums", "rare", "sets", "bare", *REFUSALS))  # type: ignore[attr-defined]
    factory.create_dataset = create_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "reasoning_gym", ModuleType("reasoning_gym"))
    monkeypatch.setitem(sys.modules, "reasoning_gym.factory", factory)
    monkeypatch.setattr(reasoning_gym, "version", {"reasoning-gym": "9.8"}.__getitem__)
    return used


def test_parts_of_a_generated_data_set(seeds: list[int], tmp_path: Path) -> None:
    for name, numbers in (("a", {}), ("b", {"train": 12}), ("c", {"seed": 1})):
        prepare(reasoning_gym, "sums", section("reasoning_gym", None, **numbers), tmp_path / name)
    parts = {part: read_records(tmp_path / f"a/{part}.jsonl", Problem) for part in ("train", "validation", "test")}
    assert len({problem.question for problems in parts.values() for problem in problems}) == 24
    problem = parts["train"][0]
    assert problem.question.endswith("?\n\nEnd your response with: <answer>your answer</answer>")
    a, b, c = map(int, re.findall(r"[0-9]", problem.question.split("?")[0]))
    metadata = f'{{"from": 0, "terms": [{a}, {b}]}}'
    assert problem.answer == f'{{"answer": "{a + b + c}", "dataset": "sums", "metadata": {metadata}}}'
    tests = [(tmp_path / f"{name}/test.jsonl").read_bytes() for name in "abc"]
    assert tests[0] == tests[1] != tests[2]
    assert read_json(tmp_path / "a/report.json")["source"] == {"package": "reasoning-gym", "version": "9.8"}


def test_fewer_than_asked_for_and_names_that_are_none(seeds: list[int]) -> None:
    with pytest.raises(ConfigError, match=r"tasks\.sums\.train \+ validation: 908 .* distinct"):
        prepare(reasoning_gym, "sums", section("reasoning_gym", None, train=900), Path("nowhere"))
    refused = [(name, "cannot make this data set with default settings: not by this name") for name in REFUSALS]
    names = "bare, composite, needs_more, odd, rare, sets, sums"
    for name, said in (("sum", "allowed: sums"), ("x", f"allowed: {names}"), *refused):
        with pytest.raises(ConfigError, match=rf"tasks\.{name}: .*{said}$"):
            list(reasoning_gym.read(name, section("reasoning_gym", None)))


def test_every_part_has_a_seed_of_its_own_by_task_and_seed(seeds: list[int]) -> None:
    for task in ("sums", "rare"):
        for seed in range(20):
            list(reasoning_gym.read(task, section("reasoning_gym", None, seed=seed)))
    assert len(set(seeds)) == len(seeds) == 80
    list(reasoning_gym.read("sums", section("reasoning_gym", None)))
    assert seeds[-2:] == seeds[:2], "reading again uses the same seeds"


def test_questions_that_come_again_are_not_counted(seeds: list[int]) -> None:
    """Eight and sixteen distinct questions, drawn nine times each except the last, which ends the split."""
    found = list(reasoning_gym.read("rare", section("reasoning_gym", None)))
    assert [one.published for one in found] == ["test"] * 64 + ["train"] * 136
    assert json.loads(found[0].problem.answer) == {"dataset": "rare", "answer": None, "metadata": {}}


@pytest.mark.parametrize(("task", "said"), [("bare", "KeyError"), ("sets", "TypeError")])
def test_an_entry_that_no_file_can_hold(seeds: list[int], task: str, said: str) -> None:
    with pytest.raises(RecordError, match=rf"reasoning-gym: {task}: an entry cannot be written as JSON: {said}"):
        list(reasoning_gym.read(task, section("reasoning_gym", None)))


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym.factory", None)
    with pytest.raises(ConfigError, match=r"tasks\.sums: .*pip install '\.\[reasoning-gym\]'"):
        list(reasoning_gym.read("sums", section("reasoning_gym", None)))


def test_with_the_package_itself(tmp_path: Path) -> None:
    pytest.importorskip("reasoning_gym", reason="needs pip install '.[reasoning-gym]' (a C compiler)")
    prepare(reasoning_gym, "leg_counting", section("reasoning_gym", None), tmp_path)
    assert set(read_json(tmp_path / "report.json")["shared"].values()) == {0}
