"""Groups: stacked for a pass, cut into minibatches."""

from __future__ import annotations

import pytest
import torch
from tiny_world import World

from art.store.problem import Problem
from art.training.groups import Group, evenly, stacked


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
