"""Pictures show what their words say: colours and outlines at chosen points, numbers of dots, holes of digits."""

from __future__ import annotations

import random
import re
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pretraining.picture_questions import COLOURS, PLACES, SHAPES, Picture, digit, dots, draw, shapes

SIZE = 128
# Points (x, y) of a shape's cell that it covers and that it leaves free, as shares of the cell's side.
POINTS = {
    "circle": ([(0.5, 0.5), (0.2, 0.5), (0.8, 0.5), (0.5, 0.2), (0.5, 0.8)], [(0.2, 0.2), (0.8, 0.8), (0.1, 0.5)]),
    "square": ([(0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)], [(0.1, 0.5), (0.9, 0.5), (0.5, 0.1), (0.5, 0.9)]),
    "triangle": ([(0.5, 0.25), (0.2, 0.82), (0.8, 0.82)], [(0.25, 0.3), (0.75, 0.3), (0.5, 0.1), (0.5, 0.9)]),
    "bar": ([(0.2, 0.5), (0.8, 0.5), (0.5, 0.43), (0.5, 0.57)], [(0.5, 0.35), (0.5, 0.65), (0.1, 0.5), (0.9, 0.5)]),
    "cross": (
        [(0.2, 0.2), (0.8, 0.8), (0.8, 0.2), (0.2, 0.8), (0.34, 0.27), (0.66, 0.27)],
        [(0.5, 0.2), (0.5, 0.8), (0.2, 0.5), (0.8, 0.5), (0.38, 0.22), (0.62, 0.22), (0.1, 0.1)],
    ),
}
HOLES = {0: 1, 1: 0, 2: 0, 3: 0, 4: 1, 5: 0, 6: 1, 7: 0, 8: 2, 9: 1}


def drawn(picture: Picture) -> NDArray[np.bool_]:
    """True where a pixel is not of the background."""
    background = COLOURS[picture.description.split(" ")[0]]
    return (picture.pixels != background).any(axis=2)


def test_shapes_stand_where_and_are_what_the_description_says() -> None:
    seen: Counter[str] = Counter()
    for number in range(80):
        picture = shapes(random.Random(number), SIZE)
        ground, *parts = picture.description.split(", ")
        background, side, free = COLOURS[ground.removesuffix(" background")], SIZE // 2, dict(enumerate(PLACES))
        for part in parts:
            place, ink, shape = re.fullmatch(r"(\w+ \w+) (\w+) (\w+)", part).groups()
            left, top = side * (place.split()[1] == "right"), side * (place.split()[0] == "bottom")
            for points, colour in zip(POINTS[shape], (COLOURS[ink], background), strict=True):
                for x, y in points:
                    found = picture.pixels[top + round(y * side), left + round(x * side)]
                    assert tuple(found) == colour, (number, part, x, y)
            del free[PLACES.index(place)]
            seen.update([shape, place])
        for place in free:
            top, left = place // 2 * side, place % 2 * side
            assert not drawn(picture)[top : top + side, left : left + side].any()
    assert set(seen) == {*SHAPES, *PLACES} and min(seen.values()) >= 20


def test_as_many_dots_as_are_said_in_places_of_a_grid() -> None:
    used = np.zeros((4, 4), int)
    for number in range(60):
        count = number % 6 + 1
        picture = dots(random.Random(number), SIZE, count)
        assert picture.description.endswith(f" dots: {count}")
        ink = COLOURS[picture.description.split(" ")[2]]
        centres = (picture.pixels[16::32, 16::32] == ink).all(axis=2)
        assert centres.sum() == count == ndimage.label(drawn(picture))[1]
        used += centres
        for place in ndimage.find_objects(ndimage.label(drawn(picture))[0]):
            dot = drawn(picture)[place]
            assert [abs(side - 0.7 * 32) < 2 for side in dot.shape] == [True, True]  # 70 % of a cell
            assert 0.7 < dot.mean() < 0.85  # round: pi / 4
    assert used.min() > 0


@pytest.mark.parametrize("value", HOLES)
def test_a_digit_is_drawn_in_the_middle(value: int) -> None:
    heights = []
    for number in range(30):
        picture = digit(random.Random(number), SIZE, value)
        background, ink = re.fullmatch(rf"(\w+) background, (\w+) digit {value}", picture.description).groups()
        distances = [abs(picture.pixels - np.array(COLOURS[name])).sum(axis=2) for name in (background, ink)]
        mask = distances[1] < distances[0]  # edges are blurred
        assert ndimage.label(~mask, np.ones((3, 3)))[1] == 1 + HOLES[value]
        assert (picture.pixels == COLOURS[ink]).all(axis=2).sum() > mask.sum() / 2
        assert tuple(picture.pixels[0, 0]) == COLOURS[background]
        rows, columns = np.nonzero(mask)
        assert abs((rows.min() + rows.max()) / 2 - SIZE / 2) < SIZE / 10
        assert abs((columns.min() + columns.max()) / 2 - SIZE / 2) < SIZE / 10
        heights.append((rows.max() - rows.min() + 1) / SIZE)
    assert 0.32 < min(heights) < 0.42 and 0.52 < max(heights) < 0.66  # type of half to 85 % of the picture's height


def test_questions_are_about_the_picture_and_half_ask_for_all_of_it() -> None:
    asked: Counter[str] = Counter()
    for number in range(600):
        picture, question, answer = draw(random.Random(number), 32)
        assert picture.pixels.shape == (32, 32, 3) and picture.pixels.dtype == np.uint8
        whole = question == "Describe the picture."
        assert answer == picture.description if whole else (question, answer) in picture.questions
        assert answer in picture.description
        asked["whole"] += whole
        asked[next(kind for kind in ("digit", "dots:", "") if f" {kind}" in picture.description)] += 1
    assert 250 < asked["whole"] < 350
    assert 110 < asked["digit"] < 190 and 110 < asked["dots:"] < 190
