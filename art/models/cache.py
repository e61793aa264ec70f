"""The cache of prompts that have run: gradients flow through it, and single rows can be taken from it.

The linear-attention cache of transformers copies new states into the old tensors, so gradients cannot flow through a
prompt that is continued.  Here new tensors replace old ones, so each prompt runs once and its completions continue
from its state.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import LinearAttentionLayer


class ReplacingLinearLayer(LinearAttentionLayer):
    """Convolution and recurrent state of one linear-attention layer, replaced at each update."""

    def update_conv_state(
        self, conv_states: Tensor, state_idx: int = 0, conv_kernel_size: int | None = None, **kwargs: Any
    ) -> Tensor:
        """Return the kept inputs joined with the new ones (batch, channels, length); keep the last kernel width."""
        width = conv_kernel_size or self.conv_kernel_size[state_idx]
        if self.has_previous_state[state_idx]:
            joined = torch.cat([self.conv_states[state_idx], conv_states], dim=-1)
        else:
            joined = torch.nn.functional.pad(conv_states, (max(0, width - conv_states.shape[-1]), 0))
        self.conv_kernel_size[state_idx] = width
        self.conv_states[state_idx] = joined[..., -width:]
        self.is_conv_states_initialized[state_idx] = self.has_previous_state[state_idx] = True
        return joined

    def update_recurrent_state(self, recurrent_states: Tensor, state_idx: int = 0, **kwargs: Any) -> Tensor:
        """Replace the state (batch, heads, key dim, value dim)."""
        self.recurrent_states[state_idx] = recurrent_states
        self.is_recurrent_states_initialized[state_idx] = True
        return recurrent_states


def new_cache(text_config: Any) -> DynamicCache:
    """An empty cache for a language model of this configuration."""
    cache = DynamicCache(config=text_config)
    cache.layers = [
        ReplacingLinearLayer() if isinstance(layer, LinearAttentionLayer) else layer for layer in cache.layers
    ]
    return cache


def take_rows(cache: DynamicCache, rows: Tensor) -> DynamicCache:
    """A new cache with the given rows (indices, repeats allowed); the old one stays usable."""
    taken = copy.copy(cache)
    taken.layers = [copy.copy(layer) for layer in cache.layers]
    for layer in taken.layers:
        if isinstance(layer, ReplacingLinearLayer):
            layer.conv_states = {key: state.index_select(0, rows) for key, state in layer.conv_states.items()}
            layer.recurrent_states = {key: state.index_select(0, rows) for key, state in layer.recurrent_states.items()}
        else:
            layer.keys, layer.values = layer.keys.index_select(0, rows), layer.values.index_select(0, rows)
    return taken
