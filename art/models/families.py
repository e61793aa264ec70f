"""Load the policy of a section of ``models`` (families: art/config/registry.py)."""

from __future__ import annotations

from art.config.registry import FAMILIES, implementation
from art.config.sections import ModelSection
from art.models.device import device_of, dtype_of
from art.models.hub import checkpoint_folder
from art.models.policy import Policy


def load_policy(model: ModelSection) -> Policy:
    """Load the frozen checkpoint of a section of ``models`` on its device.

    Raises:
        CheckpointError: the checkpoint or one of its files is missing or cannot be read.
        ConfigError: the section asks for a GPU and there is none.
    """
    device = device_of(model)
    return implementation(FAMILIES[model.family])(checkpoint_folder(model), device, dtype_of(model, device))
