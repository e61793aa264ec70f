"""What vLLM is told, whether it runs beside us or as a server.  No vLLM and no torch here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from art.config import EngineSection

# Set unless the person has set them.  The folder is local, so vLLM has nothing to ask the hub, and it need not tell
# anybody that it runs.
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_CPU_KVCACHE_SPACE": "2",  # GiB, on the CPU
}


def engine_arguments(
    folder: Path,
    settings: EngineSection,
    *,
    cpu: bool,
    longest: int,
    seed: int,
    adapter_rank: int | None,
    adapters: int = 1,
) -> dict[str, Any]:
    """Arguments of ``vllm.LLM``; ``command_line`` makes a server's of them.

    Args:
        folder: the checkpoint.
        cpu: whether it runs on the CPU, where there are no graphs to compile.
        longest: tokens that the checkpoint has positions for.
        seed: of its sampling.
        adapter_rank: rank of the LoRA adapters that will be loaded; None: none will be.
        adapters: how many of them requests of one batch may ask for.
    """
    arguments: dict[str, Any] = {
        "model": str(folder),
        "dtype": "bfloat16",  # the type of published weights; the only one of Qwen3.5 in vLLM on a CPU
        "seed": seed,
        "max_model_len": min(settings.max_model_len, longest),
        "gpu_memory_utilization": settings.memory,
        "limit_mm_per_prompt": {"image": 1, "video": 0},
        "enable_prompt_embeds": True,
        # Otherwise top-k and top-p of the checkpoint's generation_config.json would bias what is sampled.
        "generation_config": "vllm",
        # At the sampling temperature and without the forbidden tokens, as the policy's.
        "logprobs_mode": "processed_logprobs",
        "enforce_eager": cpu,
    }
    if adapter_rank is not None:
        arguments |= {"enable_lora": True, "max_loras": adapters, "max_lora_rank": lora_rank(adapter_rank)}
    return arguments


def lora_rank(rank: int) -> int:
    """The smallest rank that vLLM has room for and that holds this one."""
    return next(size for size in (8, 16, 32, 64, 128, 256, 320, 512) if size >= rank)


def command_line(arguments: dict[str, Any]) -> list[str]:
    """The same as options of vLLM's server."""
    words = []
    for name, value in arguments.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [option] if value else []
        else:
            words += [option, json.dumps(value) if isinstance(value, dict) else str(value)]
    return words
