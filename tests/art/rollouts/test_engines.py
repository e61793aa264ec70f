"""What all engines share: mismatches, replies as rollouts; and the engine that is the policy itself."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from artifacts import write_adapter

from art.config.sections import EngineSection, ModelSection
from art.models.artifact_loader import overlay_adapter
from art.models.policy import Policy
from art.models.preprocessor import CheckpointError
from art.models.prompt import Prefix
from art.pictures.logits import levels_to_tensor
from art.pictures.png import uniform_noise
from art.rollouts.engines import EngineContext, EngineError, Transformers, open_engine
from art.rollouts.mismatch import measure_mismatch
from art.rollouts.replies import Reply, refuse_long, rollouts_of
from art.rollouts.sampler import Decoding, sample
from art.store.problem import Problem
from art.tasks.generated.problems import problems

IMAGE = Prefix(image=levels_to_tensor(uniform_noise(64, np.random.default_rng(3))))
EMBEDDINGS = Prefix(embeddings=torch.randn(3, 64, generator=torch.Generator().manual_seed(0)))


@pytest.fixture(scope="module")
def some() -> list[Problem]:
    return [problem for task in ("arithmetic", "tool_call") for problem in problems(task, "test", 1, 0)]


def place(policy: Policy, tmp_path: Path) -> EngineContext:
    return EngineContext(ModelSection(path="nowhere"), policy, EngineSection(), None, 0, tmp_path / "log")


def replies(policy: Policy, some: list[Problem], prefix: Prefix) -> list[Reply]:
    """Replies of an engine that makes the same prompts as we do."""
    rows = [[([5, 6, 7], [-1.0, -2.0, -3.0]), ([8], [-0.5])], [([9, 9], [-4.0, -0.25]), ([], [])]]
    return [Reply(list(policy.prompts.encode(one, prefix)[0]), row) for one, row in zip(some, rows, strict=True)]


# -- gaps ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs", "effective"),
    [
        # weights 2, 1, 1/4: (13/4)^2 / (81/16) of 3 tokens
        ([0.5, 0.25, 0.0625], [0.25, 0.25, 0.25], 169 / 243),
        # weights 1/2, 1, 4: (11/2)^2 / (69/4) of 3 tokens
        ([0.25, 0.25, 0.25], [0.5, 0.25, 0.0625], 121 / 207),
    ],
)
def test_gap_by_hand(ours: list[float], theirs: list[float], effective: float) -> None:
    """The log-probabilities differ by ln 2, 0 and 2 ln 2, one upwards and one downwards."""
    gap = measure_mismatch(torch.tensor(ours).log(), torch.tensor(theirs).log())
    assert gap.tokens == 3
    assert gap.mean == pytest.approx(math.log(2)) and gap.maximum == pytest.approx(2 * math.log(2))
    assert gap.effective == pytest.approx(effective)


def test_no_gap() -> None:
    gap = measure_mismatch(torch.tensor([-1.0, -2.0]), torch.tensor([-1.0, -2.0]))
    assert (gap.tokens, gap.mean, gap.maximum, gap.effective) == (2, 0.0, 0.0, 1.0)


# -- what does not fit ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bound", ["max_model_len", "positions"])
def test_what_fills_the_room_is_allowed_and_a_token_more_refused(
    tiny_policy: Policy, some: list[Problem], monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    first, longest = (len(tiny_policy.prompts.encode(one, IMAGE)[0]) for one in some)
    assert first < longest - 1, "only the last problem is too long"
    room = longest + 10
    settings = EngineSection(max_model_len=room if bound == "max_model_len" else room + 50)
    positions = room if bound == "positions" else room + 50
    monkeypatch.setattr(tiny_policy.model.config.get_text_config(), "max_position_embeddings", positions)
    refuse_long(some, IMAGE, tiny_policy, settings, Decoding(1.0, 10))
    said = rf"problem {some[1].id}: {longest} tokens of prompt and 11 new ones; room for {room} \(engine\.max_model_len"
    with pytest.raises(EngineError, match=said):
        refuse_long(some, IMAGE, tiny_policy, settings, Decoding(1.0, 11))


# -- replies as rollouts -------------------------------------------------------------------------------------------


def test_replies_are_padded_on_the_right(tiny_policy: Policy, some: list[Problem]) -> None:
    made = rollouts_of(replies(tiny_policy, some, Prefix()), some, tiny_policy, Prefix())
    assert made.tokens.tolist() == [[5, 6, 7], [8, 0, 0], [9, 9, 0], [0, 0, 0]]
    assert made.mask.tolist() == [[True] * 3, [True, False, False], [True, True, False], [False] * 3]
    assert made.logprobs.tolist() == [[-1.0, -2.0, -3.0], [-0.5, 0, 0], [-4.0, -0.25, 0], [0, 0, 0]]
    assert made.tokens.dtype == torch.long and made.mask.dtype == torch.bool


@pytest.mark.parametrize("prefix", [Prefix(), Prefix(text="a red coin"), IMAGE, EMBEDDINGS])
def test_prompt_tokens_are_counted_as_the_policy_counts_them(
    tiny_policy: Policy, some: list[Problem], prefix: Prefix
) -> None:
    made = rollouts_of(replies(tiny_policy, some, prefix), some, tiny_policy, prefix)
    ours = sample(tiny_policy, some, prefix, 2, Decoding(0.0, 1))
    assert made.prompt_tokens == ours.prompt_tokens


def test_an_image_that_was_expanded_twice_is_an_error(tiny_policy: Policy, some: list[Problem]) -> None:
    said = replies(tiny_policy, some, IMAGE)
    ids, slot, _ = tiny_policy.prompts.encode(some[1], IMAGE)
    end = max(number for number, here in enumerate(slot) if here) + 1
    twice = [*ids[:end], *[tiny_policy.prompts.image_token] * sum(slot), *ids[end:]]
    said[1] = Reply(twice, said[1].completions)
    with pytest.raises(EngineError) as caught:
        rollouts_of(said, some, tiny_policy, IMAGE)
    found, wanted = tiny_policy.prompts.image_token, ids[end]
    assert f"problem {some[1].id}" in str(caught.value)
    assert f"has {len(twice)} tokens, ours {len(ids)}" in str(caught.value)
    assert f"number {end}, theirs {found}, ours {wanted}:" in str(caught.value)


@pytest.mark.parametrize("prefix", [Prefix(), Prefix(text="a red coin"), IMAGE])
def test_another_template_is_an_error(tiny_policy: Policy, some: list[Problem], prefix: Prefix) -> None:
    """A template that thinks: the prompt is the same as ours except for its end."""
    said = replies(tiny_policy, some, prefix)
    cut = said[0].prompt[:-2]
    said[0] = Reply(cut, said[0].completions)
    refused = rf"problem {some[0].id}.*number {len(cut)}, theirs None, ours \d+: another template"
    with pytest.raises(EngineError, match=refused):
        rollouts_of(said, some, tiny_policy, prefix)


def with_placeholders(policy: Policy, some: list[Problem], prefix: Prefix) -> list[Reply]:
    """The prompt as vLLM's server returns it, with its own token in the place of embeddings."""
    slots = [policy.prompts.encode(one, prefix)[1] for one in some]
    return [
        Reply([0 if free else token for token, free in zip(one.prompt, slot, strict=True)], one.completions)
        for one, slot in zip(replies(policy, some, prefix), slots, strict=True)
    ]


@pytest.mark.parametrize("prefix", [IMAGE, EMBEDDINGS], ids=["image", "embeddings"])
def test_placeholders_in_the_slot_may_differ(tiny_policy: Policy, some: list[Problem], prefix: Prefix) -> None:
    said = with_placeholders(tiny_policy, some, prefix)
    assert all(one.prompt.count(0) == tiny_policy.prompts.slots(prefix) for one in said)
    made = rollouts_of(said, some, tiny_policy, prefix)
    assert made.tokens.tolist() == [[5, 6, 7], [8, 0, 0], [9, 9, 0], [0, 0, 0]]


@pytest.mark.parametrize("prefix", [IMAGE, EMBEDDINGS], ids=["image", "embeddings"])
@pytest.mark.parametrize("where", ["before", "behind", "end in the slot"])
def test_outside_of_the_slot_and_in_its_length_nothing_may_differ(
    tiny_policy: Policy, some: list[Problem], prefix: Prefix, where: str
) -> None:
    said = with_placeholders(tiny_policy, some, prefix)
    ids, slot, _ = tiny_policy.prompts.encode(some[0], prefix)
    start, length = slot.index(True), sum(slot)
    place = {"before": start - 1, "behind": start + length, "end in the slot": start + length - 1}[where]
    if where == "end in the slot":
        del said[0].prompt[place:]
    else:
        said[0].prompt[place] += 1
    theirs = None if where == "end in the slot" else ids[place] + 1
    refused = rf"problem {some[0].id}: .*number {place}, theirs {theirs}, ours {ids[place]}: another"
    with pytest.raises(EngineError, match=refused):
        rollouts_of(said, some, tiny_policy, prefix)


def test_a_missing_reply_is_an_error(tiny_policy: Policy, some: list[Problem]) -> None:
    with pytest.raises(ValueError, match=r"zip\(\)"):
        rollouts_of(replies(tiny_policy, some, Prefix())[:1], some, tiny_policy, Prefix())


# -- the policy as an engine ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", [Prefix(), IMAGE])
def test_the_transformers_engine_is_the_sampler(
    tiny_policy: Policy, some: list[Problem], prefix: Prefix, tmp_path: Path
) -> None:
    engine = open_engine(place(tiny_policy, tmp_path))
    assert isinstance(engine, Transformers) and engine.shares_policy and engine.name == "transformers"
    one, two = (torch.Generator().manual_seed(7) for _ in range(2))
    made = engine.sample(some, prefix, 3, Decoding(1.0, 5), one)
    wanted = sample(tiny_policy, some, prefix, 3, Decoding(1.0, 5), two)
    assert torch.equal(made.tokens, wanted.tokens) and torch.equal(made.logprobs, wanted.logprobs)
    engine.close()
    assert not (tmp_path / "log").exists()


def test_the_transformers_engine_overlays_an_adapter(tiny_policy: Policy, some: list[Problem], tmp_path: Path) -> None:
    write_adapter(tiny_policy, tmp_path / "adapter")
    policy, expected = copy.deepcopy(tiny_policy), copy.deepcopy(tiny_policy)
    overlay_adapter(expected, tmp_path / "adapter")
    engine = Transformers(place(policy, tmp_path))
    plain = engine.sample(some, Prefix(), 1, Decoding(0.0, 4))
    engine.load_adapter(tmp_path / "adapter")
    made = engine.sample(some, Prefix(), 1, Decoding(0.0, 4))
    wanted = sample(expected, some, Prefix(), 1, Decoding(0.0, 4))
    assert torch.equal(made.logprobs, wanted.logprobs) and not torch.equal(made.logprobs, plain.logprobs)
    with pytest.raises(CheckpointError, match=r"elsewhere.adapter_config\.json: missing"):
        engine.load_adapter(tmp_path / "elsewhere")
