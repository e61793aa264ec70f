"""Prefixes and completions for tests of the policy, and the inputs that transformers' own processor makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import Qwen3VLProcessor

from art.models.prompt import Prefix
from art.pictures.logits import levels_to_tensor
from art.pictures.png import uniform_noise
from art.store.problem import Problem

TASKS = ("arithmetic", "tool_call", "multiple_choice")
SIZE, VISUAL, HIDDEN = 256, 64, 64
PICTURE = uniform_noise(SIZE, np.random.default_rng(3))
IMAGE = Prefix(image=levels_to_tensor(PICTURE))
EMBEDDINGS = Prefix(embeddings=torch.randn(3, HIDDEN, generator=torch.Generator().manual_seed(0)) * 0.1)
PREFIXES = {"none": Prefix(), "text": Prefix(text="a red coin"), "image": IMAGE, "embeddings": EMBEDDINGS}


class StillProcessor(Qwen3VLProcessor):
    """The families' processor without its video part, which would need torchvision."""

    def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> type:
        return type(argument)


def processed(processor: StillProcessor, problem: Problem, prefix: Prefix) -> dict[str, Tensor]:
    """The inputs that transformers' processor makes for the model."""
    text = problem.question if prefix.text is None else f"{prefix.text}\n{problem.question}"
    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if prefix.image is not None:
        content.insert(0, {"type": "image", "image": PICTURE})
    return processor.apply_chat_template(
        [{"role": "user", "content": content}],
        tools=problem.tools,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        enable_thinking=False,
    )


def continued(inputs: dict[str, Tensor], tokens: Tensor) -> dict[str, Tensor]:
    """The inputs with completion tokens (length,) after the prompt."""
    tail = {
        "input_ids": tokens,
        "attention_mask": torch.ones_like(tokens),
        "mm_token_type_ids": torch.zeros_like(tokens),
    }
    return {
        name: torch.cat([value, tail[name].unsqueeze(0).to(value.dtype)], dim=1) if name in tail else value
        for name, value in inputs.items()
    }


def completions(prompts: int) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens and mask of two completions of unequal length for each prompt, and the prompt of each row."""
    tokens = torch.arange(6 * prompts).view(-1, 3) % 97 + 20
    mask = torch.ones_like(tokens, dtype=torch.bool)
    mask[0, 2] = mask[3, 1:] = False
    return tokens, mask, torch.arange(prompts).repeat_interleave(2)
