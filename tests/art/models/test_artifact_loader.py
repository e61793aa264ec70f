"""Artifacts that are damaged, or that another model's run wrote, end with a message that names the file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from artifacts import METHODS, write_artifact
from safetensors.torch import load_file, save_file
from tiny_world import World

from art.errors import RecordError
from art.files import read_json, write_json
from art.models.artifact_loader import load_adapter_rank, load_prefix, overlay_adapter
from art.models.policy import Policy
from art.models.preprocessor import CheckpointError
from art.store.artifact import read_artifact
from art.store.workspace import Workspace


def written(world: World, policy: Policy, kind: str) -> Path:
    """An artifact's folder."""
    write_artifact(world, world.config(), kind, 0, policy)
    return Workspace(world.config(), world.key(METHODS[kind]), world.results).artifact


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("adapter", "adapter/adapter_model.safetensors"),
        ("adapter", "adapter/adapter_config.json"),
        ("embeddings", "prompt.safetensors"),
        ("embeddings", "artifact.json"),
    ],
)
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_damaged_artifact_is_named(world: World, tiny_checkpoint: Path, kind: str, file: str, damage: str) -> None:
    policy = Policy(tiny_checkpoint)
    folder = written(world, policy, kind)
    path = folder / file
    content = path.read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    if path.name == "adapter_config.json":
        with pytest.raises(RecordError, match=f"^{path}: "):
            load_adapter_rank(folder)
    # an adapter is read as a whole: if no file is missing, the message names its folder
    named = path.parent if kind == "adapter" and damage == "truncated" else path
    with pytest.raises((CheckpointError, RecordError), match=f"^{named}: "):
        if kind == "adapter":
            overlay_adapter(Policy(tiny_checkpoint), folder / "adapter")
        load_prefix(folder, 64, policy)


# -- artifacts of another model ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "renamed",
            "^{path}: does not fit the model: {all} tensors of the model are missing, such as .*; {all} tensors "
            "have no place in the model, such as model.layers",
        ),
        ("half the layers", "^{path}: does not fit the model: {half} tensors of the model are missing, such as [^;]*$"),
        (
            "no lora_B",
            "^{path}: does not fit the model: {half} tensors of the model are missing, such as .*lora_B[^;]*$",
        ),
        ("one more", "^{path}: does not fit the model: 1 tensors have no place in the model, such as stranger$"),
        ("another size", "^{folder}: adapter cannot be read: .*size mismatch"),
    ],
)
def test_an_adapter_that_does_not_fit_is_no_adapter(
    world: World, tiny_checkpoint: Path, change: str, message: str
) -> None:
    """peft itself only warns when tensors are left over or missing, and the base model would answer."""
    folder = written(world, Policy(tiny_checkpoint), "adapter") / "adapter"
    path = folder / "adapter_model.safetensors"
    values = load_file(path)
    names = sorted(values)
    if change == "renamed":
        values = {name.replace("base_model.model.model.language_model", "model"): values[name] for name in names}
        assert not set(values) & set(names)
    elif change == "half the layers":
        values = {name: values[name] for name in names[: len(names) // 2]}
    elif change == "no lora_B":
        values = {name: values[name] for name in names if "lora_B" not in name}
    elif change == "one more":
        values["stranger"] = torch.zeros(2)
    else:
        values = {name: value.repeat(1, 2) if "lora_A" in name else value for name, value in values.items()}
    save_file(values, path, {"format": "pt"})
    wanted = message.format(path=path, folder=folder, all=len(names), half=len(names) // 2)
    with pytest.raises(CheckpointError, match=f"(?s){wanted}"):
        overlay_adapter(Policy(tiny_checkpoint), folder)


@pytest.mark.parametrize("shape", [(5, 64), (4, 32), (4,)])
def test_a_soft_prompt_that_does_not_fit_is_named(world: World, tiny_policy: Policy, shape: tuple[int, ...]) -> None:
    folder = written(world, tiny_policy, "embeddings")
    path = folder / "prompt.safetensors"
    save_file({"embeddings": torch.zeros(shape)}, path)
    wanted = re.escape(f"{path}: soft prompt of shape {shape}; wanted (4, 64)")
    with pytest.raises(CheckpointError, match=f"^{wanted}"):
        load_prefix(folder, 64, tiny_policy)


@pytest.mark.parametrize(
    ("kind", "key", "file"),
    [
        ("image", "image_size", "image.png"),
        ("embeddings", "embeddings", "prompt.safetensors"),
        ("adapter", "adapter", "adapter"),
    ],
)
def test_an_artifact_that_does_not_name_its_file_is_refused(
    world: World, tiny_checkpoint: Path, kind: str, key: str, file: str
) -> None:
    """The bare model would be scored as the method's."""
    folder = written(world, Policy(tiny_checkpoint), kind)
    path = folder / "artifact.json"
    content = read_json(path)
    del content[key]
    write_json(path, content)
    with pytest.raises(RecordError, match=f"^{path}: does not name {file}, which is in the folder$"):
        read_artifact(folder)
