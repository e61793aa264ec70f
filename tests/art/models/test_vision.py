"""Our differentiable preprocessing is the checkpoint's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoImageProcessor

from art.images import random_image
from art.models.preprocessor import CheckpointError, read_preprocessor
from art.models.vision import patchify
from art.pictures import draw
from art.pixels import levels_to_tensor


def rows_of(pixels: torch.Tensor, folder: Path) -> torch.Tensor:
    own = read_preprocessor(folder)
    return patchify(pixels, own.patch_size, own.merge_size, own.temporal_patch_size, own.image_mean, own.image_std)


@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("content", ["noise", "arithmetic", "tool_call", "gradient"])
def test_equals_the_checkpoints_processor(tiny_checkpoint: Path, size: int, content: str) -> None:
    if content == "noise":
        picture = random_image(size, np.random.default_rng(0))
    elif content == "gradient":  # every row, column and channel differs
        ramp = np.arange(size * size * 3).reshape(size, size, 3) * 255 / (size * size * 3)
        picture = ramp.astype(np.uint8)
    else:
        picture = draw(content, size)
    wanted = AutoImageProcessor.from_pretrained(tiny_checkpoint, use_fast=False)(images=[picture], return_tensors="pt")
    made = rows_of(levels_to_tensor(picture).unsqueeze(0) / 255, tiny_checkpoint)
    torch.testing.assert_close(made, torch.as_tensor(wanted["pixel_values"]), rtol=0, atol=1e-6)
    assert wanted["image_grid_thw"].tolist() == [[1, size // 16, size // 16]]
    assert read_preprocessor(tiny_checkpoint).tokens(size) == size**2 // 32**2


def test_several_pictures_follow_each_other(tiny_checkpoint: Path) -> None:
    pair = torch.rand(2, 3, 64, 64)
    together = rows_of(pair, tiny_checkpoint)
    torch.testing.assert_close(together, torch.cat([rows_of(one.unsqueeze(0), tiny_checkpoint) for one in pair]))


def test_gradient_is_that_of_a_permutation(tiny_checkpoint: Path) -> None:
    pixels = torch.rand(1, 3, 64, 64, requires_grad=True)
    rows_of(pixels, tiny_checkpoint).sum().backward()
    assert pixels.grad is not None
    # Two frames, standard deviation 0.5.
    torch.testing.assert_close(pixels.grad, torch.full_like(pixels, 4.0))


@pytest.mark.parametrize(("size", "allowed"), [(48, "32 and 64"), (100, "96 and 128"), (544, "512"), (16, "32")])
def test_a_size_that_would_be_resized_is_refused(tiny_checkpoint: Path, size: int, allowed: str) -> None:
    processor = AutoImageProcessor.from_pretrained(tiny_checkpoint, use_fast=False)
    grid = processor(images=[random_image(size, np.random.default_rng(0))], return_tensors="pt")["image_grid_thw"]
    assert grid.tolist() != [[1, size / 16, size / 16]]  # the processor does resize it
    with pytest.raises(CheckpointError, match=rf"{size}.*nearest: {allowed}$"):
        read_preprocessor(tiny_checkpoint).tokens(size)


def test_a_damaged_preprocessor_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "preprocessor_config.json"
    for content in (None, "{", "{}", "[]"):
        if content is not None:
            path.write_text(content)
        with pytest.raises(CheckpointError, match=r"preprocessor_config\.json"):
            read_preprocessor(tmp_path)
