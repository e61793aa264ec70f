"""The one evaluation loop: held-out problems, greedy and sampled, always from the files of the artifact.

An image is scored as it stands in its PNG; an adapter and a soft prompt as reloaded from safetensors.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import torch
from rich.progress import track

from art.artifact import ADAPTER, EMBEDDINGS, IMAGE, read_artifact
from art.config import Config, RunKey
from art.images import decode_png
from art.methods.soft_prompt import load_embeddings
from art.models.device import deterministic, device_name, peak_memory, wait_for_gpu
from art.models.families import load_policy
from art.models.policy import Prefix
from art.pixels import levels_to_tensor
from art.records import Item, Problem, RecordError, read_json, write_records
from art.rollouts.engines import Place, open_engine
from art.rollouts.sampler import Decoding
from art.run_record import load_record
from art.runs import Clock, Workspace
from art.scoring import SCORERS


def load_prefix(workspace: Workspace) -> Prefix:
    """Read what stands before the question from a run's artifact.

    Raises:
        RecordError, ImageError, CheckpointError: a file of the artifact is missing or damaged (named).
    """
    folder = workspace.artifact
    artifact = read_artifact(folder)
    if artifact.embeddings:
        return Prefix(embeddings=load_embeddings(folder / EMBEDDINGS))
    if artifact.image_size is not None:
        return Prefix(image=levels_to_tensor(decode_png(folder / IMAGE, workspace.config.image.size)))
    return Prefix(text=artifact.text)


def load_adapter_rank(workspace: Workspace) -> int | None:
    """Rank of the adapter in a run's artifact; None: there is none.

    Raises:
        RecordError: a file of the artifact is missing or damaged.
    """
    if not read_artifact(workspace.artifact).adapter:
        return None
    path = workspace.artifact / ADAPTER / "adapter_config.json"
    rank = read_json(path).get("r")
    if not isinstance(rank, int):
        raise RecordError(f"{path}: r: {rank!r} is no rank")
    return rank


class Evaluator:
    """Scores one run of the grid."""

    def __init__(self, workspace: Workspace, clock: Clock) -> None:
        self.workspace, self.clock = workspace, clock
        self.settings = workspace.config.evaluation
        self.scorer = SCORERS[workspace.config.tasks[workspace.key.task].scorer]
        self.problems = workspace.problems("test")
        self.trained = load_record(workspace.config, workspace.key, workspace.results, "run")
        deterministic()
        self.policy = load_policy(workspace.config.models[workspace.key.model])
        self.policy.check(self.problems, workspace.problem_file("test"))
        self.prompt_tokens = 0
        self.prefix = load_prefix(workspace)
        rank = load_adapter_rank(workspace)
        self.engine = open_engine(
            Place(
                workspace.config.models[workspace.key.model],
                self.policy,
                workspace.config.engine,
                rank,
                workspace.key.seed,
                workspace.log("evaluate.server.log"),
            )
        )
        self.adapter = workspace.artifact / ADAPTER if rank is not None else None

    def run(self) -> None:
        """Write ``items.jsonl`` and ``evaluation.json``."""
        if self.adapter:
            self.engine.load_adapter(self.adapter)
        self.clock.start_up()
        items = list(self.items())
        write_records(self.workspace.folder / "items.jsonl", items)
        self.workspace.write_record(
            "evaluation",
            self.clock,
            trained_numbers=self.trained.trained_numbers,
            prefix_tokens=self.trained.prefix_tokens,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=sum(item.tokens for item in items),
            device=device_name(self.policy.device),
            engine=self.engine.name,
            peak_memory_bytes=peak_memory(self.policy.device),
        )

    def items(self) -> Iterator[Item]:
        """Greedy completions of all test problems, then the sampled ones."""
        size = self.settings.batch_size
        parts = [self.problems[start : start + size] for start in range(0, len(self.problems), size)]
        passes = [("greedy", 0.0, 1)]
        if self.settings.samples:
            passes.append(("sampled", self.settings.temperature, self.settings.samples))
        jobs = [(one, number, part) for one in passes for number, part in enumerate(parts)]
        for (decoding, temperature, samples), number, part in track(jobs, description=self.workspace.key.folder):
            # The seed does not name the method: all methods start from the same random state.
            key = f"{self.workspace.key.task}/{self.workspace.key.seed}/evaluate/{number}"
            generator = torch.Generator().manual_seed(random.Random(key).getrandbits(62))
            yield from self._score(part, decoding, temperature, samples, generator)

    def _score(
        self, part: list[Problem], decoding: str, temperature: float, samples: int, generator: torch.Generator
    ) -> Iterator[Item]:
        settings = Decoding(temperature, self.settings.max_new_tokens, self.settings.presence_penalty)
        with self.clock.phase(decoding):
            rollouts = self.engine.sample(part, self.prefix, samples, settings, generator)
            texts = rollouts.texts(self.policy)
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
    evaluator = Evaluator(Workspace(config, key, results), Clock(wait_for_gpu))
    with closing(evaluator.engine):
        evaluator.run()
