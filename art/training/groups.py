"""Groups of completions, on which a step trains, and counts of what was sampled."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from art.store.problem import Problem
from art.store.records import Mismatch


@dataclass(frozen=True)
class Group:
    """One problem, its completions, and their weights in the loss.

    Attributes:
        tokens, mask: (group, T).
        logprobs: (group, T) under the policy before the step's first update.
        importance: (group, T) importance weights if another engine sampled; 1 otherwise.
        advantages: (group,).
    """

    problem: Problem
    tokens: Tensor
    mask: Tensor
    logprobs: Tensor
    importance: Tensor
    advantages: Tensor


@dataclass
class Tally:
    """Counts of one step, over all sampled groups, dropped ones included; ``nats`` sums -log-probability."""

    rewards: list[float] = field(default_factory=list)
    scores: list[int] = field(default_factory=list)
    groups: int = 0
    dropped: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    nats: float = 0.0
    mismatch: Mismatch | None = None


def stacked(groups: Sequence[Group]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Tokens, mask, log-probabilities and importance of groups as (rows, T), padded on the right."""
    length = max(group.tokens.shape[1] for group in groups)
    columns = zip(*((group.tokens, group.mask, group.logprobs, group.importance) for group in groups), strict=True)
    tokens, mask, logprobs, importance = (
        torch.cat([torch.nn.functional.pad(part, (0, length - part.shape[1])) for part in parts]) for parts in columns
    )
    return tokens, mask, logprobs, importance


def evenly(groups: Sequence[Group], parts: int) -> list[Sequence[Group]]:
    """Cut groups into ``parts`` minibatches whose sizes differ by at most one; fewer if there are fewer groups."""
    edges = [number * len(groups) // parts for number in range(parts + 1)]
    return [groups[start:end] for start, end in itertools.pairwise(edges) if start < end]
