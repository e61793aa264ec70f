"""Where a model runs, in which type, and what a run records of that."""

from __future__ import annotations

import torch

from art.config.sections import ModelSection
from art.errors import ConfigError
from art.store.run_record import Machine, process_memory, processor


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


def wait_for_gpu() -> None:
    """Return when the GPU has done what it was given; at once where none is in use."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def machine_of(device: torch.device) -> Machine:
    """What torch runs on, its threads, and its memory: the GPU's by torch's own count, otherwise the process's."""
    if device.type == "cuda":
        name, memory = f"cuda ({torch.cuda.get_device_name(device)})", torch.cuda.max_memory_allocated(device)
    else:
        name, memory = processor(), process_memory()
    return Machine(name, torch.get_num_threads(), memory)
