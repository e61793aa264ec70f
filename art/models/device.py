"""Choose a model's device and dtype, make torch deterministic, and describe the machine for a run's record."""

from __future__ import annotations

import torch

from art.config.sections import ModelSection
from art.errors import ConfigError
from art.store.run_record import Machine, process_memory, processor


def device_of(model: ModelSection) -> torch.device:
    """The device that a section of ``models`` asks for.

    Raises:
        ConfigError: the section asks for a GPU and there is none.
    """
    gpu = torch.cuda.is_available()
    if model.device == "cuda" and not gpu:
        raise ConfigError("models: device 'cuda', but torch sees no GPU; allowed here: 'auto' or 'cpu'")
    return torch.device("cuda" if gpu and model.device != "cpu" else "cpu")


def dtype_of(model: ModelSection, device: torch.device) -> torch.dtype:
    """The dtype of the frozen weights; the default on the CPU is float32, since bfloat16 is slow there."""
    automatic = "float32" if device.type == "cpu" else "bfloat16"
    return getattr(torch, automatic if model.dtype == "auto" else model.dtype)


def deterministic() -> None:
    """Make torch deterministic; on a GPU, the few operations that have no deterministic form only warn."""
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())


def wait_for_gpu() -> None:
    """Wait until the GPU has finished its work; return at once if no GPU is in use."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def machine_of(device: torch.device) -> Machine:
    """The device, torch's threads, and the peak memory: on a GPU as torch counts it, otherwise of the process."""
    if device.type == "cuda":
        name, memory = f"cuda ({torch.cuda.get_device_name(device)})", torch.cuda.max_memory_allocated(device)
    else:
        name, memory = processor(), process_memory()
    return Machine(name, torch.get_num_threads(), memory)
