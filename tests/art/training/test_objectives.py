import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from art.config.sections import ObjectiveSection
from art.training.objectives import (
    Loss,
    dapo_loss,
    degenerate_groups,
    group_advantages,
    grpo_loss,
    importance_weights,
    objective_loss,
    supervised_loss,
)

KINDS = ("dapo", "grpo", "supervised")


def tensor(values: list) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def batch(seed: int = 0, n: int = 6, t: int = 5) -> dict[str, Tensor]:
    """Random completions of different lengths whose ratios are inside and outside the clips."""
    generator = torch.Generator().manual_seed(seed)
    old = -3 * torch.rand(n, t, generator=generator, dtype=torch.float64)
    moved = old + 0.5 * torch.randn(n, t, generator=generator, dtype=torch.float64)
    lengths = torch.tensor([5, 1, 3, 2, 0, 4])[:n]
    return {
        "logprobs": moved,
        "old_logprobs": old,
        "base_logprobs": old + 0.1,
        "mask": torch.arange(t) < lengths.unsqueeze(1),
        "advantages": torch.randn(n, generator=generator, dtype=torch.float64),
    }


def loss_of(kind: str, data: dict[str, Tensor]) -> Loss:
    kl_weight = 0.1 if kind == "grpo" else 0.0
    arguments = {key: data[key] for key in ("advantages", "old_logprobs", "base_logprobs")}
    objective = ObjectiveSection(kind=kind, kl_weight=kl_weight)
    return objective_loss(objective, data["logprobs"], data["mask"], **arguments)


def test_advantages_by_hand() -> None:
    advantages = group_advantages(tensor([[1.0, 0.0, 0.0, 0.0]]), std_floor=0.5)
    # mean 1/4, unbiased variance (9 + 1 + 1 + 1) / 16 / 3 = 1/4, std 1/2
    assert_close(advantages, tensor([[0.75, -0.25, -0.25, -0.25]]))


def test_flat_groups_have_zero_advantage_and_no_gradient_trouble() -> None:
    rewards = torch.tensor([[0.1] * 8, [1.0] * 8, [0.0] * 7 + [1.0]])
    assert degenerate_groups(rewards).tolist() == [True, True, False]
    advantages = group_advantages(rewards, std_floor=1e-4)
    assert advantages[:2].eq(0).all()
    assert advantages[2].ne(0).all()
    data = batch()
    data["advantages"] = torch.zeros(6, dtype=torch.float64)
    data["logprobs"].requires_grad_()
    loss = loss_of("dapo", data).loss
    loss.backward()
    assert loss.item() == 0.0
    assert data["logprobs"].grad.eq(0).all()


def test_dapo_by_hand() -> None:
    ratios = tensor([[1.0, 1.5, 9.0], [0.5, 1.5, 1.0]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    result = dapo_loss(ratios.log(), mask, tensor([2.0, -1.0]), torch.zeros(2, 3, dtype=torch.float64))
    # A = 2: ratio 1 stays 1, ratio 1.5 is clipped to 1.28.  A = -1: ratio .5 is clipped to .8, 1.5 and 1 stay.
    assert_close(result.loss, tensor(-(2 * (1 + 1.28) - (0.8 + 1.5 + 1.0)) / 5).reshape(()))
    assert_close(result.clipped, tensor(2 / 5).reshape(()))


def test_grpo_by_hand() -> None:
    ratios = tensor([[1.0, 1.5, 9.0], [0.5, 1.5, 1.0]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    old = torch.zeros(2, 3, dtype=torch.float64)
    reference = torch.full((2, 3), math.log(2.0), dtype=torch.float64)
    result = grpo_loss(ratios.log(), mask, tensor([2.0, -1.0]), old, reference, kl_weight=0.5)
    surrogate = (2 * (1 + 1.2) / 2 - (0.8 + 1.5 + 1.0) / 3) / 2

    def k3(ratio: float) -> float:
        return 2 / ratio - math.log(2 / ratio) - 1

    divergence = ((k3(1) + k3(1.5)) / 2 + (k3(0.5) + k3(1.5) + k3(1)) / 3) / 2
    assert_close(result.loss, tensor(-surrogate + 0.5 * divergence).reshape(()))
    assert_close(result.clipped, tensor((1 / 2 + 1 / 3) / 2).reshape(()))
    assert_close(grpo_loss(ratios.log(), mask, tensor([2.0, -1.0]), old).loss, tensor(-surrogate).reshape(()))


@pytest.mark.parametrize(
    ("settings", "loss", "clipped"),
    [
        # A = 2: ratios 1 and 1.5, which is clipped to 1.1.  A = -1: .55 is clipped to .6, 1.5 and 1 stay.
        ({"kind": "dapo", "clip_low": 0.4, "clip_high": 0.1}, -(2 * (1 + 1.1) - (0.6 + 1.5 + 1)) / 5, 2 / 5),
        # Here 1.5 is clipped to 1.4.  The base model is twice as likely, so k3 is 2 / ratio - ln(2 / ratio) - 1.
        (
            {"kind": "grpo", "clip_low": 0.4, "kl_weight": 0.25},
            -(2 * (1 + 1.4) / 2 - (0.6 + 1.5 + 1) / 3) / 2
            + 0.25
            * ((2 + 2 / 1.5 - math.log(4 / 1.5) - 2) / 2 + (2 / 0.55 + 2 / 1.5 + 2 - math.log(8 / 0.825) - 3) / 3)
            / 2,
            (1 / 2 + 1 / 3) / 2,
        ),
        ({"kind": "supervised"}, -math.log(1 * 1.5 * 0.55 * 1.5 * 1) / 5, 0.0),
    ],
)
def test_the_configured_loss_has_the_configured_values(settings: dict, loss: float, clipped: float) -> None:
    logprobs = tensor([[1.0, 1.5, 9.0], [0.55, 1.5, 1.0]]).log()
    mask = torch.tensor([[True, True, False], [True, True, True]])
    more = {"advantages": tensor([2.0, -1.0]), "old_logprobs": torch.zeros(2, 3, dtype=torch.float64)}
    reference = torch.full((2, 3), math.log(2.0), dtype=torch.float64)
    result = objective_loss(ObjectiveSection(**settings), logprobs, mask, base_logprobs=reference, **more)
    assert result.loss.item() == pytest.approx(loss)
    assert result.clipped.item() == pytest.approx(clipped)


def test_a_completion_without_an_advantage_is_never_clipped() -> None:
    ratios, mask = tensor([[9.0], [0.1]]), torch.ones(2, 1, dtype=torch.bool)
    assert dapo_loss(ratios.log(), mask, tensor([0.0, 0.0]), torch.zeros_like(ratios)).clipped.item() == 0.0


def test_supervised_by_hand() -> None:
    mask = torch.tensor([[True, True], [True, False]])
    result = supervised_loss(tensor([[-1.0, -2.0], [-6.0, -100.0]]), mask)
    assert_close(result.loss, tensor(3.0).reshape(()))
    assert result.clipped.item() == 0.0


def test_clip_higher_is_asymmetric() -> None:
    mask, old = torch.ones(4, 1, dtype=torch.bool), torch.zeros(4, 1, dtype=torch.float64)
    logprobs = tensor([[1.25], [1.25], [0.77], [0.77]]).log().requires_grad_()
    result = dapo_loss(logprobs, mask, tensor([1.0, -1.0, 1.0, -1.0]), old, clip_low=0.2, clip_high=0.28)
    result.loss.backward()
    # 1.25 is below 1.28, so a good token still has a gradient; .77 is below .8, so a bad one has none.
    assert logprobs.grad.ne(0).flatten().tolist() == [True, True, True, False]
    assert result.clipped.item() == 0.25


def test_on_policy_gradient_is_the_policy_gradient() -> None:
    data = batch()
    logprobs = data["logprobs"].requires_grad_()
    result = dapo_loss(logprobs, data["mask"], data["advantages"])
    result.loss.backward()
    assert result.clipped.item() == 0.0
    expected = data["mask"] * -data["advantages"].unsqueeze(1) / data["mask"].sum()
    assert_close(logprobs.grad, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_against_finite_differences(kind: str) -> None:
    data = batch(seed=1)

    def function(logprobs: Tensor) -> Tensor:
        return loss_of(kind, data | {"logprobs": logprobs}).loss

    assert torch.autograd.gradcheck(function, data["logprobs"].clone().requires_grad_())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rubbish", [math.nan, math.inf, -math.inf, 1e9])
def test_masked_tokens_have_no_influence(kind: str, rubbish: float) -> None:
    data = batch(seed=3)
    clean = loss_of(kind, data)
    spoilt = data | {
        key: data[key].masked_fill(~data["mask"], rubbish) for key in ("logprobs", "old_logprobs", "base_logprobs")
    }
    spoilt["logprobs"].requires_grad_()
    result = loss_of(kind, spoilt)
    result.loss.backward()
    assert_close(result.loss, clean.loss)
    assert spoilt["logprobs"].grad[~data["mask"]].eq(0).all()
    assert spoilt["logprobs"].grad.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_kept_is_zero(kind: str) -> None:
    data = batch()
    assert loss_of(kind, data | {"mask": torch.zeros_like(data["mask"])}).loss.item() == 0.0


def test_no_gradient_flows_into_old_logprobs_and_advantages() -> None:
    data = batch()
    old, advantages = data["old_logprobs"].requires_grad_(), data["advantages"].requires_grad_()
    dapo_loss(data["logprobs"].requires_grad_(), data["mask"], advantages, old).loss.backward()
    assert old.grad is None and advantages.grad is None


@pytest.mark.parametrize("kind", ["dapo", "grpo"])
def test_missing_advantages_are_named(kind: str) -> None:
    data = batch()
    with pytest.raises(ValueError, match=f"'{kind}' needs advantages"):
        objective_loss(ObjectiveSection(kind=kind), data["logprobs"], data["mask"])


def test_missing_reference_is_named() -> None:
    data = batch()
    with pytest.raises(ValueError, match=r"objective\.kl_weight above 0 needs .* the base model"):
        grpo_loss(data["logprobs"], data["mask"], data["advantages"], kl_weight=0.1)


# -- tokens that another engine sampled ----------------------------------------------------------------------------


def with_importance(kind: str, data: dict[str, Tensor], importance: Tensor | None) -> Loss:
    names = ("advantages", "old_logprobs")
    return objective_loss(
        ObjectiveSection(kind=kind),
        data["logprobs"],
        data["mask"],
        importance=importance,
        **{name: data[name] for name in names},
    )


def test_importance_by_hand() -> None:
    policy, engine = tensor([[0.5, 0.3, 0.8]]).log(), tensor([[0.25, 0.6, 0.1]]).log()
    assert_close(importance_weights(policy, engine, 3.0), tensor([[2.0, 0.5, 3.0]]))  # 0.8 / 0.1 is capped
    assert_close(importance_weights(policy, engine, 1.0), tensor([[1.0, 0.5, 1.0]]))


def test_losses_with_importance_by_hand() -> None:
    ratios = tensor([[1.0, 1.5, 9.0], [0.5, 1.5, 1.0]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    weights = tensor([[0.5, 2.0, 7.0], [1.0, 3.0, 0.25]])
    data = {"logprobs": ratios.log(), "mask": mask, "advantages": tensor([2.0, -1.0])}
    data["old_logprobs"] = torch.zeros(2, 3, dtype=torch.float64)
    dapo, grpo = (with_importance(kind, data, weights) for kind in ("dapo", "grpo"))
    # The clips are those of test_dapo_by_hand and test_grpo_by_hand; each token's term is multiplied by its weight.
    first, second = 2 * (0.5 * 1 + 2.0 * 1.28), -(1.0 * 0.8 + 3.0 * 1.5 + 0.25 * 1.0)
    assert_close(dapo.loss, tensor(-(first + second) / 5).reshape(()))
    first = 2 * (0.5 * 1 + 2.0 * 1.2)
    assert_close(grpo.loss, tensor(-(first / 2 + second / 3) / 2).reshape(()))
    assert_close(dapo.clipped, tensor(2 / 5).reshape(()))  # weights do not change the share of clipped tokens


@pytest.mark.parametrize("kind", ["dapo", "grpo"])
def test_importance_of_ones_is_none(kind: str) -> None:
    data = batch(seed=4)
    without, ones = (data["logprobs"].clone().requires_grad_() for _ in range(2))
    one = with_importance(kind, data | {"logprobs": without}, None)
    two = with_importance(kind, data | {"logprobs": ones}, torch.ones(6, 5))
    assert_close(two, one, rtol=0, atol=0)
    one.loss.backward()
    two.loss.backward()
    assert torch.equal(without.grad, ones.grad)


@pytest.mark.parametrize("kind", ["dapo", "grpo"])
def test_gradient_with_importance_against_finite_differences(kind: str) -> None:
    data = batch(seed=5)
    weights = importance_weights(data["old_logprobs"], data["base_logprobs"] * 1.2, 1.5)
    assert len(weights.unique()) > 10, "weights differ, some are capped"

    def function(logprobs: Tensor) -> Tensor:
        return with_importance(kind, data | {"logprobs": logprobs}, weights).loss

    assert torch.autograd.gradcheck(function, data["logprobs"].clone().requires_grad_())


@pytest.mark.parametrize("kind", ["dapo", "grpo"])
def test_no_gradient_flows_into_importance(kind: str) -> None:
    data = batch()
    weights = torch.full((6, 5), 0.5, dtype=torch.float64, requires_grad=True)
    with_importance(kind, data | {"logprobs": data["logprobs"].requires_grad_()}, weights).loss.backward()
    assert weights.grad is None and data["logprobs"].grad.ne(0).any()


@pytest.mark.parametrize("kind", ["dapo", "grpo"])
@pytest.mark.parametrize("rubbish", [math.nan, math.inf])
def test_masked_importance_has_no_influence(kind: str, rubbish: float) -> None:
    data = batch(seed=6)
    weights = torch.full((6, 5), 0.5, dtype=torch.float64)
    clean = with_importance(kind, data, weights)
    logprobs = data["logprobs"].requires_grad_()
    spoilt = with_importance(kind, data, weights.masked_fill(~data["mask"], rubbish))
    spoilt.loss.backward()
    assert_close(spoilt.loss, clean.loss)
    assert logprobs.grad.isfinite().all()


@pytest.mark.parametrize("kind", ["dapo", "grpo"])
@pytest.mark.parametrize("apart", [100.0, 1e4, -1e4])
def test_a_completion_without_an_advantage_counts_nothing_whatever_its_ratio(kind: str, apart: float) -> None:
    data = batch(seed=4)
    data["advantages"][:3] = 0.0
    clean = loss_of(kind, data)
    data["logprobs"] = data["logprobs"].clone()
    data["logprobs"][:3] = data["old_logprobs"][:3] + apart
    data["logprobs"].requires_grad_()
    objective = ObjectiveSection(kind=kind)
    result = objective_loss(
        objective,
        data["logprobs"],
        data["mask"],
        advantages=data["advantages"],
        old_logprobs=data["old_logprobs"],
    )
    result.loss.backward()
    assert data["logprobs"].grad[:3].eq(0).all() and data["logprobs"].grad.isfinite().all()
    assert kind == "grpo" or float(result.loss) == pytest.approx(float(clean.loss))


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_without_a_token_has_no_loss(kind: str) -> None:
    data = batch(seed=5)
    data["mask"] = torch.zeros_like(data["mask"])
    data["logprobs"].requires_grad_()
    result = loss_of(kind, data)
    result.loss.backward()
    assert result.loss.item() == 0.0 and data["logprobs"].grad.eq(0).all()
