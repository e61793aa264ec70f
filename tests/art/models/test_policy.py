"""The policy against transformers' own forward pass, and its gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoImageProcessor, AutoModelForImageTextToText

from art.images import random_image
from art.models.policy import IMAGE_TOKEN, Policy, Prefix
from art.models.preprocessor import CheckpointError
from art.pixels import levels_to_tensor
from art.records import Problem, RecordError, problem_id
from art.synthetic.tasks import problems

TASKS = ("arithmetic", "tool_call", "multiple_choice")
PICTURE = random_image(64, np.random.default_rng(3))
IMAGE = Prefix(image=levels_to_tensor(PICTURE))


@pytest.fixture(scope="module")
def mixed() -> list[Problem]:
    """Problems of all tasks, of different lengths."""
    return [problem for task in TASKS for problem in problems(task, "test", 2, 0)]


@pytest.fixture(scope="module")
def plain(tiny_checkpoint: Path) -> Any:
    """The checkpoint as anybody would load it."""
    return AutoModelForImageTextToText.from_pretrained(tiny_checkpoint, dtype=torch.float32).eval()


def question(text: str) -> Problem:
    return Problem(id=problem_id(text, "1"), question=text, answer="1")


def expanded(policy: Policy, problem: Problem, prefix: Prefix) -> list[int]:
    """Prompt ids by the road of transformers' processors: the template's text, each placeholder repeated."""
    text = policy.render(problem, prefix)
    return policy.tokenizer(text.replace(IMAGE_TOKEN, IMAGE_TOKEN * 4)).input_ids


def reference_logits(policy: Policy, plain: Any, ids: list[int], checkpoint: Path, image: bool) -> Tensor:
    """Logits of transformers' own forward pass, (length, vocabulary)."""
    rows = torch.tensor([ids])
    extra = {}
    if image:
        seen = AutoImageProcessor.from_pretrained(checkpoint, use_fast=False)(images=[PICTURE], return_tensors="pt")
        extra = {
            "pixel_values": torch.as_tensor(seen["pixel_values"]),
            "image_grid_thw": torch.as_tensor(seen["image_grid_thw"]),
            "mm_token_type_ids": (rows == policy.image_token).int(),
        }
    with torch.no_grad():
        return plain(input_ids=rows, **extra).logits[0]


# -- prompts -------------------------------------------------------------------------------------------------------


def test_prompt_is_the_chat_templates_with_the_placeholder_expanded(tiny_policy: Policy, mixed: list[Problem]) -> None:
    vectors = tiny_policy.prefix_vectors(IMAGE)
    assert vectors is not None and vectors.shape == (4, 64)
    for problem in mixed:
        content = [{"type": "image"}, {"type": "text", "text": problem.question}]
        text = tiny_policy.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tools=problem.tools, add_generation_prompt=True, tokenize=False
        )
        assert text.count(IMAGE_TOKEN) == 1
        ids, slot, positions = tiny_policy.encode(problem, IMAGE, vectors)
        assert ids == tiny_policy.tokenizer(text.replace(IMAGE_TOKEN, IMAGE_TOKEN * 4)).input_ids
        assert sum(slot) == 4 and positions.shape == (3, len(ids))
        assert [token for token, here in zip(ids, slot, strict=True) if here] == [tiny_policy.image_token] * 4


def test_text_prefix_is_a_line_before_the_question(tiny_policy: Policy) -> None:
    one = question("How many?")
    assert "user\nbe quick\nHow many?<|im_end|>" in tiny_policy.render(one, Prefix(text="be quick"))
    assert "user\nHow many?<|im_end|>" in tiny_policy.render(one, Prefix())


@pytest.mark.parametrize("token", ["<|image_pad|>", "<|im_end|>"])
def test_a_special_token_in_a_question_is_refused(tiny_policy: Policy, token: str) -> None:
    with pytest.raises(RecordError, match="special token"):
        tiny_policy.render(question(f"a {token} b"), Prefix())


def test_decoding_keeps_blanks_and_markup(tiny_policy: Policy) -> None:
    text = '<tool_call>\n{"a" : "b" , "c":  1 }\n</tool_call> it \'s , fine . <think>'
    ids = tiny_policy.tokenizer(text, add_special_tokens=False).input_ids
    assert tiny_policy.tokenizer.batch_decode([ids], skip_special_tokens=True) == [text]


# -- forward pass --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", [Prefix(), Prefix(text="red blue"), IMAGE], ids=["none", "text", "image"])
def test_logits_equal_the_plain_forward_pass(
    tiny_policy: Policy, plain: Any, tiny_checkpoint: Path, mixed: list[Problem], prefix: Prefix
) -> None:
    continued = tiny_policy.tokenizer("Answer: 12\nIt is so.").input_ids
    for problem in mixed[::2]:
        head = expanded(tiny_policy, problem, prefix)
        logits = reference_logits(tiny_policy, plain, head + continued, tiny_checkpoint, prefix is IMAGE)
        with torch.no_grad():
            state = tiny_policy.prefill([problem], prefix)
            tokens = torch.tensor([continued])
            hidden, _ = tiny_policy.advance(state, tokens, torch.ones_like(tokens, dtype=torch.bool))
            made = plain.lm_head(torch.cat([state.hidden, hidden[0]]))
        torch.testing.assert_close(made, logits[len(head) - 1 :], rtol=0, atol=2e-5)


def test_advancing_token_by_token_equals_advancing_at_once(tiny_policy: Policy, mixed: list[Problem]) -> None:
    tokens = torch.tensor([[30, 40, 50, 60, 70]]).expand(len(mixed), -1)
    every = torch.ones_like(tokens, dtype=torch.bool)
    with torch.no_grad():
        at_once, _ = tiny_policy.advance(tiny_policy.prefill(mixed, IMAGE), tokens, every)
        state, single = tiny_policy.prefill(mixed, IMAGE), []
        for step in range(5):
            hidden, state = tiny_policy.advance(state, tokens[:, step : step + 1], every[:, :1])
            single.append(hidden)
    torch.testing.assert_close(torch.cat(single, dim=1), at_once, rtol=0, atol=2e-5)


@pytest.mark.parametrize("kind", ["none", "text", "image", "embeddings"])
def test_batched_equals_one_by_one(tiny_policy: Policy, mixed: list[Problem], kind: str) -> None:
    embeddings = torch.randn(3, 64, generator=torch.Generator().manual_seed(0)) * 0.02
    prefix = {
        "none": Prefix(),
        "text": Prefix(text="a red coin"),
        "image": IMAGE,
        "embeddings": Prefix(embeddings=embeddings),
    }[kind]
    tokens = torch.arange(24).view(6, 4) + 20
    mask = torch.ones(6, 4, dtype=torch.bool)
    mask[0, 2:] = mask[3, 3:] = False
    with torch.no_grad():
        together = tiny_policy.logprobs(tiny_policy.prefill(mixed, prefix), tokens, mask, 1.0)
        for row, problem in enumerate(mixed):
            length = int(mask[row].sum())
            alone = tiny_policy.logprobs(
                tiny_policy.prefill([problem], prefix),
                tokens[row : row + 1, :length],
                mask[row : row + 1, :length],
                1.0,
            )
            torch.testing.assert_close(together[row, :length], alone[0], rtol=0, atol=2e-5)
            assert not together[row, length:].any()


def test_soft_prompt_of_real_embeddings_is_the_text(tiny_policy: Policy, mixed: list[Problem]) -> None:
    text = " red coins and eggs"
    ids = tiny_policy.tokenizer(text + "\n", add_special_tokens=False).input_ids
    soft = Prefix(embeddings=tiny_policy.token_embeddings[torch.tensor(ids)])
    with torch.no_grad():
        for problem in mixed[::2]:
            written = tiny_policy.prefill([problem], Prefix(text=text))
            free = tiny_policy.prefill([problem], soft)
            torch.testing.assert_close(free.hidden, written.hidden, rtol=0, atol=2e-5)
            assert free.next_position.tolist() == written.next_position.tolist()


def test_image_positions_are_transformers_own(tiny_policy: Policy, mixed: list[Problem]) -> None:
    _, slot, positions = tiny_policy.encode(mixed[0], IMAGE, torch.zeros(4, 64))
    begin = slot.index(True)
    assert positions[:, begin : begin + 4].tolist() == [
        [begin] * 4,
        [begin, begin, begin + 1, begin + 1],
        [begin, begin + 1, begin, begin + 1],
    ]
    assert positions[:, begin + 4].tolist() == [begin + 2] * 3  # the text goes on behind the larger side


def test_rows_leave_the_state_usable(tiny_policy: Policy, mixed: list[Problem]) -> None:
    tokens = torch.tensor([[30, 40]])
    mask = torch.ones(1, 2, dtype=torch.bool)
    with torch.no_grad():
        state = tiny_policy.prefill(mixed[:1], IMAGE)
        first = tiny_policy.logprobs(state.rows(torch.tensor([0, 0])), tokens.expand(2, -1), mask.expand(2, -1), 1.0)
        again = tiny_policy.logprobs(state.rows(torch.tensor([0])), tokens, mask, 1.0)
    torch.testing.assert_close(first[:1], again, rtol=0, atol=1e-5)
    torch.testing.assert_close(first[0], first[1])


# -- gradients -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def double_policy(tiny_checkpoint: Path) -> Policy:
    """The policy in float64, for finite differences."""
    policy = Policy(tiny_checkpoint)
    policy.model.double()
    return policy


def fixed_loss(policy: Policy, some: list[Problem], prefix: Prefix) -> Tensor:
    """A mean over completions of a group of two for each problem."""
    tokens = torch.arange(6 * len(some)).view(-1, 3) % 97 + 20
    mask = torch.ones_like(tokens, dtype=torch.bool)
    mask[0, 2] = False
    rows = torch.arange(len(some)).repeat_interleave(2)
    state = policy.prefill(some, prefix).rows(rows)
    hidden = torch.cat([state.hidden.unsqueeze(1), policy.advance(state, tokens[:, :-1], mask[:, :-1])[0]], dim=1)
    distribution = torch.log_softmax(policy.model.lm_head(hidden), dim=-1)
    return distribution.gather(2, tokens.unsqueeze(2)).squeeze(2)[mask].mean()


@pytest.mark.parametrize("kind", ["image", "embeddings"])
def test_gradient_equals_finite_differences(double_policy: Policy, mixed: list[Problem], kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    if kind == "image":
        start = levels_to_tensor(PICTURE).double()
        step = 1e-2
    else:
        start = torch.randn(4, 64, generator=generator).double() * 0.02
        step = 1e-6
    free = start.clone().requires_grad_()
    fixed_loss(double_policy, mixed[:2], Prefix(**{kind: free})).backward()
    assert free.grad is not None
    assert (free.grad != 0).float().mean() > 0.9
    for _ in range(3):
        direction = torch.randn(start.shape, generator=generator).double()
        with torch.no_grad():
            up, down = (
                fixed_loss(double_policy, mixed[:2], Prefix(**{kind: start + sign * step * direction}))
                for sign in (1, -1)
            )
        slope = float((up - down) / (2 * step))
        # The model's norms compute in float32 inside, which limits the differences, not the gradient.
        assert slope == pytest.approx(float((free.grad * direction).sum()), rel=2e-2, abs=1e-6)


def test_gradient_through_the_shared_prompt_is_that_of_full_recomputation(
    tiny_policy: Policy, plain: Any, mixed: list[Problem]
) -> None:
    """One prompt pass for a group gives the gradient of running each whole sample through transformers."""
    some = mixed[:2]
    tokens = torch.arange(12).view(4, 3) + 20
    mask = torch.ones_like(tokens, dtype=torch.bool)
    weights = torch.tensor([[0.3], [-1.0], [0.5], [0.9]])
    shared = levels_to_tensor(PICTURE).requires_grad_()
    state = tiny_policy.prefill(some, Prefix(image=shared)).rows(torch.tensor([0, 0, 1, 1]))
    ours = (weights * tiny_policy.logprobs(state, tokens, mask, 0.7)).sum()
    ours.backward()

    alone = levels_to_tensor(PICTURE).requires_grad_()
    total = torch.zeros(())
    for row in range(4):
        head = expanded(tiny_policy, some[row // 2], IMAGE)
        ids = torch.tensor([head + tokens[row].tolist()])
        vectors = tiny_policy.prefix_vectors(Prefix(image=alone))
        assert vectors is not None
        where = (ids == tiny_policy.image_token).unsqueeze(-1)
        positions, _ = plain.model.get_rope_index(
            ids, where.squeeze(-1).int(), image_grid_thw=torch.tensor([[1, 4, 4]])
        )
        embeddings = plain.model.language_model.embed_tokens(ids).masked_scatter(where, vectors)
        hidden = plain.model.language_model(
            inputs_embeds=embeddings, position_ids=positions, use_cache=False
        ).last_hidden_state[0, len(head) - 1 : -1]
        chosen = tiny_policy.log_distribution(hidden, 0.7).gather(1, tokens[row].unsqueeze(1))
        total = total + (weights[row] * chosen).sum()
    total.backward()
    assert float(ours.detach()) == pytest.approx(float(total.detach()), abs=1e-4)
    assert shared.grad is not None and alone.grad is not None and shared.grad.abs().max() > 0
    torch.testing.assert_close(shared.grad, alone.grad, rtol=1e-3, atol=float(alone.grad.abs().max()) * 1e-3)


# -- damaged checkpoints -------------------------------------------------------------------------------------------


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere.*config\.json"):
        Policy(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"])
def test_a_truncated_checkpoint_file_is_an_error_that_names_the_folder(
    tiny_checkpoint: Path, tmp_path: Path, name: str
) -> None:
    import shutil

    folder = tmp_path / "damaged"
    shutil.copytree(tiny_checkpoint, folder)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        Policy(folder)
