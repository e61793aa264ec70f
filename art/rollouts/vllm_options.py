"""What vLLM is told, whether it runs beside us or as a server.  No vLLM and no torch here."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from art.models.hub import checkpoint_folder

if TYPE_CHECKING:
    from art.rollouts.engines import EngineContext

# Unless the person has set them.  The folder is local, so vLLM has nothing to ask the hub, and it need not tell
# anybody that it runs.
_DEFAULTS = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_CPU_KVCACHE_SPACE": "2",  # GiB, on the CPU
}
# Snakemake limits every job's threads by these.  vLLM binds itself to cores and sets OMP_NUM_THREADS to their number,
# but torch takes the larger of this and MKL's: a second thread on a core spins against the first, and a batch that
# takes seconds takes minutes.  VLLM_CPU_OMP_THREADS_BIND is the variable for other wishes.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def environment() -> dict[str, str]:
    """What vLLM's processes get of our environment variables."""
    return _DEFAULTS | {name: value for name, value in os.environ.items() if name not in _THREADS}


def engine_arguments(context: EngineContext, adapters: int = 1) -> dict[str, Any]:
    """Arguments of ``vllm.LLM`` in this context; ``command_line`` makes a server's of them.

    Args:
        context: see there.
        adapters: how many of them requests of one batch may ask for.

    Raises:
        CheckpointError: the model's folder is not there.
    """
    settings, longest = context.settings, context.policy.model.config.get_text_config().max_position_embeddings
    arguments: dict[str, Any] = {
        "model": str(checkpoint_folder(context.model)),
        "dtype": "bfloat16",  # the type of published weights; the only one of Qwen3.5 in vLLM on a CPU
        "seed": context.seed,
        "max_model_len": min(settings.max_model_len, longest),
        "gpu_memory_utilization": settings.memory,
        "limit_mm_per_prompt": {"image": 1, "video": 0},
        "enable_prompt_embeds": True,
        # Otherwise top-k and top-p of the checkpoint's generation_config.json would bias what is sampled.
        "generation_config": "vllm",
        # At the sampling temperature and without the forbidden tokens, as the policy's.
        "logprobs_mode": "processed_logprobs",
        "enforce_eager": context.policy.device.type == "cpu",  # where there are no graphs to compile
    }
    if context.adapter_rank is not None:
        arguments |= {"enable_lora": True, "max_loras": adapters, "max_lora_rank": lora_rank(context.adapter_rank)}
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
