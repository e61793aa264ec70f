"""The policy of each family against transformers' own processor and forward pass, and its gradients."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from processor_inputs import (
    EMBEDDINGS,
    HIDDEN,
    IMAGE,
    PICTURE,
    PREFIXES,
    SIZE,
    VISUAL,
    StillProcessor,
    completions,
    continued,
    processed,
)
from torch import Tensor

import art.models.policy as policy_module
from art.config.sections import ModelSection
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.pictures.logits import levels_to_tensor
from art.store.problem import Problem

# -- prompts -------------------------------------------------------------------------------------------------------


def test_prompt_is_the_processors(policy: Policy, processor: StillProcessor, mixed: list[Problem]) -> None:
    vectors = policy.prefix_vectors(IMAGE)
    assert vectors is not None and vectors.tokens.shape == (VISUAL, HIDDEN)
    for problem in mixed:
        ids, slot, positions = policy.prompts.encode(problem, IMAGE)
        inputs = processed(processor, problem, IMAGE)
        assert ids == inputs["input_ids"][0].tolist()
        assert slot == inputs["mm_token_type_ids"][0].bool().tolist() and sum(slot) == VISUAL
        assert positions.shape == (3, len(ids))
        for prefix in (Prefix(), PREFIXES["text"]):
            assert (
                policy.prompts.encode(problem, prefix)[0]
                == processed(processor, problem, prefix)["input_ids"][0].tolist()
            )


def test_image_positions_are_transformers_own(policy: Policy, mixed: list[Problem]) -> None:
    _, slot, positions = policy.prompts.encode(mixed[0], IMAGE)
    begin, side = slot.index(True), SIZE // 32
    row, column = torch.arange(side).repeat_interleave(side), torch.arange(side).repeat(side)
    seen = torch.stack([torch.zeros_like(row), row, column]) + begin
    assert torch.equal(positions[:, begin : begin + VISUAL], seen)
    assert positions[:, begin + VISUAL].tolist() == [begin + side] * 3  # the text continues after the larger side


# -- forward pass --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["none", "text", "image"])
def test_logits_equal_the_plain_forward_pass(
    policy: Policy, processor: StillProcessor, mixed: list[Problem], kind: str
) -> None:
    tokens = torch.tensor(policy.tokenizer("Answer: 12\nIt is so.").input_ids)
    for problem in mixed[::2]:
        inputs = continued(processed(processor, problem, PREFIXES[kind]), tokens)
        with torch.no_grad():
            logits = policy.model(**inputs, use_cache=False).logits[0]
            state = policy.prefill([problem], PREFIXES[kind])
            hidden, _ = policy.advance(state, tokens.unsqueeze(0), torch.ones(1, len(tokens), dtype=torch.bool))
            made = policy.model.lm_head(torch.cat([state.hidden, hidden[0]]))
        torch.testing.assert_close(made, logits[-len(tokens) - 1 :], rtol=0, atol=5e-5)


def test_advancing_token_by_token_equals_advancing_at_once(policy: Policy, mixed: list[Problem]) -> None:
    tokens = torch.tensor([[30, 40, 50, 60, 70]]).expand(len(mixed), -1)
    every = torch.ones_like(tokens, dtype=torch.bool)
    with torch.no_grad():
        at_once, _ = policy.advance(policy.prefill(mixed, IMAGE), tokens, every)
        state, single = policy.prefill(mixed, IMAGE), []
        for step in range(5):
            hidden, state = policy.advance(state, tokens[:, step : step + 1], every[:, :1])
            single.append(hidden)
    torch.testing.assert_close(torch.cat(single, dim=1), at_once, rtol=0, atol=5e-5)


@pytest.mark.parametrize("kind", PREFIXES)
def test_batched_equals_one_by_one(policy: Policy, mixed: list[Problem], kind: str) -> None:
    tokens = torch.arange(24).view(6, 4) + 20
    mask = torch.ones(6, 4, dtype=torch.bool)
    mask[0, 2:] = mask[3, 3:] = False
    with torch.no_grad():
        together = policy.logprobs(policy.prefill(mixed, PREFIXES[kind]), tokens, mask, 1.0)
        for row, problem in enumerate(mixed):
            length = int(mask[row].sum())
            alone = policy.logprobs(
                policy.prefill([problem], PREFIXES[kind]),
                tokens[row : row + 1, :length],
                mask[row : row + 1, :length],
                1.0,
            )
            torch.testing.assert_close(together[row, :length], alone[0], rtol=0, atol=2e-5)
            assert not together[row, length:].any()


def test_soft_prompt_of_real_embeddings_is_the_text(policy: Policy, mixed: list[Problem]) -> None:
    text = "red coins and eggs"
    ids = policy.tokenizer(text + "\n", add_special_tokens=False).input_ids
    soft = Prefix(embeddings=policy.token_embeddings[torch.tensor(ids)])
    with torch.no_grad():
        for problem in mixed[::2]:
            written = policy.prefill([problem], Prefix(text=text))
            free = policy.prefill([problem], soft)
            torch.testing.assert_close(
                policy.model.lm_head(free.hidden), policy.model.lm_head(written.hidden), rtol=0, atol=2e-5
            )
            assert free.next_position.tolist() == written.next_position.tolist()


def test_rows_leave_the_state_usable(policy: Policy, mixed: list[Problem]) -> None:
    tokens = torch.tensor([[30, 40]])
    mask = torch.ones(1, 2, dtype=torch.bool)
    with torch.no_grad():
        state = policy.prefill(mixed[:1], IMAGE)
        first = policy.logprobs(state.rows(torch.tensor([0, 0])), tokens.expand(2, -1), mask.expand(2, -1), 1.0)
        again = policy.logprobs(state.rows(torch.tensor([0])), tokens, mask, 1.0)
    torch.testing.assert_close(first[:1], again, rtol=0, atol=1e-5)
    torch.testing.assert_close(first[0], first[1])


@pytest.mark.parametrize("gradients", [False, True])
def test_one_token_needs_no_further_pass(policy: Policy, mixed: list[Problem], gradients: bool) -> None:
    """The prompt's last state gives its distribution: softmax of logits / temperature over the allowed tokens."""
    tokens = torch.tensor([[30], [40]])
    with torch.set_grad_enabled(gradients):
        state = policy.prefill(mixed[:2], Prefix())
        made = policy.logprobs(state, tokens, torch.tensor([[True], [False]]), 0.5)
        assert state.cache.get_seq_length() == state.attention.shape[1], "no pass was needed"
    logits = policy.model.lm_head(state.hidden)[0].double()
    allowed = [token for token in range(len(logits)) if token not in policy.forbidden_tokens]
    wanted = 2 * float(logits[30]) - float((2 * logits[allowed]).exp().sum().log())
    assert made.tolist() == [[pytest.approx(wanted, abs=1e-4)], [0.0]]


def test_with_gradients_a_state_can_be_continued_twice(policy: Policy, mixed: list[Problem]) -> None:
    tokens, mask, _ = completions(2)
    tokens, mask = tokens[:2], mask[:2]
    state = policy.prefill(mixed[:2], Prefix())
    first, behind = policy.advance(state, tokens, mask)
    again, _ = policy.advance(state, tokens, mask)
    torch.testing.assert_close(again, first, rtol=0, atol=0)
    length = state.attention.shape[1]
    assert behind.cache.get_seq_length() == length + 3 and state.cache.get_seq_length() == length
    assert torch.equal(behind.attention, torch.cat([state.attention, mask.long()], dim=1))
    assert torch.equal(behind.hidden, first[:, -1])
    assert torch.equal(behind.next_position, state.next_position + 3)


def test_a_vocabulary_beyond_the_limit_is_scored_token_by_token(
    policy: Policy, mixed: list[Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, mask, rows = completions(2)
    with torch.no_grad():
        state = policy.prefill(mixed[:2], Prefix()).rows(rows)
        whole = policy.logprobs(state.rows(torch.arange(4)), tokens, mask, 1.0)
        monkeypatch.setattr(policy_module, "LOGITS_AT_ONCE", 1)
        torch.testing.assert_close(policy.logprobs(state, tokens, mask, 1.0), whole, rtol=0, atol=1e-5)


def test_logits_are_never_made_all_at_once(
    double: Policy, mixed: list[Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, mask, rows = completions(3)
    vocabulary = len(double.token_embeddings)
    made: list[int] = []
    kept: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.extend(tensor.shape[-1:])
        return tensor

    def run() -> tuple[Tensor, Tensor]:
        free = EMBEDDINGS.embeddings.double().requires_grad_()
        state = double.prefill(mixed[:3], Prefix(embeddings=free))
        assert not made, "a prompt needs no logits"
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            logprobs = double.logprobs(state.rows(rows), tokens, mask, 0.8)
        assert sum(made) == int(mask.sum())
        logprobs.sum().backward()
        assert free.grad is not None
        return logprobs.detach(), free.grad

    hook = double.model.lm_head.register_forward_hook(lambda *call: made.append(len(call[2])))
    try:
        whole = run()
        assert vocabulary in kept
        made.clear()
        kept.clear()
        monkeypatch.setattr(policy_module, "LOGITS_AT_ONCE", 4 * vocabulary + 1)
        chunked = run()
    finally:
        hook.remove()
    assert max(made) == 4 and vocabulary not in kept
    torch.testing.assert_close(chunked, whole, rtol=0, atol=1e-10)


def test_bfloat16_is_near_float32(section: ModelSection, policy: Policy, mixed: list[Problem]) -> None:
    small = type(policy)(Path(section.path), dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in small.model.parameters()} == {torch.bfloat16}
    tokens, mask, rows = completions(2)
    image = levels_to_tensor(PICTURE).requires_grad_()
    near = small.logprobs(small.prefill(mixed[:2], Prefix(image=image)).rows(rows), tokens, mask, 1.0)
    with torch.no_grad():
        exact = policy.logprobs(policy.prefill(mixed[:2], IMAGE).rows(rows), tokens, mask, 1.0)
    assert near.dtype == torch.float32
    assert float((near.detach() - exact)[mask].abs().mean()) < 0.1
    near.sum().backward()
    assert image.grad is not None and image.grad.isfinite().all() and (image.grad != 0).float().mean() > 0.9


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_equals_cpu(section: ModelSection, policy: Policy, mixed: list[Problem]) -> None:
    other = type(policy)(Path(section.path), "cuda")
    tokens, mask, rows = completions(2)
    found = []
    for one in (policy, other):
        image = levels_to_tensor(PICTURE).requires_grad_()
        logprobs = one.logprobs(one.prefill(mixed[:2], Prefix(image=image)).rows(rows), tokens, mask, 1.0)
        logprobs.sum().backward()
        found.append((logprobs.detach(), image.grad))
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-3)
