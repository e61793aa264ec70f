"""Evaluation: items are complete, scores are the scorer's, and the artifact's files are what is used."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_world import World

from art.config.digests import evaluation_digest
from art.errors import RecordError
from art.evaluation import evaluate as module
from art.evaluation.evaluate import Evaluator, evaluate
from art.files import read_json, read_records
from art.methods.controls import make_control
from art.pictures.png import ImageError, encode_png, uniform_noise
from art.scoring import scorer_of
from art.store.problem import Problem
from art.store.records import Item, RunRecord


def score(world: World, method: str, **sections: dict) -> list[Item]:
    evaluate(world.config(**sections), world.key(method), world.results)
    return read_records(world.folder(method) / "items.jsonl", Item)


@pytest.fixture
def made(world: World) -> World:
    """A world with the artifacts of three controls."""
    for method in ("no_image", "random_image", "random_string"):
        make_control(world.config(), world.key(method), world.results)
    return world


def test_phases_wait_for_the_device(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[None] = []
    monkeypatch.setattr(module, "wait_for_gpu", lambda: waits.append(None))
    score(made, "no_image", evaluation={"samples": 0})
    assert len(waits) == 2 * 3  # three batches of the eight problems


@pytest.mark.parametrize("method", ["no_image", "random_image", "random_string"])
def test_items_are_complete_and_greedy_comes_first(made: World, method: str) -> None:
    items = score(made, method)
    problems = read_records(made.results / "tasks/arithmetic/test.jsonl", Problem)
    names = [problem.id for problem in problems]
    assert [(item.decoding, item.id, item.sample) for item in items] == [
        *(("greedy", name, 0) for name in names),
        *(("sampled", name, sample) for name in names for sample in (0, 1)),
    ]
    by_id = {problem.id: problem for problem in problems}
    for item in items:
        verdict = scorer_of("numeric").judge(item.completion, by_id[item.id])
        assert (item.score, item.extracted) == (verdict.score, verdict.extracted)
        assert 1 <= item.tokens <= 6
    record = RunRecord.model_validate(read_json(made.folder(method) / "evaluation.json"))
    trained = RunRecord.model_validate(read_json(made.folder(method) / "run.json"))
    assert record.digest == evaluation_digest(made.config(), "tiny", "arithmetic", method) != trained.digest
    assert record.engine == "transformers" and trained.engine is None
    assert record.completion_tokens == sum(item.tokens for item in items)
    assert record.prefix_tokens == trained.prefix_tokens


def test_evaluating_twice_gives_the_same_bytes(made: World) -> None:
    path = made.folder("random_image") / "items.jsonl"
    score(made, "random_image")
    first = path.read_bytes()
    score(made, "random_image")
    assert path.read_bytes() == first


def test_greedy_does_not_depend_on_the_batch(made: World) -> None:
    small = score(made, "random_image", evaluation={"samples": 0, "batch_size": 1})
    large = score(made, "random_image", evaluation={"samples": 0, "batch_size": 100})
    assert small == large and len(small) == 8


@pytest.mark.parametrize("damage", ["truncated", "size", "missing", "artifact", "run"])
def test_a_damaged_run_is_named_and_leaves_no_items(made: World, damage: str) -> None:
    folder = made.folder("random_image")
    path = folder / "artifact/image.png"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:2000])
    elif damage == "size":
        encode_png(uniform_noise(96, np.random.default_rng(0)), path)
        told = path.with_name("artifact.json")
        told.write_text(told.read_text().replace('"image_size": 64', '"image_size": 96'))
    elif damage == "missing":
        path.unlink()
    elif damage == "artifact":
        path = folder / "artifact/artifact.json"
        path.write_text("{}")
    else:
        path = folder / "run.json"
        path.unlink()
    with pytest.raises((ImageError, RecordError), match=path.name) as caught:
        score(made, "random_image")
    assert str(folder) in str(caught.value)
    if damage == "size":
        assert "96 x 96" in str(caught.value) and "64 x 64" in str(caught.value)
    assert not (folder / "items.jsonl").exists() and not (folder / "evaluation.json").exists()


def test_an_artifact_of_other_settings_is_not_scored(made: World) -> None:
    with pytest.raises(RecordError, match=r"seed0: run\.json was made with other settings .*; rerun it"):
        score(made, "random_image", image={"size": 96})


def test_an_interrupted_evaluation_leaves_no_items(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    calls = []
    original = Evaluator._score

    def die_late(self: Evaluator, *rest):
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return original(self, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "_score", die_late)
        with pytest.raises(Killed):
            score(made, "random_image")
    assert sorted(path.name for path in made.folder("random_image").iterdir()) == [
        "artifact",
        "run.json",
        "train.jsonl",
    ]
    assert len(score(made, "random_image")) == 24


# Killed as by `kill -9`, at the given call of a function, without a chance to clean up.
KILLED = """
import os, signal
from art.cli import app
from art.evaluation import evaluate as module

place = {"module": module, "module.Evaluator": module.Evaluator}[place]
calls, original = [], getattr(place, name)

def die_late(*arguments, **named):
    calls.append(1)
    if len(calls) == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **named)

setattr(place, name, die_late)
app(arguments)
"""


def outcome(folder: Path) -> tuple[bytes, str]:
    """Items and record of an evaluation, the record without measured times and memory."""
    record = read_json(folder / "evaluation.json")
    return (folder / "items.jsonl").read_bytes(), json.dumps(
        {name: value for name, value in record.items() if name not in ("seconds", "peak_memory_bytes")}
    )


@pytest.mark.parametrize(("place", "name", "last"), [("module.Evaluator", "_score", 4), ("module", "write_record", 1)])
def test_kill_minus_9_in_the_middle_of_an_evaluation(made: World, place: str, name: str, last: int) -> None:
    folder = made.folder("random_image")
    score(made, "random_image")
    undisturbed = outcome(folder)
    for file in ("items.jsonl", "evaluation.json"):
        (folder / file).unlink()
    arguments = made.arguments("evaluate", "random_image")
    done = subprocess.run(
        [sys.executable, "-c", f"place, name, last, arguments = {place!r}, {name!r}, {last}, {arguments!r}\n{KILLED}"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(module.__file__).parents[2])},
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (folder / "items.jsonl").exists() == (name == "write_record")
    assert not (folder / "evaluation.json").exists()
    score(made, "random_image")
    assert outcome(folder) == undisturbed


def test_a_malformed_test_problem_is_named_with_its_line(made: World) -> None:
    path = made.results / "tasks/arithmetic/test.jsonl"
    path.write_text(path.read_text() + '{"question": "no id"}\n')
    with pytest.raises(RecordError, match=r"test\.jsonl:9: id"):
        score(made, "no_image")
