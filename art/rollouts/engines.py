"""Where completions are sampled: in the policy's own process, by vLLM beside it, or by a server; one interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from art.config.registry import ENGINES, implementation
from art.config.sections import EngineSection, ModelSection
from art.errors import ArtError
from art.models.artifact_loader import overlay_adapter
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.rollouts.sampler import Decoding, Rollouts, sample
from art.store.problem import Problem


class EngineError(ArtError):
    """An engine cannot be reached, gave up, or is not what the configuration says; the message names which."""


@dataclass(frozen=True)
class EngineContext:
    """What an engine is opened for.

    Attributes:
        model: the section of the checkpoint that ``policy`` was loaded from.
        policy: renders prompts, knows which tokens may come; the transformers engine samples from it.
        settings: of the engine.
        adapter_rank: rank of the adapters that will be loaded; None: none will be.
        seed: of an engine that draws its own random numbers.
        log: file for what a server says.
    """

    model: ModelSection
    policy: Policy
    settings: EngineSection
    adapter_rank: int | None
    seed: int
    log: Path


class Engine(ABC):
    """Prompts in, sampled tokens and their log-probabilities out."""

    # Whether it samples from the very policy that is trained: an adapter is there as it stands, log-probabilities are
    # exact.  Others have the adapter loaded before they sample, and their log-probabilities differ by rounding.
    shares_policy: ClassVar[bool] = False

    def __init__(self, context: EngineContext) -> None:
        self.policy, self.settings = context.policy, context.settings
        self._trains_adapter = context.adapter_rank is not None and not self.shares_policy
        self.adapter_outdated = self._trains_adapter
        """Whether an adapter has to be loaded before the engine samples: none is there, or parameters have changed."""

    def parameters_changed(self) -> None:
        """Called after every update: an adapter that the engine has loaded is out of date."""
        self.adapter_outdated = self._trains_adapter

    @property
    @abstractmethod
    def name(self) -> str:
        """What a record calls it, with its version."""

    @abstractmethod
    def sample(
        self,
        problems: Sequence[Problem],
        prefix: Prefix,
        group: int,
        decoding: Decoding,
        generator: torch.Generator | None = None,
    ) -> Rollouts:
        """Draw ``group`` completions a problem, rows in the order of the problems.

        Args:
            prefix: constants, no gradient is wanted.
            generator: source of randomness; only the transformers engine promises to follow it.

        Raises:
            EngineError: the engine failed, after its retries.
            NonFiniteError: the model's output is not a number.
        """

    def load_adapter(self, folder: Path) -> None:
        """Put the adapter in ``folder`` over the weights from now on, in the place of an earlier one.

        Raises:
            EngineError: the engine cannot load it.
            CheckpointError: a file of it is missing or damaged.
        """
        self._load_adapter(folder)
        self.adapter_outdated = False

    @abstractmethod
    def _load_adapter(self, folder: Path) -> None: ...

    def close(self) -> None:  # noqa: B027 - most engines hold nothing
        """Let go of processes and memory."""


class Transformers(Engine):
    """The in-process engine: the policy itself, exact and deterministic."""

    shares_policy = True

    @property
    def name(self) -> str:
        return "transformers"

    def sample(
        self,
        problems: Sequence[Problem],
        prefix: Prefix,
        group: int,
        decoding: Decoding,
        generator: torch.Generator | None = None,
    ) -> Rollouts:
        return sample(self.policy, problems, prefix, group, decoding, generator)

    def _load_adapter(self, folder: Path) -> None:
        overlay_adapter(self.policy, folder)


def open_engine(context: EngineContext) -> Engine:
    """The engine of these settings; ``close`` it after use.

    Raises:
        EngineError: it cannot be started or reached.
        CheckpointError: vLLM is to be started, and the model's folder is not there.
    """
    return implementation(ENGINES[context.settings.kind])(context)
