"""The explicit table of trained methods."""

from __future__ import annotations

from art.methods.base import TrainedMethod
from art.methods.image import Image
from art.methods.lora import Lora
from art.methods.soft_prompt import SoftPrompt

TRAINED: dict[str, type[TrainedMethod]] = {"art": Image, "lora": Lora, "soft_prompt": SoftPrompt}
