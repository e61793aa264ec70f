"""Losses on completions: DAPO, GRPO and supervised, as pure functions of tensors.

Shapes: N completions of at most T tokens; P prompts with G completions each (N = P * G).  ``mask`` (N, T), boolean,
is True at the tokens that count; values elsewhere (NaN included) have no influence.

Every loss is a weighted sum over the tokens of one minibatch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from art.config.sections import ObjectiveSection


class Loss(NamedTuple):
    """A scalar loss to differentiate, and the share of tokens whose gradient the clip set to zero (detached)."""

    loss: Tensor
    clipped: Tensor


def degenerate_groups(rewards: Tensor) -> Tensor:
    """True for groups without a learning signal, since all their rewards are equal: (P, G) -> (P,) boolean."""
    return rewards.amax(dim=1) == rewards.amin(dim=1)


def group_advantages(rewards: Tensor, std_floor: float) -> Tensor:
    """Advantage = (reward - group mean) / (group std + std_floor), (P, G) -> (P, G); exactly 0 in degenerate groups.

    The formula is the paper's; the standard deviation is the unbiased one, as in TRL (G >= 2).
    """
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    advantages = centred / (rewards.std(dim=1, keepdim=True) + std_floor)
    return advantages.masked_fill(degenerate_groups(rewards).unsqueeze(1), 0.0)


def dapo_loss(
    logprobs: Tensor,
    mask: Tensor,
    advantages: Tensor,
    old_logprobs: Tensor | None = None,
    *,
    importance: Tensor | None = None,
    clip_low: float = 0.2,
    clip_high: float = 0.28,
) -> Loss:
    """DAPO (arXiv 2503.14476, eq. 8): mean over all kept tokens, the upper clip higher than the lower, no KL.

    The caller must leave degenerate groups out of the batch.

    Args:
        logprobs: (N, T) log-probabilities under the trained policy, in nats.
        mask: (N, T) tokens that count.
        advantages: (N,) one for each completion.
        old_logprobs: (N, T) under the policy that sampled, without gradient; None on-policy, where the detached
            ``logprobs`` take their place (the ratio is 1, but it has a gradient).
        importance: (N, T) weights of the tokens if another engine sampled them (``importance_weights``); None: 1.
        clip_low: the gradient is zero where the ratio is below 1 - clip_low and the advantage is negative.
        clip_high: the gradient is zero where the ratio is above 1 + clip_high and the advantage is positive.
    """
    weights = _token_weights(mask, logprobs.dtype)
    surrogate, clipped = _clipped_surrogate(logprobs, mask, advantages, old_logprobs, clip_low, clip_high, importance)
    return Loss(-(weights * surrogate).sum(), (weights * clipped).sum())


def grpo_loss(
    logprobs: Tensor,
    mask: Tensor,
    advantages: Tensor,
    old_logprobs: Tensor | None = None,
    base_logprobs: Tensor | None = None,
    *,
    importance: Tensor | None = None,
    clip: float = 0.2,
    kl_weight: float = 0.0,
) -> Loss:
    """GRPO (arXiv 2402.03300, eq. 3-4): mean over each completion's tokens, then over completions; symmetric clip.

    The KL to the base model is estimated by k3 = r - log r - 1 with r = base / current probability.

    Args:
        logprobs, mask, advantages, old_logprobs, importance: as in ``dapo_loss``.
        base_logprobs: (N, T) under the base model; needed if ``kl_weight`` is above 0.
        clip: ``clip_low`` and ``clip_high`` of ``dapo_loss``.
        kl_weight: weight of the KL term.

    Raises:
        ValueError: ``kl_weight`` without ``base_logprobs``.
    """
    weights = _sequence_weights(mask, logprobs.dtype)
    surrogate, clipped = _clipped_surrogate(logprobs, mask, advantages, old_logprobs, clip, clip, importance)
    loss = -(weights * surrogate).sum()
    if kl_weight:
        if base_logprobs is None:
            raise ValueError("objective.kl_weight above 0 needs the log-probabilities of the base model")
        log_ratio = _kept(base_logprobs, mask) - _kept(logprobs, mask)
        loss = loss + kl_weight * (weights * (log_ratio.exp() - log_ratio - 1)).sum()
    return Loss(loss, (weights * clipped).sum())


def supervised_loss(logprobs: Tensor, mask: Tensor) -> Loss:
    """Mean negative log-likelihood (nats a token) of the solutions, over all kept tokens.

    Args:
        logprobs, mask: (N, T) as in ``dapo_loss``.
    """
    weights = _token_weights(mask, logprobs.dtype)
    return Loss(-(weights * _kept(logprobs, mask)).sum(), torch.zeros((), dtype=logprobs.dtype, device=logprobs.device))


def importance_weights(policy_logprobs: Tensor, engine_logprobs: Tensor, cap: float) -> Tensor:
    """Truncated weights min(exp(policy - engine), cap) of tokens that another engine sampled, (N, T) -> (N, T).

    An engine rounds differently, so its policy is not exactly the trained one.  A token's weight is its probability
    under the trained policy divided by that under the engine (importance sampling, truncated as in Ionides 2008).
    Values have no meaning where the mask of the loss is False.
    """
    return (policy_logprobs - engine_logprobs).exp().clamp(max=cap)


def objective_loss(
    objective: ObjectiveSection,
    logprobs: Tensor,
    mask: Tensor,
    *,
    advantages: Tensor | None = None,
    old_logprobs: Tensor | None = None,
    importance: Tensor | None = None,
    base_logprobs: Tensor | None = None,
) -> Loss:
    """Loss of the configured kind; the arguments are those of the losses above.

    Raises:
        ValueError: the kind needs an argument that is None.
    """
    if objective.kind == "supervised":
        return supervised_loss(logprobs, mask)
    if advantages is None:
        raise ValueError(f"objective.kind {objective.kind!r} needs advantages")
    if objective.kind == "dapo":
        clips = {"clip_low": objective.clip_low, "clip_high": objective.clip_high}
        return dapo_loss(logprobs, mask, advantages, old_logprobs, importance=importance, **clips)
    return grpo_loss(
        logprobs,
        mask,
        advantages,
        old_logprobs,
        base_logprobs,
        importance=importance,
        clip=objective.clip_low,
        kl_weight=objective.kl_weight,
    )


def _clipped_surrogate(
    logprobs: Tensor,
    mask: Tensor,
    advantages: Tensor,
    old_logprobs: Tensor | None,
    clip_low: float,
    clip_high: float,
    importance: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """PPO's min(ratio * A, clip(ratio) * A) times the importance, and where the clip applies, both (N, T)."""
    kept = _kept(logprobs, mask)
    old = kept.detach() if old_logprobs is None else _kept(old_logprobs.detach(), mask)
    advantage = advantages.detach().unsqueeze(1)
    # A completion without an advantage teaches nothing, whatever its ratio: an infinite one would make it NaN.
    ratio = (kept - old).masked_fill(advantage == 0, 0.0).exp()
    surrogate = torch.minimum(ratio * advantage, ratio.clamp(1 - clip_low, 1 + clip_high) * advantage)
    if importance is not None:
        surrogate = surrogate * _kept(importance.detach(), mask)
    clipped = ((advantage > 0) & (ratio > 1 + clip_high)) | ((advantage < 0) & (ratio < 1 - clip_low))
    return surrogate, clipped


def _kept(values: Tensor, mask: Tensor) -> Tensor:
    """``values`` with 0 where the mask is False; a product with 0 would keep NaN and infinity, also in the gradient."""
    return values.masked_fill(~mask, 0.0)


def _token_weights(mask: Tensor, dtype: torch.dtype) -> Tensor:
    return mask.to(dtype) / mask.sum().clamp(min=1)


def _sequence_weights(mask: Tensor, dtype: torch.dtype) -> Tensor:
    lengths = mask.sum(dim=1, keepdim=True)
    return mask.to(dtype) / lengths.clamp(min=1) / (lengths > 0).sum().clamp(min=1)
