"""Qwen3-VL as a policy: only full attention, and visual features for several language layers (DeepStack)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from art.models.policy import Policy, Vectors


class Qwen3Vl(Policy):
    """A frozen Qwen3-VL checkpoint."""

    model_type = "qwen3_vl"

    def _see(self, image: Tensor) -> Vectors:
        seen = self._features(image)
        return Vectors(seen.pooler_output[0], tuple(level[0] for level in seen.deepstack_features))

    def _beside(self, vectors: Vectors, slot: Tensor) -> dict[str, Any]:
        if not vectors.deeper:
            return {}
        repeated = [level.repeat(len(slot), 1) for level in vectors.deeper]
        return {"visual_pos_masks": slot, "deepstack_visual_embeds": repeated}
