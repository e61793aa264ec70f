"""Read a checkpoint's own settings of image processing.  No torch here, so that controls start quickly."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from art.errors import ArtError


class CheckpointError(ArtError):
    """A checkpoint that cannot be used; the message names the file."""


@dataclass(frozen=True)
class Preprocessor:
    """The picture settings of a checkpoint's preprocessor_config.json.

    Attributes:
        patch_size: pixels along the side of a patch.
        merge_size: patches along the side of a visual token.
        temporal_patch_size: frames in a patch; a still picture is repeated.
        image_mean, image_std: per channel, of pixels in [0, 1].
        full_level: the level that is scaled to 1, usually 255.
        smallest, largest: a picture whose number of pixels (height times width) is between these is not resized.
    """

    patch_size: int
    merge_size: int
    temporal_patch_size: int
    image_mean: list[float]
    image_std: list[float]
    full_level: float
    smallest: int
    largest: int

    def tokens(self, size: int) -> int:
        """Visual tokens of a square picture.

        Raises:
            CheckpointError: the processor would resize the picture, which would change the trained pixels; the message
                names sizes that fit.
        """
        unit, area = self.patch_size * self.merge_size, size * size
        if size % unit or not self.smallest <= area <= self.largest:
            smallest, largest = math.ceil(self.smallest**0.5 / unit) * unit, int(self.largest**0.5) // unit * unit
            below, above = size // unit * unit, -(-size // unit) * unit
            nearest = sorted({min(max(near, smallest), largest) for near in (below, above)})
            raise CheckpointError(
                f"image.size {size}: this checkpoint's processor would resize it; allowed: multiples of {unit} "
                f"from {smallest} to {largest}; nearest: {' and '.join(map(str, nearest))}"
            )
        return area // unit**2


def read_preprocessor(folder: Path) -> Preprocessor:
    """Read the checkpoint's own image settings; sizes, means and standard deviations are never assumed.

    Raises:
        CheckpointError: the file or a needed key is missing, or we do not reproduce this kind of processor.
    """
    path = folder / "preprocessor_config.json"
    try:
        return _preprocessor(json.loads(path.read_text()))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: not an image processor's configuration that we know: {error!r}") from None


def _preprocessor(found: dict[str, Any]) -> Preprocessor:
    kind = found["image_processor_type"].removesuffix("Fast").removesuffix("Pil")
    if kind != "Qwen2VLImageProcessor":
        raise ValueError(f"image_processor_type {kind!r}; known: 'Qwen2VLImageProcessor'")
    # Older files have min_pixels and max_pixels instead of ``size``; where a file has both, they win.
    older = {"shortest_edge": found.get("min_pixels"), "longest_edge": found.get("max_pixels")}
    size = found.get("size", {}) | {edge: pixels for edge, pixels in older.items() if pixels is not None}
    # A file may lack do_normalize, do_rescale and rescale_factor: all processors of transformers have these defaults.
    normalised, rescaled = found.get("do_normalize", True), found.get("do_rescale", True)
    return Preprocessor(
        patch_size=found["patch_size"],
        merge_size=found["merge_size"],
        temporal_patch_size=found["temporal_patch_size"],
        image_mean=found["image_mean"] if normalised else [0.0] * 3,
        image_std=found["image_std"] if normalised else [1.0] * 3,
        full_level=1 / found.get("rescale_factor", 1 / 255) if rescaled else 1.0,
        smallest=size["shortest_edge"],
        largest=size["longest_edge"],
    )
