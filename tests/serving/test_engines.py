"""Both vLLM engines against the policy: the same prompts, and log-probabilities equal up to bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from serving_world import CHECKPOINT, TASKS

from art.config.methods import LoraMethod
from art.config.sections import EngineSection, ModelSection
from art.methods.base import Initialisation
from art.methods.lora import Lora
from art.models.artifact_loader import overlay_adapter
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.pictures.logits import levels_to_tensor
from art.pictures.png import uniform_noise
from art.rollouts.engines import Engine, EngineContext, open_engine
from art.rollouts.mismatch import measure_mismatch
from art.rollouts.sampler import Decoding, sample
from art.store.records import Mismatch
from art.tasks.generated.problems import problems

MODEL = ModelSection(path=str(CHECKPOINT), device="cpu")
SOME = [problem for task in TASKS for problem in problems(task, "test", 8, 0)]  # with and without tools
RANK = 4


@pytest.fixture(scope="module", params=["vllm", "server"])
def engine(
    request: pytest.FixtureRequest, policy: Policy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    log = tmp_path_factory.mktemp("engine") / "server.log"
    with closing(open_engine(EngineContext(MODEL, policy, EngineSection(kind=request.param), RANK, 0, log))) as opened:
        yield opened


def prefixes(policy: Policy) -> dict[str, Prefix]:
    rng = np.random.default_rng(0)
    words = policy.token_embeddings[torch.from_numpy(rng.integers(0, 500, 16))].float()
    return {
        "nothing": Prefix(),
        "noise": Prefix(image=levels_to_tensor(uniform_noise(128, rng))),
        "text": Prefix(text=" apple green seven"),
        "embeddings": Prefix(embeddings=1.5 * words),
    }


def gap(engine: Engine, prefix: Prefix, *scorers: Policy) -> list[Mismatch]:
    """Sample through the engine, at least 1,000 tokens, and score them by each of the policies."""
    rollouts = engine.sample(SOME, prefix, 6, Decoding(1.0, 36))
    rows = torch.arange(len(SOME)).repeat_interleave(6)
    found = []
    for policy in scorers:
        with torch.no_grad():
            state = policy.prefill(SOME, prefix).rows(rows)
            ours = policy.logprobs(state, rollouts.tokens, rollouts.mask, 1.0)
        assert rollouts.prompt_tokens == sum(len(policy.prompts.encode(problem, prefix)[0]) for problem in SOME)
        assert torch.isin(rollouts.tokens[rollouts.mask], torch.tensor(policy.forbidden_tokens)).sum() == 0
        found.append(measure_mismatch(ours[rollouts.mask], rollouts.logprobs[rollouts.mask]))
    print(engine.name, found)
    assert found[0].tokens > 1000
    return found


@pytest.mark.parametrize("name", ["nothing", "noise", "text", "embeddings"])
def test_log_probabilities_are_the_policys_up_to_bfloat16(engine: Engine, policy: Policy, name: str) -> None:
    """A wrong position, a picture at a wrong place or twice, another temperature: each changes these by tenths."""
    (found,) = gap(engine, prefixes(policy)[name], policy)
    assert found.mean < 0.02 and found.effective > 0.98


def test_greedy_answers_agree(engine: Engine, policy: Policy) -> None:
    """Most answers agree; after a near tie of two tokens the texts differ."""
    prefix = prefixes(policy)["noise"]
    theirs = engine.sample(SOME, prefix, 1, Decoding(0.0, 36)).texts(policy)
    ours = sample(policy, SOME, prefix, 1, Decoding(0.0, 36)).texts(policy)
    assert np.mean([one == other for one, other in zip(theirs, ours, strict=True)]) > 0.7


def test_an_adapter_is_loaded_in_place_of_the_last(engine: Engine, tmp_path: Path) -> None:
    policies = []
    for number in range(2):
        adapted = Policy(CHECKPOINT)
        torch.manual_seed(number)
        method = Lora(
            adapted, Initialisation(number, np.zeros((128, 128, 3), np.uint8), LoraMethod(kind="lora", rank=RANK))
        )
        with torch.no_grad():
            for value in method.parameters().values():
                value.add_(0.1 * torch.randn_like(value))
        method.write_adapter(tmp_path / f"adapter{number}")
        again = Policy(CHECKPOINT)
        overlay_adapter(again, tmp_path / f"adapter{number}")
        policies.append(again)
    for number in range(2):
        engine.load_adapter(tmp_path / f"adapter{number}")
        own, other = (found.mean for found in gap(engine, Prefix(), policies[number], policies[1 - number]))
        assert own < 0.03 and other > 5 * own
