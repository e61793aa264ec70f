"""Wall time by phase."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from art.models.device import wait_for_gpu
from art.store import clock as clock_module
from art.store.clock import Clock


class Device:
    """A device that takes work and returns at once; ``wait`` returns when all its work is done."""

    def __init__(self) -> None:
        self.now = self.pending = 0.0

    def wait(self) -> None:
        self.now += self.pending
        self.pending = 0.0


def test_a_phase_has_the_time_of_its_own_work(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device()
    monkeypatch.setattr(time, "perf_counter", lambda: device.now)
    clock = Clock(device.wait)
    device.pending = 20.0  # work from before the phase
    with clock.phase("short"):
        device.pending += 2.0
    with clock.phase("long"):
        device.pending += 10.0
    assert clock.seconds == {"short": 2.0, "long": 10.0}


def test_times_add_up_over_phases_and_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "_process_start", lambda: 1000.0)
    monkeypatch.setattr(time, "time", lambda: 1007.0)
    ticks = iter((1.0, 3.0, 10.0, 15.0, 20.0, 21.0))
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    clock = Clock()
    clock.start_up()
    for name in ("rollout", "rollout", "forward"):
        with clock.phase(name):
            pass
    assert clock.total() == {"start_up": 7.0, "rollout": 7.0, "forward": 1.0, "total": 7.0}
    later = Clock()
    later.resume({"start_up": 5.0, "rollout": 50.0, "total": 60.0})
    assert later.seconds == {"start_up": 5.0, "rollout": 50.0}
    assert later.total() == {"start_up": 5.0, "rollout": 50.0, "total": 67.0}


def test_a_clock_begins_with_its_process() -> None:
    script = "import time; before = time.time(); from art.store.clock import Clock; print(before, Clock().begin)"
    spawned = time.time()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, begin = map(float, done.stdout.split())
    assert spawned - 1 <= begin <= before + 1, "neither the machine's start nor the clock's epoch"


def test_without_a_record_of_the_process_a_clock_begins_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 7.0)
    monkeypatch.setattr(Path, "read_text", lambda self: "no such thing")
    assert Clock().begin == 7.0


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
