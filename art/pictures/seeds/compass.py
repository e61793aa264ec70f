"""A compass rose with eight points: the seed picture of every task without a picture of its own."""

from __future__ import annotations

from art.pictures.seeds.canvas import Canvas, polar


def draw(pixels: int) -> Canvas:
    """A compass rose with eight points."""
    canvas = Canvas(pixels, "#14213d")
    canvas.rays((0.5, 0.5), 16, "#1b2c52")
    centre = (0.5, 0.5)
    for radius, colour in ((0.46, "#f4a259"), (0.43, "#14213d"), (0.405, "#2e86ab"), (0.3, "#256f91")):
        canvas.disc(centre, radius, colour)
    for i in range(32):
        turn = i * 11.25
        canvas.disc(polar(centre, 0.368, turn), 0.014 if i % 4 else 0.022, "#f6f1d1")
    for reach, waist, offset, light, dark in (
        (0.34, 0.11, 45.0, "#8fd694", "#3f9c6d"),
        (0.47, 0.12, 0.0, "#fff3c9", "#f25f4c"),
    ):
        for i in range(4):
            turn = offset + 90 * i
            point = polar(centre, reach, turn)
            canvas.polygon([centre, point, polar(centre, waist, turn - 45)], light)
            canvas.polygon([centre, point, polar(centre, waist, turn + 45)], dark)
    canvas.disc(centre, 0.06, "#14213d")
    canvas.disc(centre, 0.035, "#ffd166")
    return canvas
