"""An answer sheet with a tick in each row, every letter ticked once, and a pencil."""

from __future__ import annotations

import math

from art.pictures.seeds.canvas import Canvas, Point, polar


def draw(pixels: int) -> Canvas:
    """An answer sheet with a tick in each row, every letter ticked once, and a pencil."""
    canvas = Canvas(pixels, "#0b9e8a")
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


def _pencil(canvas: Canvas) -> None:
    """A pencil in the lower right, its point to the left."""
    tip, angle = (0.66, 0.93), -56.0
    ahead, aside = polar((0, 0), 1, angle), polar((0, 0), 1, angle + 90)

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
