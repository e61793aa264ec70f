"""Groups: stacked for a pass, cut into minibatches."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from tiny_world import World
from torch import Tensor

from art.models.policy import Policy
from art.models.prompt import Prefix
from art.store.problem import Problem
from art.training.groups import Group, evenly, stacked

TEMPERATURE, RATE, BETAS, NORM, FLOOR, CAP = 0.7, 0.03, (0.8, 0.99), 0.02, 0.3, 1.5


@dataclass(frozen=True)
class Row:
    """One completion of a minibatch."""

    problem: Problem
    tokens: list[int]
    advantage: float
    engine: Tensor


def logprobs(policy: Policy, row: Row, prefix: Prefix) -> Tensor:
    """Log-probabilities of a completion's tokens by one pass over prompt and completion."""
    ids, slot, _ = policy.prompts.encode(row.problem, prefix)
    whole = torch.tensor([*ids, *row.tokens])
    inputs = policy.token_embeddings[whole]
    if prefix.embeddings is not None:
        inputs = inputs.index_put((torch.tensor(slot).nonzero().squeeze(1),), prefix.embeddings)
    positions = torch.arange(len(whole)).expand(3, 1, -1)
    hidden = policy.language_model(inputs_embeds=inputs[None], position_ids=positions, use_cache=False)
    logits = hidden.last_hidden_state[0, len(ids) - 1 : -1] @ policy.token_embeddings.T
    logits[:, policy.forbidden_tokens] = -math.inf
    return (logits / TEMPERATURE).log_softmax(dim=-1)[torch.arange(len(row.tokens)), torch.tensor(row.tokens)]


def group(some: Problem, first: int, width: int) -> Group:
    """Two completions whose tensors contain ``first``, ``first + 1``, ..., shifted by tens for each kind of tensor."""
    count = torch.arange(first, first + 2 * width).view(2, width)
    return Group(some, count, count > first, count + 10.0, count + 20.0, torch.zeros(2))


def test_groups_of_unequal_width_are_padded_on_the_right(world: World) -> None:
    some = Problem.model_construct(id="1", question="?", answer="1")
    tokens, mask, logprobs, importance = stacked([group(some, 1, 1), group(some, 5, 3)])
    assert tokens.tolist() == [[1, 0, 0], [2, 0, 0], [5, 6, 7], [8, 9, 10]]
    assert mask.tolist() == [[False] * 3, [True, False, False], [False, True, True], [True] * 3]
    assert logprobs.tolist() == [[11, 0, 0], [12, 0, 0], [15, 16, 17], [18, 19, 20]]
    assert importance.tolist() == [[21, 0, 0], [22, 0, 0], [25, 26, 27], [28, 29, 30]]


@pytest.mark.parametrize(
    ("groups", "parts", "cut"),
    [
        (4, 2, [[0, 1], [2, 3]]),
        (5, 2, [[0, 1], [2, 3, 4]]),
        (7, 3, [[0, 1], [2, 3], [4, 5, 6]]),
        (2, 4, [[0], [1]]),
        (0, 4, []),
    ],
)
def test_groups_are_cut_in_order_and_evenly(groups: int, parts: int, cut: list[list[int]]) -> None:
    assert evenly(list(range(groups)), parts) == cut
