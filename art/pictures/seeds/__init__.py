"""The project's own seed pictures, one file per drawing: flat shapes drawn with Pillow, no fonts, no random numbers.

Every picture is drawn in units of its side, at four times the wanted size, and averaged down.  So it looks the same at
every size, and its bytes are the same every time.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from art.config.registry import OTHER_SEED_PICTURE, SEED_PICTURES, implementation
from art.pictures.png import Levels

_OVERSAMPLING = 4
_MULTIPLE = 32


def draw(task: str, size: int) -> Levels:
    """Draw the seed picture of ``task``: (size, size, 3) levels.  Tasks without one of their own share a compass rose.

    Raises:
        ValueError: ``size`` is not a positive multiple of 32.
    """
    if size <= 0 or size % _MULTIPLE:
        raise ValueError(f"picture size {size} is not a positive multiple of {_MULTIPLE}")
    canvas = implementation(SEED_PICTURES.get(task, OTHER_SEED_PICTURE)).draw(size * _OVERSAMPLING)
    return np.array(canvas.image.resize((size, size), Image.Resampling.BOX))
