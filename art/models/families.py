"""The explicit table of model families."""

from __future__ import annotations

import importlib
from pathlib import Path

from art.config import ModelSection
from art.models.policy import Policy

# family -> module and class
FAMILIES = {
    "qwen3_5": ("art.models.policy", "Policy"),
}


def load_policy(model: ModelSection) -> Policy:
    """The frozen checkpoint of a section of ``models``.

    Raises:
        CheckpointError: the folder or one of its files is missing or cannot be read.
    """
    module, name = FAMILIES[model.family]
    return getattr(importlib.import_module(module), name)(Path(model.path))
