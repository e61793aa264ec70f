"""Writes checkpoints with random weights and Qwen3.5's published dimensions, or a fraction of these; downloads nothing.

``python -m benchmarks.checkpoint qwen3.5-0.8b --scale 8 --out results/scaled``

Speed and memory do not depend on the weights.  Every scale has the same structure: 3:1 layers of Gated
DeltaNet and gated attention, interleaved M-RoPE on a quarter of the head, tied embeddings, the vision tower, Qwen's
image limits.  The tokenizer is a small one trained here: the embeddings have the published number of rows (divided by
the scale), most of them without a token.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from transformers import (
    PreTrainedTokenizerBase,
    Qwen2VLImageProcessorPil,
    Qwen3_5Config,
    Qwen3_5ForConditionalGeneration,
)

from pretraining.corpus import Mixture, documents
from pretraining.reference_model import SPECIAL_TOKENS, train_tokenizer


@dataclass(frozen=True)
class Shape:
    """The published dimensions that differ between the models."""

    hidden: int
    feed_forward: int
    vision_depth: int
    vision_hidden: int
    vision_heads: int


# The 2B's number of vision heads is taken from another tower of its width (Qwen3-VL-2B), not from its own files.
SHAPES = {
    "qwen3.5-0.8b": Shape(1024, 3584, 12, 768, 12),
    "qwen3.5-2b": Shape(2048, 6144, 24, 1024, 16),
}


def write_checkpoint(name: str, folder: Path, scale: int = 1) -> Path:
    """Write a model of ``SHAPES`` with its dimensions divided by ``scale`` (1, 2, 4 or 8); returns the folder.

    Raises:
        ValueError: the name or the scale is not allowed.
    """
    if name not in SHAPES or scale not in (1, 2, 4, 8):
        raise ValueError(f"{name!r} at 1/{scale}: allowed are {', '.join(SHAPES)} at 1, 1/2, 1/4 and 1/8")
    shown = itertools.islice(documents(0, 64, Mixture()), 300)
    tokenizer = train_tokenizer((text for one in shown for text in (one.question, one.completion)), 1200)
    torch.manual_seed(0)
    model = Qwen3_5ForConditionalGeneration(_config(SHAPES[name], scale, tokenizer))
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    Qwen2VLImageProcessorPil(
        patch_size=16,
        merge_size=2,
        temporal_patch_size=2,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
        size={"shortest_edge": 65_536, "longest_edge": 16_777_216},
    ).save_pretrained(folder)
    return folder


def _config(shape: Shape, scale: int, tokenizer: PreTrainedTokenizerBase) -> Qwen3_5Config:
    ids = dict(zip(SPECIAL_TOKENS, tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)), strict=True))
    rotary = 32 // scale  # pairs among the 64 rotating dimensions, split as [11, 11, 10]
    return Qwen3_5Config(
        text_config={
            "vocab_size": 248_320 // scale,
            "hidden_size": shape.hidden // scale,
            "intermediate_size": shape.feed_forward // scale,
            "num_hidden_layers": max(4, 24 // scale // 4 * 4),  # a multiple of four: whole blocks
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
            "head_dim": 256 // scale,
            "linear_num_key_heads": 16,
            "linear_num_value_heads": 16,
            "linear_key_head_dim": 128 // scale,
            "linear_value_head_dim": 128 // scale,
            "linear_conv_kernel_dim": 4,
            "tie_word_embeddings": True,
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000_000.0,
                "partial_rotary_factor": 0.25,
                "mrope_interleaved": True,
                "mrope_section": [(rotary + 2) // 3, (rotary + 1) // 3, rotary // 3],
            },
        },
        vision_config={
            "depth": max(2, shape.vision_depth // scale),
            "hidden_size": shape.vision_hidden // scale,
            "num_heads": max(1, shape.vision_heads // scale),
            "intermediate_size": 4 * shape.vision_hidden // scale,
            "out_hidden_size": shape.hidden // scale,
            "patch_size": 16,
            "temporal_patch_size": 2,
            "spatial_merge_size": 2,
            "num_position_embeddings": 2304,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )


def main(
    name: Annotated[str, typer.Argument(help="name of the model, a key of SHAPES")],
    out: Annotated[Path, typer.Option(help="checkpoint folder to write")],
    scale: Annotated[int, typer.Option(help="divisor of the dimensions: 1, 2, 4 or 8")] = 1,
) -> None:
    """Write a checkpoint with random weights."""
    write_checkpoint(name, out, scale)


if __name__ == "__main__":
    typer.run(main)
