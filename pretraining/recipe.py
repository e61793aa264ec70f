"""The recipe of a reference model: what is trained, on which corpus, for how many steps."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from art.config.sections import Section
from art.errors import ConfigError
from pretraining.corpus import Mixture
from pretraining.reference_model import ReferenceShape


class Stage(Section):
    """A stage of training, with its own corpus, new optimisers and its own learning-rate schedule."""

    trains: Literal["language", "vision"] = Field(description="the part of the model to train; the other is frozen")
    steps: int = Field(ge=1)
    mixture: Mixture = Mixture()
    muon_learning_rate: float = 0.02
    adamw_learning_rate: float = 3e-3
    weight_decay: float = 0.01
    warmup: int = Field(100, ge=1, description="steps of linear warm-up")
    decay_from: float = Field(1.0, ge=0.0, le=1.0, description="share of the steps after which the rate decays to 0")


class PretrainConfig(Section):
    """One reference model's recipe."""

    name: str
    shape: ReferenceShape = ReferenceShape()
    seed: int = Field(0, ge=0, description="for the weights and the first stage's corpus; each further stage adds 1")
    stages: list[Stage] = Field(min_length=1)
    tokenizer_documents: int = Field(20_000, ge=1, description="documents that the vocabulary is trained on")
    batch: int = Field(32, ge=1, description="documents a step")
    pool: int = Field(16, ge=1, description="batches that are drawn together and sorted by length, to pad less")
    prompt_weight: float = Field(0.1, ge=0.0, description="loss weight of a prompt's token; an answer's token has 1")
    report_every: int = Field(250, ge=1)


def load_recipe(path: Path) -> PretrainConfig:
    """Read a recipe.

    Raises:
        ConfigError: the file is missing or does not validate.
    """
    try:
        return PretrainConfig.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValidationError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}") from None
