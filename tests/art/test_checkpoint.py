"""Training state through a file."""

from __future__ import annotations

from pathlib import Path

import torch

from art.checkpoint import Progress, load_progress, save_progress
from art.records import StepRecord


def updates(parameters: dict[str, torch.nn.Parameter], optimiser: torch.optim.Optimizer, count: int) -> None:
    for number in range(count):
        optimiser.zero_grad()
        sum((value.sin() * (number + 1)).sum() for value in parameters.values()).backward()
        optimiser.step()


def fresh() -> tuple[dict[str, torch.nn.Parameter], torch.optim.Optimizer]:
    parameters = {name: torch.nn.Parameter(torch.linspace(0, 1, size)) for name, size in (("a.b", 5), ("c", 3))}
    return parameters, torch.optim.Adam(parameters.values(), lr=0.1, betas=(0.9, 0.95))


def test_training_goes_on_exactly(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    whole, optimiser = fresh()
    updates(whole, optimiser, 2)
    progress = Progress(2, [StepRecord(step=0), StepRecord(step=1, loss=0.1)], {"rollout": 1.5, "total": 2.0})
    save_progress(path, "digest", progress, whole, optimiser)
    updates(whole, optimiser, 3)
    again, optimiser = fresh()
    assert load_progress(path, "digest", again, optimiser) == progress
    updates(again, optimiser, 3)
    for name, value in whole.items():
        assert torch.equal(value, again[name])


def test_nothing_to_resume(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    parameters, optimiser = fresh()
    assert load_progress(path, "digest", parameters, optimiser) is None
    save_progress(path, "digest", Progress(0, [], {"total": 0.0}), parameters, optimiser)
    assert load_progress(path, "another", parameters, optimiser) is None
    path.write_bytes(path.read_bytes()[:50])
    assert load_progress(path, "digest", parameters, optimiser) is None
