"""Makes the tidy CSV files on accuracy, learning and cost: one function per file, rows in the config's order."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from analysis import statistics
from analysis.load import Cell, CellKey, Experiment
from art.config.methods import TRAINED_KINDS
from art.config.sections import AnalysisSection
from art.store.records import StepRecord

ACCURACY = ["model", "task", "method", "kind", "decoding", "seeds", "n", "accuracy", "low", "high"]
ACCURACY += ["low_bca", "high_bca"]
COMPARISONS = ["model", "task", "decoding", "method", "baseline", "n", "difference", "low", "high"]
COMPARISONS += ["p_exact", "p_bootstrap", "p_holm", "only_method", "only_baseline", "mde"]
LEARNING = ["model", "task", "method", "kind", "seed", "step"]
COST = ["model", "task", "method", "kind", "seed", "trained_numbers", "prefix_tokens", "steps", "updates"]
COST += ["completions", "prompt_tokens", "completion_tokens", "seconds_total", "seconds_training"]
VERSIONS = ["name", "value", "runs"]

Scores = dict[CellKey, Cell]


def cell_rng(seed: int, *key: str) -> np.random.Generator:
    """A separate generator for each cell, so that a new task or model does not change the intervals of the others."""
    return np.random.default_rng([seed, int.from_bytes(hashlib.sha256("/".join(key).encode()).digest()[:8])])


def accuracy(experiment: Experiment) -> pd.DataFrame:
    """Mean score of each method with percentile and BCa intervals over items and seeds."""
    config = experiment.config
    settings, rows = config.analysis, []
    for key, cell in experiment.scores.items():
        model, task, decoding = key
        for method, samples in _distributions(settings, key, cell).items():
            matrix = cell.scores[method]
            kind = config.methods[method].kind
            percentile = statistics.percentile_interval(samples, settings.confidence)
            bca = statistics.bca_interval(samples, matrix, settings.confidence)
            rows.append((model, task, method, kind, decoding, *matrix.shape, matrix.mean(), *percentile, *bca))
    return pd.DataFrame(rows, columns=ACCURACY)


def comparisons(experiment: Experiment) -> pd.DataFrame:
    """Paired comparison of every method with the baseline and with the reference method.

    ``p_exact`` is given where one run is compared with one run.  Several draws or seeds are not an exchangeable pair:
    their only p is ``p_bootstrap``, which resamples them, too.  Holm's correction uses ``p_exact`` where there is one,
    else ``p_bootstrap``; a family is all methods x tasks of one model and decoding against one baseline.  The
    reference method is compared with the baseline once, in the baseline's family.
    """
    config = experiment.config
    settings, rows = config.analysis, []
    for key, cell in experiment.scores.items():
        samples = _distributions(settings, key, cell)
        for baseline in dict.fromkeys((settings.baseline, settings.reference)):
            for method in cell.scores if baseline in cell.scores else []:
                if method not in (baseline, settings.baseline):
                    rows.append(_comparison(settings, key, cell, samples, method, baseline))
    frame = pd.DataFrame(rows, columns=COMPARISONS)
    p_values = frame["p_exact"].fillna(frame["p_bootstrap"])
    families = p_values.groupby([frame[name] for name in ("model", "decoding", "baseline")], sort=False)
    frame["p_holm"] = families.transform(statistics.holm) if len(frame) else p_values
    return frame


def _distributions(settings: AnalysisSection, key: CellKey, cell: Cell) -> dict[str, statistics.Array]:
    return statistics.resample_means(cell.scores, cell_rng(settings.seed, *key), settings.resamples)


def _comparison(
    settings: AnalysisSection,
    key: CellKey,
    cell: Cell,
    samples: dict[str, statistics.Array],
    method: str,
    baseline: str,
) -> dict[str, Any]:
    ours, theirs = cell.scores[method], cell.scores[baseline]
    one_pair, items = len(ours) == len(theirs) == 1, ours.shape[1]
    by_item = ours.mean(axis=0) - theirs.mean(axis=0)
    resampled = (samples[method] - samples[baseline]).round(statistics.DIGITS)
    low, high = statistics.percentile_interval(resampled, settings.confidence)
    only_method, only_baseline = statistics.discordance(ours, theirs)
    model, task, decoding = key
    return {
        "model": model,
        "task": task,
        "decoding": decoding,
        "method": method,
        "baseline": baseline,
        "n": items,
        "difference": by_item.mean(),
        "low": low,
        "high": high,
        "p_exact": statistics.paired_exact_p(by_item, cell.samples) if one_pair else math.nan,
        "p_bootstrap": statistics.bootstrap_p(resampled),
        "only_method": only_method,
        "only_baseline": only_baseline,
        "mde": statistics.minimum_detectable_difference(
            items, (only_method + only_baseline) / items, alpha=1 - settings.confidence
        ),
    }


def learning(experiment: Experiment) -> pd.DataFrame:
    """Every step of every run; each entry of ``seconds`` and ``detail`` becomes a column."""
    config = experiment.config
    rows = []
    for run, steps in experiment.curves():
        head = run.model_dump() | {"kind": config.methods[run.method].kind}
        for step in steps:
            fields = step.model_dump(exclude={"seconds", "detail"})
            for name, inner in (("seconds", step.seconds), ("detail", step.detail)):
                fields |= {f"{name}_{key}": value for key, value in (inner or {}).items()}
            rows.append(head | fields)
    return _ordered(pd.DataFrame(rows), LEARNING)


def cost(experiment: Experiment) -> pd.DataFrame:
    """Resources of every training run.

    ``completions`` counts the sampled completions (with the supervised objective, the solutions), ``updates`` the
    updates of the optimiser.  ``seconds_total`` is the time of the whole process, ``seconds_training`` and the columns
    of phases that of the steps alone; ``ratio_to_reference`` is ``seconds_training`` divided by the reference method's
    mean.  Token counts are those of sampling.
    """
    config = experiment.config
    group = 1 if config.objective.kind == "supervised" else config.training.completions
    rows = []
    for (run, record), (_, steps) in zip(experiment.runs(), experiment.curves(), strict=True):
        phases = training_seconds(steps)
        seconds = {"total": record.seconds["total"], "training": sum(phases.values())} | phases
        fields = record.model_dump(include=set(COST) | {"peak_memory_bytes"})
        fields |= {
            "updates": sum(step.updates or 0 for step in steps),
            "completions": group * sum(step.groups or 0 for step in steps),
        }
        rows.append(run.model_dump() | fields | {f"seconds_{name}": value for name, value in seconds.items()})
    frame = pd.DataFrame(rows)
    trained = frame[frame["kind"].isin(TRAINED_KINDS)]
    reference = trained[trained["method"] == config.analysis.reference]
    mean = reference.groupby(["model", "task"])["seconds_training"].mean()
    # Controls are not in ``trained``, so they get no ratio.
    expected = mean.reindex(pd.MultiIndex.from_frame(trained[["model", "task"]])).to_numpy()
    frame["ratio_to_reference"] = trained["seconds_training"] / expected
    columns = sorted(name for name in frame if name.startswith("seconds_") and name not in COST)
    return frame[[*COST, *columns, "peak_memory_bytes", "ratio_to_reference"]]


def training_seconds(steps: list[StepRecord]) -> dict[str, float]:
    """Wall time of a run's steps by phase, without the checks on validation problems, which are not training."""
    seconds: Counter[str] = Counter()
    for step in steps:
        seconds.update(step.seconds or {})
    del seconds["validation"]
    return dict(seconds)


def versions(experiment: Experiment) -> pd.DataFrame:
    """Software, revision and device of the training runs; ``runs`` counts the runs that share the value."""
    counts: Counter[tuple[str, str]] = Counter()
    for _, record in experiment.runs():
        about = {"revision": record.revision or "unknown", "device": record.device, "threads": str(record.threads)}
        counts.update((record.versions | about).items())
    return pd.DataFrame([(*pair, count) for pair, count in sorted(counts.items())], columns=VERSIONS)


def _ordered(frame: pd.DataFrame, first: list[str]) -> pd.DataFrame:
    return frame[first + [name for name in frame if name not in first]]
