"""ART: only the pixels of one image are trained.

pixel = sigmoid(z) with unbounded z (the paper's parameterisation), rounded to the 8 bits of a PNG in the forward pass
with a straight-through gradient, so the policy that is trained is the policy that is served.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from art.methods.base import Initialisation, TrainedMethod
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.pictures.logits import levels_of, levels_to_tensor, logits_of, project_to_bound, tensor_to_levels
from art.pictures.patch_basis import PatchBasis
from art.pictures.png import Levels, distance, encode_png, grey_image
from art.store.artifact import IMAGE, Artifact, artifact_folder


class Image(TrainedMethod):
    """z = z0 + offset.  The parameters are the offset of each pixel and channel (``basis: pixel``), or coordinates of
    the offset in the directions that the vision tower sees (``patch``).
    """

    def __init__(self, policy: Policy, initialisation: Initialisation) -> None:
        super().__init__(policy, initialisation)
        self.seed_picture = initialisation.seed_picture
        size = len(self.seed_picture)
        first = grey_image(size, initialisation.rng()) if self.section.start == "grey" else self.seed_picture
        self.seed_levels = levels_to_tensor(self.seed_picture)
        self.origin = logits_of(levels_to_tensor(first))
        self.basis: PatchBasis | None = None
        shape: tuple[int, ...] = tuple(self.origin.shape)
        if self.section.basis == "patch":
            self.basis = PatchBasis.from_weight(policy.patch_embedding)
            shape = (self.basis.patches(size, size), self.basis.rank)
        self.offset = nn.Parameter(torch.zeros(shape))
        with torch.no_grad():
            self.constrain()  # the grey initialisation may be outside the bound

    def parameters(self) -> dict[str, nn.Parameter]:
        return {"offset": self.offset}

    def levels(self) -> Tensor:
        """Integer levels 0..255, (3, size, size), with a gradient; at most the bound away from the seed picture."""
        if self.basis is None:
            return levels_of(self.origin + self.offset)
        size = self.origin.shape[-1]
        return levels_of(self._within_bound(self.origin + self.basis.offset(self.offset, size, size)))

    def constrain(self) -> None:
        """Project pixels to the bound; in the patch basis, where a coordinate moves many pixels, ``levels`` does it."""
        if self.basis is None and self.section.max_distance is not None:
            self.offset.copy_(self._within_bound(self.origin + self.offset) - self.origin)

    def _within_bound(self, logits: Tensor) -> Tensor:
        bound = self.section.max_distance
        return logits if bound is None else project_to_bound(logits, self.seed_levels, bound)

    def prefix(self) -> Prefix:
        return Prefix(image=self.levels())

    def picture(self) -> Levels:
        return tensor_to_levels(self.levels())

    def detail(self) -> dict[str, float]:
        picture = self.picture()
        apart = distance(picture, self.seed_picture)
        saturated = float(((picture < 4) | (picture > 251)).mean())
        numbers = {"distance_max": apart.maximum, "distance_mean": apart.mean, "saturated": saturated}
        return numbers if apart.psnr is None else {**numbers, "psnr": apart.psnr}

    def save(self, out: Path) -> Artifact:
        size = self.origin.shape[-1]
        artifact = Artifact(
            kind=self.section.kind,
            image_size=size,
            trained_numbers=self.count_parameters(),
            prefix_tokens=self.policy.preprocessor.tokens(size) + 2,
        )
        with artifact_folder(out, artifact) as folder:
            encode_png(self.picture(), folder / IMAGE)
        return artifact
