"""One interface to the engines that sample completions: the policy itself, ``vllm.LLM``, or a vLLM server."""

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
    """An engine cannot be reached, has failed, or does not match the configuration; the message says which."""


@dataclass(frozen=True)
class EngineContext:
    """What an engine needs to be opened.

    Attributes:
        model: the section of ``models`` that ``policy`` was loaded from.
        policy: renders the prompts and knows the forbidden tokens; the transformers engine samples from it.
        settings: the engine's settings.
        adapter_rank: rank of the adapters that will be loaded; None if none will be.
        seed: seed of an engine that draws its own random numbers.
        log: file for the output of a server.
    """

    model: ModelSection
    policy: Policy
    settings: EngineSection
    adapter_rank: int | None
    seed: int
    log: Path


class Engine(ABC):
    """Samples completions of prompts; returns their tokens and log-probabilities."""

    # Whether it samples from the very policy that is trained: then its adapter is always current and its
    # log-probabilities are exact.  Other engines must load the adapter before they sample, and their log-probabilities
    # differ by rounding.
    shares_policy: ClassVar[bool] = False

    def __init__(self, context: EngineContext) -> None:
        self.policy, self.settings = context.policy, context.settings
        self._needs_adapter = context.adapter_rank is not None and not self.shares_policy
        self.adapter_outdated = self._needs_adapter
        """Whether an adapter must be loaded before the engine samples: none is loaded, or the parameters changed."""

    def parameters_changed(self) -> None:
        """Called after every update: a loaded adapter is now outdated."""
        self.adapter_outdated = self._needs_adapter

    @property
    @abstractmethod
    def name(self) -> str:
        """Name and version of the engine for records."""

    @abstractmethod
    def sample(
        self,
        problems: Sequence[Problem],
        prefix: Prefix,
        group: int,
        decoding: Decoding,
        generator: torch.Generator | None = None,
    ) -> Rollouts:
        """Draw ``group`` completions of each problem; rows are in the order of the problems.

        Args:
            prefix: without gradients.
            generator: source of randomness; only the transformers engine promises to follow it.

        Raises:
            EngineError: the engine failed, also after its retries.
            NonFiniteError: the model's output is not a number.
        """

    def load_adapter(self, folder: Path) -> None:
        """Sample with the adapter in ``folder`` from now on; it replaces an earlier adapter.

        Raises:
            EngineError: the engine cannot load the adapter.
            CheckpointError: a file of the adapter is missing or damaged.
        """
        self._load_adapter(folder)
        self.adapter_outdated = False

    @abstractmethod
    def _load_adapter(self, folder: Path) -> None: ...

    def close(self) -> None:  # noqa: B027 - most engines hold nothing
        """Free the engine's processes and memory."""


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
    """Open the engine of these settings; ``close`` it after use.

    Raises:
        EngineError: the engine cannot be started or reached.
        CheckpointError: vLLM must be started, but the model's folder is missing.
    """
    return implementation(ENGINES[context.settings.kind])(context)
