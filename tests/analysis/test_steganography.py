from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib

import numpy as np
import pytest
from PIL import Image

from analysis.steganography import ENCODERS, PNG_FRAME, encoded_sizes, filter_rows, log_power
from art.pictures.png import png_bytes

NOISE = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
FLAT = np.full((32, 32, 3), 7, np.uint8)


def _file(pixels: np.ndarray, name: str) -> bytes:
    """A PNG written chunk by chunk from our filtered rows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    height, width, _ = pixels.shape
    header = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 2, 0, 0, 0])
    body = zlib.compress(filter_rows(pixels, name), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["none", "sub", "up", "average", "paeth"])
def test_filtered_rows_are_a_png_of_the_same_pixels_and_size(name: str) -> None:
    picture = np.cumsum(NOISE, axis=1).astype(np.uint8)
    picture[:24] = NOISE[:24] % 2  # compresses to different sizes at different levels of zlib
    data = _file(picture, name)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), picture)
    assert len(data) == ENCODERS[f"png_{name}"](picture)
    assert len(data) - len(zlib.compress(filter_rows(picture, name), 9)) == PNG_FRAME


@pytest.mark.parametrize("pixels", [NOISE, NOISE[:16]], ids=["square", "wide"])
def test_fixed_setting_is_the_size_of_the_artifact(pixels: np.ndarray) -> None:
    assert encoded_sizes(pixels)["png"] == len(png_bytes(pixels))


def test_compressors_run_at_their_strongest_or_usual_setting() -> None:
    """bz2 and lzma have the defaults of the libraries; a gzip file is zlib's stream with 12 more bytes around it."""
    y, x = np.mgrid[:192, :192]
    picture = np.dstack([(y * y + x) // 97, (x * x + y) // 97, x * y // 61]).astype(np.uint8)
    picture[:96] = np.random.default_rng(0).integers(0, 2, (96, 192, 3))
    sizes, data, webp = encoded_sizes(picture), picture.tobytes(), io.BytesIO()
    assert sizes["zlib"] == len(gzip.compress(data)) - 12
    assert (sizes["bz2"], sizes["lzma"]) == (len(bz2.compress(data)), len(lzma.compress(data)))
    Image.fromarray(picture).save(webp, format="WEBP", lossless=True, quality=100)
    assert sizes["webp"] == len(webp.getvalue())


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


def test_spectrum_of_noise_is_its_variance() -> None:
    """White noise of variances 1, 4 and 9 has a mean power of 14/3; the levels around which it lies have no effect."""
    noise = np.random.default_rng(1).normal([10, 100, 240], [1, 2, 3], (96, 64, 3))
    power = 10 ** log_power(noise)
    assert power.mean() == pytest.approx(14 / 3, rel=0.05)
    assert power[46:51, 30:35].max() < 14


@pytest.mark.parametrize("axis", [0, 1])
def test_a_wave_that_does_not_fit_the_picture_leaks_no_further_than_hann_windows_let_it(axis: int) -> None:
    wave = 50 * np.cos(2 * np.pi * 8.5 * np.arange(64) / 64)
    power = log_power(np.repeat(np.expand_dims(wave, 1 - axis), 64, 1 - axis)[:, :, None] * np.ones(3))
    line = np.take(power, 32, 1 - axis)
    assert line.argmax() in (23, 24, 40, 41)
    assert line.max() - line[0] > 7  # 70 dB at 24 lines from the peak; a Hamming window has 52


def test_spectrum_of_nothing_is_the_floor() -> None:
    assert (log_power(FLAT) == -12).all()
