"""States of linear attention have the values of transformers' cache but in new tensors; rows can be taken from all."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import LinearAttentionLayer

from art.models.cache import ReplacingLinearLayer, take_rows
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.tasks.generated.problems import problems


def inputs(*numbers: float) -> Tensor:
    """Inputs of one row and one channel."""
    return torch.tensor([[numbers]])


@pytest.mark.parametrize(
    ("first", "second", "seen", "kept"),
    [
        ((1.0, 2.0), (3.0,), [0, 0, 1, 2, 3], [0, 1, 2, 3]),
        ((1.0, 2.0, 3.0, 4.0, 5.0), (6.0, 7.0), [2, 3, 4, 5, 6, 7], [4, 5, 6, 7]),
    ],
)
def test_a_convolution_continues_from_the_last_kernels_worth(
    first: tuple[float, ...], second: tuple[float, ...], seen: list[float], kept: list[float]
) -> None:
    ours, theirs = ReplacingLinearLayer(), LinearAttentionLayer()
    assert torch.equal(
        ours.update_conv_state(inputs(*first), conv_kernel_size=4),
        theirs.update_conv_state(inputs(*first), conv_kernel_size=4),
    )
    before = ours.conv_states[0]
    old = before.clone()
    # The second call takes the kernel size from the first.
    assert (
        ours.update_conv_state(inputs(*second)).tolist()
        == [[seen]]
        == theirs.update_conv_state(inputs(*second)).tolist()
    )
    assert ours.conv_states[0].tolist() == [[kept]] == theirs.conv_states[0].tolist()
    assert torch.equal(before, old), "written into"
    for flags in ("conv_kernel_size", "is_conv_states_initialized", "has_previous_state"):
        assert getattr(ours, flags) == getattr(theirs, flags), flags


def test_a_recurrent_state_is_replaced() -> None:
    layer, first, second = ReplacingLinearLayer(), torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    for state in (first, second):
        assert layer.update_recurrent_state(state) is state is layer.recurrent_states[0]
    assert first.all() and layer.is_recurrent_states_initialized[0]


def states(cache: DynamicCache) -> list[Tensor]:
    """All tensors of a cache; each has one row for each prompt."""
    found: list[Tensor] = []
    for layer in cache.layers:
        linear = isinstance(layer, ReplacingLinearLayer)
        found += [layer.conv_states[0], layer.recurrent_states[0]] if linear else [layer.keys, layer.values]
    return found


def test_rows_are_taken_from_every_state(tiny_policy: Policy) -> None:
    with torch.no_grad():
        cache = tiny_policy.prefill(problems("arithmetic", "test", 3, 0), Prefix()).cache
    before = states(cache)
    taken = take_rows(cache, torch.tensor([2, 0, 2, 1]))
    assert len(before) == 2 * 4 and all(len(state) == 3 for state in before)
    for old, new, still in zip(before, states(taken), states(cache), strict=True):
        assert torch.equal(new, torch.stack([old[2], old[0], old[2], old[1]]))
        assert still is old, "the old cache is unchanged"
