"""Two gears in mesh and a spanner, on rings like those of a radio signal."""

from __future__ import annotations

import math

from art.pictures.seeds.canvas import Canvas, Point, polar


def draw(pixels: int) -> Canvas:
    """Two gears in mesh and a spanner, on rings like those of a radio signal."""
    canvas = Canvas(pixels, "#2b1a63")
    for radius, colour in ((1.02, "#35207a"), (0.82, "#432a96"), (0.62, "#5436b0"), (0.42, "#6744cc")):
        canvas.disc((0.34, 0.38), radius, colour)
    _gear(canvas, (0.345, 0.37), 0.275, 12, -3.7, "#ff9f1c", "#ffbf69", "#5436b0")
    _gear(canvas, (0.72, 0.243), 0.155, 7, 7.0, "#2ec4b6", "#7fe3d8", "#432a96")
    _spanner(canvas, (0.02, 0.03), "#1b0f45", "#1b0f45")
    _spanner(canvas, (0.0, 0.0), "#f4f7fb", "#5436b0")
    return canvas


def _gear(
    canvas: Canvas, centre: Point, radius: float, teeth: int, turn: float, colour: str, rim: str, hole: str
) -> None:
    """A gear of outer ``radius``; ``turn`` in degrees."""
    step = 360 / teeth
    root = radius - 0.05
    outline = []
    for i in range(teeth):
        middle = turn + i * step
        outline += [polar(centre, root, middle - 0.3 * step), polar(centre, radius, middle - 0.18 * step)]
        outline += [polar(centre, radius, middle + 0.18 * step), polar(centre, root, middle + 0.3 * step)]
    canvas.polygon(outline, colour)
    canvas.disc(centre, root - 0.03, rim)
    canvas.disc(centre, root - 0.06, colour)
    canvas.disc(centre, radius * 0.3, hole)


def _spanner(canvas: Canvas, shift: Point, colour: str, hole: str) -> None:
    """A spanner that rises to the right, open at its left end and a ring at its right."""
    jaw, ring = (0.2 + shift[0], 0.855 + shift[1]), (0.845 + shift[0], 0.68 + shift[1])
    angle = math.degrees(math.atan2(jaw[1] - ring[1], jaw[0] - ring[0]))  # from the ring to the jaw
    canvas.stroke([polar(jaw, 0.1, angle + 180), ring], 0.085, colour)
    canvas.disc(ring, 0.105, colour)
    canvas.polygon([polar(ring, 0.062, angle + 60 * i) for i in range(6)], hole)
    look = angle + 12
    outline = [polar(jaw, 0.125, look + turn) for turn in range(30, 331, 4)]
    outline += [polar(jaw, 0.068, look + turn) for turn in (-66, -114, 180, 114, 66)]
    canvas.polygon(outline, colour)
