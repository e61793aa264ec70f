"""Measures how many bytes a picture takes, under one fixed PNG setting and other lossless compressors.

The size of a compressed file is only a crude upper bound on the information in a picture: it says how well this
compressor predicts the pixels, not how many bits the model reads.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from art.pictures.png import Levels, png_bytes

PNG_FRAME = 57  # bytes around the data: signature 8, IHDR 25, frame of one IDAT 12, IEND 12


def _saved(pixels: Levels, kind: str, **options: object) -> int:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format=kind, **options)
    return stream.tell()


def filter_rows(pixels: Levels, name: str) -> bytes:
    """Rows after one of PNG's five filters, each row with its filter byte (PNG specification, section 9)."""
    now = pixels.astype(np.int16)
    left = np.pad(now, ((0, 0), (1, 0), (0, 0)))[:, :-1]
    above = np.pad(now, ((1, 0), (0, 0), (0, 0)))[:-1]
    corner = np.pad(now, ((1, 0), (1, 0), (0, 0)))[:-1, :-1]
    estimate = left + above - corner
    far_left, far_above, far_corner = (np.abs(estimate - other) for other in (left, above, corner))
    paeth = np.where(
        (far_left <= far_above) & (far_left <= far_corner), left, np.where(far_above <= far_corner, above, corner)
    )
    predictions = {"none": 0 * now, "sub": left, "up": above, "average": (left + above) // 2, "paeth": paeth}
    rows = ((now - predictions[name]) % 256).astype(np.uint8).reshape(len(pixels), -1)
    number = list(predictions).index(name)
    return np.pad(rows, ((0, 0), (1, 0)), constant_values=number).tobytes()


def _filtered(name: str) -> Callable[[Levels], int]:
    return lambda pixels: PNG_FRAME + len(zlib.compress(filter_rows(pixels, name), 9))


ENCODERS: dict[str, Callable[[Levels], int]] = {
    "png": lambda pixels: len(png_bytes(pixels)),
    **{f"png_{name}": _filtered(name) for name in ("none", "sub", "up", "average", "paeth")},
    "zlib": lambda pixels: len(zlib.compress(pixels.tobytes(), 9)),
    "bz2": lambda pixels: len(bz2.compress(pixels.tobytes(), 9)),
    "lzma": lambda pixels: len(lzma.compress(pixels.tobytes(), preset=6)),
}
if features.check("webp"):
    ENCODERS["webp"] = lambda pixels: _saved(pixels, "WEBP", lossless=True, quality=100, method=4)


def encoded_sizes(pixels: Levels) -> dict[str, int]:
    """Bytes under each encoder; ``best`` is the smallest of them.

    ``png`` is the fixed setting of ``art.pictures.png`` (RGB, 8 bits, Pillow, compress_level 9, optimize off);
    ``png_<filter>`` is a PNG with the same filter in every row.
    """
    return dict(_sizes(pixels.tobytes(), pixels.shape))


@lru_cache(maxsize=256)  # several models share a control picture
def _sizes(data: bytes, shape: tuple[int, ...]) -> tuple[tuple[str, int], ...]:
    pixels = np.frombuffer(data, dtype=np.uint8).reshape(shape)
    sizes = {name: encode(pixels) for name, encode in ENCODERS.items()}
    return (*sizes.items(), ("best", min(sizes.values())))


def log_power(pixels: NDArray[Any]) -> NDArray[np.float64]:
    """log10 of the spatial power spectrum, mean over channels, with zero frequency in the centre.

    Each channel has its mean removed and is multiplied by a Hann window in both directions.

    Args:
        pixels: (height, width, 3), levels or differences of levels.

    Returns:
        (height, width), log10 of levels squared; powers below 1e-12 are raised to 1e-12.
    """
    centred = pixels - pixels.mean(axis=(0, 1))
    window = np.outer(np.hanning(len(pixels)), np.hanning(pixels.shape[1]))[:, :, None]
    power = np.abs(np.fft.fft2(centred * window, axes=(0, 1))) ** 2 / (window**2).sum()
    return np.fft.fftshift(np.log10(np.maximum(power.mean(axis=2), 1e-12)))
