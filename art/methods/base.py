"""The interface of a trained method.  The training loop knows no method by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from art.models.policy import Policy
from art.models.prompt import Prefix
from art.pictures.png import Levels
from art.store.artifact import Artifact


@dataclass(frozen=True)
class Initialisation:
    """What a method may use for its initialisation: the run's seed, the task's seed picture, the method's section."""

    seed: int
    seed_picture: Levels
    section: Any

    def rng(self) -> np.random.Generator:
        """Random generator for the initial values."""
        return np.random.default_rng([self.seed, 0])


class TrainedMethod(ABC):
    """Parameters, how they reach the model, and how they are saved."""

    def __init__(self, policy: Policy, initialisation: Initialisation) -> None:
        self.policy = policy
        self.section = initialisation.section

    @abstractmethod
    def parameters(self) -> dict[str, nn.Parameter]:
        """The parameters by name; a checkpoint stores exactly these."""

    def prefix(self) -> Prefix:
        """The prefix before the question, differentiable with respect to the parameters."""
        return Prefix()

    def constrain(self) -> None:  # noqa: B027 - most methods allow every value
        """Move the parameters back into their allowed range; called after every update, without gradients."""

    @contextmanager
    def base_model(self) -> Iterator[Prefix]:
        """Within the block the policy is the base model; yields the prefix of the base model, an empty one."""
        yield Prefix()

    @property
    def adapter_rank(self) -> int | None:
        """Rank of the adapter over the weights; None without an adapter."""
        return None

    def write_adapter(self, out: Path) -> None:
        """Write the current adapter, for an engine that has its own copy of the weights."""
        raise NotImplementedError(f"{type(self).__name__} has no adapter")

    def picture(self) -> Levels | None:
        """The current picture as ``save`` would write it, for snapshots; None for methods without a picture."""
        return None

    def detail(self) -> dict[str, float]:
        """Numbers about the current state, for the training log."""
        return {}

    @abstractmethod
    def save(self, out: Path) -> Artifact:
        """Write the artifact folder."""

    def count_parameters(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters().values())


def detached(prefix: Prefix) -> Prefix:
    """The prefix without gradients, for sampling."""

    def constant(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.detach()

    return Prefix(constant(prefix.image), prefix.text, constant(prefix.embeddings))
