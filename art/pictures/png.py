"""Pictures as 8-bit levels, with numpy and Pillow only: reading and writing PNG, random images, distances.

A picture is a uint8 array (height, width, 3) of levels 0..255.  This module does not import torch: controls must start
in a second.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from art.errors import ArtError
from art.files import atomic_path

Levels = NDArray[np.uint8]

MID_GREY = 128
"""Level behind transparent pixels (as in the authors' seed picture), and the centre of contrast."""

COMPRESS_LEVEL = 9
"""The one fixed encoder setting; everything else is Pillow's default, and no metadata is written."""

_START, _END = b"\x89PNG\r\n\x1a\n", b"\x00\x00\x00\x00IEND\xaeB`\x82"
_READABLE_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")


class ImageError(ArtError):
    """A picture that cannot be used; the message names the file, what was found and what was wanted."""


class Distance(NamedTuple):
    """How far two pictures are apart.

    Attributes:
        maximum: largest absolute difference of two levels (0..255).
        mean: mean absolute difference of the levels.
        psnr: peak signal-to-noise ratio, 10 log10(255^2 / mean squared difference), in dB; None for equal pictures,
            where it would be infinite (which JSON cannot hold).
    """

    maximum: int
    mean: float
    psnr: float | None


def png_bytes(levels: Levels) -> bytes:
    """Encode (height, width, 3) levels as PNG under the fixed setting.

    The same pixels give the same bytes with the same version of Pillow and of the zlib in it.

    Raises:
        ValueError: wrong type or shape.
    """
    if levels.dtype != np.uint8 or levels.ndim != 3 or levels.shape[2] != 3:
        raise ValueError(f"a picture is uint8 of shape (height, width, 3), not {levels.dtype} of {levels.shape}")
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, format="PNG", compress_level=COMPRESS_LEVEL)
    return stream.getvalue()


def encode_png(levels: Levels, path: Path) -> None:
    """Write (height, width, 3) levels as PNG, atomically."""
    content = png_bytes(levels)
    with atomic_path(path) as partial:
        partial.write_bytes(content)


def decode_png(path: Path, size: int) -> Levels:
    """Read a square PNG as (size, size, 3) levels.

    Grey and palette pictures become RGB; transparent parts are laid over mid-grey.

    Raises:
        ImageError: the file is missing, truncated or damaged, not a PNG, of another size, or of 16 bits.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror}") from None
    if not content.startswith(_START):
        raise ImageError(f"{path}: not a PNG")
    if _END not in content:  # Pillow accepts a missing end mark
        raise ImageError(f"{path}: truncated or damaged PNG: no end mark")
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            image.verify()  # all checksums
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            image.load()
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error, ... on damaged files
        raise ImageError(f"{path}: truncated or damaged PNG: {error}") from None
    if image.size != (size, size):
        raise ImageError(f"{path}: {image.width} x {image.height} pixels; wanted {size} x {size}")
    if image.mode not in _READABLE_MODES:
        raise ImageError(f"{path}: pixels of mode {image.mode}; wanted one of {', '.join(_READABLE_MODES)}")
    if not image.has_transparency_data:
        return np.array(image.convert("RGB"))
    backdrop = Image.new("RGBA", image.size, (MID_GREY, MID_GREY, MID_GREY, 255))
    return np.array(Image.alpha_composite(backdrop, image.convert("RGBA")).convert("RGB"))


def uniform_noise(size: int, rng: np.random.Generator) -> Levels:
    """Uniform noise, (size, size, 3)."""
    return rng.integers(0, 256, (size, size, 3), dtype=np.uint8)


def grey_image(size: int, rng: np.random.Generator, spread: int = 6) -> Levels:
    """Nearly grey noise, mid-grey +- ``spread`` levels, (size, size, 3)."""
    return rng.integers(MID_GREY - spread, MID_GREY + spread, (size, size, 3), dtype=np.uint8, endpoint=True)


def reduce_contrast(levels: Levels, contrast: float) -> Levels:
    """Pull all levels towards mid-grey; ``contrast`` in [0, 1], 1 leaves the picture as it is."""
    return np.rint(MID_GREY + contrast * (levels.astype(np.float64) - MID_GREY)).astype(np.uint8)


def distance(a: Levels, b: Levels) -> Distance:
    """Distance between two pictures of the same shape.

    Raises:
        ValueError: the shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"pictures of different shapes: {a.shape} and {b.shape}")
    difference = np.abs(a.astype(np.float64) - b.astype(np.float64))
    noise = float(np.mean(difference**2))
    psnr = 10 * math.log10(255**2 / noise) if noise else None
    return Distance(int(difference.max()), float(difference.mean()), psnr)
