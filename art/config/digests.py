"""Hashes of the settings that a result depends on: a result is outdated when its hash has changed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from art.config.experiment import Config
from art.config.methods import TRAINED_KINDS


def digest(value: Any) -> str:
    """First 16 hex digits of the SHA-256 of ``value`` as canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def run_digest(config: Config, model: str, task: str, method: str) -> str:
    """Hash of every setting that can change a run's artifact (not its evaluation or the analysis)."""
    section = config.methods[method].model_dump(mode="json", exclude={"models", "tasks", "draws", "engine"})
    parts: dict[str, Any] = {"model": config.models[model], "task": config.tasks[task], "image": config.image}
    engine = {}
    if section["kind"] in TRAINED_KINDS:
        parts |= {"objective": config.objective, "training": config.training}
        engine = {"engine": config.engine_of(method).results_depend_on()}
    return digest({"method": section} | engine | {k: v.model_dump(mode="json") for k, v in parts.items()})


def evaluation_digest(config: Config, model: str, task: str, method: str) -> str:
    """Hash of every setting that can change a run's evaluation.  One engine evaluates all methods."""
    settings = config.evaluation.model_dump(mode="json"), config.engine.kind
    return digest([run_digest(config, model, task, method), *settings])


def serving_digest(config: Config, model: str, task: str) -> str:
    """Hash of every setting that can change a serving check."""
    served = config.served_runs(model, task)
    runs = [(run.seed, evaluation_digest(config, model, task, run.method)) for run in served]
    return digest([config.serving.model_dump(mode="json") if config.serving else None, runs])
