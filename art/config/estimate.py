"""Estimates how long an experiment takes; a dry run of the workflow prints the estimate with the jobs.

It counts the grid's runs, steps, completions and answers, and multiplies the steps by the times that
``benchmarks.training_step`` measured at the same sizes.  Times that were not measured are reported as unknown.
"""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from art.config.digests import evaluation_digest, run_digest
from art.config.experiment import Config
from art.config.methods import TRAINED_KINDS
from art.errors import RecordError
from art.files import read_json

MEASURED = Path("benchmarks/results/training_step")
"""Folder that the benchmark writes to and the workflow reads."""

Measured = dict[tuple[str, str], dict[str, Any]]


def load_measured(config: Config, folder: Path) -> dict[str, Measured]:
    """Records of the benchmark by device, then by model and kind of method.

    Only records of whole models at the configuration's sizes count.
    """
    found: dict[str, Measured] = defaultdict(dict)
    for path in sorted(folder.glob("*.json")):
        record = read_json(path)
        if record["scale"] == 1 and record["sizes"] == sizes(config):
            found[record["device"]][record["model"], record["method"]["kind"]] = record
    return dict(found)


def sizes(config: Config) -> dict[str, int]:
    """The settings that the time of a step depends on."""
    names = ("prompts", "completions", "minibatches", "max_new_tokens")
    return {"image": config.image.size} | {name: getattr(config.training, name) for name in names}


def counts(config: Config) -> dict[str, int]:
    """The size of an experiment."""
    runs, training = config.grid(), config.training
    trained = [run for run in runs if config.methods[run.method].kind in TRAINED_KINDS]
    return {
        "runs": len(runs),
        "trained runs": len(trained),
        "training steps": len(trained) * training.steps,
        "completions in training": len(trained) * training.steps * training.prompts * training.completions,
        "answers to test problems": sum(config.tasks[run.task].test for run in runs) * (1 + config.evaluation.samples),
    }


def hours(config: Config, measured: Measured) -> tuple[dict[tuple[str, str], float], list[str]]:
    """Hours by model and method, and the pairs of model and kind of method whose step was not measured.

    A validation check takes as long as the rollout of a step.  So does a batch of evaluation, in proportion to its
    ``max_new_tokens``.  The batches of a control take as long as those of
    the model's first trained method that was measured.
    """
    spent: dict[tuple[str, str], float] = defaultdict(float)
    missing: dict[str, None] = {}
    training, evaluation = config.training, config.evaluation
    stand_in = next((method.kind for method in config.methods.values() if method.kind in TRAINED_KINDS), "art")
    for run in config.grid():
        kind = config.methods[run.method].kind
        trained = kind in TRAINED_KINDS
        record = measured.get((run.model, kind)) if trained else _any_of(run.model, measured)
        if record is None:
            missing[f"{run.model} {kind if trained else stand_in}"] = None
            continue
        checks = 1 + math.ceil(training.steps / training.validate_every) if trained else 0
        batches = math.ceil(config.tasks[run.task].test / evaluation.batch_size) * (1 + evaluation.samples)
        rollouts = checks + batches * evaluation.max_new_tokens / training.max_new_tokens
        steps = training.steps * record["step_seconds"] if trained else 0.0
        spent[run.model, run.method] += (steps + rollouts * record["seconds"]["rollout"]) / 3600
    return dict(spent), list(missing)


def _any_of(model: str, measured: Measured) -> dict[str, Any] | None:
    return next((record for (name, _), record in measured.items() if name == model), None)


class Taken(NamedTuple):
    """How long the finished runs took.

    Attributes:
        runs: number of runs that were trained and evaluated with the configuration's settings.
        training, evaluation: seconds of their processes, start-up included.
        devices: names of the devices that they used.
    """

    runs: int
    training: float
    evaluation: float
    devices: list[str]


def taken(config: Config, results: Path) -> Taken:
    """Add up the records of the finished runs; a run with a damaged or outdated record is left out."""
    runs, seconds, devices = 0, {"run": 0.0, "evaluation": 0.0}, set()
    for run in config.grid():
        digests = {
            "run": run_digest(config, run.model, run.task, run.method),
            "evaluation": evaluation_digest(config, run.model, run.task, run.method),
        }
        try:
            records = {name: read_json(results / run.folder / f"{name}.json") for name in digests}
            if any(records[name]["digest"] != digest for name, digest in digests.items()):
                continue
            spent = {name: float(record["seconds"]["total"]) for name, record in records.items()}
            devices |= {record["device"] for record in records.values()}
        except (RecordError, KeyError, TypeError, ValueError):
            continue
        runs += 1
        for name, value in spent.items():
            seconds[name] += value
    return Taken(runs, seconds["run"], seconds["evaluation"], sorted(devices))


def report(config: Config, results: Path, folder: Path = MEASURED) -> list[str]:
    """The lines to print: size of the grid, time that the finished runs took, and hours that the whole grid takes."""
    size = counts(config)
    lines = [f"Grid of {config.name}: " + ", ".join(f"{count:,} {what}" for what, count in size.items())]
    done = taken(config, results)
    if done.runs:
        lines.append(
            f"{done.runs} of {size['runs']} runs are done: {_duration(done.training)} of training and "
            f"{_duration(done.evaluation)} of evaluation, one process at a time ({', '.join(done.devices)})"
        )
    if done.runs == size["runs"]:
        return lines
    found = load_measured(config, folder)
    if not found and all(model.device == "cpu" for model in config.models.values()):
        return [*lines, "hours: unknown until all runs are done"]
    for device, measured in (found or {"hours": {}}).items():
        spent, missing = hours(config, measured)
        lines += [f"{device}: {model} {method}: {value:.1f} h" for (model, method), value in spent.items()]
        if missing:
            lines.append(f"{device}: unknown: no step time measured for {', '.join(missing)} at these sizes")
            lines.append("  (python -m benchmarks.training_step MODEL METHOD, on that machine)")
        else:
            lines.append(f"{device}: {sum(spent.values()):.1f} h in total, at most")
    return lines


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"
