"""What a checkpoint says of its own image processing.  No torch, so that controls start quickly."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path


class CheckpointError(ValueError):
    """A checkpoint folder that cannot be used; the message names the file."""


@dataclass(frozen=True)
class Preprocessor:
    """What the checkpoint's preprocessor_config.json says about pictures."""

    patch_size: int
    merge_size: int
    temporal_patch_size: int
    image_mean: list[float]
    image_std: list[float]
    size: dict[str, int]

    def tokens(self, size: int) -> int:
        """Visual tokens of a square picture.

        Raises:
            CheckpointError: the processor would resize it, which would change the trained pixels; names sizes that fit.
        """
        unit, area = self.patch_size * self.merge_size, size * size
        low, high = self.size["shortest_edge"], self.size["longest_edge"]
        if size % unit or not low <= area <= high:
            smallest, largest = math.ceil(low**0.5 / unit) * unit, int(high**0.5) // unit * unit
            below, above = size // unit * unit, -(-size // unit) * unit
            nearest = sorted({min(max(near, smallest), largest) for near in (below, above)})
            raise CheckpointError(
                f"image.size {size}: this checkpoint's processor would resize it; allowed: multiples of {unit} "
                f"from {smallest} to {largest}; nearest: {' and '.join(map(str, nearest))}"
            )
        return area // unit**2


def read_preprocessor(folder: Path) -> Preprocessor:
    """Read the checkpoint's own image settings; nothing is assumed.

    Raises:
        CheckpointError: the file or a key is missing.
    """
    path = folder / "preprocessor_config.json"
    try:
        found = json.loads(path.read_text())
        return Preprocessor(**{name: found[name] for name in Preprocessor.__dataclass_fields__})
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: not an image processor's configuration: {error!r}") from None
