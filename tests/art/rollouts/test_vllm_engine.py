"""The engine ``vllm.LLM``, with a stand-in for its package: its arguments, its answers, failures, and its end."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fake_vllm import VERSION, FakeLLM, fake_vllm

from art.config.sections import EngineSection, ModelSection
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.pictures.logits import levels_to_tensor
from art.pictures.png import uniform_noise
from art.rollouts.engines import Engine, EngineContext, EngineError, open_engine
from art.rollouts.sampler import Decoding
from art.rollouts.vllm_options import engine_arguments
from art.store.problem import Problem
from art.tasks.generated.problems import problems

LEVELS = uniform_noise(64, np.random.default_rng(3))
IMAGE = Prefix(image=levels_to_tensor(LEVELS))
EMBEDDINGS = Prefix(embeddings=torch.randn(3, 64, generator=torch.Generator().manual_seed(0)))


@pytest.fixture(scope="module")
def some() -> list[Problem]:
    return [problem for task in ("arithmetic", "tool_call") for problem in problems(task, "test", 1, 0)]


@pytest.fixture
def opened(tiny_policy: Policy) -> Iterator[list[FakeLLM]]:
    with fake_vllm(tiny_policy) as made:
        yield made


@pytest.fixture
def place(tiny_policy: Policy, tiny_checkpoint: Path) -> EngineContext:
    model = ModelSection(path=str(tiny_checkpoint))
    return EngineContext(model, tiny_policy, EngineSection(kind="vllm", max_model_len=512), 2, 7, Path("nowhere"))


@pytest.fixture
def engine(opened: list[FakeLLM], place: EngineContext) -> Iterator[Engine]:
    with closing(open_engine(place)) as made:
        yield made


def test_it_is_opened_with_the_arguments_of_the_place(
    engine: Engine, opened: list[FakeLLM], place: EngineContext
) -> None:
    assert engine.name == f"vllm {VERSION}" and not engine.shares_policy
    assert [one.arguments for one in opened] == [engine_arguments(place)]


def test_its_processes_get_no_limit_of_threads(
    opened: list[FakeLLM], place: EngineContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    with closing(open_engine(place)):
        inherited = opened[0].environment
    assert not {"OMP_NUM_THREADS", "MKL_NUM_THREADS"} & inherited.keys()
    assert inherited["VLLM_NO_USAGE_STATS"] == "1" and inherited["PATH"] == os.environ["PATH"]


def test_sampling_is_the_policys(
    engine: Engine,
    opened: list[FakeLLM],
    some: list[Problem],
    tiny_policy: Policy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tiny_policy, "end_tokens", [tiny_policy.end_token, 70])
    engine.sample(some, Prefix(), 3, Decoding(0.7, 5, presence_penalty=0.5))
    ((_, parameters, adapter),) = opened[0].calls
    assert vars(parameters) == {
        "n": 3,
        "temperature": 0.7,
        "max_tokens": 5,
        "presence_penalty": 0.5,
        "logprobs": 0,
        "stop_token_ids": [tiny_policy.end_token, 70],
        "logit_bias": {token: -100.0 for token, bias in enumerate(tiny_policy.forbidden.tolist()) if bias == -math.inf},
        "detokenize": False,
    }
    assert adapter is None


def test_completions_come_back_as_they_are(engine: Engine, opened: list[FakeLLM], some: list[Problem]) -> None:
    said: list[Any] = []
    generate = opened[0].generate
    opened[0].generate = lambda *given, **named: said.extend(generate(*given, **named)) or said
    made = engine.sample(some, IMAGE, 4, Decoding(1.0, 6))
    outputs = [one for answer in said for one in answer.outputs]
    assert len({len(one.token_ids) for one in outputs}) > 2, "of several lengths"
    for row, one in enumerate(outputs):
        assert made.tokens[row][made.mask[row]].tolist() == list(one.token_ids)
        wanted = torch.tensor([-token / 1000 for token in one.token_ids])
        assert torch.equal(made.logprobs[row][made.mask[row]], wanted), "of the sampled tokens, not of the likeliest"
    assert len(made.tokens) == 8 and made.prompt_tokens == sum(len(answer.prompt_token_ids) for answer in said)


def test_prompts_go_unexpanded_with_one_picture(
    engine: Engine, opened: list[FakeLLM], some: list[Problem], tiny_policy: Policy
) -> None:
    """vLLM puts the visual tokens in itself, and encodes one picture once."""
    engine.sample(some, IMAGE, 1, Decoding(1.0, 1))
    prompts = opened[0].calls[0][0]
    for problem, prompt in zip(some, prompts, strict=True):
        assert prompt.keys() == {"prompt_token_ids", "multi_modal_data"}
        ids, slot, _ = tiny_policy.prompts.encode(problem, IMAGE)
        start = slot.index(True)
        assert prompt["prompt_token_ids"] == [*ids[:start], tiny_policy.prompts.image_token, *ids[start + sum(slot) :]]
        assert np.array_equal(np.asarray(prompt["multi_modal_data"]["image"]), LEVELS)
    assert len({id(prompt["multi_modal_data"]["image"]) for prompt in prompts}) == 1


@pytest.mark.parametrize("prefix", [Prefix(), Prefix(text="a red coin")], ids=["none", "text"])
def test_texts_go_as_tokens(
    engine: Engine, opened: list[FakeLLM], some: list[Problem], tiny_policy: Policy, prefix: Prefix
) -> None:
    engine.sample(some, prefix, 1, Decoding(1.0, 1))
    assert opened[0].calls[0][0] == [{"prompt_token_ids": tiny_policy.prompts.encode(one, prefix)[0]} for one in some]


def test_embeddings_stand_in_the_slot_among_tokens(
    engine: Engine, opened: list[FakeLLM], some: list[Problem], tiny_policy: Policy
) -> None:
    engine.sample(some, EMBEDDINGS, 1, Decoding(1.0, 1))
    for problem, prompt in zip(some, opened[0].calls[0][0], strict=True):
        ids, slot, _ = tiny_policy.prompts.encode(problem, EMBEDDINGS)
        assert (prompt["prompt_token_ids"], prompt["prompt_is_token_ids"]) == (ids, [not here for here in slot])
        start, vectors = slot.index(True), prompt["prompt_embeds"]
        assert vectors.shape == (len(ids), 64) and vectors.dtype == torch.bfloat16
        assert torch.equal(vectors[start : start + 3], EMBEDDINGS.embeddings.bfloat16())
        assert not vectors[:start].any() and not vectors[start + 3 :].any()


def test_each_adapter_is_loaded_under_a_new_name_and_asked_for(
    engine: Engine,
    opened: list[FakeLLM],
    some: list[Problem],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A prompt that is cached under a name must not be used for the next adapter."""
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "adapter_model.safetensors").write_text(name)
        engine.load_adapter(Path(name))
        engine.sample(some, Prefix(), 1, Decoding(1.0, 1))
    first, second = opened[0].loaded
    assert [asked for _, _, asked in opened[0].calls] == [first, second]
    assert first.name != second.name and {first.number, second.number} == {1, 2}
    assert [first.path, second.path] == [str(tmp_path / "one"), str(tmp_path / "two")]


# -- failures ------------------------------------------------------------------------------------------------------


def test_a_completion_that_does_not_fit_is_refused(engine: Engine, opened: list[FakeLLM], some: list[Problem]) -> None:
    with pytest.raises(EngineError, match="room for 512"):
        engine.sample(some, Prefix(), 1, Decoding(1.0, 500))
    assert not opened[0].calls


def test_another_prompt_is_refused(
    engine: Engine, opened: list[FakeLLM], some: list[Problem], tiny_policy: Policy
) -> None:
    """vLLM makes more tokens of the picture than we do."""
    larger = SimpleNamespace(tokens=lambda size: 9)
    opened[0].policy = SimpleNamespace(prompts=tiny_policy.prompts, preprocessor=larger)
    length = len(tiny_policy.prompts.encode(some[0], IMAGE)[0])
    with pytest.raises(EngineError, match=f"problem {some[0].id}: the engine's prompt has {length + 5} tokens"):
        engine.sample(some[:1], IMAGE, 1, Decoding(1.0, 1))


def test_it_does_not_start(opened: list[FakeLLM], place: EngineContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeLLM, "refuse", RuntimeError("no memory left"))
    with pytest.raises(EngineError, match=r"engine\.kind 'vllm': vLLM does not start: no memory left"):
        open_engine(place)


@pytest.mark.parametrize(("fault", "said"), [(ValueError("too old"), "too old"), (TimeoutError(), "TimeoutError")])
def test_a_failure_in_the_middle_is_said(
    engine: Engine, opened: list[FakeLLM], some: list[Problem], tmp_path: Path, fault: Exception, said: str
) -> None:
    opened[0].fault = fault
    with pytest.raises(EngineError, match=f"^vLLM failed: {said}$"):
        engine.sample(some, Prefix(), 1, Decoding(1.0, 1))
    with pytest.raises(EngineError, match=f"{tmp_path}: vLLM cannot load the adapter: "):
        engine.load_adapter(tmp_path)


# -- its end -------------------------------------------------------------------------------------------------------


def test_closing_ends_what_is_left_of_it(opened: list[FakeLLM], place: EngineContext) -> None:
    """A worker may outlive a core that has died."""
    engine = open_engine(place)
    assert opened[0].core.is_alive()
    engine.close()
    opened[0].core.join(60)
    assert opened[0].down and opened[0].core.exitcode == -9
    assert engine._guard.returncode is not None, "the guard has ended"
    engine.close()  # closing twice is no error


def test_its_processes_end_when_ours_is_gone(opened: list[FakeLLM], place: EngineContext) -> None:
    """The guard reads a pipe that ends with us."""
    engine = open_engine(place)
    engine._guard.stdin.close()
    opened[0].core.join(60)
    assert opened[0].core.exitcode == -9 and not opened[0].down
    engine.close()
