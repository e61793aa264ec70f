import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from art.pictures.logits import (
    levels_of,
    levels_to_tensor,
    logits_of,
    project_to_bound,
    straight_through_round,
    tensor_to_levels,
)
from art.pictures.png import distance

ALL = torch.arange(256, dtype=torch.float32).view(1, 16, 16).repeat(3, 1, 1)


def test_every_level_survives_the_logit() -> None:
    assert logits_of(ALL).isfinite().all()
    assert (levels_of(logits_of(ALL)) == ALL).all()
    ends = 255 * torch.sigmoid(logits_of(torch.tensor([0.0, 255.0])))
    torch.testing.assert_close(ends, torch.tensor([0.25, 254.75]), rtol=0, atol=1e-3)


def test_array_and_tensor() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    tensor = levels_to_tensor(levels)
    assert tensor.shape == (3, 32, 64) and tensor.dtype == torch.float32
    assert tensor[2, 5, 7] == levels[5, 7, 2]
    assert (tensor_to_levels(tensor) == levels).all()
    assert tensor_to_levels(torch.tensor([-1.0, 254.6, 300.0]).view(3, 1, 1)).tolist() == [[[0, 255, 255]]]


def test_rounding_is_exact_and_passes_the_gradient() -> None:
    levels = torch.linspace(0, 255, 10_001, requires_grad=True)
    rounded = straight_through_round(levels)
    assert (rounded == levels.round()).all()
    rounded.sum().backward()
    assert (levels.grad == 1).all()


def test_gradient_is_that_of_the_sigmoid() -> None:
    logits = torch.tensor([-2.0, 0.0, 3.0], dtype=torch.float64, requires_grad=True)
    levels_of(logits).sum().backward()
    share = torch.sigmoid(logits.detach())
    torch.testing.assert_close(logits.grad, 255 * share * (1 - share))


@given(st.integers(1, 255), st.sampled_from([-1e9, -8.0, -0.1, 0.0, 0.1, 8.0, 1e9]), st.booleans())
def test_bound_is_exact_after_rounding(bound: int, push: float, double: bool) -> None:
    seed = ALL.double() if double else ALL
    projected = project_to_bound(logits_of(seed) + push, seed, bound)
    levels = levels_of(projected)
    assert levels.isfinite().all()
    assert distance(tensor_to_levels(levels), tensor_to_levels(seed)).maximum <= bound
    torch.testing.assert_close(project_to_bound(projected, seed, bound), projected, rtol=0, atol=0)
    if abs(push) == 1e9:  # the bound is reached everywhere
        wanted = (seed + (bound if push > 0 else -bound)).clamp(0, 255)
        assert (levels == wanted).all()


def test_gradients_that_push_a_clamped_pixel_further_out_are_zeroed() -> None:
    seed = torch.full((6,), 100.0)
    logits = logits_of(torch.tensor([10.0, 95.0, 99.0, 101.0, 105.0, 200.0])).requires_grad_()
    for sign, passed in (
        (1.0, [0, 1, 1, 1, 1, 1]),
        (-1.0, [1, 1, 1, 1, 1, 0]),
    ):  # descent lowers the levels; raises them
        (gradient,) = torch.autograd.grad(sign * project_to_bound(logits, seed, 5).sum(), logits)
        assert (gradient * sign).tolist() == passed


@pytest.mark.parametrize("bound", [1, 8, 255])
def test_bound_leaves_the_seed_alone(bound: int) -> None:
    assert (project_to_bound(logits_of(ALL), ALL, bound) == logits_of(ALL)).all()
