"""Settings that are read from preprocessor_config.json, and the picture sizes that they allow."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from scaled_models import PREPROCESSOR
from transformers import AutoImageProcessor

from art.config.sections import ModelSection
from art.models.preprocessor import CheckpointError, Preprocessor, read_preprocessor

PUBLISHED = Preprocessor(
    patch_size=16,
    merge_size=2,
    temporal_patch_size=2,
    image_mean=[0.5, 0.5, 0.5],
    image_std=[0.5, 0.5, 0.5],
    full_level=255.0,
    smallest=65_536,
    largest=16_777_216,
)


def read(folder: Path, content: object) -> Preprocessor:
    (folder / "preprocessor_config.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return read_preprocessor(folder)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ({}, {}),
        ({"image_processor_type": "Qwen2VLImageProcessor"}, {}),
        ({"image_processor_type": "Qwen2VLImageProcessorPil"}, {}),
        ({"patch_size": 14, "merge_size": 3}, {"patch_size": 14, "merge_size": 3}),
        ({"temporal_patch_size": 1}, {"temporal_patch_size": 1}),
        ({"image_mean": [0.1, 0.2, 0.3]}, {"image_mean": [0.1, 0.2, 0.3]}),
        ({"image_std": [0.1, 0.2, 0.3]}, {"image_std": [0.1, 0.2, 0.3]}),
        ({"do_normalize": False}, {"image_mean": [0.0, 0.0, 0.0], "image_std": [1.0, 1.0, 1.0]}),
        ({"do_normalize": True, "do_rescale": True, "rescale_factor": 1 / 255}, {}),
        ({"do_rescale": False, "rescale_factor": 1 / 255}, {"full_level": 1.0}),
        ({"rescale_factor": 0.0078125}, {"full_level": 128.0}),
        ({"min_pixels": 4096}, {"smallest": 4096}),
        ({"max_pixels": 262_144}, {"largest": 262_144}),
        ({"min_pixels": 0}, {"smallest": 0}),
        ({"min_pixels": None, "max_pixels": None}, {}),
    ],
)
def test_every_setting_comes_from_the_file(tmp_path: Path, written: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert read(tmp_path, PREPROCESSOR | written) == dataclasses.replace(PUBLISHED, **wanted)


def test_older_files_have_no_size(tmp_path: Path) -> None:
    older = {name: value for name, value in PREPROCESSOR.items() if name != "size"}
    assert read(tmp_path, older | {"min_pixels": 65_536, "max_pixels": 16_777_216}) == PUBLISHED


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "Expecting"),
        ("[]", "indices"),
        ("{}", "image_processor_type"),
        ({"image_processor_type": 5}, "removesuffix"),
        (PREPROCESSOR | {"image_processor_type": "CLIPImageProcessor"}, "'CLIPImageProcessor'; known: 'Qwen2VL"),
        (PREPROCESSOR | {"size": {"height": 256, "width": 256}}, "shortest_edge"),
    ],
)
def test_a_file_that_we_do_not_understand_is_named(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(CheckpointError, match=rf"/preprocessor_config\.json: not an image processor's.*{message}"):
        read(tmp_path, content)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"/preprocessor_config\.json: cannot be read: No such file"):
        read_preprocessor(tmp_path)


@pytest.mark.parametrize(("size", "tokens"), [(256, 64), (288, 81), (4096, 16_384)])
def test_a_visual_token_is_a_block_of_patches(size: int, tokens: int) -> None:
    assert PUBLISHED.tokens(size) == tokens


@pytest.mark.parametrize(
    ("size", "allowed"), [(224, "256"), (128, "256"), (272, "256 and 288"), (300, "288 and 320"), (4128, "4096")]
)
def test_a_size_that_would_be_resized_is_refused(section: ModelSection, size: int, allowed: str) -> None:
    processor = AutoImageProcessor.from_pretrained(section.path)
    assert processor.get_number_of_image_patches(size, size) != (size / 16) ** 2  # the processor does resize it
    with pytest.raises(CheckpointError, match=rf"{size}.*nearest: {allowed}$"):
        read_preprocessor(Path(section.path)).tokens(size)
    for near in map(int, allowed.split(" and ")):
        assert processor.get_number_of_image_patches(near, near) == (near / 16) ** 2


@pytest.mark.parametrize(("size", "nearest"), [(256, "288"), (352, "320"), (310, "288 and 320")])
def test_limits_that_are_no_squares_of_a_multiple_are_taken_inwards(size: int, nearest: str) -> None:
    own = dataclasses.replace(PUBLISHED, smallest=70_000, largest=110_000)  # 264.6 and 331.7 squared
    with pytest.raises(CheckpointError) as raised:
        own.tokens(size)
    assert str(raised.value) == (
        f"image.size {size}: this checkpoint's processor would resize it; "
        f"allowed: multiples of 32 from 288 to 320; nearest: {nearest}"
    )
