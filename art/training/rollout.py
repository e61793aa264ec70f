"""Make a step's groups: sample, score, compute advantages, and correct the log-probabilities of another engine."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import torch

from art.errors import RecordError
from art.methods.base import detached
from art.rollouts.mismatch import measure_mismatch
from art.rollouts.sampler import Decoding, Rollouts
from art.store.problem import Problem
from art.store.records import Mismatch
from art.training.groups import Group, Tally, evenly, stacked
from art.training.objectives import degenerate_groups, group_advantages, importance_weights
from art.training.session import Session


class GroupSource:
    """Groups for each step of a run.  Every random number derives from the run's seed, the step and the attempt."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.config, self.key = session.workspace.config, session.workspace.key

    def sampled(self, step: int) -> tuple[list[Group], Tally]:
        """Rollouts of a step; for DAPO, degenerate groups are dropped and up to ``max_resamples`` times replaced."""
        settings, engine, clock = self.config.training, self.session.engine, self.session.clock
        dynamic = self.config.objective.kind == "dapo"
        decoding = Decoding(settings.temperature, settings.max_new_tokens)
        kept: list[Group] = []
        tally = Tally()
        for attempt in range(settings.max_resamples + 1 if dynamic else 1):
            problems = self._prompts(step, attempt)[: settings.prompts - len(kept)]
            generator = torch.Generator().manual_seed(
                random.Random(f"{self.key.seed}/sample/{step}/{attempt}").getrandbits(62)
            )
            rollouts = self._complete("rollout", problems, settings.completions, decoding, generator)
            with clock.phase("reward"):
                groups, flat = self._score(problems, rollouts, tally)
            for group, degenerate in zip(groups, flat, strict=True):
                if dynamic and degenerate:
                    tally.dropped += 1
                else:
                    kept.append(group)
            if len(kept) == settings.prompts:
                break
        if kept and not engine.shares_policy:
            with clock.phase("correction"):
                kept, tally.mismatch = self._corrected(kept)
        return kept, tally

    def solutions(self, step: int) -> tuple[list[Group], Tally]:
        """The problems' own solutions as groups of one, for the supervised objective.

        Raises:
            RecordError: a training problem has no solution.
        """
        policy, groups = self.session.policy, []
        for problem in self._prompts(step, 0):
            if problem.solution is None:
                raise RecordError(
                    f"training problem {problem.id} has no solution, which the supervised objective needs"
                )
            ids = [*policy.tokenizer(problem.solution, add_special_tokens=False).input_ids, policy.end_token]
            tokens = torch.tensor([ids])
            groups.append(
                Group(problem, tokens, tokens >= 0, torch.zeros(tokens.shape), torch.ones(tokens.shape), torch.zeros(1))
            )
        return groups, Tally(groups=len(groups), completion_tokens=sum(group.tokens.shape[1] for group in groups))

    def validate(self) -> float:
        """Greedy accuracy on the validation problems."""
        problems, decoding = self.session.validation, Decoding(0.0, self.config.training.max_new_tokens)
        texts = self._complete("validation", problems, 1, decoding).texts(self.session.policy)
        pairs = zip(texts, problems, strict=True)
        return sum(self.session.scorer.judge(text, problem).score for text, problem in pairs) / len(texts)

    def _prompts(self, step: int, attempt: int) -> list[Problem]:
        """The problems of a step: attempt 0 takes the next ones of a shuffled epoch, later attempts draw at random."""
        problems, count = self.session.problems, self.config.training.prompts
        if attempt:
            return random.Random(f"{self.key.seed}/resample/{step}/{attempt}").sample(problems, count)
        epoch, offset = divmod(step * count, len(problems) // count * count)
        order = list(range(len(problems)))
        random.Random(f"{self.key.seed}/epoch/{epoch}").shuffle(order)
        return [problems[index] for index in order[offset : offset + count]]

    def _complete(
        self,
        phase: str,
        problems: Sequence[Problem],
        completions: int,
        decoding: Decoding,
        generator: torch.Generator | None = None,
    ) -> Rollouts:
        """Completions with the method's current parameters; an engine with its own weights first loads the adapter.

        It does so once after each step's updates: if validation loads the adapter, the next step's rollouts do not.
        """
        method, engine, clock = self.session.method, self.session.engine, self.session.clock
        if engine.adapter_outdated:
            with clock.phase("weight_sync"):
                folder = self.session.workspace.progress / "adapter"
                method.write_adapter(folder)
                engine.load_adapter(folder)
        with clock.phase(phase):
            return engine.sample(problems, detached(method.prefix()), completions, decoding, generator)

    def _score(self, problems: Sequence[Problem], rollouts: Rollouts, tally: Tally) -> tuple[list[Group], list[bool]]:
        """Groups with their advantages, and which of them are degenerate."""
        size = self.config.training.completions
        texts = rollouts.texts(self.session.policy)
        judged = [self.session.scorer.judge(text, problems[row // size]) for row, text in enumerate(texts)]
        rewards = torch.tensor([verdict.reward for verdict in judged]).view(-1, size)
        advantages = group_advantages(rewards, self.config.objective.std_floor)
        tally.rewards += rewards.flatten().tolist()
        tally.scores += [verdict.score for verdict in judged]
        tally.groups += len(problems)
        tally.prompt_tokens += rollouts.prompt_tokens
        tally.completion_tokens += int(rollouts.mask.sum())
        tally.nats -= float(rollouts.logprobs.sum())
        parts = (part.split(size) for part in (rollouts.tokens, rollouts.mask, rollouts.logprobs))
        groups = [
            Group(problem, tokens, mask, logprobs, torch.ones(tokens.shape), own)
            for problem, tokens, mask, logprobs, own in zip(problems, *parts, advantages, strict=True)
        ]
        return groups, degenerate_groups(rewards).tolist()

    @torch.no_grad()
    def _corrected(self, groups: list[Group]) -> tuple[list[Group], Mismatch]:
        """The groups with the policy's log-probabilities instead of the engine's, and the mismatch of the two.

        So the clipped ratio compares two states of one policy, and the engine's rounding enters only the importance.
        """
        policy, prefix = self.session.policy, self.session.method.prefix()
        cap = self.config.engine_of(self.key.method).importance_cap
        corrected, ours, theirs = [], [], []
        for part in evenly(groups, self.config.training.minibatches):
            tokens, mask, sampled, _ = stacked(part)
            size = len(part[0].tokens)
            rows = torch.arange(len(part)).repeat_interleave(size)
            state = policy.prefill([group.problem for group in part], prefix).rows(rows)
            scored = policy.logprobs(state, tokens, mask, self.config.training.temperature)
            ours.append(scored[mask])
            theirs.append(sampled[mask])
            weights = torch.ones_like(scored) if cap is None else importance_weights(scored, sampled, cap)
            for group, own, weight in zip(part, scored.split(size), weights.split(size), strict=True):
                length = group.tokens.shape[1]
                corrected.append(replace(group, logprobs=own[:, :length], importance=weight[:, :length]))
        return corrected, measure_mismatch(torch.cat(ours), torch.cat(theirs))
