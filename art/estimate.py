"""What an experiment takes, as a dry run of the workflow says it beside the jobs.

Counts runs, steps, completions and answers of the grid, and multiplies steps with the times that
``benchmarks.training_step`` measured at the same sizes.  What was not measured is said to be unknown.
"""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from typing import Any

from art.config import TRAINED_KINDS, Config
from art.records import read_json

MEASURED = Path("benchmarks/results/training_step")
"""Where the benchmark writes, and the workflow looks."""

Measured = dict[tuple[str, str], dict[str, Any]]


def load_measured(config: Config, folder: Path) -> dict[str, Measured]:
    """Records by device, and by model and kind of method; only those of whole models at the configuration's sizes."""
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
    """Hours by model and method, and the models with methods whose step was not measured.

    A batch of validation or evaluation counts as the rollout of a step, in proportion to its tokens; a control's as
    ART's.
    """
    spent: dict[tuple[str, str], float] = defaultdict(float)
    missing: dict[str, None] = {}
    training, evaluation = config.training, config.evaluation
    for run in config.grid():
        kind = config.methods[run.method].kind
        trained = kind in TRAINED_KINDS
        record = measured.get((run.model, kind if trained else "art"))
        if record is None:
            missing[f"{run.model} {kind if trained else 'art'}"] = None
            continue
        checks = 1 + math.ceil(training.steps / training.validate_every) if trained else 0
        batches = math.ceil(config.tasks[run.task].test / evaluation.batch_size) * (1 + evaluation.samples)
        rollouts = checks + batches * evaluation.max_new_tokens / training.max_new_tokens
        steps = training.steps * record["step_seconds"] if trained else 0.0
        spent[run.model, run.method] += (steps + rollouts * record["seconds"]["rollout"]) / 3600
    return dict(spent), list(missing)


def report(config: Config, folder: Path = MEASURED) -> list[str]:
    """The lines that are printed: the whole grid, whatever is there of it already."""
    lines = [f"Grid of {config.name}: " + ", ".join(f"{count:,} {what}" for what, count in counts(config).items())]
    for device, measured in (load_measured(config, folder) or {"GPU hours": {}}).items():
        spent, missing = hours(config, measured)
        lines += [f"{device}: {model} {method}: {value:.1f} h" for (model, method), value in spent.items()]
        if missing:
            lines.append(f"{device}: unknown: no step time measured for {', '.join(missing)} at these sizes")
            lines.append("  (python -m benchmarks.training_step MODEL METHOD, on the machine in question)")
        else:
            lines.append(f"{device}: {sum(spent.values()):.1f} h in all, at the most")
    return lines
