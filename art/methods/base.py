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
    """What a method may use to begin: the run's seed and the task's seed picture."""

    seed: int
    seed_picture: Levels
    section: Any

    def rng(self) -> np.random.Generator:
        """Randomness of the initial values."""
        return np.random.default_rng([self.seed, 0])


class TrainedMethod(ABC):
    """Free numbers, how they reach the model, and how they are saved."""

    def __init__(self, policy: Policy, initialisation: Initialisation) -> None:
        self.policy = policy
        self.section = initialisation.section

    @abstractmethod
    def parameters(self) -> dict[str, nn.Parameter]:
        """The free numbers by name; also what a checkpoint stores."""

    def prefix(self) -> Prefix:
        """What stands before the question, differentiable with respect to the parameters."""
        return Prefix()

    def constrain(self) -> None:  # noqa: B027 - most methods allow every value
        """Put the free numbers back where they are allowed; called after every update, without gradients."""

    @contextmanager
    def untrained(self) -> Iterator[Prefix]:
        """The model as it was before training, for the length of a block; yields its (empty) prefix."""
        yield Prefix()

    @property
    def adapter_rank(self) -> int | None:
        """Rank of the adapter over the weights; None: there is none."""
        return None

    def write_adapter(self, out: Path) -> None:
        """Write the adapter as it is now, for an engine that has weights of its own."""
        raise NotImplementedError(f"{type(self).__name__} has no adapter")

    def picture(self) -> Levels | None:
        """The picture as it would be saved now, for snapshots; None for methods without one."""
        return None

    def detail(self) -> dict[str, float]:
        """Numbers about the present state for the training log."""
        return {}

    @abstractmethod
    def save(self, out: Path) -> Artifact:
        """Write the artifact folder."""

    def count_parameters(self) -> int:
        """Count of free numbers."""
        return sum(parameter.numel() for parameter in self.parameters().values())


def detached(prefix: Prefix) -> Prefix:
    """The prefix as constants, for sampling."""

    def free(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.detach()

    return Prefix(free(prefix.image), prefix.text, free(prefix.embeddings))
