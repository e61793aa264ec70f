"""Pictures as 8-bit levels, with numpy and Pillow only: reading and writing PNG, random images, distances.

A picture is a uint8 array (height, width, 3) of levels 0..255.  This module does not import torch: controls must start
in a second.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
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

_START = b"\x89PNG\r\n\x1a\n"
# The chunks that say what the pixels are.  Others (texts, times, colour profiles) change nothing for us, and Pillow
# refuses whole pictures for some of them.
_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_GREY = 0


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
        ImageError: the file is missing, truncated or damaged, not a PNG, of another size, or of 16 bits a channel.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror}") from None
    if not content.startswith(_START):
        raise ImageError(f"{path}: not a PNG")
    try:
        chunks = _chunks(content)
        (_, header), *_ = chunks
        width, height, depth, colours = struct.unpack(">IIBB3x", header)
    except (ValueError, struct.error) as error:
        raise ImageError(f"{path}: truncated or damaged PNG: {error}") from None
    if (width, height) != (size, size):  # before anything is decoded: a small file can hold a huge picture
        raise ImageError(f"{path}: {width} x {height} pixels; wanted {size} x {size}")
    if depth > 8:
        raise ImageError(f"{path}: {depth} bits a channel; wanted at most 8")
    try:
        return _decoded(chunks, depth, colours)
    except Exception as error:  # Pillow raises OSError, SyntaxError, AssertionError, ... on damaged files
        raise ImageError(f"{path}: truncated or damaged PNG: {error}") from None


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and data of each chunk that says what the pixels are, up to the end mark.

    Raises:
        ValueError, struct.error: a chunk is cut, or its checksum is wrong; the first or the last is of another kind.
    """
    found = []
    position, kind = len(_START), b""
    while kind != b"IEND":
        if position == len(content):
            raise ValueError("no end mark")
        length, kind = struct.unpack_from(">I4s", content, position)
        data = content[position + 8 : position + 8 + length]
        (checksum,) = struct.unpack_from(">I", content, position + 8 + length)
        if zlib.crc32(kind + data) != checksum:
            raise ValueError(f"wrong checksum of chunk {kind!r}")
        found.append((kind, data))
        position += 12 + length
    if [kind for kind, _ in found].count(b"IHDR") != 1 or found[0][0] != b"IHDR":
        raise ValueError("not one header, at the beginning")
    return [(kind, data) for kind, data in found if kind in _PIXELS]


def _decoded(chunks: list[tuple[bytes, bytes]], depth: int, colours: int) -> Levels:
    content = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    with Image.open(io.BytesIO(_START + content), formats=["PNG"]) as image:
        image.load()
    if image.mode == "P":
        entries, largest = len(dict(chunks)[b"PLTE"]) // 3, int(np.array(image).max())
        if largest >= entries:
            raise ValueError(f"a pixel has entry {largest} of a palette with {entries} entries, counted from 0")
    if colours == _GREY and image.mode == "L" and "transparency" in image.info:
        # Pillow scales the levels of 2 or 4 bits to 8, but not the one that the file calls transparent
        top = 2**depth - 1
        image.info["transparency"] = (image.info["transparency"] & top) * 255 // top
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
