"""The explicit table of trained methods."""

from __future__ import annotations

import importlib

from art.methods.base import TrainedMethod

# kind -> module and class; imported on demand, because peft alone takes a second.
TRAINED = {
    "art": ("art.methods.image", "Image"),
    "lora": ("art.methods.lora", "Lora"),
    "soft_prompt": ("art.methods.soft_prompt", "SoftPrompt"),
}


def trained_method(kind: str) -> type[TrainedMethod]:
    """The class of a kind of trained method."""
    module, name = TRAINED[kind]
    return getattr(importlib.import_module(module), name)
