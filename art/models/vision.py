"""Differentiable preprocessing of one still picture for towers of the Qwen-VL family."""

from __future__ import annotations

from torch import Tensor


def patchify(pixels: Tensor, patch: int, merge: int, temporal: int, mean: list[float], std: list[float]) -> Tensor:
    """Normalise and cut pictures into the rows that the vision tower embeds.

    The order of rows (blocks of ``merge x merge`` patches) and of the numbers in a row (channel, time, y, x) is the
    same as in transformers' ``Qwen2VLImageProcessor``; a still picture is repeated over ``temporal`` frames.

    Args:
        pixels: (batch, 3, height, width) in [0, 1]; height and width multiples of ``patch * merge``.

    Returns:
        (batch * height/patch * width/patch, 3 * temporal * patch * patch), same dtype.
    """
    batch, channels, height, width = pixels.shape
    shift = pixels.new_tensor(mean).view(1, channels, 1, 1)
    scale = pixels.new_tensor(std).view(1, channels, 1, 1)
    cells = ((pixels - shift) / scale).view(
        batch, channels, height // patch // merge, merge, patch, width // patch // merge, merge, patch
    )
    rows = cells.permute(0, 2, 5, 3, 6, 1, 4, 7).unsqueeze(6)
    rows = rows.expand(*rows.shape[:6], temporal, patch, patch)
    return rows.reshape(-1, channels * temporal * patch * patch)
