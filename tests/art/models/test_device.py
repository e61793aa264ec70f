"""Choice of device and dtype, and what a record says of the machine, with and without a GPU (torch is mocked)."""

from __future__ import annotations

import pytest
import torch

from art.config.sections import ModelSection
from art.errors import ConfigError
from art.models import device as module
from art.models.device import deterministic, device_of, dtype_of, machine_of

GPU = torch.device("cuda:1")
CPU = torch.device("cpu")


def chosen(**settings: str) -> tuple[str, torch.dtype]:
    section = ModelSection(path="here", **settings)
    return device_of(section).type, dtype_of(section, device_of(section))


@pytest.mark.parametrize("gpu", [False, True])
def test_device_and_type_are_chosen(gpu: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert chosen() == (("cuda", torch.bfloat16) if gpu else ("cpu", torch.float32))
    assert chosen(device="cpu") == ("cpu", torch.float32)
    assert chosen(device="cpu", dtype="bfloat16") == ("cpu", torch.bfloat16)
    if gpu:
        assert chosen(device="cuda", dtype="float32") == ("cuda", torch.float32)
    else:
        with pytest.raises(ConfigError, match="no GPU"):
            chosen(device="cuda")


@pytest.mark.parametrize("gpu", [False, True])
def test_the_same_numbers_are_asked_for_and_only_a_gpu_may_warn(gpu: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bool, bool]] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda on, warn_only: asked.append((on, warn_only)))
    deterministic()
    assert asked == [(True, gpu)]


def test_a_record_names_the_card_or_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Card {device.index}")
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 1)
    monkeypatch.setattr(module, "processor", lambda: "a processor")
    assert machine_of(GPU).device == "cuda (Card 1)"
    assert machine_of(CPU).device == "a processor"


def test_memory_is_the_most_that_was_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device=None: 10)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Card {device.index}")
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device=None: 20 + device.index)
    monkeypatch.setattr(module, "process_memory", lambda: 30)
    assert (machine_of(GPU).peak_memory_bytes, machine_of(CPU).peak_memory_bytes) == (21, 30)
