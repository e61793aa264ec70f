"""Reading a run's record, and refusing one that was made with other settings.  No torch and no scorer here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from art.config import Config, RunKey
from art.records import RecordError, RunRecord, read_record

RecordName = Literal["run", "evaluation"]


def load_record(config: Config, key: RunKey, results: Path, name: RecordName) -> RunRecord:
    """A run's ``run.json`` or ``evaluation.json``; whatever else is read of a run, this is read first.

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
    hashed = config.run_digest if name == "run" else config.evaluation_digest
    return hashed(key.model, key.task, key.method)
