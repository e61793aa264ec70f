"""A world of a shipped checkpoint's sizes: vLLM's kernels need larger dimensions than the tests' tiniest model has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiny_world import World

CHECKPOINT = Path(__file__).parents[2] / "checkpoints/tiny-1m"
TASKS = {"arithmetic": "numeric", "tool_call": "tool_call", "multiple_choice": "multiple_choice"}
METHODS: dict[str, dict[str, Any]] = {
    "no_image": {"kind": "no_image"},
    "art": {"kind": "art"},
    "lora": {"kind": "lora", "rank": 4},
    "soft_prompt": {"kind": "soft_prompt"},
}


class ServingWorld(World):
    """The tiny world with the shipped checkpoint's sizes."""

    def mapping(self, **sections: dict[str, Any]) -> dict[str, Any]:
        data = super().mapping()
        data |= {"seeds": [0], "methods": METHODS, "image": {"size": 128}, "analysis": {"resamples": 200}}
        data["tasks"] = {name: {**section, "train": 32, "test": 48} for name, section in data["tasks"].items()}
        data["models"]["tiny"]["device"] = "cpu"
        data["training"] |= {"max_new_tokens": 36, "steps": 2, "validate_every": 2}
        data["evaluation"] = {"samples": 0, "max_new_tokens": 36}
        data["engine"] = {"timeout": 300.0, "retries": 1}
        for name, section in sections.items():
            data[name] = {**data.get(name, {}), **section}
        return data
