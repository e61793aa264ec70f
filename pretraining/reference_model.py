"""Build the tiny reference models: the architecture classes of Qwen3.5 with one to a few million parameters.

Every structural feature of the published models is kept (3:1 hybrid of Gated DeltaNet and gated attention,
interleaved M-RoPE with partial rotary 0.25, tied embeddings, patch 16, merge 2, no deepstack); only sizes are smaller.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterable
from pathlib import Path

import torch
from pydantic import Field
from tokenizers import pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerBase,
    Qwen2VLImageProcessorPil,
    Qwen3_5Config,
    Qwen3_5ForConditionalGeneration,
    Qwen3_5Tokenizer,
)

from art.config.sections import Section

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
# Not special in Qwen's sense: they stay in decoded text.
MARKUP_TOKENS = ("<think>", "</think>", "<tool_call>", "</tool_call>")

CHAT_TEMPLATE = """\
{%- if tools %}{{ '<|im_start|>system\\nTools:\\n' }}
{%- for tool in tools %}{{ tool.function.name }}({{ tool.function.parameters.properties | join(', ') }}){{ '\\n' }}
{%- endfor %}{{ '<|im_end|>\\n' }}{%- endif %}
{%- for message in messages %}{{ '<|im_start|>' + message.role + '\\n' }}
{%- if message.content is string %}{{ message.content }}
{%- else %}{%- for part in message.content %}
{%- if part.type == 'image' %}{{ '<|vision_start|><|image_pad|><|vision_end|>' }}
{%- else %}{{ part.text }}{%- endif %}{%- endfor %}{%- endif %}{{ '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and enable_thinking %}{{ '<think>\\n' }}
{%- else %}{{ '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}"""


class ReferenceShape(Section):
    """Sizes of a reference model."""

    hidden: int = Field(128, description="width of the language layers")
    feed_forward: int = Field(320, description="width of the gated MLP")
    layers: int = Field(4, multiple_of=4, description="every fourth layer is full attention")
    head_dim: int = Field(32, description="full attention: 4 query heads, 2 key-value heads")
    linear_heads: int = Field(2, description="Gated DeltaNet heads of dimension 64")
    vision_hidden: int = Field(96, multiple_of=32)
    vision_depth: int = 2
    vocabulary: int = Field(1792, description="entries of the byte-level BPE, without the added tokens")
    image_size: int = Field(128, multiple_of=32, description="side of the pictures in the corpus, pixels")


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Qwen3_5Tokenizer:
    """Byte-level BPE with Qwen3.5's own pre-tokeniser (single digits), special and markup tokens last."""
    tokenizer = Qwen3_5Tokenizer()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False)
    tokenizer.backend_tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    made = Qwen3_5Tokenizer(
        vocab=model["vocab"],
        merges=[tuple(pair) for pair in model["merges"]],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
    )
    made.add_tokens(list(SPECIAL_TOKENS), special_tokens=True)
    made.add_tokens(list(MARKUP_TOKENS))
    made.chat_template = CHAT_TEMPLATE
    return made


def build_model(
    shape: ReferenceShape, tokenizer: PreTrainedTokenizerBase, seed: int
) -> Qwen3_5ForConditionalGeneration:
    """A freshly initialised model in float32."""
    ids = dict(zip(SPECIAL_TOKENS, tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)), strict=True))
    rotary = shape.head_dim // 8  # a quarter of the head rotates, in pairs
    config = Qwen3_5Config(
        text_config={
            "vocab_size": math.ceil(len(tokenizer) / 64) * 64,
            "hidden_size": shape.hidden,
            "intermediate_size": shape.feed_forward,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": shape.head_dim,
            "linear_key_head_dim": 64,
            "linear_value_head_dim": 64,
            "linear_num_key_heads": shape.linear_heads,
            "linear_num_value_heads": shape.linear_heads,
            "tie_word_embeddings": True,
            "max_position_embeddings": 1024,
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "partial_rotary_factor": 0.25,
                "mrope_interleaved": True,
                "mrope_section": [rotary - 2 * (rotary // 3), rotary // 3, rotary // 3],
            },
        },
        vision_config={
            "depth": shape.vision_depth,
            "hidden_size": shape.vision_hidden,
            "num_heads": shape.vision_hidden // 32,
            "intermediate_size": 2 * shape.vision_hidden,
            "out_hidden_size": shape.hidden,
            "num_position_embeddings": (shape.image_size // 16) ** 2,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    torch.manual_seed(seed)
    model = Qwen3_5ForConditionalGeneration(config)
    with torch.no_grad():
        for layer in model.model.language_model.layers:
            if hasattr(layer, "linear_attn"):
                # With the default decay of the model classes a layer forgets within a token or two, and a short
                # training does not change that.  Initialise the time steps log-uniformly over [0.001, 0.1] instead
                # (as Mamba-2 does).
                heads = shape.linear_heads
                step = torch.logspace(-3, -1, heads)
                layer.linear_attn.dt_bias.copy_(torch.log(torch.expm1(step)))
                layer.linear_attn.A_log.copy_(torch.linspace(1.0, 4.0, heads).log())
    return model


def build_image_processor(shape: ReferenceShape) -> Qwen2VLImageProcessorPil:
    """Qwen3.5's preprocessing: mean and std 0.5, patch 16, merge 2; but smaller pictures are allowed."""
    return Qwen2VLImageProcessorPil(
        patch_size=16,
        merge_size=2,
        temporal_patch_size=2,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
        size={"shortest_edge": 32 * 32, "longest_edge": 512 * 512},
    )


def save_checkpoint(
    folder: Path, model: Qwen3_5ForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, shape: ReferenceShape
) -> None:
    """Write a checkpoint folder (bfloat16 safetensors) that the Auto classes load like any other."""
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    processor = build_image_processor(shape)
    processor.save_pretrained(folder)
