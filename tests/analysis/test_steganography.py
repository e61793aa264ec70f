from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from analysis.steganography import ENCODERS, PNG_FRAME, encoded_sizes, filter_rows, log_power
from art.images import png_bytes

NOISE = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
FLAT = np.full((32, 32, 3), 7, np.uint8)


def _file(pixels: np.ndarray, name: str) -> bytes:
    """A PNG made of our filtered rows, chunk by chunk."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    height, width, _ = pixels.shape
    header = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 2, 0, 0, 0])
    body = zlib.compress(filter_rows(pixels, name), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["none", "sub", "up", "average", "paeth"])
def test_filtered_rows_are_a_png_of_the_same_pixels_and_size(name: str) -> None:
    picture = np.cumsum(NOISE, axis=1).astype(np.uint8)
    data = _file(picture, name)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), picture)
    assert len(data) == ENCODERS[f"png_{name}"](picture)
    assert len(data) - len(zlib.compress(filter_rows(picture, name), 9)) == PNG_FRAME


def test_fixed_setting_is_the_size_of_the_artefact() -> None:
    assert encoded_sizes(NOISE)["png"] == len(png_bytes(NOISE))


def test_noise_does_not_compress_and_a_flat_picture_does() -> None:
    noise, flat = encoded_sizes(NOISE), encoded_sizes(FLAT)
    assert noise["best"] > 0.95 * NOISE.size
    assert flat["best"] < 120
    for sizes in (noise, flat):
        assert sizes["best"] == min(size for name, size in sizes.items() if name != "best")


def test_spectrum_of_a_wave_peaks_at_its_frequency() -> None:
    x = np.arange(32)
    wave = np.broadcast_to(50 * np.cos(2 * np.pi * 8 * x / 32)[None, :, None], (32, 32, 3))
    power = log_power(wave)
    row, column = np.unravel_index(power.argmax(), power.shape)
    assert (row, abs(column - 16)) == (16, 8)
