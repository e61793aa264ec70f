"""Measures wall time by phase."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class Clock:
    """Wall time by phase, in seconds, since the process began; a resumed run adds the time of its earlier processes.

    Args:
        wait: returns when the device has finished its work.  A GPU works while Python goes on: without waiting at both
            ends of a phase, its time would count in the next phase.
    """

    def __init__(self, wait: Callable[[], None] = lambda: None) -> None:
        self.wait = wait
        self.seconds: dict[str, float] = {}
        self.begin = _process_start()

    def start_up(self) -> None:
        """End the phase ``start_up``, which began with the process."""
        self.seconds["start_up"] = time.time() - self.begin

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of a block to a phase."""
        self.wait()
        start = time.perf_counter()
        try:
            yield
            self.wait()
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def since(self, before: dict[str, float]) -> dict[str, float]:
        """Seconds that each phase took since ``seconds`` was ``before``; only phases that took time."""
        spent = {name: value - before.get(name, 0.0) for name, value in self.seconds.items()}
        return {name: value for name, value in spent.items() if value}

    def resume(self, total: dict[str, float]) -> None:
        """Add to the times of an earlier process of the same run; called instead of ``start_up``."""
        self.seconds = {name: value for name, value in total.items() if name != "total"}
        self.begin -= total["total"]

    def total(self) -> dict[str, float]:
        """All phases so far, and ``total``."""
        return {**self.seconds, "total": time.time() - self.begin}


def _process_start() -> float:
    """Start time of this process, from /proc; where there is no /proc, the current time."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return time.time()
    return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")
