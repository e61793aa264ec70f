"""Artifacts made without training: each kind in two variants, large enough to change the tiny model's answers."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tiny_world import World

from art.config.experiment import Config
from art.config.methods import TrainedSection
from art.methods.lora import TARGETS
from art.models.artifact_loader import overlay_adapter
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.pictures.logits import levels_to_tensor
from art.pictures.png import encode_png, uniform_noise
from art.rollouts.sampler import Decoding, sample
from art.store.artifact import ADAPTER, EMBEDDINGS, IMAGE, Artifact, artifact_folder
from art.store.clock import Clock
from art.store.problem import Problem
from art.store.run_record import Usage, this_process, write_record
from art.store.workspace import Workspace

RANK = 2
TEXTS = ("a red coin", "twelve")
# The method that makes each kind of artifact.
METHODS = {"image": "art", "text": "random_string", "embeddings": "soft_prompt", "adapter": "lora"}


def _loud(values: dict[str, torch.Tensor]) -> None:
    """Make the layers' output larger: otherwise random weights repeat the last token, whatever comes before it."""
    with torch.no_grad():
        for name, value in values.items():
            if "language_model.layers" in name and any(part in name for part in ("o_proj", "out_proj", "down_proj")):
                value.mul_(16)  # exact in bfloat16


def lively(policy: Policy) -> Policy:
    """A copy of the policy whose answers change with the artifact."""
    made = copy.deepcopy(policy)
    _loud(dict(made.model.named_parameters()))
    return made


def make_lively(checkpoint: Path) -> None:
    """Change the weights in a checkpoint's folder in the same way."""
    path = checkpoint / "model.safetensors"
    values = load_file(path)
    _loud(values)
    save_file(values, path, {"format": "pt"})


def write_adapter(policy: Policy, folder: Path, seed: int = 0, rank: int = RANK) -> None:
    """Write an adapter of random numbers, also in the matrices that training initialises with zero."""
    torch.manual_seed(seed)
    settings = LoraConfig(r=rank, lora_alpha=16, target_modules=TARGETS, init_lora_weights=False)
    get_peft_model(copy.deepcopy(policy).model, settings).save_pretrained(folder)


def prefix_of(kind: str, variant: int) -> Prefix:
    """The prefix of the artifact; its numbers are exact in bfloat16."""
    if kind == "image":
        return Prefix(image=levels_to_tensor(uniform_noise(64, np.random.default_rng(variant))))
    if kind == "text":
        return Prefix(text=TEXTS[variant])
    if kind == "embeddings":
        return Prefix(
            embeddings=torch.randn(4, 64, generator=torch.Generator().manual_seed(variant)).bfloat16().float()
        )
    return Prefix()


def write_artifact(
    world: World,
    config: Config,
    kind: str,
    variant: int,
    policy: Policy,
    *,
    method: str | None = None,
    seed: int = 0,
    rank: int = RANK,
) -> None:
    """Write the artifact and the record of a run, of the kind's method if no other is named."""
    run = Workspace(config, world.key(method or METHODS[kind], seed=seed), world.results)
    prefix = prefix_of(kind, variant)
    artifact = Artifact(
        kind=run.section.kind,
        image_size=64 if kind == "image" else None,
        text=prefix.text,
        embeddings=kind == "embeddings",
        adapter=kind == "adapter",
        trained_numbers=1234 if isinstance(run.section, TrainedSection) else 0,
        prefix_tokens=4 if kind == "embeddings" else 0,
    )
    with artifact_folder(run.artifact, artifact) as folder:
        if kind == "image":
            encode_png(uniform_noise(64, np.random.default_rng(variant)), folder / IMAGE)
        elif kind == "embeddings":
            save_file({"embeddings": prefix.embeddings}, folder / EMBEDDINGS)
        elif kind == "adapter":
            write_adapter(policy, folder / ADAPTER, variant, rank)
    write_record(run, "run", Clock(), this_process(), Usage(trained_numbers=1234, prefix_tokens=56))


def said(
    policy: Policy, problems: list[Problem], kind: str | None, variant: int, folder: Path, length: int
) -> list[str]:
    """The policy's greedy answers with an artifact (its adapter in ``folder``), or without one if kind is None."""
    if kind == "adapter":
        policy = copy.deepcopy(policy)
        overlay_adapter(policy, folder)
    prefix = Prefix() if kind is None else prefix_of(kind, variant)
    return sample(policy, problems, prefix, 1, Decoding(0.0, length)).texts(policy)
