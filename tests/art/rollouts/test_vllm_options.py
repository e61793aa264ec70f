"""The options and environment of vLLM, and the message where vLLM is not installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from art.config.sections import EngineSection, ModelSection
from art.models.policy import Policy
from art.rollouts.engines import EngineContext, EngineError, open_engine
from art.rollouts.vllm_options import command_line, engine_arguments, environment, lora_rank

CHECKPOINT = str(Path(__file__).parents[3] / "checkpoints/tiny-1m")


def arguments(**changes: Any) -> dict[str, Any]:
    """Arguments for a checkpoint with 4,096 positions."""
    given = {"device": "cpu", "positions": 4096, "adapter_rank": None, "adapters": 1} | changes
    text = SimpleNamespace(max_position_embeddings=given["positions"])
    model = SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: text))
    policy: Any = SimpleNamespace(device=torch.device(given["device"]), model=model)
    settings = EngineSection(kind="vllm", max_model_len=2048, memory=0.25)
    place = EngineContext(ModelSection(path=CHECKPOINT), policy, settings, given["adapter_rank"], 7, Path("nowhere"))
    return engine_arguments(place, given["adapters"])


def test_arguments() -> None:
    assert arguments() == {
        "model": CHECKPOINT,
        "dtype": "bfloat16",
        "seed": 7,
        "max_model_len": 2048,
        "gpu_memory_utilization": 0.25,
        "limit_mm_per_prompt": {"image": 1, "video": 0},
        "enable_prompt_embeds": True,
        "generation_config": "vllm",
        "logprobs_mode": "processed_logprobs",
        "enforce_eager": True,
    }
    assert arguments(device="cuda")["enforce_eager"] is False
    assert arguments(positions=512)["max_model_len"] == 512, "no longer than the checkpoint has positions"


def test_arguments_of_adapters() -> None:
    more = {"enable_lora": True, "max_loras": 1, "max_lora_rank": 8}
    assert arguments(adapter_rank=2) == arguments() | more
    assert arguments(adapter_rank=9, adapters=16) == arguments() | more | {"max_loras": 16, "max_lora_rank": 16}


@pytest.mark.parametrize(
    ("rank", "room"),
    [(1, 8), (8, 8), (9, 16), (17, 32), (64, 64), (65, 128), (129, 256), (257, 320), (321, 512), (512, 512)],
)
def test_room_for_a_rank(rank: int, room: int) -> None:
    assert lora_rank(rank) == room


def test_its_processes_have_our_environment_but_no_limit_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits are removed as Snakemake sets them; vLLM chooses its own threads.  Variables of the user stay."""
    given = {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "OURS": "too", "HF_HUB_OFFLINE": "0"}
    monkeypatch.setattr(os, "environ", given)
    assert environment() == {
        "OURS": "too",
        "HF_HUB_OFFLINE": "0",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_CPU_KVCACHE_SPACE": "2",
    }
    given.clear()
    assert environment()["HF_HUB_OFFLINE"] == "1"


def test_command_line() -> None:
    given = {
        "model": "a folder",
        "seed": 0,
        "enable_lora": True,
        "enforce_eager": False,
        "limit": {"image": 1},
    }
    assert command_line(given) == [*("--model", "a folder", "--seed", "0", "--enable-lora", "--limit", '{"image": 1}')]


def test_without_vllm_the_message_says_how_to_get_it(
    tiny_policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)  # its import fails, also where it is installed
    place = EngineContext(
        ModelSection(path="nowhere"), tiny_policy, EngineSection(kind="vllm"), None, 0, tmp_path / "log"
    )
    with pytest.raises(EngineError, match=r"engine\.kind 'vllm': vLLM cannot be imported.*\[vllm\].*make vllm-cpu"):
        open_engine(place)
