"""The clock: a phase has the time of its own work, also where a device does it behind Python's back."""

from __future__ import annotations

import time

import pytest
import torch

from art.models.device import wait_for_gpu
from art.runs import Clock


class Device:
    """Takes work and returns at once; ``wait`` returns when all of it is done."""

    def __init__(self) -> None:
        self.pending = 0.0

    def wait(self) -> None:
        time.sleep(self.pending)
        self.pending = 0.0


def test_a_phase_has_the_time_of_its_own_work() -> None:
    device = Device()
    clock = Clock(device.wait)
    device.pending = 0.2  # given before the phase
    with clock.phase("short"):
        device.pending += 0.02
    with clock.phase("long"):
        device.pending += 0.1
    assert 0.02 <= clock.seconds["short"] < 0.1 <= clock.seconds["long"] < 0.2


def test_a_phase_that_fails_is_not_waited_for() -> None:
    device = Device()
    clock = Clock(device.wait)
    with pytest.raises(ZeroDivisionError), clock.phase("broken"):
        device.pending = 60.0
        _ = 1 / 0
    assert clock.seconds["broken"] < 1


@pytest.mark.parametrize("used", [False, True])
def test_only_a_gpu_in_use_is_waited_for(used: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: used)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: calls.append("waited"))
    wait_for_gpu()
    assert calls == ["waited"] * used
