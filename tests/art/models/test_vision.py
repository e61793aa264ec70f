"""The policy gives its vision tower the same rows as the checkpoint's own processor."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoImageProcessor

from art.config.sections import ModelSection
from art.models.policy import Policy
from art.models.preprocessor import read_preprocessor
from art.models.prompt import Prefix
from art.models.vision import patchify
from art.pictures.logits import levels_to_tensor
from art.pictures.png import uniform_noise
from art.pictures.seeds import draw

# Files of other checkpoints, with limits, normalisation and patches that differ from Qwen's, do_* switches, and the
# older size keys.
OTHERS: dict[str, dict[str, Any]] = {
    "unequal channels": {"image_mean": [0.48, 0.45, 0.40], "image_std": [0.26, 0.27, 0.28]},
    "not normalised": {"do_normalize": False},
    "not rescaled": {"do_rescale": False},
    "another factor": {"rescale_factor": 1 / 127.5},
    "patches of 8": {"patch_size": 8, "merge_size": 4, "temporal_patch_size": 3},
    "older keys": {"min_pixels": 64 * 64, "max_pixels": 512 * 512},
}
# A picture of 2 x 4 pixels whose values name their place: hundreds the channel, tens the row, units the column.
TINY = torch.tensor(
    [[[100 * channel + 10 * y + x for x in range(4)] for y in range(2)] for channel in range(3)]
).float()

Shown = Callable[..., tuple[Tensor, Tensor]]


@pytest.fixture
def shown(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> Shown:
    """The rows and the grid that the policy gives its tower for a picture, with the settings of a folder's file."""

    def give(levels: Tensor, folder: Path) -> tuple[Tensor, Tensor]:
        given: list[Tensor] = []

        def tower(rows: Tensor, grid: Tensor, **_: Any) -> SimpleNamespace:
            given.extend([rows, grid])
            return SimpleNamespace(pooler_output=[rows], deepstack_features=[])

        monkeypatch.setattr(policy, "preprocessor", read_preprocessor(folder))
        monkeypatch.setattr(policy.prompts, "_preprocessor", policy.preprocessor)
        monkeypatch.setattr(policy.model.model, "get_image_features", tower)
        policy.prefix_vectors(Prefix(image=levels))
        return given[0], given[1]

    return give


@pytest.fixture
def other(request: pytest.FixtureRequest, section: ModelSection, tmp_path: Path) -> Path:
    """A checkpoint whose preprocessor_config.json has other settings."""
    folder = tmp_path / "other"
    shutil.copytree(section.path, folder)
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | OTHERS[request.param]))
    return folder


def compare(picture: np.ndarray, folder: Path, shown: Shown) -> None:
    wanted = AutoImageProcessor.from_pretrained(folder)(images=[picture], return_tensors="pt")
    rows, grid = shown(levels_to_tensor(picture), folder)
    scale = float(wanted["pixel_values"].abs().max())  # 1 with the published settings
    torch.testing.assert_close(rows, torch.as_tensor(wanted["pixel_values"]), rtol=0, atol=1e-6 * scale)
    assert grid.tolist() == wanted["image_grid_thw"].tolist()


def test_rows_of_a_tiny_picture_are_these() -> None:
    """Order of the rows: blocks of 2 x 2 patches.  Order within a row: channel, frame, y, x."""
    plain = [0.0] * 3, [1.0] * 3
    pixels = patchify(TINY.unsqueeze(0), 1, 2, 2, *plain)
    units = [0, 1, 10, 11, 2, 3, 12, 13]
    assert pixels.tolist() == [[n, n, 100 + n, 100 + n, 200 + n, 200 + n] for n in units]
    left, right = patchify(TINY.unsqueeze(0), 2, 1, 3, *plain).tolist()
    assert left == [0, 1, 10, 11] * 3 + [100, 101, 110, 111] * 3 + [200, 201, 210, 211] * 3
    assert right == [2, 3, 12, 13] * 3 + [102, 103, 112, 113] * 3 + [202, 203, 212, 213] * 3


def test_each_channel_has_its_own_mean_and_deviation() -> None:
    pixel = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
    assert patchify(pixel, 1, 1, 1, [0.5, 1.0, 4.0], [0.5, 4.0, 2.0]).tolist() == [[1.0, 0.25, -0.5]]


def test_several_pictures_follow_each_other() -> None:
    pair = torch.stack([TINY, TINY + 1000])
    rows = patchify(pair, 1, 2, 1, [0.0] * 3, [1.0] * 3)
    assert rows[:, 0].tolist() == [0, 1, 10, 11, 2, 3, 12, 13, 1000, 1001, 1010, 1011, 1002, 1003, 1012, 1013]


@pytest.mark.parametrize("size", [256, 288, 512])
@pytest.mark.parametrize("content", ["noise", "arithmetic", "gradient"])
def test_equals_the_checkpoints_processor(section: ModelSection, shown: Shown, size: int, content: str) -> None:
    if content == "noise":
        picture = uniform_noise(size, np.random.default_rng(0))
    elif content == "gradient":  # every row, column and channel differs
        ramp = np.arange(size * size * 3).reshape(size, size, 3) * 255 / (size * size * 3)
        picture = ramp.astype(np.uint8)
    else:
        picture = draw(content, size)
    compare(picture, Path(section.path), shown)


@pytest.mark.parametrize("other", OTHERS, indirect=True)
def test_all_settings_are_those_of_the_file(other: Path, shown: Shown) -> None:
    size = 64 if read_preprocessor(other).smallest == 64 * 64 else 256
    compare(uniform_noise(size, np.random.default_rng(1)), other, shown)


def test_gradient_is_that_of_a_permutation(section: ModelSection, shown: Shown) -> None:
    levels = torch.rand(3, 256, 256, requires_grad=True)
    shown(levels, Path(section.path))[0].sum().backward()
    assert levels.grad is not None
    # Two frames, standard deviation 0.5.
    torch.testing.assert_close(levels.grad, torch.full_like(levels, 4.0 / 255))
