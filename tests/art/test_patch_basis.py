import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d
from torch.testing import assert_close

from art.patch_basis import PatchBasis

HIDDEN, CHANNELS, FRAMES, PATCH = 12, 3, 2, 4


@pytest.fixture
def weight() -> Tensor:
    return torch.randn(HIDDEN, CHANNELS, FRAMES, PATCH, PATCH, generator=torch.Generator().manual_seed(0))


def image(seed: int = 1) -> Tensor:
    return torch.randn(CHANNELS, 12, 8, generator=torch.Generator().manual_seed(seed))


def embed(weight: Tensor, picture: Tensor) -> Tensor:
    """What the tower sees of a still image."""
    return conv2d(picture.unsqueeze(0), weight.sum(dim=2), stride=PATCH)


def test_orthonormal(weight: Tensor) -> None:
    basis = PatchBasis.from_weight(weight)
    assert basis.rank == HIDDEN
    assert_close(basis.vectors @ basis.vectors.T, torch.eye(HIDDEN), atol=1e-6, rtol=0)


def test_rank_is_found(weight: Tensor) -> None:
    weight[5:] = weight[:7] + weight[1:8]
    assert PatchBasis.from_weight(torch.cat([weight[:3], weight[:3] * 2])).rank == 3


def test_more_features_than_pixels() -> None:
    assert PatchBasis.from_weight(torch.randn(40, 1, 1, 3, 3)).rank == 9


def test_what_is_outside_the_space_is_not_seen(weight: Tensor) -> None:
    basis = PatchBasis.from_weight(weight)
    seen = basis.offset(basis.project(image()), 12, 8)
    assert_close(embed(weight, image() - seen), torch.zeros(1, HIDDEN, 3, 2), atol=1e-5, rtol=0)
    assert_close(embed(weight, seen), embed(weight, image()), atol=1e-5, rtol=1e-5)


def test_round_trip_and_adjoint(weight: Tensor) -> None:
    basis = PatchBasis.from_weight(weight)
    coordinates = torch.randn(6, basis.rank)
    assert_close(basis.project(basis.offset(coordinates, 12, 8)), coordinates)
    assert_close((basis.offset(coordinates, 12, 8) * image()).sum(), (coordinates * basis.project(image())).sum())


def test_patches_go_row_by_row(weight: Tensor) -> None:
    basis = PatchBasis.from_weight(weight)
    coordinates = torch.zeros(6, basis.rank)
    coordinates[3] = 1.0  # second row of two patches, second column
    offset = basis.offset(coordinates, 12, 8)
    assert offset[:, 4:8, 4:8].abs().sum() > 0
    offset[:, 4:8, 4:8] = 0
    assert offset.abs().sum() == 0


def test_gradient_reaches_the_coordinates(weight: Tensor) -> None:
    basis = PatchBasis.from_weight(weight)
    coordinates = torch.zeros(6, basis.rank, requires_grad=True)
    (basis.offset(coordinates, 12, 8) * image()).sum().backward()
    assert_close(coordinates.grad, basis.project(image()))


def test_errors_name_the_shapes(weight: Tensor) -> None:
    basis = PatchBasis.from_weight(weight)
    with pytest.raises(ValueError, match="4 x 4 do not tile 10 x 8"):
        basis.patches(10, 8)
    with pytest.raises(ValueError, match=r"wanted \(6, 12\)"):
        basis.offset(torch.zeros(5, 12), 12, 8)
    with pytest.raises(ValueError, match="5 dimensions"):
        PatchBasis.from_weight(weight[:, :, 0])
    with pytest.raises(ValueError, match="no direction"):
        PatchBasis.from_weight(torch.zeros_like(weight))
