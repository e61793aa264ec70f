"""Evaluation scores the artifact: other files in it give other answers, with every engine."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest
from artifacts import METHODS, lively, make_lively, said, write_artifact
from fake_server import FakeServer
from fake_vllm import fake_vllm
from tiny_world import World

from art.evaluation.evaluate import evaluate
from art.files import read_records
from art.models.policy import Policy
from art.store.problem import Problem
from art.store.records import Item

LENGTH = 3
SETTINGS = {"samples": 0, "max_new_tokens": LENGTH, "batch_size": 8}


@pytest.fixture(scope="module")
def policy(tiny_policy: Policy) -> Policy:
    return lively(tiny_policy)


@pytest.fixture(scope="module")
def lively_world(tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    root = shutil.copytree(tiny_inputs, tmp_path_factory.mktemp("lively") / "world")
    make_lively(root / "checkpoint")
    return World(root)


@pytest.mark.parametrize("engine", ["transformers", "server"])
@pytest.mark.parametrize("kind", METHODS)
def test_the_answers_are_those_of_the_artifact(lively_world: World, policy: Policy, kind: str, engine: str) -> None:
    world, key = lively_world, lively_world.key(METHODS[kind])
    problems = read_records(world.results / "tasks/arithmetic/test.jsonl", Problem)
    with closing(FakeServer(policy, str(world.root / "checkpoint"))) as fake:
        section = {"kind": engine, "url": fake.url} if engine == "server" else {}
        config = world.config(evaluation=SETTINGS, engine=section)
        wanted = [said(policy, problems, None, 0, Path(), LENGTH)]
        for variant in range(2):
            write_artifact(world, config, kind, variant, policy)
            evaluate(config, key, world.results)
            items = read_records(world.folder(METHODS[kind]) / "items.jsonl", Item)
            adapter = world.folder(METHODS[kind]) / "artifact/adapter"
            wanted.append(said(policy, problems, kind, variant, adapter, LENGTH))
            assert [item.completion for item in items] == wanted[-1]
    assert len({tuple(texts) for texts in wanted}) == 3, "answers differ without an artifact and with each of the two"


@pytest.mark.parametrize("kind", METHODS)
def test_vllm_gets_the_artifact(lively_world: World, policy: Policy, kind: str) -> None:
    """vLLM's stand-in answers by a hash of all that it is sent."""
    world, key = lively_world, lively_world.key(METHODS[kind])
    config = world.config(evaluation=SETTINGS, engine={"kind": "vllm"})
    found = []
    with fake_vllm(policy):
        for variant in (0, 1, 0):
            write_artifact(world, config, kind, variant, policy)
            evaluate(config, key, world.results)
            found.append(read_records(world.folder(METHODS[kind]) / "items.jsonl", Item))
    assert found[0] == found[2] and len(found[0]) == 8
    assert all(one.completion != other.completion for one, other in zip(found[0], found[1], strict=True))
