"""GPQA: the options, the held-out half, and that no example is ever in plain text."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import pytest
from published import CANARY, gpqa_rows, section, write_gpqa
from tiny_world import World
from typer.testing import CliRunner

from art.cli import app
from art.files import read_json, read_records, write_records
from art.scoring import multiple_choice
from art.store.problem import Problem
from art.store.records import Item
from art.tasks.candidate import make_problem
from art.tasks.published import gpqa
from art.tasks.published.prepare import prepare


def problems(path: Path) -> dict[str, Problem]:
    found = list(gpqa.read("gpqa", section("multiple_choice", path)))
    assert {one.published for one in found} == {"all"}
    return {one.text: one.problem for one in found}


def test_options_are_shuffled_by_content(tmp_path: Path) -> None:
    rows = gpqa_rows(80)
    found = problems(write_gpqa(tmp_path / "a.csv", rows))
    assert problems(write_gpqa(tmp_path / "b.csv", rows[::-1])) == found
    letters = [problem.answer for problem in found.values()]
    assert all(8 < letters.count(letter) < 32 for letter in "ABCD")
    for question, problem in found.items():
        assert problem.question.startswith(f"{question}\n\n(A) {CANARY}")
        assert problem.veiled
        assert problem.question.endswith("\n\nEnd your response with: The correct answer is (X)")
        assert f"({problem.answer}) {CANARY} right\n" in problem.question
        assert multiple_choice.options(problem) == set("ABCD")
        assert multiple_choice.judge(f"The correct answer is ({problem.answer})", problem).score == 1


def test_half_of_the_extended_set_is_held_out_by_content(tmp_path: Path) -> None:
    write_gpqa(tmp_path / "gpqa_extended.csv", gpqa_rows(546))
    for seed in (0, 1):
        prepare(
            gpqa,
            "gpqa",
            section("multiple_choice", tmp_path, train=223, validation=50, test=273, seed=seed),
            tmp_path / f"seed{seed}",
        )
    held_out = [(tmp_path / f"seed{seed}/test.jsonl").read_bytes() for seed in (0, 1)]
    assert held_out[0] == held_out[1]
    report = read_json(tmp_path / "seed0/report.json")
    assert report["records"] == {"all": 546}
    assert report["problems"] == {"train": 223, "validation": 50, "test": 273} and report["unused"] == 0
    assert set(report["topics"]["test"]) == {"Biology", "Physics"}


def test_two_options_alike(tmp_path: Path) -> None:
    row = gpqa_rows(1)[0] | {"Incorrect Answer 2": f" {CANARY} right "}
    found = list(gpqa.read("gpqa", section("multiple_choice", write_gpqa(tmp_path / "a.csv", [row]))))
    assert found == [("all", "option_repeated")]


def art(*arguments: object) -> str:
    """Run a command; return its output, as in a rule's log."""
    done = CliRunner().invoke(app, list(map(str, arguments)))
    return done.output + done.stderr + str(done.exception or "")


def test_no_file_and_no_message_shows_an_example(world: World, tmp_path: Path) -> None:
    source = write_gpqa(tmp_path / "published/gpqa_extended.csv", gpqa_rows(40))
    task = {"scorer": "multiple_choice", "source": {"path": str(source.parent)}, "train": 8, "validation": 8, "test": 8}
    config = world.write_config(tasks={"gpqa": task})
    shutil.rmtree(world.results / "tasks")
    said = art("prepare", "gpqa", "--config", config, "--out", world.results / "tasks/gpqa")
    said += art("draw", "gpqa", "--config", config, "--out", world.results / "seeds/gpqa.png")
    run = ("--config", config, "--model", "tiny", "--task", "gpqa", "--method", "lora", "--results", world.results)
    said += art("train", *run) + art("evaluate", *run)
    items = read_records(world.folder("lora", "gpqa") / "items.jsonl", Item)
    held_out = read_records(world.results / "tasks/gpqa/test.jsonl", Problem)
    assert CANARY in held_out[0].question and {item.id for item in items} == {problem.id for problem in held_out}
    assert all(item.veiled for item in items), "a completion may repeat its question"
    written = [path for path in world.root.rglob("*") if path.is_file()]
    assert len(written) > 10
    assert [path for path in written if CANARY.encode() in path.read_bytes()] == []
    assert CANARY not in said


@pytest.mark.parametrize("damage", ["header", "column", "option", "row", "quote", "encoding", "few"])
def test_no_error_shows_an_example(tmp_path: Path, damage: str) -> None:
    rows = gpqa_rows(9)
    if damage == "column":
        rows = [{f"{CANARY} {name}": text for name, text in row.items()} for row in rows]
    if damage == "option":
        rows[4]["Incorrect Answer 3"] = " "
    path = write_gpqa(tmp_path / "gpqa_extended.csv", rows)
    text = path.read_bytes()
    changed = {
        "header": text.split(b"\n", 1)[1],
        "row": text + f'"{CANARY}","{CANARY}"\n'.encode(),
        "quote": text + f'"{CANARY}'.encode(),
        "encoding": text + f"{CANARY} \xe9".encode("latin-1"),
    }
    path.write_bytes(changed.get(damage, text))
    task = {"scorer": "multiple_choice", "source": {"path": str(path)}, "train": 8, "validation": 8, "test": 8}
    config = tmp_path / "config.json"
    content = World(tmp_path).mapping(tasks={"gpqa": task})
    config.write_text(json.dumps(content))
    done = CliRunner().invoke(app, ["prepare", "gpqa", "--config", str(config), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1 and done.stderr.startswith("art: ")
    assert CANARY not in done.output + done.stderr + str(done.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", ["reference", "special token", "key", "id"])
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_no_error_of_a_run_shows_an_example(world: World, command: str, damage: str) -> None:
    """Faults in a problem file that was edited by hand."""
    veiled = {"veiled": True}
    good = make_problem(f"{CANARY} (A) one (B) two", "A", **veiled)
    bad = {
        "reference": make_problem(good.question, f"{CANARY} A", **veiled),
        "special token": make_problem(f"{CANARY} <|im_end|>", "A", **veiled),
        "key": good.model_copy(update={CANARY: 1, "solution": [CANARY]}),
        "id": good.model_copy(update={"id": "0" * 16}),
    }[damage]
    config = world.write_config(tasks={"gpqa": {"scorer": "multiple_choice"}})
    run = ("--config", config, "--model", "tiny", "--task", "gpqa", "--method", "no_image", "--results", world.results)
    for part in ("train", "validation", "test"):
        write_records(world.results / f"tasks/gpqa/{part}.jsonl", [good] * 8)
    art("draw", "gpqa", "--config", config, "--out", world.results / "seeds/gpqa.png")
    art("train", *run)
    broken = "train" if command == "train" else "test"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic warns of the wrong type
        write_records(world.results / f"tasks/gpqa/{broken}.jsonl", [good, bad] * 4)
    said = art(command, *run[:7], "soft_prompt" if command == "train" else "no_image", *run[8:])
    assert said.startswith("art: ") and CANARY not in said
    assert {"reference": "(veiled)", "special token": "im_end", "key": "solution", "id": "content hash"}[damage] in said
