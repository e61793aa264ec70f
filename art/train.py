"""The one training loop: sample, score, update; the same batches, objective and budget for every method.

Per step: a batch of problems, a group of completions each (with the 8-bit image, soft prompt or adapter as it is now);
rewards and advantages by group; DAPO's dynamic sampling; then one optimiser update a minibatch.  Every random number
derives from (seed, step), so a run that is killed resumes from its last checkpoint to the same result (where the policy
itself samples; vLLM draws its own random numbers).
"""

from __future__ import annotations

import itertools
import math
import random
import shutil
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.progress import Progress as Bar
from torch import Tensor

from art.checkpoint import Progress, StaleError, load_progress, save_progress
from art.config import Config, RunKey
from art.images import decode_png, encode_png
from art.methods.base import Start, TrainedMethod, detached
from art.methods.trained import trained_method
from art.models.device import deterministic, device_name, peak_memory, wait_for_gpu
from art.models.families import load_policy
from art.objectives import degenerate_groups, group_advantages, importance_weights, normaliser, objective_loss
from art.records import Problem, RecordError, StepRecord, atomic_folder, write_records
from art.rollouts.engines import EngineError, Gap, Place, measure_gap, open_engine
from art.rollouts.sampler import Decoding, NonFiniteError, Rollouts
from art.runs import Clock, Workspace
from art.scoring import SCORERS


class TrainingError(RuntimeError):
    """Training cannot go on; the message names the step and the checkpoint that is kept."""


@dataclass(frozen=True)
class Group:
    """One problem, its completions, and what they count.

    Attributes:
        tokens, mask: (group, T).
        logprobs: (group, T) under the policy before the step's first update.
        importance: (group, T) weights where another engine sampled; 1 otherwise.
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
    """Counts of one step, over everything that was sampled."""

    rewards: list[float]
    scores: list[int]
    groups: int = 0
    dropped: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    nats: float = 0.0
    gap: Gap | None = None


class Trainer:
    """State of one run."""

    def __init__(self, workspace: Workspace, clock: Clock) -> None:
        self.workspace, self.clock = workspace, clock
        self.config, self.key, self.section = workspace.config, workspace.key, workspace.section
        self.problems = workspace.problems("train")
        self.validation = workspace.problems("validation")[: self.config.training.validation_problems]
        if len(self.problems) < self.config.training.prompts:
            raise RecordError(
                f"{workspace.results}/tasks/{self.key.task}/train.jsonl: {len(self.problems)} problems; "
                f"training.prompts wants at least {self.config.training.prompts}"
            )
        deterministic()
        self.policy = load_policy(self.config.models[self.key.model])
        self.policy.check(self.problems, workspace.problem_file("train"))
        self.policy.check(self.validation, workspace.problem_file("validation"))
        self.policy.preprocessor.tokens(self.config.image.size)
        picture = decode_png(workspace.seed_picture, self.config.image.size)
        self.method: TrainedMethod = trained_method(self.section.kind)(
            self.policy, Start(self.key.seed, picture, self.section)
        )
        self.parameters = self.method.parameters()
        self.optimiser = torch.optim.Adam(
            self.parameters.values(), lr=self.section.learning_rate, betas=tuple(self.section.betas)
        )
        self.engine = open_engine(
            Place(
                self.config.models[self.key.model],
                self.policy,
                self.config.engine_of(self.key.method),
                self.method.adapter_rank,
                self.key.seed,
                workspace.log("train.server.log"),
            )
        )
        device = f"{self.policy.device.type} {self.policy.model.dtype}"
        self.stamp = workspace.stamp() | {"device": device, "engine": self.engine.name}
        self.scorer = SCORERS[self.config.tasks[self.key.task].scorer]
        self.work = workspace.folder / "progress"
        self.checkpoint = self.work / "state.safetensors"
        self.log: list[StepRecord] = []
        self.loaded = False  # whether an engine with weights of its own has the adapter as it is now

    # -- one run ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Train to the configured number of steps and write the run's folder.

        Raises:
            TrainingError: a loss, gradient or log-probability is not finite, or the engine failed.
        """
        try:
            first = self._resume()
        except (NonFiniteError, EngineError) as error:
            raise TrainingError(f"{self.key.folder}: validation before step 1: {error}") from None
        with Bar() as bar:
            task = bar.add_task(self.key.folder, total=self.config.training.steps, completed=first)
            for step in range(first, self.config.training.steps):
                try:
                    self.step(step)
                except (NonFiniteError, EngineError) as error:
                    raise self._failure(step, str(error)) from None
                bar.update(task, completed=step + 1)
                if (step + 1) % self.config.training.snapshot_every == 0 or step + 1 == self.config.training.steps:
                    self._store(step + 1)
        self._finish()

    def _resume(self) -> int:
        """Steps already done."""
        try:
            progress = load_progress(self.checkpoint, self.stamp, self.parameters, self.optimiser)
        except StaleError as error:
            print(f"art: {self.key.folder}: starts from scratch: {error}", file=sys.stderr)
            progress = None
        if progress is None:
            shutil.rmtree(self.work, ignore_errors=True)
            self.clock.start_up()
            self.log = [StepRecord(step=0, validation_accuracy=self.validate(), detail=self.method.detail())]
            self._store(0)
            return 0
        self.log = progress.log
        self.clock.resume(progress.seconds)
        return progress.step

    def _store(self, step: int) -> None:
        """Snapshot and checkpoint; the checkpoint comes last, so what it stands for is complete."""
        with self.clock.phase("checkpoint"):
            picture = self.method.picture()
            if picture is not None:
                encode_png(picture, self.work / "snapshots" / f"step{step:04d}.png")
            progress = Progress(step, self.log, self.clock.total())
            save_progress(self.checkpoint, self.stamp, progress, self.parameters, self.optimiser)

    def _failure(self, step: int, what: str) -> TrainingError:
        return TrainingError(
            f"{self.key.folder}: step {step + 1}: {what}; the last good checkpoint is kept in {self.checkpoint}"
        )

    def _finish(self) -> None:
        folder = self.workspace.folder
        (folder / "run.json").unlink(missing_ok=True)  # an older record must not vouch for the new files
        artifact = self.method.save(self.workspace.artifact)
        shutil.rmtree(folder / "snapshots", ignore_errors=True)
        snapshots = sorted((self.work / "snapshots").glob("step*.png"))
        if snapshots:
            with atomic_folder(folder / "snapshots") as partial:
                for path in snapshots:
                    shutil.copy(path, partial)
        write_records(folder / "train.jsonl", self.log)
        self.workspace.write_record(
            "run",
            self.clock,
            trained_numbers=artifact.trained_numbers,
            prefix_tokens=artifact.prefix_tokens,
            prompt_tokens=sum(record.prompt_tokens or 0 for record in self.log),
            completion_tokens=sum(record.completion_tokens or 0 for record in self.log),
            steps=self.config.training.steps,
            device=device_name(self.policy.device),
            engine=self.engine.name,
            peak_memory_bytes=peak_memory(self.policy.device),
        )
        # The checkpoint first: a kill in between must not leave one whose snapshots are gone.
        self.checkpoint.unlink(missing_ok=True)
        shutil.rmtree(self.work, ignore_errors=True)

    # -- one step --------------------------------------------------------------------------------------------------

    def step(self, step: int) -> None:
        """Sample, score, update; appends a StepRecord to the log."""
        before = dict(self.clock.seconds)
        supervised = self.config.objective.kind == "supervised"
        groups, tally = self._references(step) if supervised else self._sample_groups(step)
        losses, norms, clipped = self._update(step, groups)
        settings = self.config.training
        last = step + 1 == self.config.training.steps
        accuracy = self.validate() if (step + 1) % settings.validate_every == 0 or last else None
        spent = {name: value - before.get(name, 0.0) for name, value in self.clock.seconds.items()}
        self.log.append(
            StepRecord(
                step=step + 1,
                reward=_mean(tally.rewards),
                accuracy=_mean(tally.scores),
                updates=len(losses),
                loss=_mean(losses),
                gradient_norm=_mean(norms),
                ratio_clipped=_mean(clipped),
                entropy=tally.nats / tally.completion_tokens if tally.nats else None,
                gap_mean=tally.gap.mean if tally.gap else None,
                gap_max=tally.gap.maximum if tally.gap else None,
                gap_tokens=tally.gap.tokens if tally.gap else None,
                effective_share=tally.gap.effective if tally.gap else None,
                groups=tally.groups,
                groups_dropped=tally.dropped,
                prompt_tokens=tally.prompt_tokens,
                completion_tokens=tally.completion_tokens,
                seconds={name: value for name, value in spent.items() if value},
                validation_accuracy=accuracy,
                detail=self.method.detail() or None,
            )
        )

    def _prompts(self, step: int, attempt: int) -> list[Problem]:
        """The problems of a step: attempt 0 walks through shuffled epochs, further attempts are fresh draws."""
        count = self.config.training.prompts
        if attempt:
            return random.Random(f"{self.key.seed}/resample/{step}/{attempt}").sample(self.problems, count)
        epoch, offset = divmod(step * count, len(self.problems) // count * count)
        order = list(range(len(self.problems)))
        random.Random(f"{self.key.seed}/epoch/{epoch}").shuffle(order)
        return [self.problems[index] for index in order[offset : offset + count]]

    def _sample_groups(self, step: int) -> tuple[list[Group], Tally]:
        """Rollouts of a step; degenerate groups are drawn anew up to ``max_resamples`` times, then dropped (DAPO)."""
        settings = self.config.training
        dynamic = self.config.objective.kind == "dapo"
        decoding = Decoding(settings.temperature, settings.max_new_tokens)
        kept: list[Group] = []
        tally = Tally([], [])
        for attempt in range(settings.max_resamples + 1 if dynamic else 1):
            problems = self._prompts(step, attempt)[: settings.prompts - len(kept)]
            generator = torch.Generator().manual_seed(
                random.Random(f"{self.key.seed}/sample/{step}/{attempt}").getrandbits(62)
            )
            rollouts = self._sample("rollout", problems, settings.completions, decoding, generator)
            with self.clock.phase("reward"):
                groups, flat = self._score(problems, rollouts, tally)
            for group, degenerate in zip(groups, flat, strict=True):
                if dynamic and degenerate:
                    tally.dropped += 1
                else:
                    kept.append(group)
            if len(kept) == settings.prompts:
                break
        if kept and not self.engine.shares_policy:
            with self.clock.phase("correction"):
                kept, tally.gap = self._corrected(kept)
        return kept, tally

    def _sample(
        self,
        phase: str,
        problems: Sequence[Problem],
        completions: int,
        decoding: Decoding,
        generator: torch.Generator | None = None,
    ) -> Rollouts:
        """Completions of the method as it is now; an engine with weights of its own gets the adapter first.

        It gets it once a step: a check on validation problems loads what the next step's rollouts need in any case.
        """
        if self.method.adapter_rank is not None and not self.engine.shares_policy and not self.loaded:
            with self.clock.phase("weight_sync"):
                self.method.write_adapter(self.work / "adapter")
                self.engine.load_adapter(self.work / "adapter")
            self.loaded = True
        with self.clock.phase(phase):
            prefix = detached(self.method.prefix())
            return self.engine.sample(problems, prefix, completions, decoding, generator)

    @torch.no_grad()
    def _corrected(self, groups: list[Group]) -> tuple[list[Group], Gap]:
        """The groups with the policy's own log-probabilities in the place of the engine's, and how far apart they were.

        The clipped ratio is between two states of one policy; the engine's rounding goes into the importance.
        """
        cap = self.config.engine_of(self.key.method).importance_cap
        corrected, ours, theirs = [], [], []
        for part in evenly(groups, self.config.training.minibatches):
            tokens, mask, engine, _ = stacked(part)
            size = len(part[0].tokens)
            rows = torch.arange(len(part)).repeat_interleave(size)
            state = self.policy.prefill([group.problem for group in part], self.method.prefix()).rows(rows)
            policy = self.policy.logprobs(state, tokens, mask, self.config.training.temperature)
            ours.append(policy[mask])
            theirs.append(engine[mask])
            weights = torch.ones_like(policy) if cap is None else importance_weights(policy, engine, cap)
            for group, own, weight in zip(part, policy.split(size), weights.split(size), strict=True):
                length = group.tokens.shape[1]
                corrected.append(replace(group, logprobs=own[:, :length], importance=weight[:, :length]))
        return corrected, measure_gap(torch.cat(ours), torch.cat(theirs))

    def _score(self, problems: Sequence[Problem], rollouts: Rollouts, tally: Tally) -> tuple[list[Group], list[bool]]:
        size = self.config.training.completions
        texts = rollouts.texts(self.policy)
        judged = [self.scorer.judge(text, problems[row // size]) for row, text in enumerate(texts)]
        rewards = torch.tensor([verdict.reward for verdict in judged]).view(-1, size)
        advantages = group_advantages(rewards, self.config.objective.std_floor)
        tally.rewards += rewards.flatten().tolist()
        tally.scores += [verdict.score for verdict in judged]
        tally.groups += len(problems)
        tally.prompt_tokens += rollouts.prompt_tokens
        tally.completion_tokens += int(rollouts.mask.sum())
        tally.nats -= float(rollouts.logprobs.sum())
        groups = [
            Group(
                problem,
                rollouts.tokens[row * size : (row + 1) * size],
                rollouts.mask[row * size : (row + 1) * size],
                rollouts.logprobs[row * size : (row + 1) * size],
                torch.ones(size, rollouts.tokens.shape[1]),
                advantages[row],
            )
            for row, problem in enumerate(problems)
        ]
        return groups, degenerate_groups(rewards).tolist()

    def _references(self, step: int) -> tuple[list[Group], Tally]:
        """Reference solutions as groups of one, for the supervised objective.

        Raises:
            RecordError: a training problem has no solution.
        """
        tally = Tally([], [])
        groups = []
        for problem in self._prompts(step, 0):
            if problem.solution is None:
                raise RecordError(
                    f"training problem {problem.id} has no solution, which the supervised objective needs"
                )
            ids = [*self.policy.tokenizer(problem.solution, add_special_tokens=False).input_ids, self.policy.end_token]
            tokens = torch.tensor([ids])
            groups.append(
                Group(problem, tokens, tokens >= 0, torch.zeros(tokens.shape), torch.ones(tokens.shape), torch.zeros(1))
            )
            tally.completion_tokens += len(ids)
        tally.groups = len(groups)
        return groups, tally

    def _update(self, step: int, groups: list[Group]) -> tuple[list[float], list[float], list[float]]:
        """One optimiser update a minibatch."""
        losses, norms, clipped = [], [], []
        for part in evenly(groups, self.config.training.minibatches):
            with self.clock.phase("forward"):
                loss, share = self._loss(part)
            with self.clock.phase("backward"):
                self.optimiser.zero_grad()
                loss.backward()
            with self.clock.phase("optimiser"):
                limit = self.config.training.max_grad_norm or math.inf
                norm = float(torch.nn.utils.clip_grad_norm_(self.parameters.values(), limit))
                if not (math.isfinite(float(loss.detach())) and math.isfinite(norm)):
                    raise self._failure(step, f"loss {float(loss.detach())}, gradient norm {norm}")
                self.optimiser.step()
                with torch.no_grad():
                    self.method.constrain()
            self.loaded = False
            losses.append(float(loss.detach()))
            norms.append(norm)
            clipped.append(float(share))
        return losses, norms, clipped

    def _loss(self, groups: Sequence[Group]) -> tuple[Tensor, Tensor]:
        """Objective on a minibatch: the prompts run once with one vision pass, the completions continue from them."""
        objective = self.config.objective
        tokens, mask, old, importance = stacked(groups)
        rows = torch.arange(len(groups)).repeat_interleave(len(groups[0].tokens))
        problems = [group.problem for group in groups]
        state = self.policy.prefill(problems, self.method.prefix()).rows(rows)
        logprobs = self.policy.logprobs(state, tokens, mask, self.config.training.temperature)
        reference = self._reference_logprobs(problems, rows, tokens, mask) if objective.kl_weight else None
        return objective_loss(
            objective,
            logprobs,
            mask,
            advantages=torch.cat([group.advantages for group in groups]),
            old_logprobs=old,
            importance=importance,
            reference_logprobs=reference,
            normaliser=normaliser(objective, mask),
        )

    @torch.no_grad()
    def _reference_logprobs(self, problems: list[Problem], rows: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Log-probabilities under the untrained model: nothing before the question, adapters off."""
        with self.method.untrained() as prefix:
            state = self.policy.prefill(problems, prefix).rows(rows)
            return self.policy.logprobs(state, tokens, mask, self.config.training.temperature)

    def validate(self) -> float:
        """Greedy accuracy on the validation problems."""
        decoding = Decoding(0.0, self.config.training.max_new_tokens)
        texts = self._sample("validation", self.validation, 1, decoding).texts(self.policy)
        pairs = zip(texts, self.validation, strict=True)
        return sum(self.scorer.judge(text, problem).score for text, problem in pairs) / len(texts)


def train(config: Config, key: RunKey, results: Path) -> None:
    """Train one run of the grid and write its folder."""
    torch.set_num_threads(1)
    trainer = Trainer(Workspace(config, key, results), Clock(wait_for_gpu))
    with closing(trainer.engine):
        trainer.run()


def stacked(groups: Sequence[Group]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Tokens, mask, log-probabilities and importance of groups as (rows, T), padded on the right."""
    length = max(group.tokens.shape[1] for group in groups)
    columns = zip(*((group.tokens, group.mask, group.logprobs, group.importance) for group in groups), strict=True)
    tokens, mask, logprobs, importance = (
        torch.cat([torch.nn.functional.pad(part, (0, length - part.shape[1])) for part in parts]) for parts in columns
    )
    return tokens, mask, logprobs, importance


def evenly(groups: Sequence[Group], parts: int) -> list[Sequence[Group]]:
    """Cut into ``parts`` minibatches whose sizes differ by at most one; fewer where there are fewer groups."""
    edges = [number * len(groups) // parts for number in range(parts + 1)]
    return [groups[start:end] for start, end in itertools.pairwise(edges) if start < end]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
