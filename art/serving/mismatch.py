"""Measure the log-probability mismatch between the server and the policy."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from art.config.sections import ModelSection
from art.models.artifact_loader import overlay_adapter
from art.models.families import load_policy
from art.models.policy import Policy
from art.rollouts.mismatch import measure_mismatch
from art.rollouts.sampler import Decoding
from art.rollouts.server_engine import Server
from art.serving.served import Served
from art.store.problem import Problem
from art.store.records import GapRecord

# Enough for 1,000 tokens even of the shortest answers.
PROBLEMS, COMPLETIONS = 64, 4


def policy_of(served: Served, model: ModelSection, policy: Policy) -> Policy:
    """The policy under an artifact: the given one or, for an adapter, a new one with the adapter over its weights."""
    if served.adapter is None:
        return policy
    adapted = load_policy(model)
    overlay_adapter(adapted, served.adapter)
    return adapted


@torch.no_grad()
def mismatch(engine: Server, served: Served, problems: Sequence[Problem], max_new_tokens: int) -> GapRecord:
    """Sample through the server at temperature 1, and compare with the log-probabilities of the engine's policy."""
    some, policy = problems[:PROBLEMS], engine.policy
    engine.ask_for(served.name)
    rollouts = engine.sample(some, served.prefix, COMPLETIONS, Decoding(1.0, max_new_tokens))
    rows = torch.arange(len(some)).repeat_interleave(COMPLETIONS)
    state = policy.prefill(some, served.prefix).rows(rows)
    ours = policy.logprobs(state, rollouts.tokens, rollouts.mask, 1.0)
    found = measure_mismatch(ours[rollouts.mask], rollouts.logprobs[rollouts.mask])
    return GapRecord(method=served.method, **found.model_dump())
