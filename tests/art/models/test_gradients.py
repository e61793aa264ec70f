"""Gradients through the policy, against finite differences and one sample at a time."""

from __future__ import annotations

import pytest
import torch
from processor_inputs import IMAGE, PICTURE, PREFIXES, StillProcessor, completions, continued, processed
from torch import Tensor

from art.config.sections import ObjectiveSection
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.models.vision import patchify
from art.pictures.logits import levels_to_tensor
from art.store.problem import Problem
from art.training.objectives import objective_loss


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
