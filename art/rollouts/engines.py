"""Where completions are sampled: in the policy's own process, by vLLM beside it, or by a server; one interface."""

from __future__ import annotations

import importlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from art.config import EngineSection, ModelSection
from art.models.policy import Policy, Prefix
from art.records import Problem
from art.rollouts.sampler import Decoding, Rollouts, sample


class EngineError(RuntimeError):
    """An engine cannot be reached, gave up, or is not what the configuration says; the message names which."""


@dataclass(frozen=True)
class Place:
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

    def __init__(self, place: Place) -> None:
        self.policy, self.settings = place.policy, place.settings

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

    @abstractmethod
    def load_adapter(self, folder: Path) -> None:
        """Put the adapter in ``folder`` over the weights from now on, in the place of an earlier one.

        Raises:
            EngineError: the engine cannot load it.
            CheckpointError: a file of it is missing or damaged.
        """

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

    def load_adapter(self, folder: Path) -> None:
        from art.methods.lora import overlay_adapter  # peft is slow to import

        overlay_adapter(self.policy, folder)


# kind -> module and class; vLLM is imported where it is asked for
ENGINES = {
    "transformers": ("art.rollouts.engines", "Transformers"),
    "vllm": ("art.rollouts.vllm_engine", "Vllm"),
    "server": ("art.rollouts.server_engine", "Server"),
}


def open_engine(place: Place) -> Engine:
    """The engine of these settings; ``close`` it after use.

    Raises:
        EngineError: it cannot be started or reached.
        CheckpointError: vLLM is to be started, and the model's folder is not there.
    """
    module, name = ENGINES[place.settings.kind]
    return getattr(importlib.import_module(module), name)(place)


@dataclass(frozen=True)
class Gap:
    """How far an engine's log-probabilities lie from the policy's, over tokens.

    Attributes:
        tokens: how many.
        mean, maximum: of the absolute difference in nats.
        effective: effective sample size of the tokens' importance weights, as a share of ``tokens``.
    """

    tokens: int
    mean: float
    maximum: float
    effective: float


def measure_gap(ours: Tensor, theirs: Tensor) -> Gap:
    """Compare log-probabilities (tokens,) of the same tokens under the policy and an engine.

    The effective sample size is (sum w)^2 / sum w^2 with w = exp(ours - theirs) (Kong 1992).
    """
    apart = (ours - theirs).double()
    weights = apart.exp()
    effective = float(weights.sum() ** 2 / (weights**2).sum() / len(weights))
    return Gap(len(apart), float(apart.abs().mean()), float(apart.abs().max()), effective)


@dataclass(frozen=True)
class Reply:
    """What an engine of its own process says of one problem: prompt ids as it expanded them, and its completions."""

    prompt: list[int]
    completions: list[tuple[list[int], list[float]]]


def refuse_long(
    problems: Sequence[Problem], prefix: Prefix, policy: Policy, settings: EngineSection, decoding: Decoding
) -> None:
    """vLLM would cut a completion short that does not fit, and say nothing.

    Raises:
        EngineError: a prompt and its new tokens need more than ``max_model_len``, or more positions than there are.
    """
    room = min(settings.max_model_len, policy.model.config.get_text_config().max_position_embeddings)
    for problem in problems:
        length = len(policy.encode(problem, prefix)[0])
        if length + decoding.max_new_tokens > room:
            raise EngineError(
                f"problem {problem.id}: {length} tokens of prompt and {decoding.max_new_tokens} new ones; "
                f"room for {room} (engine.max_model_len, and the checkpoint's positions)"
            )


def rollouts_of(replies: Sequence[Reply], problems: Sequence[Problem], policy: Policy, prefix: Prefix) -> Rollouts:
    """Replies as rollouts, right-padded.

    Raises:
        EngineError: an engine made other tokens of a prompt than we do, as one that expands an image twice would.
    """
    for reply, problem in zip(replies, problems, strict=True):
        expected, slot, _ = policy.encode(problem, prefix)
        differing = _first_difference(reply.prompt, expected, slot)
        if differing is not None:
            place, theirs, ours = differing
            raise EngineError(
                f"problem {problem.id}: the engine's prompt has {len(reply.prompt)} tokens, ours {len(expected)}; the "
                f"first to differ is number {place}, {theirs} and {ours}: another template, tokenizer or image size"
            )
    rows = [completion for reply in replies for completion in reply.completions]
    shape = len(rows), max(len(tokens) for tokens, _ in rows)
    tokens, mask = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.bool)
    logprobs = torch.zeros(shape)
    for row, (sampled, scores) in enumerate(rows):
        tokens[row, : len(sampled)] = torch.tensor(sampled)
        mask[row, : len(sampled)] = True
        logprobs[row, : len(sampled)] = torch.tensor(scores)
    return Rollouts(tokens, mask, logprobs, prompt_tokens=sum(len(reply.prompt) for reply in replies))


def _first_difference(
    found: list[int], expected: list[int], slot: list[bool]
) -> tuple[int, int | None, int | None] | None:
    """Place and ids where two prompts part, None for the end of one; in the slot an engine may use a placeholder."""
    for place, (theirs, ours, free) in enumerate(itertools.zip_longest(found, expected, slot)):
        if theirs != ours and not (free and theirs is not None):
            return place, theirs, ours
    return None
