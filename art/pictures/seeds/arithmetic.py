"""A pocket calculator before a ruler and a rising sun."""

from __future__ import annotations

import math

from art.pictures.seeds.canvas import Canvas, Point


def draw(pixels: int) -> Canvas:
    """A pocket calculator before a ruler and a rising sun."""
    canvas = Canvas(pixels, "#f9a03f")
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


def _ruler(canvas: Canvas) -> None:
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


def _segments(canvas: Canvas, digit: str, x: float, y: float, width: float, height: float, colour: str) -> None:
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


def _operator(canvas: Canvas, sign: str, centre: Point, colour: str) -> None:
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


def _pips(canvas: Canvas, centre: Point, number: int, colour: str) -> None:
    """1 to 9 as dots in a square of three by three."""
    cells = [4, 0, 8, 2, 6, 3, 5, 1, 7]
    chosen = [cell for cell in cells if cell != 4 or number % 2][:number] if number < 9 else cells
    for cell in chosen:
        row, column = divmod(cell, 3)
        canvas.disc((centre[0] + 0.025 * (column - 1), centre[1] + 0.025 * (row - 1)), 0.0105, colour)
