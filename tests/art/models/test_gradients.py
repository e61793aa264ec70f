"""Gradients through the policy, against finite differences and one sample at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoImageProcessor, AutoTokenizer, Qwen3VLProcessor

from art.config.sections import ModelSection, ObjectiveSection
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.models.vision import patchify
from art.pictures.logits import levels_to_tensor
from art.pictures.png import uniform_noise
from art.store.problem import Problem
from art.tasks.generated.problems import problems
from art.training.objectives import objective_loss

TASKS = ("arithmetic", "tool_call", "multiple_choice")
SIZE, VISUAL, HIDDEN = 256, 64, 64
PICTURE = uniform_noise(SIZE, np.random.default_rng(3))
IMAGE = Prefix(image=levels_to_tensor(PICTURE))
EMBEDDINGS = Prefix(embeddings=torch.randn(3, HIDDEN, generator=torch.Generator().manual_seed(0)) * 0.1)
PREFIXES = {"none": Prefix(), "text": Prefix(text="a red coin"), "image": IMAGE, "embeddings": EMBEDDINGS}


class StillProcessor(Qwen3VLProcessor):
    """The families' processor without its video part, which would need torchvision."""

    def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> type:
        return type(argument)


@pytest.fixture(scope="module")
def mixed() -> list[Problem]:
    """Problems of all tasks, of different lengths."""
    return [problem for task in TASKS for problem in problems(task, "test", 2, 0)]


@pytest.fixture(scope="module")
def processor(section: ModelSection) -> StillProcessor:
    """The checkpoint's own processor, as transformers loads it."""
    tokenizer = AutoTokenizer.from_pretrained(section.path)
    return StillProcessor(
        AutoImageProcessor.from_pretrained(section.path), tokenizer, None, chat_template=tokenizer.chat_template
    )


def processed(processor: StillProcessor, problem: Problem, prefix: Prefix) -> dict[str, Tensor]:
    """The inputs that transformers' processor makes for the model."""
    text = problem.question if prefix.text is None else f"{prefix.text}\n{problem.question}"
    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if prefix.image is not None:
        content.insert(0, {"type": "image", "image": PICTURE})
    return processor.apply_chat_template(
        [{"role": "user", "content": content}],
        tools=problem.tools,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        enable_thinking=False,
    )


def continued(inputs: dict[str, Tensor], tokens: Tensor) -> dict[str, Tensor]:
    """The inputs with completion tokens (length,) after the prompt."""
    tail = {
        "input_ids": tokens,
        "attention_mask": torch.ones_like(tokens),
        "mm_token_type_ids": torch.zeros_like(tokens),
    }
    return {
        name: torch.cat([value, tail[name].unsqueeze(0).to(value.dtype)], dim=1) if name in tail else value
        for name, value in inputs.items()
    }


def completions(prompts: int) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens and mask of two completions of unequal length for each prompt, and the prompt of each row."""
    tokens = torch.arange(6 * prompts).view(-1, 3) % 97 + 20
    mask = torch.ones_like(tokens, dtype=torch.bool)
    mask[0, 2] = mask[3, 1:] = False
    return tokens, mask, torch.arange(prompts).repeat_interleave(2)


@pytest.mark.parametrize("kind", ["image", "embeddings"])
def test_gradient_of_the_objective_equals_finite_differences(double: Policy, mixed: list[Problem], kind: str) -> None:
    """DAPO off-policy: advantages of both signs, and ratios that differ from 1."""
    generator = torch.Generator().manual_seed(0)
    start = getattr(PREFIXES[kind], kind).double()
    step = 1e-3 if kind == "image" else 1e-6
    tokens, mask, rows = completions(2)
    advantages = torch.tensor([0.3, -1.0, 0.5, 0.9])

    def logprobs(free: Tensor) -> Tensor:
        return double.logprobs(double.prefill(mixed[:2], Prefix(**{kind: free})).rows(rows), tokens, mask, 0.7)

    with torch.no_grad():
        old = logprobs(start) + 0.05 * torch.randn(tokens.shape, generator=generator)

    def loss(free: Tensor) -> Tensor:
        return objective_loss(ObjectiveSection(), logprobs(free), mask, advantages=advantages, old_logprobs=old).loss

    free = start.clone().requires_grad_()
    loss(free).backward()
    assert free.grad is not None and (free.grad != 0).float().mean() > 0.99
    for _ in range(3):
        direction = torch.randn(start.shape, generator=generator).double()
        with torch.no_grad():
            slope = float(loss(start + step * direction) - loss(start - step * direction)) / (2 * step)
        assert slope == pytest.approx(float((free.grad * direction).sum()), rel=1e-6)


def test_one_pass_for_all_is_that_of_each_sample_alone(
    double: Policy, processor: StillProcessor, mixed: list[Problem]
) -> None:
    """One vision pass and one pass for each prompt, against transformers' own pass over each whole sample."""
    tokens, mask, rows = completions(2)
    weights = torch.tensor([[0.3], [-1.0], [0.5], [0.9]])
    shared = levels_to_tensor(PICTURE).double().requires_grad_()
    ours = double.logprobs(double.prefill(mixed[:2], Prefix(image=shared)).rows(rows), tokens, mask, 0.7)
    (weights * ours).sum().backward()

    alone = levels_to_tensor(PICTURE).double().requires_grad_()
    for row in range(4):
        inputs = continued(processed(processor, mixed[row // 2], IMAGE), tokens[row])
        inputs["pixel_values"] = patchify(alone.unsqueeze(0) / 255, 16, 2, 2, [0.5] * 3, [0.5] * 3)
        logits = double.model(**inputs, use_cache=False).logits[0, -4:-1]
        distribution = torch.log_softmax((logits + double.forbidden) / 0.7, dim=-1)
        theirs = distribution.gather(1, tokens[row].unsqueeze(1)).squeeze(1) * mask[row]
        torch.testing.assert_close(ours[row], theirs, rtol=0, atol=1e-9)
        (weights[row] * theirs).sum().backward()
    assert shared.grad is not None and alone.grad is not None and shared.grad.abs().max() > 0
    torch.testing.assert_close(shared.grad, alone.grad, rtol=0, atol=float(alone.grad.abs().max()) * 1e-8)
