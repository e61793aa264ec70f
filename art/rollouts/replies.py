"""Turn the replies of an engine in another process into rollouts, and check its prompts against ours."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from art.config.sections import EngineSection
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.rollouts.engines import EngineError
from art.rollouts.sampler import Decoding, Rollouts
from art.store.problem import Problem


@dataclass(frozen=True)
class Reply:
    """An engine's reply to one problem: the prompt's ids as it expanded them, and (ids, log-probabilities) of each
    completion.
    """

    prompt: list[int]
    completions: list[tuple[list[int], list[float]]]


def refuse_long(
    problems: Sequence[Problem], prefix: Prefix, policy: Policy, settings: EngineSection, decoding: Decoding
) -> None:
    """Refuse problems whose completions might not fit: vLLM would cut them short without a message.

    Raises:
        EngineError: a prompt and its new tokens need more than ``max_model_len``, or more positions than the checkpoint
            has.
    """
    room = min(settings.max_model_len, policy.model.config.get_text_config().max_position_embeddings)
    for problem in problems:
        length = len(policy.prompts.encode(problem, prefix)[0])
        if length + decoding.max_new_tokens > room:
            raise EngineError(
                f"problem {problem.id}: {length} tokens of prompt and {decoding.max_new_tokens} new ones; "
                f"room for {room} (engine.max_model_len, and the checkpoint's positions)"
            )


def rollouts_of(replies: Sequence[Reply], problems: Sequence[Problem], policy: Policy, prefix: Prefix) -> Rollouts:
    """Turn replies into right-padded rollouts.

    Raises:
        EngineError: the engine's tokens of a prompt differ from ours, for example because it expanded an image twice.
    """
    for reply, problem in zip(replies, problems, strict=True):
        expected, slot, _ = policy.prompts.encode(problem, prefix)
        differing = _first_difference(reply.prompt, expected, slot)
        if differing is not None:
            position, theirs, ours = differing
            raise EngineError(
                f"problem {problem.id}: the engine's prompt has {len(reply.prompt)} tokens, ours {len(expected)}; the "
                f"first to differ is number {position}, theirs {theirs}, ours {ours}: another template, tokenizer or "
                "image size"
            )
    rows = [completion for reply in replies for completion in reply.completions]
    shape = len(rows), max(len(tokens) for tokens, _ in rows)
    tokens, mask = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.bool)
    logprobs = torch.zeros(shape)
    for row, (sampled, scores) in enumerate(rows):
        tokens[row, : len(sampled)] = torch.tensor(sampled)
        mask[row, : len(sampled)] = True
        logprobs[row, : len(sampled)] = torch.tensor(scores)
    return Rollouts(tokens, mask, logprobs, prompt_tokens=sum(len(reply.prompt) for reply in replies))


def _first_difference(
    found: list[int], expected: list[int], slot: list[bool]
) -> tuple[int, int | None, int | None] | None:
    """Position and ids (None after the end of a prompt) of the first difference; in the slot any id is allowed."""
    for position, (theirs, ours, in_slot) in enumerate(itertools.zip_longest(found, expected, slot)):
        if theirs != ours and not (in_slot and theirs is not None):
            return position, theirs, ours
    return None
