import io
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from art.pictures.png import (
    ImageError,
    decode_png,
    distance,
    encode_png,
    grey_image,
    png_bytes,
    reduce_contrast,
    uniform_noise,
)
from art.pictures.seeds import draw

SIZE = 32


def noise(seed: int = 0) -> np.ndarray:
    return uniform_noise(SIZE, np.random.default_rng(seed))


def test_round_trip_and_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "new" / "a.png", tmp_path / "b.png"
    encode_png(noise(), first)
    encode_png(noise(), second)
    assert first.read_bytes() == second.read_bytes() == png_bytes(noise())
    assert (decode_png(first, SIZE) == noise()).all()
    assert [path.name for path in first.parent.iterdir()] == ["a.png"]


def test_no_metadata() -> None:
    content = png_bytes(noise())
    kinds = []
    position = 8
    while position < len(content):
        length = int.from_bytes(content[position : position + 4], "big")
        kinds.append(content[position + 4 : position + 8])
        position += length + 12
    assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}


@pytest.mark.parametrize(
    "levels",
    [noise().astype(np.float32), noise()[..., 0], noise()[..., :2], noise()[..., [0, 1, 2, 2]]],
)
def test_only_rgb_levels_are_encoded(levels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=re.escape(f"not {levels.dtype} of {levels.shape}")):
        png_bytes(levels)


@pytest.mark.parametrize("cut", [1, 12, 40, 1000])
def test_truncated_file_is_named(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.png"
    path.write_bytes(png_bytes(noise())[:-cut])
    with pytest.raises(ImageError, match=r"cut\.png: truncated or damaged PNG"):
        decode_png(path, SIZE)


def test_no_bit_can_flip_unnoticed(tmp_path: Path) -> None:
    """Flip every bit of the file, also those of the checksums."""
    path = tmp_path / "bad.png"
    content = png_bytes(noise()[:4, :4])
    for position in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(ImageError, match=r"bad\.png: (truncated or damaged PNG|not a PNG)"):
            decode_png(path, 4)


def test_trailing_bytes_are_forgiven(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(png_bytes(noise()) + b"behind the end")
    assert (decode_png(path, SIZE) == noise()).all()


def test_the_smallest_encoding_is_chosen() -> None:
    """The bytes must stay the same, so the compression level is fixed: 9."""
    picture = draw("arithmetic", 128)
    sizes = {}
    for level in range(10):
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, format="PNG", compress_level=level)
        sizes[level] = stream.getvalue()
    assert [level for level, content in sizes.items() if content == png_bytes(picture)] == [9]


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"none\.png: cannot be read: No such file"):
        decode_png(tmp_path / "none.png", SIZE)


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xd8\xff\xe0 jpeg"])
def test_other_formats_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"x\.png: not a PNG"):
        decode_png(path, SIZE)


def test_wrong_size_says_found_and_wanted(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    for width, height in ((64, 32), (32, 64)):
        Image.new("RGB", (width, height)).save(path)
        with pytest.raises(ImageError, match=rf"x\.png: {width} x {height} pixels; wanted 32 x 32"):
            decode_png(path, SIZE)


def test_sixteen_bits_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.new("I;16", (SIZE, SIZE)).save(path)
    with pytest.raises(ImageError, match=r"x\.png: 16 bits a channel; wanted at most 8"):
        decode_png(path, SIZE)


GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def written(path: Path, colours: int, depth: int, row: bytes, *others: tuple[bytes, bytes], size: int = 32) -> Path:
    """A PNG of equal rows, written by hand: Pillow cannot write all of them."""
    assert len(row) == size * CHANNELS[colours] * depth // 8
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, depth, colours, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress((b"\0" + row) * size))
    between = b"".join(chunk(*other) for other in others)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + between + pixels + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("colours", [GREY, RGB, GREY_ALPHA, RGB_ALPHA])
def test_sixteen_bits_of_every_colour_type_are_refused(tmp_path: Path, colours: int) -> None:
    path = written(tmp_path / "x.png", colours, 16, b"\x12\xff" * 32 * CHANNELS[colours])
    with pytest.raises(ImageError, match=r"x\.png: 16 bits a channel; wanted at most 8"):
        decode_png(path, 32)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_transparent_grey_of_every_depth_lies_over_mid_grey(tmp_path: Path, depth: int) -> None:
    top = 2**depth - 1
    for level in {0, 1, top}:
        row = bytes([sum(level << place for place in range(0, 8, depth))]) * (32 * depth // 8)
        for transparent in {0, 1, top}:
            path = written(tmp_path / "x.png", GREY, depth, row, (b"tRNS", struct.pack(">H", transparent)))
            assert (decode_png(path, 32) == (128 if level == transparent else level * 255 // top)).all()


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ([], ""),
        ([(b"PLTE", b"\1\2\3" * 2), (b"tRNS", b"\0" * 300)], ""),
        ([(b"PLTE", b"\1\2\3" * 2)], "entry 2 of a palette with 2 entries"),
    ],
)
def test_palettes_that_do_not_fit_are_refused(tmp_path: Path, others: list[tuple[bytes, bytes]], said: str) -> None:
    path = written(tmp_path / "x.png", PALETTE, 8, b"\0\2" * 16, *others)
    with pytest.raises(ImageError, match=rf"x\.png: truncated or damaged PNG: .*{said}"):
        decode_png(path, 32)
    good = written(tmp_path / "y.png", PALETTE, 8, b"\0\2" * 16, (b"PLTE", bytes(range(9))))
    assert decode_png(good, 32)[0, :2].tolist() == [[0, 1, 2], [6, 7, 8]]


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"tEXt", b"iCCP", b"eXIf", b"gAMA", b"tIME", b"prVt"])
@pytest.mark.parametrize("content", [b"", b"a\0\0" + zlib.compress(bytes(3_000_000)), b"\xff" * 50])
def test_chunks_beside_the_pixels_change_nothing(tmp_path: Path, kind: bytes, content: bytes) -> None:
    path = written(tmp_path / "x.png", RGB, 8, b"\1\2\3" * 32, (kind, content))
    assert (decode_png(path, 32) == [1, 2, 3]).all()
    path.write_bytes(path.read_bytes().replace(kind, kind[::-1]))
    with pytest.raises(ImageError, match=r"x\.png: truncated or damaged PNG: wrong checksum"):
        decode_png(path, 32)


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    header = struct.pack(">IIBBBBB", 13_000, 13_000, 8, RGB, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b""))  # no pixels at all
    with pytest.raises(ImageError, match=r"x\.png: 13000 x 13000 pixels; wanted 32 x 32"):
        decode_png(path, 32)


def test_a_second_header_is_refused(tmp_path: Path) -> None:
    header = (b"IHDR", struct.pack(">IIBBBBB", 32, 32, 8, RGB, 0, 0, 0))
    path = written(tmp_path / "x.png", RGB, 8, b"\1\2\3" * 32, header)
    with pytest.raises(ImageError, match="not one header"):
        decode_png(path, 32)


def test_transparency_lies_over_mid_grey(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    image = Image.new("RGBA", (SIZE, SIZE), (255, 0, 0, 0))
    image.putpixel((1, 0), (255, 0, 10, 255))
    image.putpixel((2, 0), (255, 0, 128, 128))
    image.save(path)
    assert decode_png(path, SIZE)[0, :3].tolist() == [[128, 128, 128], [255, 0, 10], [192, 64, 128]]


def test_grey_and_palette_are_converted(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.new("L", (SIZE, SIZE), 7).save(path)
    assert (decode_png(path, SIZE) == 7).all()
    Image.new("1", (SIZE, SIZE), 1).save(path)
    assert (decode_png(path, SIZE) == 255).all()
    Image.new("LA", (SIZE, SIZE), (7, 0)).save(path)
    assert (decode_png(path, SIZE) == 128).all()
    palette = Image.new("P", (SIZE, SIZE), 1)
    palette.putpalette([0, 0, 0, 9, 8, 7])
    palette.save(path, pnginfo=PngInfo())
    assert decode_png(path, SIZE)[5, 5].tolist() == [9, 8, 7]
    palette.save(path, transparency=1)
    assert decode_png(path, SIZE)[5, 5].tolist() == [128, 128, 128]


def test_random_images() -> None:
    levels = uniform_noise(128, np.random.default_rng(1))
    assert levels.shape == (128, 128, 3) and levels.dtype == np.uint8
    assert (levels.min(), levels.max()) == (0, 255)
    grey = grey_image(128, np.random.default_rng(1))
    assert (grey.min(), grey.max()) == (122, 134)


def test_contrast() -> None:
    levels = np.array([[[0, 128, 255]]], dtype=np.uint8)
    assert reduce_contrast(levels, 0.5).tolist() == [[[64, 128, 192]]]
    assert reduce_contrast(levels, 0.25).tolist() == [[[96, 128, 160]]]
    assert reduce_contrast(levels, 0.99).tolist() == [[[1, 128, 254]]]  # 1.28 and 253.73
    assert (reduce_contrast(noise(), 1.0) == noise()).all()


def test_distance_by_hand() -> None:
    a = np.zeros((1, 2, 3), dtype=np.uint8)
    b = a.copy()
    b[0, 0] = [255, 0, 51]
    maximum, mean, psnr = distance(a, b)
    assert (maximum, mean) == (255, 51)
    assert psnr == pytest.approx(10 * np.log10(6 / (1 + 0.2**2)))
    assert distance(a, a) == (0, 0.0, None)
    with pytest.raises(ValueError, match="different shapes"):
        distance(a, a[:, :1])


def test_pictures_need_no_torch() -> None:
    modules = "art.pictures.seeds.arithmetic, art.scoring.numeric, art.methods.controls"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
