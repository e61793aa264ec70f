"""The directions in pixel space that a vision tower can see.

A vision tower starts with a linear patch embedding, so it sees a patch of C * height * width pixels only through the
row space of that matrix.  With an orthonormal basis Q of this space, an image offset is z - z0 = c Q, with one row of
coordinates c per patch.  The optimiser then moves only in directions that the tower can see (ours, not the paper's).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PatchBasis:
    """Orthonormal basis of the row space of a patch embedding.

    Attributes:
        vectors: (rank, channels * patch height * patch width), orthonormal rows.
        shape: (channels, patch height, patch width).
    """

    vectors: Tensor
    shape: tuple[int, int, int]

    @classmethod
    def from_weight(cls, weight: Tensor, tolerance: float = 1e-6) -> PatchBasis:
        """Basis from a patch embedding's weight (hidden, channels, frames, patch height, patch width).

        A still image is repeated over the frames, so the tower applies the weight summed over the frames.  (The
        processor's mean and standard deviation are the same for all channels here, so they do not change the space.)

        Args:
            weight: the weight of the convolution, of any float type.
            tolerance: singular values below this share of the largest count as 0.

        Raises:
            ValueError: the weight does not have five dimensions, or is zero.
        """
        if weight.ndim != 5:
            raise ValueError(f"a patch embedding has 5 dimensions, not {tuple(weight.shape)}")
        matrix = weight.detach().cpu().double().sum(dim=2).flatten(1)
        _, singular, rows = torch.linalg.svd(matrix, full_matrices=False)
        rank = int((singular > tolerance * singular[0]).sum())
        if not rank:
            raise ValueError("the patch embedding is zero: no direction can be seen")
        rows = rows[:rank]
        # The SVD leaves each row's sign open; fix it, so that a run does not depend on the linear-algebra library.
        largest = rows.gather(1, rows.abs().argmax(dim=1, keepdim=True))
        channels, height, width = weight.shape[1], weight.shape[3], weight.shape[4]
        return cls((rows * largest.sign()).float(), (channels, height, width))

    @property
    def rank(self) -> int:
        """Number of directions per patch."""
        return self.vectors.shape[0]

    def patches(self, height: int, width: int) -> int:
        """Number of patches of an image.

        Raises:
            ValueError: the patch does not divide the image.
        """
        _, patch_height, patch_width = self.shape
        if height % patch_height or width % patch_width:
            raise ValueError(f"patches of {patch_height} x {patch_width} do not tile {height} x {width} pixels")
        return (height // patch_height) * (width // patch_width)

    def offset(self, coordinates: Tensor, height: int, width: int) -> Tensor:
        """Coordinates (patches, rank), patches row by row -> image offset (channels, height, width)."""
        channels, patch_height, patch_width = self.shape
        wanted = (self.patches(height, width), self.rank)
        if tuple(coordinates.shape) != wanted:
            raise ValueError(f"coordinates of shape {tuple(coordinates.shape)}; wanted {wanted}")
        tiles = (coordinates @ self.vectors.to(coordinates)).view(
            height // patch_height, width // patch_width, channels, patch_height, patch_width
        )
        return tiles.permute(2, 0, 3, 1, 4).reshape(channels, height, width)
