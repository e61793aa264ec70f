"""Keep the training state in one safetensors file, so that a killed run resumes and ends with the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from art.config.digests import run_digest
from art.errors import ArtError
from art.files import atomic_path
from art.models.hub import checkpoint_folder
from art.store.records import StepRecord
from art.store.run_record import versions
from art.store.workspace import Workspace


class StaleError(ArtError):
    """Stored progress that a run must not resume from; the message says why."""


@dataclass(frozen=True)
class Progress:
    """The state of a run besides its parameters and optimiser: steps done, log, seconds by phase."""

    step: int
    log: list[StepRecord]
    seconds: dict[str, float]


def stamp(workspace: Workspace) -> dict[str, str]:
    """All that training depends on, by name: settings, inputs, the checkpoint's files, our code, packages.

    An interrupted run resumes only if its stamp is the same.  All Python files of art/ count, whether the run used them
    or not.
    """
    key, code = workspace.key, Path(__file__).parents[1]
    model = checkpoint_folder(workspace.model)
    inputs = [workspace.problem_file("train"), workspace.problem_file("validation"), workspace.seed_picture]
    return {
        "settings": run_digest(workspace.config, key.model, key.task, key.method),
        **_hashes(workspace.results, inputs),
        **_hashes(model.parent, (path for path in model.iterdir() if path.is_file() and path.suffix != ".md")),
        **_hashes(code.parent, code.rglob("*.py")),
        **versions(),
    }


def _hashes(root: Path, paths: Iterable[Path]) -> dict[str, str]:
    """Hash of each file's content, by its path below ``root``."""
    found = {}
    for path in sorted(paths):
        with path.open("rb") as stream:
            found[str(path.relative_to(root))] = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    return found


def save_progress(
    path: Path,
    stamp: dict[str, str],
    progress: Progress,
    parameters: dict[str, nn.Parameter],
    optimiser: torch.optim.Optimizer,
) -> None:
    """Write parameters, optimiser state, the log and the stamp of what they depend on, atomically."""
    tensors: dict[str, Tensor] = {f"parameter/{name}": value.detach() for name, value in parameters.items()}
    for index, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"optimiser/{index}/{name}"] = torch.as_tensor(value)
    metadata = {
        "stamp": json.dumps(stamp),
        "step": str(progress.step),
        "log": json.dumps([record.model_dump(exclude_none=True) for record in progress.log]),
        "seconds": json.dumps(progress.seconds),
    }
    with atomic_path(path) as partial:
        partial.write_bytes(save({name: value.contiguous() for name, value in tensors.items()}, metadata))


def load_progress(
    path: Path, stamp: dict[str, str], parameters: dict[str, nn.Parameter], optimiser: torch.optim.Optimizer
) -> Progress | None:
    """Restore a run in place; None when there is nothing to resume.

    Raises:
        StaleError: the file is damaged, or has another stamp; the parameters are left unchanged.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as stream:
            metadata = stream.metadata() or {}
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise StaleError(f"{path} cannot be read: {error}") from None
    changed = _changed(json.loads(metadata.get("stamp", "{}")), stamp)
    if changed:
        raise StaleError(f"changed since: {changed}")
    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(tensors[f"parameter/{name}"])
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser/"):
            _, index, field = name.split("/")
            state.setdefault(int(index), {})[field] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return Progress(
        step=int(metadata["step"]),
        log=[StepRecord.model_validate(record) for record in json.loads(metadata["log"])],
        seconds=json.loads(metadata["seconds"]),
    )


def _changed(old: dict[str, str], new: dict[str, str], shown: int = 5) -> str:
    """Names whose values differ; only the first ``shown``, since another version of the project changes many files."""
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")
