"""Draw pictures with a description and questions, so that the reference models learn to look at images."""

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
DESCRIBE = 0.5  # share of the questions that ask for the whole description, from which a model learns most


@dataclass(frozen=True)
class Picture:
    """A picture (size, size, 3) uint8, its full description in words, and questions with their answers."""

    pixels: NDArray[np.uint8]
    description: str
    questions: tuple[tuple[str, str], ...]


def draw(rng: random.Random, size: int) -> tuple[Picture, str, str]:
    """A picture of shapes in the corners, a digit, or a number of dots, with one question and its answer."""
    kind = rng.choice(("shapes", "shapes", "digit", "dots"))
    if kind == "shapes":
        picture = shapes(rng, size)
    else:
        picture = digit(rng, size, rng.randrange(10)) if kind == "digit" else dots(rng, size, rng.randint(1, 6))
    if rng.random() < DESCRIBE:
        return picture, "Describe the picture.", picture.description
    return picture, *rng.choice(picture.questions)


def digit(rng: random.Random, size: int, value: int) -> Picture:
    """One digit in the middle."""
    image, canvas, background, (ink,) = _canvas(rng, size, 1)
    font = ImageFont.load_default(size * rng.uniform(0.5, 0.85))
    canvas.text((size / 2, size / 2), str(value), fill=COLOURS[ink], font=font, anchor="mm")
    return Picture(
        np.asarray(image),
        f"{background} background, {ink} digit {value}",
        (
            ("Which digit is this?", str(value)),
            ("What colour is the digit?", ink),
            ("What colour is the background?", background),
        ),
    )


def dots(rng: random.Random, size: int, count: int) -> Picture:
    """``count`` dots in places of a 4 x 4 grid."""
    image, canvas, background, (ink,) = _canvas(rng, size, 1)
    for cell in rng.sample(range(16), count):
        _shape(canvas, "circle", COLOURS[ink], cell % 4 * size / 4, cell // 4 * size / 4, size / 4)
    return Picture(
        np.asarray(image),
        f"{background} background, {ink} dots: {count}",
        (
            ("How many dots are there?", str(count)),
            ("What colour are the dots?", ink),
            ("What colour is the background?", background),
        ),
    )


def shapes(rng: random.Random, size: int) -> Picture:
    """One to four different shapes in the corners."""
    image, canvas, background, inks = _canvas(rng, size, 4)
    places = sorted(rng.sample(range(4), rng.randint(1, 4)))
    seen, questions = [], [("What colour is the background?", background)]
    for place, shape, ink in zip(places, rng.sample(SHAPES, len(places)), inks, strict=False):
        _shape(canvas, shape, COLOURS[ink], place % 2 * size / 2, place // 2 * size / 2, size / 2)
        seen.append(f"{PLACES[place]} {ink} {shape}")
        questions += [
            (f"What colour is the {shape}?", ink),
            (f"Which shape is {ink}?", shape),
            (f"Where is the {shape}?", PLACES[place]),
            (f"What is at the {PLACES[place]}?", f"{ink} {shape}"),
        ]
    return Picture(np.asarray(image), ", ".join([f"{background} background", *seen]), tuple(questions))


def _canvas(rng: random.Random, size: int, inks: int) -> tuple[Image.Image, ImageDraw.ImageDraw, str, list[str]]:
    """An empty picture, its canvas, the background colour, and ``inks`` other colours to draw with."""
    background, *others = rng.sample(sorted(COLOURS), inks + 1)
    image = Image.new("RGB", (size, size), COLOURS[background])
    return image, ImageDraw.Draw(image), background, others


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
