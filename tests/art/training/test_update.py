"""The updates of one step against numbers computed here: loss, gradient, clip of its norm, Adam's step.

Log-probabilities come from new forward passes, one completion at a time, without padding and without the cache.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from recorders import Recorder, Stage
from tiny_world import World
from torch import Tensor
from torch.testing import assert_close

from art.models.policy import Policy
from art.models.prompt import Prefix
from art.store.problem import Problem
from art.training.loop import Trainer

TEMPERATURE, RATE, BETAS, NORM, FLOOR, CAP = 0.7, 0.03, (0.8, 0.99), 0.02, 0.3, 1.5
REWARDS = [[0.0, 0.5, 1.0], [1.0, 0.0, 0.0], [0.25, 0.25, 1.0], [0.0, 1.0, 0.5]]
TRAINING = {
    "temperature": TEMPERATURE,
    "max_grad_norm": NORM,
    "prompts": 4,
    "completions": 3,
    "minibatches": 2,
    "max_new_tokens": 4,
    "validate_every": 9,
}


@dataclass(frozen=True)
class Row:
    """One completion of a minibatch."""

    problem: Problem
    tokens: list[int]
    advantage: float
    engine: Tensor


@dataclass(frozen=True)
class Update:
    """The inputs of an optimiser's update, and its result."""

    before: list[Tensor]
    gradient: list[Tensor]
    after: list[Tensor]


def watch(made: Trainer) -> list[Update]:
    """Record the updates that a trainer makes from now on."""
    updates: list[Update] = []
    values = list(made.parameters.values())

    def begin(*_: Any) -> None:
        gradient = [value.grad.clone() for value in values]
        updates.append(Update([value.detach().clone() for value in values], gradient, []))

    made.optimiser.register_step_pre_hook(begin)
    made.optimiser.register_step_post_hook(
        lambda *_: updates[-1].after.extend(value.detach().clone() for value in values)
    )
    return updates


def put(made: Trainer, values: list[Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in zip(made.parameters.values(), values, strict=True):
            parameter.copy_(value)


def logprobs(policy: Policy, row: Row, prefix: Prefix) -> Tensor:
    """Log-probabilities of a completion's tokens by one pass over prompt and completion."""
    ids, slot, _ = policy.prompts.encode(row.problem, prefix)
    whole = torch.tensor([*ids, *row.tokens])
    inputs = policy.token_embeddings[whole]
    if prefix.embeddings is not None:
        inputs = inputs.index_put((torch.tensor(slot).nonzero().squeeze(1),), prefix.embeddings)
    positions = torch.arange(len(whole)).expand(3, 1, -1)
    hidden = policy.language_model(inputs_embeds=inputs[None], position_ids=positions, use_cache=False)
    logits = hidden.last_hidden_state[0, len(ids) - 1 : -1] @ policy.token_embeddings.T
    logits[:, policy.forbidden_tokens] = -math.inf
    return (logits / TEMPERATURE).log_softmax(dim=-1)[torch.arange(len(row.tokens)), torch.tensor(row.tokens)]


def sampled_rows(engine: Recorder) -> list[Row]:
    """The sampled completions, with advantages computed from the rewards by the formula."""
    (call,) = engine.rollouts
    rows = []
    for number, (tokens, mask, scores) in enumerate(
        zip(call.rollouts.tokens, call.rollouts.mask, call.rollouts.logprobs, strict=True)
    ):
        group, one = divmod(number, 3)
        rewards = REWARDS[group]
        advantage = (rewards[one] - statistics.mean(rewards)) / (statistics.stdev(rewards) + FLOOR)
        rows.append(Row(call.problems[group], tokens[mask].tolist(), advantage, scores[mask]))
    return rows


@dataclass(frozen=True)
class Expected:
    """A minibatch's loss, clipped share and ratios."""

    loss: Tensor
    clipped: float
    ratios: list[float]


def expected(settings: dict[str, Any], rows: list[Row], now: list[Tensor], old: list[Tensor], **more: Any) -> Expected:
    """DAPO averages over tokens; GRPO over each completion's tokens, then over completions, and adds the KL."""
    low, high = 1 - settings["clip_low"], 1 + settings.get("clip_high", settings["clip_low"])
    grpo, every = settings["kind"] == "grpo", sum(len(row.tokens) for row in rows)
    total, clipped, ratios = torch.zeros(()), 0.0, []
    for number, row in enumerate(rows):
        weight = 1 / len(row.tokens) / len(rows) if grpo else 1 / every
        for place in range(len(row.tokens)):
            ratio = (now[number][place] - old[number][place]).exp()
            cut = min(max(ratio, torch.tensor(low)), torch.tensor(high))
            term = min(ratio * row.advantage, cut * row.advantage)
            if "importance" in more:
                term = term * more["importance"][number][place]
            if grpo:
                apart = more["reference"][number][place] - now[number][place]
                term = term - settings["kl_weight"] * (apart.exp() - apart - 1)
            total = total - weight * term
            stopped = (row.advantage > 0 and ratio > high) or (row.advantage < 0 and ratio < low)
            clipped += weight * bool(stopped)
            ratios.append(float(ratio.detach()))
    return Expected(total, clipped, ratios)


def adam(update: Update, earlier: list[Update]) -> list[Tensor]:
    """Adam's step (Kingma and Ba 2015, algorithm 1) from all gradients so far."""
    history, count, made = [*earlier, update], len(earlier) + 1, []
    for index, value in enumerate(update.before):
        first = second = torch.zeros_like(value)
        for step in history:
            first = BETAS[0] * first + (1 - BETAS[0]) * step.gradient[index]
            second = BETAS[1] * second + (1 - BETAS[1]) * step.gradient[index] ** 2
        corrected = second / (1 - BETAS[1] ** count)
        made.append(value - RATE * first / (1 - BETAS[0] ** count) / (corrected.sqrt() + 1e-8))
    return made


DAPO = {"kind": "dapo", "clip_low": 0.02, "clip_high": 0.015, "std_floor": FLOOR}
GRPO = {"kind": "grpo", "clip_low": 0.02, "kl_weight": 0.5, "std_floor": FLOOR}


@pytest.mark.parametrize(
    ("method", "settings", "shares", "cap"),
    [
        ("soft_prompt", DAPO, True, None),
        ("soft_prompt", DAPO, False, CAP),
        ("soft_prompt", DAPO, False, None),
        ("lora", GRPO, True, None),
    ],
    ids=["dapo", "dapo_foreign_engine", "dapo_without_weights", "grpo_kl_lora"],
)
def test_the_updates_of_a_step_by_hand(
    world: World,
    tiny_policy: Policy,
    stage: Stage,
    method: str,
    settings: dict[str, Any],
    shares: bool,
    cap: float | None,
) -> None:
    stage.open(
        [(0, reward) for group in REWARDS for reward in group],
        real=True,
        shares=shares,
        shift=None if shares else shift,
    )
    made = stage.trainer(
        method,
        objective=settings,
        training=TRAINING,
        engine={} if shares else {"kind": "server", "url": "http://nowhere/v1", "importance_cap": cap},
        methods={method: {"kind": method, "learning_rate": RATE, "betas": BETAS}},
    )
    updates = watch(made)
    start = [value.detach().clone() for value in made.parameters.values()]
    made.step(0)
    rows = sampled_rows(stage.engine)
    assert len({len(row.tokens) for row in rows}) == 4, "of unequal lengths"
    put(made, start)
    with torch.no_grad():
        old = [logprobs(made.policy, row, made.method.prefix()) for row in rows]
        reference = [logprobs(tiny_policy, row, Prefix()) for row in rows]
    more: dict[str, Any] = {"reference": reference}
    if shares:
        for row, own in zip(rows, old, strict=True):
            assert_close(row.engine, own, rtol=0, atol=1e-5)
    elif cap is not None:
        more["importance"] = [(own - row.engine).exp().clamp(max=cap) for row, own in zip(rows, old, strict=True)]
    hand, norms = [], []
    for number, (update, part) in enumerate(zip(updates, (slice(0, 6), slice(6, 12)), strict=True)):
        put(made, update.before)
        now = [logprobs(made.policy, row, made.method.prefix()) for row in rows[part]]
        hand.append(expected(settings, rows[part], now, old[part], **{name: some[part] for name, some in more.items()}))
        gradient = torch.autograd.grad(hand[-1].loss, list(made.parameters.values()))
        norms.append(math.sqrt(sum(float((one.double() ** 2).sum()) for one in gradient)))
        assert norms[-1] > 1.5 * NORM, "so the norm is clipped"
        for found, one in zip(update.gradient, gradient, strict=True):
            assert_close(found, one * NORM / norms[-1], rtol=1e-3, atol=1e-6)
        for found, one in zip(update.after, adam(update, updates[:number]), strict=True):
            assert_close(found, one, rtol=1e-5, atol=1e-6)
    assert hand[0].ratios == pytest.approx([1.0] * len(hand[0].ratios), abs=1e-5)
    assert hand[0].clipped == 0.0 < hand[1].clipped < 1.0
    assert min(hand[1].ratios) < 0.98 and max(hand[1].ratios) > 1.02, "beyond both clips"
    (record,) = made.log
    assert record.updates == 2
    assert record.loss == pytest.approx(statistics.mean(float(one.loss.detach()) for one in hand), abs=1e-5)
    assert record.gradient_norm == pytest.approx(statistics.mean(norms), rel=1e-3)
    assert record.ratio_clipped == pytest.approx(statistics.mean(one.clipped for one in hand), abs=1e-5)
    if not shares:
        apart = torch.cat([own - row.engine for row, own in zip(rows, old, strict=True)])
        weights = apart.exp()
        assert record.gap_tokens == len(apart)
        assert record.gap_mean == pytest.approx(float(apart.abs().mean()), abs=1e-5)
        assert record.gap_max == pytest.approx(float(apart.abs().max()), abs=1e-5) != record.gap_mean
        share = float(weights.sum() ** 2 / (weights**2).sum()) / len(apart)
        assert record.effective_share == pytest.approx(share, abs=1e-5) and share < 0.99


def shift(tokens: Tensor) -> Tensor:
    """Difference of the engine's log-probabilities from the policy's: some weights are above the cap, others not."""
    return 0.3 * (tokens % 4) - 0.6


def test_a_supervised_update_by_hand(world: World, stage: Stage) -> None:
    """The loss is the mean over all tokens of the solutions, each with an end token."""
    stage.open()
    made = stage.trainer("soft_prompt", objective={"kind": "supervised"}, training={**TRAINING, "max_grad_norm": None})
    updates = watch(made)
    start = [value.detach().clone() for value in made.parameters.values()]
    made.step(0)
    order = [13, 14, 3, 10]
    rows = []
    for problem in (made.session.problems[index] for index in order):
        ids = made.policy.tokenizer(problem.solution, add_special_tokens=False).input_ids
        rows.append(Row(problem, [*ids, made.policy.end_token], 0.0, torch.zeros(0)))
    assert len({len(row.tokens) for row in rows}) > 1, "of unequal lengths"
    losses, norms = [], []
    for values, update, part in zip((start, updates[0].after), updates, (rows[:2], rows[2:]), strict=True):
        put(made, values)
        loss = -torch.cat([logprobs(made.policy, row, made.method.prefix()) for row in part]).mean()
        (gradient,) = torch.autograd.grad(loss, list(made.parameters.values()))
        assert_close(update.gradient[0], gradient, rtol=1e-3, atol=1e-6)
        losses.append(float(loss.detach()))
        norms.append(float(gradient.norm()))
    (record,) = made.log
    assert record.loss == pytest.approx(statistics.mean(losses), abs=1e-5)
    assert record.gradient_norm == pytest.approx(statistics.mean(norms), rel=1e-3)
    assert (record.groups, record.completion_tokens) == (4, sum(len(row.tokens) for row in rows))
    assert stage.engine.rollouts == [] and record.reward is record.accuracy is record.entropy is None


def test_the_bound_is_kept_after_every_update(world: World, stage: Stage) -> None:
    """Without the patch basis, the bound is only enforced after an update."""
    stage.open()
    made = stage.trainer(
        "art_pixel_bound5",
        objective={"kind": "supervised"},
        methods={"art_pixel_bound5": {"kind": "art", "basis": "pixel", "learning_rate": 9.0, "max_distance": 5}},
    )
    far = []
    made.optimiser.register_step_pre_hook(lambda *_: far.append(made.method.detail()["distance_max"]))
    made.step(0)
    assert [*far, made.method.detail()["distance_max"]] == [0, 5, 5]
