"""Stand-ins for the training loop's engine and scorer that record what the loop gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_world import World
from torch import Tensor

import art.training.loop as loop
from art.files import read_records
from art.models.prompt import Prefix
from art.rollouts.engines import Engine, EngineContext
from art.rollouts.sampler import Decoding, Rollouts, sample
from art.scoring import Judgement, numeric
from art.store.clock import Clock
from art.store.problem import Problem
from art.store.workspace import Workspace
from art.training import session


@dataclass(frozen=True)
class Call:
    """One batch of completions that the loop asked for."""

    problems: list[Problem]
    prefix: Prefix
    group: int
    decoding: Decoding
    seed: int | None
    rollouts: Rollouts
    loads: int


class Recorder(Engine):
    """An engine that records its calls.

    Args:
        context: as for any engine.
        shares: whether it claims to sample from the policy itself.
        real: True: completions are the policy's; False: fixed tokens, and the model does not run.
        shift: difference of its log-probabilities from the policy's, by token.
    """

    def __init__(
        self,
        context: EngineContext,
        shares: bool = True,
        real: bool = False,
        shift: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.shares_policy = shares
        super().__init__(context)
        self.context, self.real, self.shift = context, real, shift
        self.calls: list[Call] = []
        self.loaded: list[dict[str, Tensor]] = []
        self.closed = 0
        self.fault: Exception | None = None

    @property
    def name(self) -> str:
        return "a recorder"

    def sample(
        self,
        problems: Sequence[Problem],
        prefix: Prefix,
        group: int,
        decoding: Decoding,
        generator: torch.Generator | None = None,
    ) -> Rollouts:
        if self.fault is not None:
            raise self.fault
        seed = None if generator is None else generator.initial_seed()
        if self.real:
            made = unequal(sample(self.policy, problems, prefix, group, decoding, generator))
        else:
            made = fixed(len(problems) * group, 10 * len(problems))
        if self.shift is not None:
            made = replace(made, logprobs=(made.logprobs + self.shift(made.tokens)) * made.mask)
        self.calls.append(Call(list(problems), prefix, group, decoding, seed, made, len(self.loaded)))
        return made

    def _load_adapter(self, folder: Path) -> None:
        self.loaded.append(load_file(folder / "adapter_model.safetensors"))

    def close(self) -> None:
        self.closed += 1

    @property
    def rollouts(self) -> list[Call]:
        """The calls except those for validation, which is greedy."""
        return [call for call in self.calls if call.decoding.temperature]


def lengths(rows: int, most: int) -> Tensor:
    """Lengths of completions, (rows, 1): most, 1, 2, ..., most, 1, ..."""
    return ((torch.arange(rows) + most - 1) % most + 1).unsqueeze(1)


def unequal(made: Rollouts) -> Rollouts:
    """Completions cut to unequal lengths."""
    rows, most = made.tokens.shape
    mask = made.mask & (torch.arange(most) < lengths(rows, most))
    return replace(made, tokens=made.tokens * mask, mask=mask, logprobs=made.logprobs * mask)


def fixed(rows: int, prompt_tokens: int) -> Rollouts:
    """Completions of 3, 1, 2, 3, ... tokens, no two equal; all log-probabilities are -1/2."""
    mask = torch.arange(3) < lengths(rows, 3)
    tokens = (100 + torch.arange(3 * rows).view(rows, 3)) * mask
    return Rollouts(tokens, mask, -0.5 * mask.float(), prompt_tokens)


class Judge:
    """A scorer with a list of verdicts (score, reward), which it gives one after the other, then from the start."""

    def __init__(self, verdicts: Sequence[tuple[int, float]]) -> None:
        self.verdicts = verdicts
        self.seen: list[tuple[str, Problem]] = []

    def judge(self, completion: str, problem: Problem) -> Judgement:
        score, reward = self.verdicts[len(self.seen) % len(self.verdicts)]
        self.seen.append((completion, problem))
        return Judgement(None, score, reward)


class Counting(Clock):
    """A clock on which every phase takes one second."""

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self.seconds[name] = self.seconds.get(name, 0.0) + 1.0
        yield


FLAT = [(0, 0.0)]
"""Verdicts from which nothing can be learned."""


class Stage:
    """Replaces engine and scorer by the stand-ins; ``judge`` begins its list when the trainer is made."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.monkeypatch = world, monkeypatch
        self.sessions = ExitStack()
        self.engine: Recorder
        self.judge: Judge

    def open(self, verdicts: Sequence[tuple[int, float]] = FLAT, **how: bool | Callable[[Tensor], Tensor]) -> None:
        """Give a recorder and a judge to the trainers that are made from now on."""

        def opened(context: EngineContext) -> Recorder:
            self.engine = Recorder(context, **how)
            self.judge.seen.clear()  # reading a problem file asks the scorer whether it accepts the gold answers
            return self.engine

        self.judge = Judge(verdicts)
        self.monkeypatch.setattr(session, "open_engine", opened)
        self.monkeypatch.setattr(numeric, "judge", self.judge.judge)

    def trainer(self, method: str, seed: int = 0, model: str = "tiny", **sections: dict) -> loop.Trainer:
        """A trainer on this stage."""
        key = self.world.key(method, seed=seed).model_copy(update={"model": model})
        workspace = Workspace(self.world.config(**sections), key, self.world.results)
        return loop.Trainer(self.sessions.enter_context(session.opened(workspace, Counting())))

    def train(self, method: str, **sections: dict) -> Path:
        """Make a whole run with the function that the command calls; returns its folder."""
        loop.train(self.world.config(**sections), self.world.key(method), self.world.results)
        return self.world.folder(method)


def problems(world: World, split: str = "train") -> list[Problem]:
    """The problems of a split of the task on which a stage's trainers train."""
    return read_records(world.results / f"tasks/arithmetic/{split}.jsonl", Problem)


def indices(world: World, calls: Sequence[Call]) -> list[list[int]]:
    """For each call, the numbers of its problems in the training file."""
    known = [problem.id for problem in problems(world)]
    return [[known.index(problem.id) for problem in call.problems] for call in calls]
