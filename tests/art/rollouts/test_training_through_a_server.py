"""Training through a server: the same artifact, the mismatch in the log, loaded adapters, and servers that die."""

from __future__ import annotations

import base64
import itertools
import re
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_server import VERSION, FakeServer
from tiny_world import World, contents, log, run

from art.files import read_json
from art.models.policy import Policy
from art.pictures.png import decode_png
from art.scoring import Judgement, numeric
from art.store.clock import Clock
from art.store.problem import Problem
from art.store.records import RunRecord
from art.store.workspace import Workspace
from art.training.loop import Trainer, TrainingError
from art.training.session import opened


@pytest.fixture
def vowels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reward that random weights sometimes get: the share of vowels in the completion."""

    class Vowels:
        @staticmethod
        def judge(completion: str, problem: Problem) -> Judgement:
            share = sum(letter in "aeiou" for letter in completion) / max(1, len(completion))
            return Judgement(None, int(share > 0.4), share)

    monkeypatch.setattr(numeric, "judge", Vowels.judge)


def serving(world: World, policy: Policy, port: int = 0) -> FakeServer:
    return FakeServer(policy, str(world.root / "checkpoint"), port=port)


def through(fake: FakeServer, **settings: Any) -> dict[str, Any]:
    return {"kind": "server", "url": fake.url, "retries": 1, **settings}


@pytest.mark.parametrize("method", ["art", "lora", "soft_prompt"])
def test_training_through_a_server(
    world: World, tiny_policy: Policy, vowels: None, tmp_path: Path, method: str
) -> None:
    shutil.copytree(world.root, tmp_path / "plain")
    plain = contents(run(World(tmp_path / "plain"), method))
    with closing(serving(world, tiny_policy)) as fake:
        folder = run(world, method, engine=through(fake))
        requests, loaded = fake.requests, fake.loaded
    assert contents(folder).keys() == plain.keys()
    record = RunRecord.model_validate(read_json(folder / "run.json"))
    assert record.engine == f"server, vllm {VERSION}"
    start, *steps = log(folder)
    assert start.gap_mean is None and [step.step for step in steps] == [1, 2, 3]
    rounding = 1e-2 if method == "soft_prompt" else 1e-4  # embeddings are sent in bfloat16
    for step in steps:
        assert 0 < step.gap_tokens <= step.completion_tokens
        assert 0 <= step.gap_mean <= step.gap_max < rounding and step.effective_share == pytest.approx(1, abs=1e-3)
        assert step.gradient_norm > 0 and step.ratio_clipped < 1
        assert {"rollout", "correction"} <= set(step.seconds)
    # LoRA: loaded at the start and after each step's updates, for the next rollout or validation.
    assert len(loaded) == (4 if method == "lora" else 0)
    assert ["weight_sync" in step.seconds for step in steps] == [False, *2 * [method == "lora"]]
    assert b"gap_mean" in contents(folder)["train.jsonl"] and b'"gap_mean":null' in plain["train.jsonl"]
    kinds = {"art": ["image_url", "text"], "lora": ["text"], "soft_prompt": ["prompt_embeds", "text"]}
    sent = [[part["type"] for part in body["messages"][0]["content"]] for body in requests]
    assert sent == [kinds[method]] * len(requests) and requests


def test_a_server_with_the_trained_image_sees_each_step_of_it(world: World, tiny_policy: Policy, vowels: None) -> None:
    with closing(serving(world, tiny_policy)) as fake:
        folder = run(world, "art", engine=through(fake), training={"steps": 2})
        sent = [body["messages"][0]["content"][0]["image_url"]["url"] for body in fake.requests]
    assert len(set(sent)) == 3, "the seed picture, and one after each step"
    for number, url in enumerate(dict.fromkeys(sent)):
        path = world.root / "sent.png"
        path.write_bytes(base64.b64decode(url.split(",")[1]))
        snapshot = decode_png(folder / f"snapshots/step{number:04d}.png", 64)
        assert (decode_png(path, 64) == snapshot).all()


@contextmanager
def trainer(world: World, method: str, **sections: dict) -> Iterator[Trainer]:
    with opened(Workspace(world.config(**sections), world.key(method), world.results), Clock()) as session:
        yield Trainer(session)


@pytest.mark.parametrize("cap", [2.0, 1.5, None])
def test_the_importance_of_a_known_gap(world: World, tiny_policy: Policy, vowels: None, cap: float | None) -> None:
    """Log-probabilities are too low by 0, 1/2 or 1, depending on the token: weights 1, 1.65, 2.72."""

    def shift(tokens: torch.Tensor) -> torch.Tensor:
        return 0.5 * (tokens % 3)

    with closing(serving(world, tiny_policy)) as fake:
        fake.twist = lambda tokens, scores: scores - shift(tokens)
        settings = {"engine": through(fake, importance_cap=cap), "training": {"minibatches": 1}}
        with trainer(world, "art", **settings) as made:
            groups, tally = made.source.sampled(0)
            loss, clipped = made.loss(groups)
    every = torch.cat([shift(group.tokens[group.mask]) for group in groups])
    count = len(every)
    assert tally.mismatch.tokens == count > 50
    assert tally.mismatch.mean == pytest.approx(float(every.mean()), abs=1e-4)
    assert tally.mismatch.maximum == pytest.approx(1.0, abs=1e-3)
    share = float(every.exp().sum() ** 2 / (every.exp() ** 2).sum() / count)
    assert tally.mismatch.effective == pytest.approx(share, abs=1e-3) and share < 0.9
    total = 0.0
    for group in groups:
        weights = torch.ones(group.mask.shape) if cap is None else shift(group.tokens).exp().clamp(max=cap)
        total += float((weights * group.advantages.unsqueeze(1))[group.mask].sum())
    # On-policy the ratio is 1, so the loss is the mean of weight * advantage; the mismatch clips nothing.
    assert float(loss.detach()) == pytest.approx(-total / count, abs=1e-5)
    assert float(clipped) == 0.0
    if cap is not None:
        assert abs(total / count) > 1e-3, "without weights it is about 0, since advantages are"


def test_a_logged_gap_is_the_servers(world: World, tiny_policy: Policy, vowels: None) -> None:
    with closing(serving(world, tiny_policy)) as fake:
        fake.twist = lambda tokens, scores: scores - 0.25
        folder = run(world, "lora", engine=through(fake), training={"steps": 2})
    for step in log(folder)[1:]:
        assert step.gap_mean == pytest.approx(0.25, abs=1e-4) and step.gap_max == pytest.approx(0.25, abs=1e-3)
        assert step.effective_share == pytest.approx(1.0, abs=1e-4), "all tokens have the same weight"


@pytest.mark.parametrize("method", ["art", "lora"])
def test_a_server_that_dies_stops_the_run_and_another_goes_on(
    world: World, tiny_policy: Policy, vowels: None, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    fake = serving(world, tiny_policy)
    original, steps = Trainer.step, []

    def step_or_die(self: Trainer, number: int) -> None:
        steps.append(number)
        if number == 1 and steps == [0, 1]:
            fake.close()
        original(self, number)

    monkeypatch.setattr(Trainer, "step", step_or_die)
    with pytest.raises(TrainingError, match=r"step 2: .*cannot be reached.*progress/state\.safetensors"):
        run(world, method, engine=through(fake), training={"steps": 2})
    folder = world.folder(method)
    assert (folder / "progress/state.safetensors").is_file() and not (folder / "run.json").exists()
    with closing(serving(world, tiny_policy, fake.port)) as fake:
        run(world, method, engine=through(fake), training={"steps": 2})
    assert steps == [0, 1, 1], "only what was lost is done again"
    assert [step.step for step in log(folder)] == [0, 1, 2]
    assert not (folder / "progress").exists()


def test_a_message_of_the_trainer_fits_one_line(world: World, tiny_policy: Policy, vowels: None) -> None:
    with closing(serving(world, tiny_policy)) as fake:
        fake.faults = itertools.chain([None] * 4, itertools.repeat("500"))  # the first validation succeeds
        with pytest.raises(TrainingError) as caught:
            run(world, "soft_prompt", engine=through(fake))
    assert re.search(r"step 1: http://127\.0\.0\.1:\d+/v1/: InternalServerError", str(caught.value))
    assert "\n" not in str(caught.value)
