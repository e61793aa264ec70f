"""Trainable pictures with torch: levels <-> logits, 8-bit rounding that passes the gradient, a distance bound.

A trainable picture is a float tensor (3, height, width).  *Levels* run from 0 to 255; *logits* z are unbounded, with
levels = 255 sigmoid(z) (the paper's pixel = sigmoid(z)).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from art.pictures.png import Levels

# Levels 0 and 255 have infinite logits; a quarter of a level inwards still rounds to the same level.
_MARGIN = 0.25


def levels_to_tensor(levels: Levels) -> Tensor:
    """(height, width, 3) uint8 -> (3, height, width) float32 levels."""
    return torch.tensor(levels, dtype=torch.float32).permute(2, 0, 1).contiguous()


def tensor_to_levels(levels: Tensor) -> Levels:
    """(3, height, width) levels of any float type -> (height, width, 3) uint8, rounded and clipped to 0..255."""
    return levels.detach().round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().contiguous().numpy()


def logits_of(levels: Tensor) -> Tensor:
    """z = logit(levels / 255), with 0 and 255 moved a quarter of a level inwards; any shape."""
    return torch.logit(levels.clamp(_MARGIN, 255 - _MARGIN) / 255)


def levels_of(logits: Tensor) -> Tensor:
    """Levels = 255 sigmoid(z) as the PNG stores them: rounded to 8 bits, with the gradient of 255 sigmoid(z)."""
    return straight_through_round(255 * torch.sigmoid(logits))


def straight_through_round(levels: Tensor) -> Tensor:
    """Round to whole levels; the gradient passes as if nothing had been rounded."""
    return levels + (levels.round() - levels).detach()


def project_to_bound(logits: Tensor, seed_levels: Tensor, bound: int) -> Tensor:
    """Clamp logits so that the rounded levels stay within +-bound of whole seed levels (same shape), exactly.

    Where the bound reaches 0 or 255, that side is not clamped.  Gradients that would push a clamped logit further out
    are zeroed; the others pass, so a pixel at its bound can return.
    """
    low, high = seed_levels - bound, seed_levels + bound
    lowest = torch.where(low <= 0, -torch.inf, torch.logit(low / 255))
    highest = torch.where(high >= 255, torch.inf, torch.logit(high / 255))
    return _Clamp.apply(logits, lowest, highest)


class _Clamp(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, logits: Tensor, lowest: Tensor, highest: Tensor) -> Tensor:
        context.save_for_backward(logits < lowest, logits > highest)
        return logits.clamp(lowest, highest)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        below, above = context.saved_tensors
        outward = (below & (gradient > 0)) | (above & (gradient < 0))
        return gradient.masked_fill(outward, 0.0), None, None
