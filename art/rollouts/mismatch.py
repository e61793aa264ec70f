"""Measure the log-probability mismatch: an engine rounds differently, so its policy is not exactly the trained one."""

from __future__ import annotations

from torch import Tensor

from art.store.records import Mismatch


def measure_mismatch(policy_logprobs: Tensor, engine_logprobs: Tensor) -> Mismatch:
    """Compare log-probabilities (tokens,) of the same tokens under the policy and an engine.

    The effective sample size is (sum w)^2 / sum w^2 with w = exp(policy - engine) (Kong 1992).
    """
    difference = (policy_logprobs - engine_logprobs).double()
    weights = difference.exp()
    effective = float(weights.sum() ** 2 / (weights**2).sum() / len(weights))
    return Mismatch(
        tokens=len(difference),
        mean=float(difference.abs().mean()),
        maximum=float(difference.abs().max()),
        effective=effective,
    )
