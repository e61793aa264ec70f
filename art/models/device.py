"""Where a model runs, in which type, and what a run records of that."""

from __future__ import annotations

import torch

from art.config import ConfigError, ModelSection
from art.runs import process_memory, processor


def device_of(model: ModelSection) -> torch.device:
    """The device of a section of ``models``.

    Raises:
        ConfigError: it asks for a GPU and there is none.
    """
    gpu = torch.cuda.is_available()
    if model.device == "cuda" and not gpu:
        raise ConfigError("models: device 'cuda', but torch sees no GPU; allowed here: 'auto' or 'cpu'")
    return torch.device("cuda" if gpu and model.device != "cpu" else "cpu")


def dtype_of(model: ModelSection, device: torch.device) -> torch.dtype:
    """The type of the frozen weights; on the CPU float32 by default, since bfloat16 is slow there."""
    automatic = "float32" if device.type == "cpu" else "bfloat16"
    return getattr(torch, automatic if model.dtype == "auto" else model.dtype)


def deterministic() -> None:
    """Ask torch for the same numbers every time; on a GPU a few operations have no such form, and only warn."""
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())


def device_name(device: torch.device) -> str:
    """What a record calls a device."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else processor()


def wait_for_gpu() -> None:
    """Return when the GPU has done what it was given; at once where none is in use."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def peak_memory(device: torch.device) -> int:
    """Most bytes held so far: of the GPU by torch, otherwise by the process."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else process_memory()
