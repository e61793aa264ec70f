"""Soft prompt: as many trained embeddings before the question as the image has visual tokens (not in the paper)."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from art.methods.base import Initialisation, TrainedMethod
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.store.artifact import EMBEDDINGS, Artifact, artifact_folder


class SoftPrompt(TrainedMethod):
    """Initialised with the embeddings of random ordinary tokens (Lester et al., arXiv 2104.08691, section 3.2)."""

    def __init__(self, policy: Policy, initialisation: Initialisation) -> None:
        super().__init__(policy, initialisation)
        count = policy.preprocessor.tokens(len(initialisation.seed_picture))
        ordinary = (policy.forbidden == 0).nonzero().squeeze(1).cpu().numpy()
        tokens = torch.from_numpy(initialisation.rng().choice(ordinary, count))
        self.embeddings = nn.Parameter(policy.token_embeddings[tokens.to(policy.device)].float().cpu().clone())

    def parameters(self) -> dict[str, nn.Parameter]:
        return {"embeddings": self.embeddings}

    def prefix(self) -> Prefix:
        return Prefix(embeddings=self.embeddings)

    def save(self, out: Path) -> Artifact:
        artifact = Artifact(
            kind=self.section.kind,
            embeddings=True,
            trained_numbers=self.count_parameters(),
            prefix_tokens=len(self.embeddings),
        )
        with artifact_folder(out, artifact) as folder:
            (folder / EMBEDDINGS).write_bytes(save({"embeddings": self.embeddings.detach().contiguous()}))
        return artifact
