"""LoRA through peft, on the language layers only: serving engines ignore adapters on the vision side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors import SafetensorError
from torch import nn

from art.methods.base import Initialisation, TrainedMethod
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.store.artifact import ADAPTER, Artifact, artifact_folder

TARGETS = (
    r".*language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|linear_attn\.(in_proj_qkv|in_proj_z|out_proj)"
    r"|mlp\.(gate|up|down)_proj)"
)


class Lora(TrainedMethod):
    """An adapter on the large matrices of attention, linear attention and MLP, but not on the narrow gates."""

    def __init__(self, policy: Policy, initialisation: Initialisation) -> None:
        super().__init__(policy, initialisation)
        torch.manual_seed(initialisation.seed)
        settings = LoraConfig(
            r=self.section.rank, lora_alpha=self.section.alpha, lora_dropout=0.0, target_modules=TARGETS
        )
        self.adapted = get_peft_model(policy.model, settings)

    def parameters(self) -> dict[str, nn.Parameter]:
        return {name: value for name, value in self.adapted.named_parameters() if value.requires_grad}

    @contextmanager
    def base_model(self) -> Iterator[Prefix]:
        with self.adapted.disable_adapter():
            yield Prefix()

    @property
    def adapter_rank(self) -> int:
        return self.section.rank

    def write_adapter(self, out: Path) -> None:
        try:
            self.adapted.save_pretrained(out)
        except SafetensorError as error:  # for example a full disk
            raise OSError(f"{out}: adapter cannot be written: {error}") from None

    def save(self, out: Path) -> Artifact:
        artifact = Artifact(kind=self.section.kind, adapter=True, trained_numbers=self.count_parameters())
        with artifact_folder(out, artifact) as folder:
            self.write_adapter(folder / ADAPTER)
        return artifact
