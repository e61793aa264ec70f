"""The record of how a run was made; a record that was made with other settings is refused."""

from __future__ import annotations

import platform
import resource
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

from art.config.digests import evaluation_digest, run_digest
from art.config.experiment import Config, RunKey
from art.errors import RecordError
from art.files import read_record, write_json
from art.store.clock import Clock
from art.store.records import RunRecord
from art.store.workspace import Workspace

RecordName = Literal["run", "evaluation"]

PACKAGES = ("torch", "transformers", "peft", "numpy", "pillow", "safetensors", "tokenizers")


class Machine(NamedTuple):
    """The device, threads and memory of a process.

    Attributes:
        device: its name in a record.
        threads: number of threads that compute at the same time.
        peak_memory_bytes: most bytes held so far.
    """

    device: str
    threads: int
    peak_memory_bytes: int


class Usage(NamedTuple):
    """Counts of a run's parameters, tokens and steps, see ``RunRecord``."""

    trained_numbers: int
    prefix_tokens: int
    prompt_tokens: int = 0
    completion_tokens: int = 0
    steps: int = 0


def write_record(
    workspace: Workspace, name: RecordName, clock: Clock, machine: Machine, usage: Usage, engine: str | None = None
) -> None:
    """Write ``run.json`` or ``evaluation.json``; ``engine`` is the engine that sampled, with its version."""
    key = workspace.key
    record = RunRecord(
        command=name,
        model=key.model,
        task=key.task,
        method=key.method,
        kind=workspace.section.kind,
        seed=key.seed,
        digest=settings_digest(workspace.config, key, name),
        config=workspace.config.model_dump(mode="json"),
        versions=versions(),
        revision=_revision(),
        engine=engine,
        seconds=clock.total(),
        **machine._asdict(),
        **usage._asdict(),
    )
    write_json(workspace.folder / f"{name}.json", record.model_dump())


def load_record(config: Config, key: RunKey, results: Path, name: RecordName) -> RunRecord:
    """Read a run's ``run.json`` or ``evaluation.json``.  It is read before any other file of the run.

    Raises:
        RecordError: the file is missing or malformed, belongs to another run, or was made with other settings than
            the config's.
    """
    path = results / key.folder / f"{name}.json"
    record = read_record(path, RunRecord)
    found = RunKey(model=record.model, task=record.task, method=record.method, seed=record.seed)
    if found != key:
        raise RecordError(f"{path}: belongs to {found.folder}")
    if record.digest != settings_digest(config, key, name):
        raise RecordError(f"{path.parent}: {path.name} was made with other settings than the configuration's; rerun it")
    return record


def settings_digest(config: Config, key: RunKey, name: RecordName) -> str:
    """Hash of the settings that a run's artifact, or its evaluation, depends on."""
    hashed = run_digest if name == "run" else evaluation_digest
    return hashed(config, key.model, key.task, key.method)


def this_process() -> Machine:
    """The machine of a process without torch, which computes on one thread."""
    return Machine(processor(), 1, process_memory())


def processor() -> str:
    """The CPU's name in a record."""
    return f"cpu ({platform.machine()})"


def process_memory() -> int:
    """Most bytes that this process held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}}


def _revision() -> str | None:
    """Git revision of the project, '+' appended when tracked files were changed; None outside a checkout."""
    home = Path(__file__).parent
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=home, capture_output=True, text=True, check=True)
        dirty = subprocess.run(["git", "diff", "--quiet", "HEAD"], cwd=home, capture_output=True, check=False)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if dirty.returncode else "")
