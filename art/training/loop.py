"""The one training loop: sample, score, advantage, loss, update; the same batches and budget for every method.

Known differences from the paper (docs/reproduction.md has values and sources):

1. The parameters may be coordinates in the patch basis instead of every pixel's logit (``basis``).
2. The gradient is taken at the 8-bit image that is served, through a straight-through rounding; the paper takes it at
   the continuous one.
3. The image is normalised by the checkpoint's own mean and standard deviation in both passes; the paper, as described,
   takes ImageNet's in the gradient pass.
4. The optimiser is Adam at a constant rate; the paper has AdamW with 5 warm-up steps.
5. A step may make several updates, one for each minibatch, with the clipped ratio; the paper's number is not known.
6. Completions that were cut off at the length limit stay in the loss; the paper filters them out.
7. The policy itself samples.  If another engine samples, the old log-probabilities are still the policy's, and the
   mismatch becomes a bounded importance weight of each token.
8. Every random number derives from (seed, step), so a killed run resumes from its last checkpoint and ends with the
   same bytes (if the policy itself samples; vLLM draws its own random numbers).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from rich.progress import Progress as Bar
from torch import Tensor

from art.config.experiment import Config, RunKey
from art.errors import ArtError
from art.models.device import wait_for_gpu
from art.models.prompt import Prefix
from art.rollouts.engines import EngineError
from art.rollouts.sampler import NonFiniteError
from art.store.clock import Clock
from art.store.records import StepRecord
from art.store.workspace import Workspace
from art.training.groups import Group, Tally, evenly, stacked
from art.training.objectives import Loss, objective_loss
from art.training.rollout import GroupSource
from art.training.run_folder import RunFolder
from art.training.session import Session, opened


class TrainingError(ArtError):
    """Training cannot continue; the message names the step and the checkpoint that is kept."""


class Update(NamedTuple):
    """One optimiser update: loss, norm of the gradient before clipping, share of tokens whose ratio was clipped."""

    loss: float
    norm: float
    clipped: float


def train(config: Config, key: RunKey, results: Path) -> None:
    """Train one run of the grid and write its folder.

    Raises:
        TrainingError: a loss, gradient or log-probability is not finite, or the engine failed.
    """
    with opened(Workspace(config, key, results), Clock(wait_for_gpu)) as session:
        Trainer(session).run()


class Trainer:
    """State of one run: the method's parameters, their optimiser, the log."""

    def __init__(self, session: Session) -> None:
        self.session, self.clock = session, session.clock
        self.policy, self.method = session.policy, session.method
        self.config, self.key = session.workspace.config, session.workspace.key
        self.source = GroupSource(session)
        self.parameters = self.method.parameters()
        self.optimiser = torch.optim.Adam(
            self.parameters.values(), lr=session.settings.learning_rate, betas=session.settings.betas
        )
        self.folder = RunFolder(session, self.parameters, self.optimiser)
        self.log: list[StepRecord] = []

    def run(self) -> None:
        """Train to the configured number of steps and write the run's folder."""
        settings, first = self.config.training, self._begin()
        with Bar() as bar:
            task = bar.add_task(self.key.folder, total=settings.steps, completed=first)
            for step in range(first, settings.steps):
                try:
                    self.step(step)
                except (NonFiniteError, EngineError) as error:
                    raise TrainingError(
                        f"{self.key.folder}: step {step + 1}: {error}; "
                        f"the last good checkpoint is kept in {self.folder.checkpoint}"
                    ) from None
                bar.update(task, completed=step + 1)
                if (step + 1) % settings.snapshot_every == 0 or step + 1 == settings.steps:
                    self.folder.store(step + 1, self.log)
        self.folder.finish(self.log)

    def step(self, step: int) -> None:
        """Sample, score, update; appends a StepRecord to the log."""
        settings, before = self.config.training, dict(self.clock.seconds)
        # Sample groups of completions, score them, turn rewards into advantages (rollout.py).
        supervised = self.config.objective.kind == "supervised"
        groups, tally = self.source.solutions(step) if supervised else self.source.sampled(step)
        # Loss, gradient and one optimiser update for each minibatch.
        updates = [self.update(minibatch) for minibatch in evenly(groups, settings.minibatches)]
        due = (step + 1) % settings.validate_every == 0 or step + 1 == settings.steps
        record = self._record(step, tally, updates, self.source.validate() if due else None)
        self.log.append(record.model_copy(update={"seconds": self.clock.since(before)}))

    def update(self, groups: Sequence[Group]) -> Update:
        """One optimiser update on a minibatch."""
        with self.clock.phase("forward"):
            loss, clipped = self.loss(groups)
        with self.clock.phase("backward"):
            self.optimiser.zero_grad()
            loss.backward()
        with self.clock.phase("optimiser"):
            limit = self.config.training.max_grad_norm or math.inf
            norm = float(torch.nn.utils.clip_grad_norm_(self.parameters.values(), limit))
            made = Update(float(loss.detach()), norm, float(clipped))
            if not (math.isfinite(made.loss) and math.isfinite(norm)):
                raise NonFiniteError(f"loss {made.loss}, gradient norm {norm}")
            self.optimiser.step()
            with torch.no_grad():
                self.method.constrain()
        self.session.engine.parameters_changed()
        return made

    def loss(self, groups: Sequence[Group]) -> Loss:
        """Loss of a minibatch: the prompts run once with one vision pass, and the completions continue from them."""
        tokens, mask, old, importance = stacked(groups)
        objective, base = self.config.objective, None
        logprobs = self._logprobs(groups, tokens, mask, self.method.prefix())
        if objective.kl_weight:
            with torch.no_grad(), self.method.base_model() as prefix:
                base = self._logprobs(groups, tokens, mask, prefix)
        advantages = torch.cat([group.advantages for group in groups])
        return objective_loss(
            objective,
            logprobs,
            mask,
            advantages=advantages,
            old_logprobs=old,
            importance=importance,
            base_logprobs=base,
        )

    def _logprobs(self, groups: Sequence[Group], tokens: Tensor, mask: Tensor, prefix: Prefix) -> Tensor:
        """Log-probabilities (rows, T) of the groups' completions with this prefix before the question."""
        rows = torch.arange(len(groups)).repeat_interleave(len(groups[0].tokens))
        state = self.policy.prefill([group.problem for group in groups], prefix).rows(rows)
        return self.policy.logprobs(state, tokens, mask, self.config.training.temperature)

    def _begin(self) -> int:
        """Resume, or validate before the first step; returns the number of steps already done."""
        progress = self.folder.resume()
        if progress is not None:
            self.log = progress.log
            self.clock.resume(progress.seconds)
            return progress.step
        self.clock.start_up()
        try:
            accuracy = self.source.validate()
        except (NonFiniteError, EngineError) as error:
            raise TrainingError(f"{self.key.folder}: validation before step 1: {error}") from None
        self.log = [StepRecord(step=0, validation_accuracy=accuracy, detail=self.method.detail())]
        self.folder.store(0, self.log)
        return 0

    def _record(self, step: int, tally: Tally, updates: list[Update], accuracy: float | None) -> StepRecord:
        return StepRecord(
            step=step + 1,
            reward=_mean(tally.rewards),
            accuracy=_mean(tally.scores),
            updates=len(updates),
            loss=_mean([update.loss for update in updates]),
            gradient_norm=_mean([update.norm for update in updates]),
            ratio_clipped=_mean([update.clipped for update in updates]),
            entropy=tally.nats / tally.completion_tokens if tally.nats else None,
            groups=tally.groups,
            groups_dropped=tally.dropped,
            prompt_tokens=tally.prompt_tokens,
            completion_tokens=tally.completion_tokens,
            validation_accuracy=accuracy,
            detail=self.method.detail() or None,
            **(tally.mismatch.step_fields() if tally.mismatch else {}),
        )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
