"""The one evaluation loop: answers held-out problems, greedily and sampled, always with the artifact's files.

An image is read from its PNG, an adapter or a soft prompt from safetensors.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import torch
from rich.progress import track

from art.config.experiment import Config, RunKey
from art.files import write_records
from art.models.artifact_loader import load_adapter_rank, load_prefix
from art.models.device import deterministic, machine_of, wait_for_gpu
from art.models.families import load_policy
from art.models.prompt import Prefix
from art.rollouts.engines import Engine, EngineContext, open_engine
from art.rollouts.sampler import Decoding
from art.scoring import load_problems, scorer_of
from art.store.artifact import ADAPTER
from art.store.clock import Clock
from art.store.problem import Problem
from art.store.records import Item, RunRecord
from art.store.run_record import Usage, load_record, write_record
from art.store.workspace import Workspace


class Evaluator:
    """Scores one run of the grid.

    Args:
        trained: the run's training record.
        prefix: the artifact's prefix.
        problems: the task's test problems.
        engine: samples the answers; if the artifact has an adapter, the engine has loaded it.
    """

    def __init__(
        self,
        workspace: Workspace,
        clock: Clock,
        trained: RunRecord,
        prefix: Prefix,
        problems: list[Problem],
        engine: Engine,
    ) -> None:
        self.workspace, self.clock, self.trained = workspace, clock, trained
        self.prefix, self.problems, self.engine = prefix, problems, engine
        self.settings = workspace.config.evaluation
        self.scorer = scorer_of(workspace.task.scorer)
        self.prompt_tokens = 0

    def run(self) -> None:
        """Write ``items.jsonl`` and ``evaluation.json``."""
        items = list(self.items())
        write_records(self.workspace.folder / "items.jsonl", items)
        usage = Usage(
            trained_numbers=self.trained.trained_numbers,
            prefix_tokens=self.trained.prefix_tokens,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=sum(item.tokens for item in items),
        )
        machine = machine_of(self.engine.policy.device)
        write_record(self.workspace, "evaluation", self.clock, machine, usage, self.engine.name)

    def items(self) -> Iterator[Item]:
        """Greedy completions of all test problems, then the sampled ones."""
        size = self.settings.batch_size
        parts = [self.problems[start : start + size] for start in range(0, len(self.problems), size)]
        passes = [("greedy", 0.0, 1)]
        if self.settings.samples:
            passes.append(("sampled", self.settings.temperature, self.settings.samples))
        jobs = [(one, number, part) for one in passes for number, part in enumerate(parts)]
        for (decoding, temperature, samples), number, part in track(jobs, description=self.workspace.key.folder):
            # The seed does not depend on the method: all methods get the same random numbers.
            key = f"{self.workspace.key.task}/{self.workspace.key.seed}/evaluate/{number}"
            generator = torch.Generator().manual_seed(random.Random(key).getrandbits(62))
            yield from self._score(part, decoding, temperature, samples, generator)

    def _score(
        self, part: list[Problem], decoding: str, temperature: float, samples: int, generator: torch.Generator
    ) -> Iterator[Item]:
        settings = Decoding(temperature, self.settings.max_new_tokens, self.settings.presence_penalty)
        with self.clock.phase(decoding):
            rollouts = self.engine.sample(part, self.prefix, samples, settings, generator)
            texts = rollouts.texts(self.engine.policy)
        self.prompt_tokens += rollouts.prompt_tokens
        for row, (text, tokens) in enumerate(zip(texts, rollouts.mask.sum(dim=1).tolist(), strict=True)):
            problem = part[row // samples]
            verdict = self.scorer.judge(text, problem)
            yield Item(
                id=problem.id,
                decoding=decoding,
                sample=row % samples,
                completion=text,
                extracted=verdict.extracted,
                score=verdict.score,
                tokens=tokens,
                veiled=problem.veiled,
            )


def evaluate(config: Config, key: RunKey, results: Path) -> None:
    """Score one run of the grid from its artifact on the task's test problems."""
    torch.set_num_threads(1)
    deterministic()
    workspace, clock = Workspace(config, key, results), Clock(wait_for_gpu)
    path = workspace.problem_file("test")
    problems = load_problems(path, scorer_of(workspace.task.scorer))
    trained = load_record(config, key, results, "run")
    policy = load_policy(workspace.model)
    policy.prompts.check(problems, path)
    prefix = load_prefix(workspace.artifact, config.image.size, policy)
    rank, log = load_adapter_rank(workspace.artifact), workspace.log("evaluate.server.log")
    with closing(open_engine(EngineContext(workspace.model, policy, config.engine, rank, key.seed, log))) as engine:
        if rank is not None:
            engine.load_adapter(workspace.artifact / ADAPTER)
        clock.start_up()
        Evaluator(workspace, clock, trained, prefix, problems, engine).run()
