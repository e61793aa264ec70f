"""Drawn pictures with questions about them, so that the reference models learn to look at images."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

COLOURS = {
    "red": (214, 39, 40),
    "blue": (31, 90, 200),
    "green": (44, 150, 60),
    "yellow": (240, 210, 40),
    "purple": (140, 70, 180),
    "orange": (250, 140, 30),
    "black": (20, 20, 20),
    "white": (250, 250, 250),
}
SHAPES = ("circle", "square", "triangle", "cross", "bar")
PLACES = ("top left", "top right", "bottom left", "bottom right")


@dataclass(frozen=True)
class PictureQuestion:
    """A picture (size, size, 3) uint8 with a question and its answer."""

    pixels: NDArray[np.uint8]
    question: str
    answer: str


def noise(rng: random.Random, size: int) -> NDArray[np.uint8]:
    """A distractor: uniform noise, at full or at block resolution."""
    cells = rng.choice((size, size // 4, size // 16))
    levels = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (cells, cells, 3), dtype=np.uint8)
    return np.kron(levels, np.ones((size // cells, size // cells, 1), dtype=np.uint8))


def draw(rng: random.Random, size: int) -> PictureQuestion:
    """Shapes in the corners, a digit, or a number of dots, with one question."""
    kind = rng.choice(("shapes", "shapes", "shapes", "digit", "dots"))
    if kind == "shapes":
        return _shapes(rng, size)
    background, ink = rng.sample(sorted(COLOURS), 2)
    image = Image.new("RGB", (size, size), COLOURS[background])
    canvas = ImageDraw.Draw(image)
    if kind == "digit":
        digit = str(rng.randrange(10))
        font = ImageFont.load_default(size * rng.uniform(0.5, 0.85))
        canvas.text((size / 2, size / 2), digit, fill=COLOURS[ink], font=font, anchor="mm")
        options = [("Which digit is this?", digit), ("What colour is the digit?", ink)]
    else:
        cells = rng.sample(range(16), rng.randint(1, 6))
        for cell in cells:
            _shape(canvas, "circle", COLOURS[ink], cell % 4 * size / 4, cell // 4 * size / 4, size / 4)
        options = [("How many dots are there?", str(len(cells))), ("What colour are the dots?", ink)]
    options.append(("What colour is the background?", background))
    question, answer = rng.choice(options)
    return PictureQuestion(np.asarray(image), question, answer)


def _shapes(rng: random.Random, size: int) -> PictureQuestion:
    background, *inks = rng.sample(sorted(COLOURS), 5)
    image = Image.new("RGB", (size, size), COLOURS[background])
    canvas = ImageDraw.Draw(image)
    places = rng.sample(range(4), rng.randint(1, 4))
    shapes = rng.sample(SHAPES, len(places))
    for place, shape, ink in zip(places, shapes, inks, strict=False):
        _shape(canvas, shape, COLOURS[ink], place % 2 * size / 2, place // 2 * size / 2, size / 2)
    pick = rng.randrange(len(places))
    shape, ink, place = shapes[pick], inks[pick], PLACES[places[pick]]
    question, answer = rng.choice(
        (
            (f"What colour is the {shape}?", ink),
            (f"Which shape is {ink}?", shape),
            (f"Where is the {shape}?", place),
            (f"What is at the {place}?", f"a {ink} {shape}"),
            ("What colour is the background?", background),
        )
    )
    return PictureQuestion(np.asarray(image), question, answer)


def _shape(
    canvas: ImageDraw.ImageDraw, shape: str, ink: tuple[int, int, int], left: float, top: float, side: float
) -> None:
    """Draw one shape in a square cell with a margin of 15 %."""
    margin, a, b = 0.15 * side, left + 0.15 * side, top + 0.15 * side
    c, d, middle = left + side - margin, top + side - margin, left + side / 2
    if shape == "circle":
        canvas.ellipse((a, b, c, d), fill=ink)
    elif shape == "square":
        canvas.rectangle((a, b, c, d), fill=ink)
    elif shape == "triangle":
        canvas.polygon([(a, d), (c, d), (middle, b)], fill=ink)
    elif shape == "bar":
        canvas.rectangle((a, top + 0.4 * side, c, top + 0.6 * side), fill=ink)
    else:
        canvas.line((a, b, c, d), fill=ink, width=max(1, round(side / 8)))
        canvas.line((a, d, c, b), fill=ink, width=max(1, round(side / 8)))


def dots(rng: random.Random, size: int, count: int) -> NDArray[np.uint8]:
    """A picture of ``count`` dots in places of a 4 x 4 grid."""
    background, ink = rng.sample(sorted(COLOURS), 2)
    image = Image.new("RGB", (size, size), COLOURS[background])
    canvas = ImageDraw.Draw(image)
    for cell in rng.sample(range(16), count):
        _shape(canvas, "circle", COLOURS[ink], cell % 4 * size / 4, cell // 4 * size / 4, size / 4)
    return np.asarray(image)


def shapes(rng: random.Random, size: int, background: str) -> NDArray[np.uint8]:
    """A picture of one to three shapes on a background of the named colour."""
    image = Image.new("RGB", (size, size), COLOURS[background])
    canvas = ImageDraw.Draw(image)
    inks = rng.sample([name for name in sorted(COLOURS) if name != background], 3)
    for place, ink in zip(rng.sample(range(4), rng.randint(1, 3)), inks, strict=False):
        _shape(canvas, rng.choice(SHAPES), COLOURS[ink], place % 2 * size / 2, place // 2 * size / 2, size / 2)
    return np.asarray(image)
