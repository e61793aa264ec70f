"""The in-process engine, which here records its calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from art.config.registry import ENGINES
from art.models.prompt import Prefix
from art.rollouts.engines import EngineContext, Transformers
from art.rollouts.sampler import Decoding, Rollouts
from art.store.problem import Problem


@dataclass(frozen=True)
class Asked:
    """One call of ``sample``; ``seed`` is the generator's."""

    problems: list[str]
    prefix: Prefix
    group: int
    decoding: Decoding
    seed: int


class RecordingEngine(Transformers):
    """``opened`` are all engines that the test has opened; ``events`` names the calls in their order."""

    opened: ClassVar[list[RecordingEngine]] = []

    def __init__(self, context: EngineContext) -> None:
        super().__init__(context)
        self.context = context
        self.asked: list[Asked] = []
        self.events: list[str | Path] = []
        self.opened.append(self)

    def sample(
        self,
        problems: Sequence[Problem],
        prefix: Prefix,
        group: int,
        decoding: Decoding,
        generator: torch.Generator | None = None,
    ) -> Rollouts:
        assert generator is not None
        names = [problem.id for problem in problems]
        self.asked.append(Asked(names, prefix, group, decoding, generator.initial_seed()))
        self.events.append("sample")
        return super().sample(problems, prefix, group, decoding, generator)

    def _load_adapter(self, folder: Path) -> None:
        self.events.append(folder)
        super()._load_adapter(folder)

    def close(self) -> None:
        self.events.append("close")
        super().close()


def record_engines(patch: pytest.MonkeyPatch) -> list[RecordingEngine]:
    """Replace the in-process engine; returns the list of those that will be opened."""
    patch.setitem(ENGINES, "transformers", "recording_engine:RecordingEngine")
    patch.setattr(RecordingEngine, "opened", [])
    return RecordingEngine.opened
