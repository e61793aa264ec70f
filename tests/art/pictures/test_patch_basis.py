import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d
from torch.testing import assert_close

from art.pictures.patch_basis import PatchBasis

HIDDEN, CHANNELS, FRAMES, PATCH = 12, 3, 2, 4


@pytest.fixture
def weight() -> Tensor:
    return torch.randn(HIDDEN, CHANNELS, FRAMES, PATCH, PATCH, generator=torch.Generator().manual_seed(0))


def image(seed: int = 1) -> Tensor:
    return torch.randn(CHANNELS, 12, 8, generator=torch.Generator().manual_seed(seed))


def embed(weight: Tensor, picture: Tensor) -> Tensor:
    """The patch embedding of a still image."""
    return conv2d(picture.unsqueeze(0), weight.sum(dim=2), stride=PATCH)


def project(basis: PatchBasis, picture: Tensor) -> Tensor:
    """Coordinates (patches, rank) of an image (channels, height, width): the adjoint of ``offset``."""
    _, height, width = basis.shape
    rows = torch.nn.functional.unfold(picture.unsqueeze(0), (height, width), stride=(height, width))[0].T
    return rows @ basis.vectors.T


def test_orthonormal(weight: Tensor) -> None:
    basis = PatchBasis.from_weight(weight)
    assert basis.rank == HIDDEN
    assert_close(basis.vectors @ basis.vectors.T, torch.eye(HIDDEN), atol=1e-6, rtol=0)


def test_rank_is_found(weight: Tensor) -> None:
    assert PatchBasis.from_weight(torch.cat([weight[:3], weight[:3] * 2])).rank == 3


@pytest.mark.parametrize("scale", [1e-7, 1.0, 1e7])
def test_a_direction_counts_from_a_millionth_of_the_strongest(scale: float) -> None:
    strengths = torch.tensor([1.0, 2e-6, 0.5e-6]) * scale
    weight = torch.diag(strengths).view(3, 1, 1, 1, 3)
    assert PatchBasis.from_weight(weight).rank == 2


def test_the_largest_number_of_each_direction_is_positive(weight: Tensor) -> None:
    for given in (weight, -weight):
        vectors = PatchBasis.from_weight(given).vectors
        assert (vectors.max(dim=1).values > -vectors.min(dim=1).values).all()


def test_more_features_than_pixels() -> None:
    assert PatchBasis.from_weight(torch.randn(40, 1, 1, 3, 3)).rank == 9


def test_what_is_outside_the_space_is_not_seen(weight: Tensor) -> None:
    basis = PatchBasis.from_weight(weight)
    seen = basis.offset(project(basis, image()), 12, 8)
    assert_close(embed(weight, image() - seen), torch.zeros(1, HIDDEN, 3, 2), atol=1e-5, rtol=0)
    assert_close(embed(weight, seen), embed(weight, image()), atol=1e-5, rtol=1e-5)


def test_round_trip_and_adjoint(weight: Tensor) -> None:
    basis = PatchBasis.from_weight(weight)
    coordinates = torch.randn(6, basis.rank)
    assert_close(project(basis, basis.offset(coordinates, 12, 8)), coordinates)
    assert_close((basis.offset(coordinates, 12, 8) * image()).sum(), (coordinates * project(basis, image())).sum())


def test_patches_go_row_by_row(weight: Tensor) -> None:
    basis = PatchBasis.from_weight(weight)
    coordinates = torch.zeros(6, basis.rank)
    coordinates[3] = 1.0  # second row of two patches, second column
    offset = basis.offset(coordinates, 12, 8)
    assert offset[:, 4:8, 4:8].abs().sum() > 0
    offset[:, 4:8, 4:8] = 0
    assert offset.abs().sum() == 0


def test_a_patch_need_not_be_square() -> None:
    basis = PatchBasis.from_weight(torch.randn(9, 1, 1, 2, 4, generator=torch.Generator().manual_seed(0)))
    assert (basis.shape, basis.rank, basis.patches(4, 12)) == ((1, 2, 4), 8, 6)
    coordinates = torch.zeros(6, 8)
    coordinates[4] = 1.0  # second row of three patches, second column
    offset = basis.offset(coordinates, 4, 12)
    assert_close(project(basis, offset), coordinates)
    inside = torch.zeros(1, 4, 12, dtype=torch.bool)
    inside[:, 2:4, 4:8] = True
    assert offset[inside].abs().sum() > 0 and not offset[~inside].any()


def test_gradient_reaches_the_coordinates(weight: Tensor) -> None:
    basis = PatchBasis.from_weight(weight)
    coordinates = torch.zeros(6, basis.rank, requires_grad=True)
    (basis.offset(coordinates, 12, 8) * image()).sum().backward()
    assert_close(coordinates.grad, project(basis, image()))


def test_errors_name_the_shapes(weight: Tensor) -> None:
    basis = PatchBasis.from_weight(weight)
    for height, width in ((10, 8), (12, 10)):
        with pytest.raises(ValueError, match=f"4 x 4 do not tile {height} x {width}"):
            basis.patches(height, width)
    for shape in ((5, 12), (6, 11), (6, 12, 1)):
        with pytest.raises(ValueError, match=r"wanted \(6, 12\)"):
            basis.offset(torch.zeros(shape), 12, 8)
    with pytest.raises(ValueError, match="5 dimensions"):
        PatchBasis.from_weight(weight[:, :, 0])
    with pytest.raises(ValueError, match="no direction"):
        PatchBasis.from_weight(torch.zeros_like(weight))
