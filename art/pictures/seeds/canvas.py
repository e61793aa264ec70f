"""Drawing in units of the picture's side."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

from PIL import Image, ImageDraw

Point = tuple[float, float]


class Canvas:
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
        """``count`` wedges with gaps as wide as the wedges; they reach past every edge."""
        step = 360 / count
        for i in range(count):
            self.polygon([centre, polar(centre, 2, i * step), polar(centre, 2, (i + 0.5) * step)], colour)


def polar(centre: Point, radius: float, degrees: float) -> Point:
    angle = math.radians(degrees)
    return (centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle))
