"""Training state that is saved to a file and loaded again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from art.store.records import StepRecord
from art.training.progress import Progress, StaleError, load_progress, save_progress

STAMP = {"settings": "1", "torch": "2"}


def updates(parameters: dict[str, torch.nn.Parameter], optimiser: torch.optim.Optimizer, count: int) -> None:
    for number in range(count):
        optimiser.zero_grad()
        sum((value.sin() * (number + 1)).sum() for value in parameters.values()).backward()
        optimiser.step()


def fresh() -> tuple[dict[str, torch.nn.Parameter], torch.optim.Optimizer]:
    """Two parameters; the second one is not contiguous in memory."""
    parameters = {
        "a.b": torch.nn.Parameter(torch.linspace(0, 1, 5)),
        "c": torch.nn.Parameter(torch.linspace(0, 1, 6).view(2, 3).T),
    }
    return parameters, torch.optim.Adam(parameters.values(), lr=0.1, betas=(0.9, 0.95))


def test_training_goes_on_exactly(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    whole, optimiser = fresh()
    updates(whole, optimiser, 2)
    progress = Progress(7, [StepRecord(step=0), StepRecord(step=1, loss=0.1)], {"rollout": 1.5, "total": 2.0})
    save_progress(path, STAMP, progress, whole, optimiser)
    updates(whole, optimiser, 3)
    again, optimiser = fresh()
    assert load_progress(path, STAMP, again, optimiser) == progress
    updates(again, optimiser, 3)
    for name, value in whole.items():
        assert torch.equal(value, again[name])


def test_nothing_to_resume(tmp_path: Path) -> None:
    parameters, optimiser = fresh()
    assert load_progress(tmp_path / "state.safetensors", STAMP, parameters, optimiser) is None


@pytest.mark.parametrize(
    ("stamp", "said"),
    [
        ({**STAMP, "torch": "3"}, "changed since: torch"),
        ({**STAMP, "art/new.py": "4"}, "changed since: art/new.py"),
        ({"settings": "1"}, "changed since: torch"),
        ({**STAMP, **{f"file {number}": "" for number in range(5)}}, "file 0, file 1, file 2, file 3, file 4"),
        ({**STAMP, **{f"file {number}": "" for number in range(9)}}, "file 3, file 4 and 4 more"),
    ],
)
def test_another_stamp_is_refused_and_says_what_changed(tmp_path: Path, stamp: dict[str, str], said: str) -> None:
    path = tmp_path / "state.safetensors"
    parameters, optimiser = fresh()
    updates(parameters, optimiser, 1)
    save_progress(path, STAMP, Progress(0, [], {"total": 0.0}), parameters, optimiser)
    untouched, optimiser = fresh()
    with pytest.raises(StaleError) as caught:
        load_progress(path, stamp, untouched, optimiser)
    assert str(caught.value).endswith(said)
    assert all(torch.equal(value, untouched[name]) for name, value in fresh()[0].items()), "unchanged"
    assert not optimiser.state_dict()["state"]


def test_a_file_without_a_stamp_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_file({"parameter/a.b": torch.zeros(5)}, path)
    with pytest.raises(StaleError, match="changed since: settings, torch"):
        load_progress(path, STAMP, *fresh())


@pytest.mark.parametrize("damage", ["cut", "folder"])
def test_what_cannot_be_read_is_refused_with_the_reason(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "state.safetensors"
    parameters, optimiser = fresh()
    save_progress(path, STAMP, Progress(0, [], {"total": 0.0}), parameters, optimiser)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:50])
    else:
        path.unlink()
        path.mkdir()
    with pytest.raises(StaleError, match=r"/state\.safetensors cannot be read: \w+"):
        load_progress(path, STAMP, parameters, optimiser)
