"""The project's own seed pictures, one a task: flat shapes drawn with Pillow, no fonts, no random numbers.

Every picture is drawn on a canvas of unit side, four times as large as wanted, and averaged down; so it looks the
same at every size and its bytes are the same every time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from art.images import Levels

_OVERSAMPLING = 4
_MULTIPLE = 32

Point = tuple[float, float]


class _Canvas:
    """Drawing in units of the picture's side; x to the right, y down, angles in degrees clockwise from the right."""

    def __init__(self, pixels: int, colour: str) -> None:
        self.pixels = pixels
        self.image = Image.new("RGB", (pixels, pixels), colour)
        self._draw = ImageDraw.Draw(self.image)

    def polygon(self, points: Iterable[Point], colour: str) -> None:
        self._draw.polygon([(x * self.pixels, y * self.pixels) for x, y in points], fill=colour)

    def disc(self, centre: Point, radius: float, colour: str) -> None:
        x, y = centre
        box = [value * self.pixels for value in (x - radius, y - radius, x + radius, y + radius)]
        self._draw.ellipse(box, fill=colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: str, radius: float = 0.0) -> None:
        corners = [value * self.pixels for value in (left, top, right, bottom)]
        self._draw.rounded_rectangle(corners, radius * self.pixels, fill=colour)

    def stroke(self, points: list[Point], width: float, colour: str) -> None:
        """A line through ``points`` with round ends and joints."""
        for point in points:
            self.disc(point, width / 2, colour)
        for (x1, y1), (x2, y2) in pairwise(points):
            length = math.hypot(x2 - x1, y2 - y1)
            dx, dy = (y1 - y2) / length * width / 2, (x2 - x1) / length * width / 2
            self.polygon([(x1 + dx, y1 + dy), (x2 + dx, y2 + dy), (x2 - dx, y2 - dy), (x1 - dx, y1 - dy)], colour)

    def rays(self, centre: Point, count: int, colour: str) -> None:
        """``count`` wedges that leave as much room between them, past every edge."""
        step = 360 / count
        for i in range(count):
            self.polygon([centre, _polar(centre, 2, i * step), _polar(centre, 2, (i + 0.5) * step)], colour)


def draw(task: str, size: int) -> Levels:
    """Draw the seed picture of ``task``: (size, size, 3) levels. Tasks without one of their own share a compass rose.

    Raises:
        ValueError: ``size`` is not a positive multiple of 32.
    """
    if size <= 0 or size % _MULTIPLE:
        raise ValueError(f"picture size {size} is not a positive multiple of {_MULTIPLE}")
    canvas = _PICTURES.get(task, _compass)(size * _OVERSAMPLING)
    return np.array(canvas.image.resize((size, size), Image.Resampling.BOX))


def _arithmetic(pixels: int) -> _Canvas:
    """A pocket calculator before a ruler and a rising sun."""
    canvas = _Canvas(pixels, "#f9a03f")
    canvas.rays((0.5, 0.62), 14, "#ffc857")
    _ruler(canvas)
    canvas.box(0.235, 0.085, 0.805, 0.965, "#12324a", 0.08)  # shadow
    canvas.box(0.205, 0.055, 0.775, 0.935, "#1f7a8c", 0.08)
    canvas.box(0.205, 0.055, 0.775, 0.905, "#2a9fb0", 0.08)
    canvas.box(0.26, 0.11, 0.72, 0.315, "#12324a", 0.03)
    canvas.box(0.275, 0.125, 0.705, 0.3, "#d8f3c4", 0.02)
    for i, digit in enumerate("3142"):
        _segments(canvas, digit, (0.315, 0.43, 0.515, 0.61)[i], 0.148, 0.058, 0.13, "#17402a")
    canvas.disc((0.42, 0.276), 0.014, "#17402a")
    keys = ["#fff8e7", "#fff8e7", "#fff8e7", "#ff5d5d"]
    for row in range(4):
        for column in range(4):
            x, y = 0.262 + 0.12 * column, 0.362 + 0.132 * row
            colour = "#7b4fd0" if (row, column) == (3, 2) else keys[column]
            canvas.box(x, y + 0.014, x + 0.096, y + 0.114, "#12324a", 0.022)
            canvas.box(x, y, x + 0.096, y + 0.1, colour, 0.022)
            middle = (x + 0.048, y + 0.05)
            if column == 3:
                _operator(canvas, "/x-+"[row], middle, "#fff8e7")
            elif (row, column) == (3, 2):
                _operator(canvas, "=", middle, "#fff8e7")
            elif (row, column) == (3, 0):
                canvas.disc(middle, 0.03, "#12324a")
                canvas.disc(middle, 0.017, colour)
            else:
                _pips(canvas, middle, 3 * row + column + 1 if row < 3 else 1, "#12324a")
    return canvas


def _ruler(canvas: _Canvas) -> None:
    """A ruler from the lower left to the upper right, ticks along its upper edge."""
    start, end, half = (-0.12, 0.9), (1.12, 0.42), 0.1
    length = math.hypot(end[0] - start[0], end[1] - start[1])
    along = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
    across = (along[1], -along[0])

    def at(distance: float, side: float) -> Point:
        return (start[0] + along[0] * distance + across[0] * side, start[1] + along[1] * distance + across[1] * side)

    canvas.polygon([at(0, half), at(length, half), at(length, -half), at(0, -half)], "#e4572e")
    canvas.polygon([at(0, half), at(length, half), at(length, -half + 0.025), at(0, -half + 0.025)], "#fff1d0")
    for tick in range(int(length / 0.045)):
        depth = (0.1, 0.055)[tick % 2]
        a, b = 0.02 + tick * 0.045, 0.032 + tick * 0.045
        canvas.polygon([at(a, half), at(b, half), at(b, half - depth), at(a, half - depth)], "#5b2a1d")


_SEGMENTS = {"1": "bc", "2": "abged", "3": "abgcd", "4": "fgbc"}


def _segments(canvas: _Canvas, digit: str, x: float, y: float, width: float, height: float, colour: str) -> None:
    """A seven-segment digit whose upper left corner is (x, y)."""
    middle = y + height / 2
    ends = {
        "a": ((x, y), (x + width, y)),
        "b": ((x + width, y), (x + width, middle)),
        "c": ((x + width, middle), (x + width, y + height)),
        "d": ((x, y + height), (x + width, y + height)),
        "e": ((x, middle), (x, y + height)),
        "f": ((x, y), (x, middle)),
        "g": ((x, middle), (x + width, middle)),
    }
    for name in _SEGMENTS[digit]:
        canvas.stroke(list(ends[name]), 0.02, colour)


def _operator(canvas: _Canvas, sign: str, centre: Point, colour: str) -> None:
    x, y = centre
    arm, width = 0.026, 0.015
    if sign in "-+/":
        canvas.stroke([(x - arm, y), (x + arm, y)], width, colour)
    if sign == "+":
        canvas.stroke([(x, y - arm), (x, y + arm)], width, colour)
    if sign == "/":
        canvas.disc((x, y - 0.026), 0.011, colour)
        canvas.disc((x, y + 0.026), 0.011, colour)
    if sign == "x":
        canvas.stroke([(x - 0.02, y - 0.02), (x + 0.02, y + 0.02)], width, colour)
        canvas.stroke([(x - 0.02, y + 0.02), (x + 0.02, y - 0.02)], width, colour)
    if sign == "=":
        canvas.stroke([(x - arm, y - 0.014), (x + arm, y - 0.014)], width, colour)
        canvas.stroke([(x - arm, y + 0.014), (x + arm, y + 0.014)], width, colour)


def _pips(canvas: _Canvas, centre: Point, number: int, colour: str) -> None:
    """1 to 9 as dots in a square of three by three."""
    cells = [4, 0, 8, 2, 6, 3, 5, 1, 7]
    chosen = [cell for cell in cells if cell != 4 or number % 2][:number] if number < 9 else cells
    for cell in chosen:
        row, column = divmod(cell, 3)
        canvas.disc((centre[0] + 0.025 * (column - 1), centre[1] + 0.025 * (row - 1)), 0.0105, colour)


def _tool_call(pixels: int) -> _Canvas:
    """Two gears in mesh and a spanner, on rings like those of a radio signal."""
    canvas = _Canvas(pixels, "#2b1a63")
    for radius, colour in ((1.02, "#35207a"), (0.82, "#432a96"), (0.62, "#5436b0"), (0.42, "#6744cc")):
        canvas.disc((0.34, 0.38), radius, colour)
    _gear(canvas, (0.345, 0.37), 0.275, 12, -3.7, "#ff9f1c", "#ffbf69", "#5436b0")
    _gear(canvas, (0.72, 0.243), 0.155, 7, 7.0, "#2ec4b6", "#7fe3d8", "#432a96")
    _spanner(canvas, (0.02, 0.03), "#1b0f45", "#1b0f45")
    _spanner(canvas, (0.0, 0.0), "#f4f7fb", "#5436b0")
    return canvas


def _gear(
    canvas: _Canvas, centre: Point, radius: float, teeth: int, turn: float, colour: str, rim: str, hole: str
) -> None:
    """A gear of outer ``radius``; ``turn`` in degrees."""
    step = 360 / teeth
    root = radius - 0.05
    outline = []
    for i in range(teeth):
        middle = turn + i * step
        outline += [_polar(centre, root, middle - 0.3 * step), _polar(centre, radius, middle - 0.18 * step)]
        outline += [_polar(centre, radius, middle + 0.18 * step), _polar(centre, root, middle + 0.3 * step)]
    canvas.polygon(outline, colour)
    canvas.disc(centre, root - 0.03, rim)
    canvas.disc(centre, root - 0.06, colour)
    canvas.disc(centre, radius * 0.3, hole)


def _spanner(canvas: _Canvas, shift: Point, colour: str, hole: str) -> None:
    """A spanner that rises to the right, open at its left end and a ring at its right."""
    jaw, ring = (0.2 + shift[0], 0.855 + shift[1]), (0.845 + shift[0], 0.68 + shift[1])
    angle = math.degrees(math.atan2(jaw[1] - ring[1], jaw[0] - ring[0]))  # the way the jaw looks
    canvas.stroke([_polar(jaw, 0.1, angle + 180), ring], 0.085, colour)
    canvas.disc(ring, 0.105, colour)
    canvas.polygon([_polar(ring, 0.062, angle + 60 * i) for i in range(6)], hole)
    look = angle + 12
    outline = [_polar(jaw, 0.125, look + turn) for turn in range(30, 331, 4)]
    outline += [_polar(jaw, 0.068, look + turn) for turn in (-66, -114, 180, 114, 66)]
    canvas.polygon(outline, colour)


def _multiple_choice(pixels: int) -> _Canvas:
    """An answer sheet with a tick in each row, every letter ticked once, and a pencil."""
    canvas = _Canvas(pixels, "#0b9e8a")
    for i in range(-6, 8, 2):
        canvas.polygon([(i / 6, 0), ((i + 1) / 6, 0), ((i + 7) / 6, 1), ((i + 6) / 6, 1)], "#13b59b")
    canvas.box(0.125, 0.1, 0.835, 0.985, "#0a5f63", 0.05)  # shadow
    canvas.box(0.09, 0.065, 0.8, 0.95, "#fdf6e3", 0.05)
    canvas.box(0.3, 0.025, 0.59, 0.115, "#3d405b", 0.03)
    canvas.disc((0.445, 0.045), 0.045, "#3d405b")
    canvas.disc((0.445, 0.043), 0.018, "#fdf6e3")
    colours = ("#ef476f", "#f78c2b", "#2a7de1", "#8a4fd3")
    for column, letter in enumerate("ABCD"):
        x = 0.2 + 0.163 * column
        canvas.disc((x, 0.225), 0.07, colours[column])
        for points in _LETTERS[letter]:
            canvas.stroke([(x + 0.062 * (u - 0.5), 0.225 + 0.074 * (v - 0.5)) for u, v in points], 0.018, "#ffffff")
        for row in range(4):
            y = 0.385 + 0.155 * row
            ticked = "BDAC"[row] == letter
            canvas.box(x - 0.06, y - 0.06, x + 0.06, y + 0.06, colours[column] if ticked else "#c9c3b1", 0.022)
            if ticked:
                canvas.stroke([(x - 0.03, y + 0.003), (x - 0.008, y + 0.027), (x + 0.032, y - 0.027)], 0.022, "#ffffff")
            else:
                canvas.box(x - 0.042, y - 0.042, x + 0.042, y + 0.042, "#fdf6e3", 0.012)
    _pencil(canvas)
    return canvas


def _bow(centre: Point, across: float, down: float, start: float, end: float) -> list[Point]:
    """Points on an ellipse from angle ``start`` to ``end``."""
    angles = [math.radians(start + (end - start) * i / 12) for i in range(13)]
    return [(centre[0] + across * math.cos(a), centre[1] + down * math.sin(a)) for a in angles]


# Strokes of the letters in a unit square.
_LETTERS: dict[str, list[list[Point]]] = {
    "A": [[(0.08, 1), (0.5, 0), (0.92, 1)], [(0.25, 0.66), (0.75, 0.66)]],
    "B": [
        [(0.15, 0), (0.15, 1)],
        [(0.15, 0), *_bow((0.5, 0.24), 0.32, 0.24, -90, 90), (0.15, 0.48)],
        [(0.15, 0.48), *_bow((0.55, 0.74), 0.36, 0.26, -90, 90), (0.15, 1)],
    ],
    "C": [_bow((0.55, 0.5), 0.45, 0.5, -50, -310)],
    "D": [[(0.12, 0), (0.12, 1)], [(0.12, 0), *_bow((0.42, 0.5), 0.48, 0.5, -90, 90), (0.12, 1)]],
}


def _pencil(canvas: _Canvas) -> None:
    """A pencil in the lower right, its point to the left."""
    tip, angle = (0.66, 0.93), -56.0
    ahead, aside = _polar((0, 0), 1, angle), _polar((0, 0), 1, angle + 90)

    def at(along: float, side: float) -> Point:
        return (tip[0] + ahead[0] * along + aside[0] * side, tip[1] + ahead[1] * along + aside[1] * side)

    def slab(start: float, end: float, low: float, high: float, colour: str) -> None:
        canvas.polygon([at(start, low), at(end, low), at(end, high), at(start, high)], colour)

    width = 0.062
    canvas.polygon([at(0, 0), at(0.14, -width), at(0.14, width)], "#f3d3a2")
    canvas.polygon([at(0, 0), at(0.05, -width * 0.36), at(0.05, width * 0.36)], "#2b2d42")
    slab(0.135, 0.52, -width, width, "#ffd23f")
    slab(0.135, 0.52, -width, -width / 3, "#ffe58a")
    slab(0.135, 0.52, width / 3, width, "#f0a81e")
    slab(0.52, 0.575, -width, width, "#b8c4d6")
    slab(0.575, 0.66, -width, width, "#ff6f91")


def _compass(pixels: int) -> _Canvas:
    """A compass rose with eight points."""
    canvas = _Canvas(pixels, "#14213d")
    canvas.rays((0.5, 0.5), 16, "#1b2c52")
    centre = (0.5, 0.5)
    for radius, colour in ((0.46, "#f4a259"), (0.43, "#14213d"), (0.405, "#2e86ab"), (0.3, "#256f91")):
        canvas.disc(centre, radius, colour)
    for i in range(32):
        turn = i * 11.25
        canvas.disc(_polar(centre, 0.368, turn), 0.014 if i % 4 else 0.022, "#f6f1d1")
    for reach, waist, offset, light, dark in (
        (0.34, 0.11, 45.0, "#8fd694", "#3f9c6d"),
        (0.47, 0.12, 0.0, "#fff3c9", "#f25f4c"),
    ):
        for i in range(4):
            turn = offset + 90 * i
            point = _polar(centre, reach, turn)
            canvas.polygon([centre, point, _polar(centre, waist, turn - 45)], light)
            canvas.polygon([centre, point, _polar(centre, waist, turn + 45)], dark)
    canvas.disc(centre, 0.06, "#14213d")
    canvas.disc(centre, 0.035, "#ffd166")
    return canvas


_PICTURES: dict[str, Callable[[int], _Canvas]] = {
    "arithmetic": _arithmetic,
    "tool_call": _tool_call,
    "multiple_choice": _multiple_choice,
}


def _polar(centre: Point, radius: float, degrees: float) -> Point:
    angle = math.radians(degrees)
    return (centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle))
