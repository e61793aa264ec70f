"""Options and environment of vLLM, for ``vllm.LLM`` and for a server.  No vLLM and no torch here."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from art.models.hub import checkpoint_folder

if TYPE_CHECKING:
    from art.rollouts.engines import EngineContext

# Defaults for variables that the user has not set.  The model's folder is local, so vLLM needs nothing from the hub;
# it sends no usage statistics.
_DEFAULTS = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_CPU_KVCACHE_SPACE": "2",  # GiB, on the CPU
}
# Variables by which Snakemake limits a job's threads; vLLM does not get them.  It binds itself to cores and sets
# OMP_NUM_THREADS to their number, but torch takes the larger of this and MKL_NUM_THREADS: two threads would then
# compete for one core, and a batch would take minutes instead of seconds.  To choose vLLM's cores, set
# VLLM_CPU_OMP_THREADS_BIND.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def environment() -> dict[str, str]:
    """The environment of vLLM's processes: the defaults and our variables, without the limits of threads."""
    return _DEFAULTS | {name: value for name, value in os.environ.items() if name not in _THREADS}


def engine_arguments(context: EngineContext, adapters: int = 1) -> dict[str, Any]:
    """Arguments of ``vllm.LLM`` in this context; ``command_line`` turns them into a server's options.

    Args:
        context: see ``EngineContext``.
        adapters: how many different adapters the requests of one batch may ask for.

    Raises:
        CheckpointError: the model's folder is missing.
    """
    settings, longest = context.settings, context.policy.model.config.get_text_config().max_position_embeddings
    arguments: dict[str, Any] = {
        "model": str(checkpoint_folder(context.model)),
        "dtype": "bfloat16",  # as published; on a CPU, vLLM runs Qwen3.5 in no other dtype
        "seed": context.seed,
        "max_model_len": min(settings.max_model_len, longest),
        "gpu_memory_utilization": settings.memory,
        "limit_mm_per_prompt": {"image": 1, "video": 0},
        "enable_prompt_embeds": True,
        # Otherwise top-k and top-p of the checkpoint's generation_config.json would bias what is sampled.
        "generation_config": "vllm",
        # Log-probabilities at the sampling temperature and without the forbidden tokens, as the policy's are.
        "logprobs_mode": "processed_logprobs",
        "enforce_eager": context.policy.device.type == "cpu",  # a CPU has no graphs to compile
    }
    if context.adapter_rank is not None:
        arguments |= {"enable_lora": True, "max_loras": adapters, "max_lora_rank": lora_rank(context.adapter_rank)}
    return arguments


def lora_rank(rank: int) -> int:
    """The smallest rank that vLLM allows and that is at least ``rank``."""
    return next(size for size in (8, 16, 32, 64, 128, 256, 320, 512) if size >= rank)


def command_line(arguments: dict[str, Any]) -> list[str]:
    """Arguments of ``vllm.LLM`` as command-line options of vLLM's server."""
    words = []
    for name, value in arguments.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [option] if value else []
        else:
            words += [option, json.dumps(value) if isinstance(value, dict) else str(value)]
    return words
