"""Checkpoints of the published architectures with random weights: smaller, but with every structural feature.

The folders look like those on the hub: bfloat16 safetensors, Qwen's image limits (256 x 256 is the smallest picture),
two end tokens in generation_config.json, and a chat template in the published style (ours, much shorter).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    PreTrainedModel,
    Qwen3_5Config,
    Qwen3_5ForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from pretraining.reference_model import SPECIAL_TOKENS, train_tokenizer

TEMPLATE = """\
{%- macro shown(content) %}
{%- if content is string %}{{- content }}
{%- else %}{%- for part in content %}
{%- if part.type == 'image' or 'image' in part %}{{- '<|vision_start|><|image_pad|><|vision_end|>' }}
{%- elif 'text' in part %}{{- part.text }}{%- endif %}
{%- endfor %}{%- endif %}
{%- endmacro %}
{%- if tools %}{{- '<|im_start|>system\\n<tools>' }}
{%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{%- endfor %}
{{- '\\n</tools><|im_end|>\\n' }}{%- endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + (shown(message.content) | trim) + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and enable_thinking is true %}{{- '<think>\\n' }}
{%- else %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}
"""

TEXT = """Anna has 12 red coins and Ben has 30 blue eggs. How many coins and eggs are there in all?
End your response with: Answer: <number>. The correct answer is (B).
{"name": "get_weather", "arguments": {"city": "Oslo", "days": 3}}"""

PREPROCESSOR = {
    "size": {"longest_edge": 16777216, "shortest_edge": 65536},
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "processor_class": "Qwen3VLProcessor",
    "image_processor_type": "Qwen2VLImageProcessorFast",
}

# Larger than usual, so that different inputs give different outputs.
SPREAD = 0.1


def build(family: str, folder: Path) -> Path:
    """Write the checkpoint of a family; returns the folder."""
    tokenizer = train_tokenizer([TEXT], 400)
    tokenizer.chat_template = TEMPLATE
    ids = dict(zip(SPECIAL_TOKENS, tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)), strict=True))
    marks: dict[str, Any] = {
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "tie_word_embeddings": True,
    }
    text = {
        "vocab_size": 704,  # more rows than tokens, as published; equal to no other width of the models
        "eos_token_id": ids["<|endoftext|>"],
        "tie_word_embeddings": True,
        "initializer_range": SPREAD,
    }
    torch.manual_seed(0)
    model = BUILDERS[family](text, marks)
    model.generation_config.eos_token_id = [ids["<|im_end|>"], ids["<|endoftext|>"]]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    return folder


def _qwen3_5(text: dict[str, Any], marks: dict[str, Any]) -> PreTrainedModel:
    """Qwen3.5-0.8B: 6 x (3 Gated DeltaNet + 1 gated attention), rotary 64 of 256, sections [11, 11, 10], depth 12."""
    config = Qwen3_5Config(
        text_config=text
        | {
            "hidden_size": 64,
            "intermediate_size": 224,
            "num_hidden_layers": 8,
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
            "head_dim": 64,
            "linear_num_key_heads": 4,
            "linear_num_value_heads": 4,
            "linear_key_head_dim": 32,
            "linear_value_head_dim": 32,
            "linear_conv_kernel_dim": 4,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000_000.0,
                "partial_rotary_factor": 0.25,
                "mrope_interleaved": True,
                "mrope_section": [3, 3, 2],
            },
        },
        vision_config=_tower(),
        **marks,
    )
    model = Qwen3_5ForConditionalGeneration(config)
    for layer in model.model.language_model.layers:
        if hasattr(layer, "linear_attn"):  # else a state lasts one token, and its loss would not show
            layer.linear_attn.dt_bias.data.fill_(-3.0)
            layer.linear_attn.A_log.data.fill_(0.0)
    return model


def _qwen3_vl(text: dict[str, Any], marks: dict[str, Any]) -> PreTrainedModel:
    """Qwen3-VL-2B: full attention, rotary over the whole head, sections [24, 20, 20], DeepStack from three layers."""
    config = Qwen3VLConfig(
        text_config=text
        | {
            "hidden_size": 64,
            "intermediate_size": 192,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 32,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 5_000_000.0,
                "mrope_interleaved": True,
                "mrope_section": [6, 5, 5],
            },
        },
        vision_config=_tower() | {"deepstack_visual_indexes": [0, 1, 2]},
        **marks,
    )
    return Qwen3VLForConditionalGeneration(config)


def _tower() -> dict[str, Any]:
    return {
        "depth": 4,
        "hidden_size": 48,
        "num_heads": 3,
        "intermediate_size": 192,
        "out_hidden_size": 64,
        "patch_size": 16,
        "temporal_patch_size": 2,
        "spatial_merge_size": 2,
        "num_position_embeddings": 2304,  # as published: a picture of 256 x 256 interpolates them
        "initializer_range": SPREAD,
    }


BUILDERS = {"qwen3_5": _qwen3_5, "qwen3_vl": _qwen3_vl}


def add_tensor(folder: Path, name: str) -> None:
    """Add one tensor to the weights file."""
    path = folder / "model.safetensors"
    save_file(load_file(path) | {name: torch.ones(2, 2)}, path, {"format": "pt"})


def drop_tensor(folder: Path, name: str) -> None:
    """Remove one tensor from the weights file."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    del weights[name]
    save_file(weights, path, {"format": "pt"})
