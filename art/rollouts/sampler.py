"""The in-process rollout engine: samples completions of prompts and returns exact log-probabilities.

A prompt with its prefix runs once and its group shares the state; rows that have ended are dropped from the batch.
All random numbers are drawn beforehand, one for each row and position.  So they do not depend on what other rows
sample, and two policies under the same seed get the same numbers (common random numbers).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from art.errors import ArtError
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.store.problem import Problem


class NonFiniteError(ArtError):
    """The model's output is not a number, since the prefix or the adapter has diverged."""


@dataclass(frozen=True)
class Decoding:
    """How completions are drawn; temperature 0 is greedy."""

    temperature: float
    max_new_tokens: int
    presence_penalty: float = 0.0


@dataclass(frozen=True)
class Rollouts:
    """Completions of P prompts, G each, rows in prompt order (N = P * G), on the CPU.

    Attributes:
        tokens: (N, T) ids, with the end token if one was sampled; 0 after it.
        mask: (N, T) boolean, True at sampled tokens.
        logprobs: (N, T) log-probabilities (nats) of the sampled tokens at the sampling temperature (greedy: at 1).
        prompt_tokens: number of prompt tokens processed.
    """

    tokens: Tensor
    mask: Tensor
    logprobs: Tensor
    prompt_tokens: int

    def texts(self, policy: Policy) -> list[str]:
        """Decoded completions without the end token."""
        rows = [row[kept].tolist() for row, kept in zip(self.tokens, self.mask, strict=True)]
        return policy.tokenizer.batch_decode(rows, skip_special_tokens=True)


def inverse_cdf(log_distribution: Tensor, uniforms: Tensor) -> Tensor:
    """Tokens at which the cumulative probability exceeds numbers in [0, 1): (rows, vocabulary), (rows,) -> (rows,).

    It is summed in double precision and divided by its total, so that no token of probability 0 is drawn.
    """
    cumulated = log_distribution.exp().cumsum(dim=-1, dtype=torch.float64)
    cumulated = cumulated / cumulated[:, -1:]
    return torch.searchsorted(cumulated, uniforms.unsqueeze(1), right=True).squeeze(1)


@torch.no_grad()
def sample(
    policy: Policy,
    problems: Sequence[Problem],
    prefix: Prefix,
    group: int,
    decoding: Decoding,
    generator: torch.Generator | None = None,
) -> Rollouts:
    """Draw ``group`` completions of each problem.

    Args:
        generator: source of randomness; not needed for greedy decoding.

    Raises:
        NonFiniteError: the model's output is not a number.
    """
    prompts = policy.prefill(problems, prefix)
    device = policy.device
    state = prompts.rows(torch.arange(len(problems)).repeat_interleave(group))
    count = len(state.hidden)
    shape = count, decoding.max_new_tokens
    tokens = torch.zeros(shape, dtype=torch.long, device=device)
    mask = torch.zeros(shape, dtype=torch.bool, device=device)
    logprobs = torch.zeros(shape, device=device)
    uniforms = None
    if decoding.temperature:  # drawn on the CPU: the same numbers for every device
        uniforms = torch.rand(shape, dtype=torch.float64, generator=generator).to(device)
    seen = torch.zeros(count, len(policy.token_embeddings), device=device) if decoding.presence_penalty else None
    alive = torch.arange(count, device=device)
    temperature = decoding.temperature or 1.0
    for step in range(decoding.max_new_tokens):
        log_distribution = policy.log_distribution(state.hidden, temperature)
        if log_distribution.isnan().any():
            raise NonFiniteError(f"token {step + 1}: the model's log-probabilities are not finite")
        if seen is not None:
            penalised = log_distribution - decoding.presence_penalty / temperature * seen[alive]
            log_distribution = torch.log_softmax(penalised, dim=-1)
        if uniforms is None:
            chosen = log_distribution.argmax(dim=-1)
        else:
            chosen = inverse_cdf(log_distribution, uniforms[alive, step])
        tokens[alive, step] = chosen
        mask[alive, step] = True
        logprobs[alive, step] = log_distribution.gather(1, chosen.unsqueeze(1)).squeeze(1)
        if seen is not None:
            seen[alive, chosen] = 1.0
        going = (~policy.ends(chosen)).nonzero().squeeze(1)
        if step + 1 == decoding.max_new_tokens or not len(going):
            break
        if len(going) < len(alive):
            state, alive, chosen = state.rows(going), alive[going], chosen[going]
        _, state = policy.advance(state, chosen.unsqueeze(1), torch.ones(len(alive), 1, dtype=torch.bool))
    length = int(mask.any(dim=0).sum())
    tokens, mask, logprobs = (part[:, :length].cpu() for part in (tokens, mask, logprobs))
    return Rollouts(tokens, mask, logprobs, prompt_tokens=int(prompts.attention.sum()))
