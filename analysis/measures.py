"""The tidy CSV files on accuracy, learning and cost: one function a file, rows in the config's order."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import statistics
from analysis.load import Cell, CellKey, load_curves, load_runs
from art.config import TRAINED_KINDS, AnalysisSection, Config

ACCURACY = [
    "model",
    "task",
    "method",
    "kind",
    "decoding",
    "seeds",
    "n",
    "accuracy",
    "low",
    "high",
    "low_bca",
    "high_bca",
]
COMPARISONS = [
    "model",
    "task",
    "decoding",
    "method",
    "baseline",
    "n",
    "difference",
    "low",
    "high",
    "p_bootstrap",
    "p_mcnemar",
    "p_holm",
    "only_method",
    "only_baseline",
    "mde",
]
LEARNING = ["model", "task", "method", "kind", "seed", "step"]
COST = [
    "model",
    "task",
    "method",
    "kind",
    "seed",
    "trained_numbers",
    "prefix_tokens",
    "steps",
    "prompt_tokens",
    "completion_tokens",
    "seconds_total",
]
VERSIONS = ["name", "value", "runs"]

Scores = dict[CellKey, Cell]


def cell_rng(seed: int, *key: str) -> np.random.Generator:
    """A generator of its own for each cell, so that a new task or model leaves the others' intervals alone."""
    return np.random.default_rng([seed, int.from_bytes(hashlib.sha256("/".join(key).encode()).digest()[:8])])


def accuracy(config: Config, scores: Scores) -> pd.DataFrame:
    """Mean score by method with percentile and BCa intervals over items and seeds."""
    settings, rows = config.analysis, []
    for key, cell in scores.items():
        model, task, decoding = key
        for method, samples in _distributions(settings, key, cell).items():
            matrix = cell.scores[method]
            kind = config.methods[method].kind
            percentile = statistics.percentile_interval(samples, settings.confidence)
            bca = statistics.bca_interval(samples, matrix, settings.confidence)
            rows.append((model, task, method, kind, decoding, *matrix.shape, matrix.mean(), *percentile, *bca))
    return pd.DataFrame(rows, columns=ACCURACY)


def comparisons(config: Config, scores: Scores) -> pd.DataFrame:
    """Paired comparison of every method with the baseline and with the reference.

    Holm's family: all methods x tasks of one model and decoding against one baseline.  The pair of baseline and
    reference is tested once, in the baseline's family.
    """
    settings, rows = config.analysis, []
    for key, cell in scores.items():
        samples = _distributions(settings, key, cell)
        for baseline in dict.fromkeys((settings.baseline, settings.reference)):
            for method in cell.scores if baseline in cell.scores else []:
                if method not in (baseline, settings.baseline):
                    rows.append(_comparison(settings, key, cell, samples, method, baseline))
    frame = pd.DataFrame(rows, columns=COMPARISONS)
    families = frame.groupby(["model", "decoding", "baseline"], sort=False)["p_mcnemar"]
    frame["p_holm"] = families.transform(statistics.holm) if len(frame) else frame["p_mcnemar"]
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
    items = ours.shape[1]
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
        "p_bootstrap": statistics.bootstrap_p(resampled),
        "p_mcnemar": statistics.paired_exact_p(by_item, math.lcm(len(ours), len(theirs)) * cell.samples),
        "only_method": only_method,
        "only_baseline": only_baseline,
        "mde": statistics.minimum_detectable_difference(
            items, (only_method + only_baseline) / items, alpha=1 - settings.confidence
        ),
    }


def learning(config: Config, results: Path) -> pd.DataFrame:
    """Every step of every run; ``seconds`` and ``detail`` become one column an entry."""
    rows = []
    for run, steps in load_curves(config, results):
        head = run.model_dump() | {"kind": config.methods[run.method].kind}
        for step in steps:
            fields = step.model_dump(exclude={"seconds", "detail"})
            for name, inner in (("seconds", step.seconds), ("detail", step.detail)):
                fields |= {f"{name}_{key}": value for key, value in (inner or {}).items()}
            rows.append(head | fields)
    return _ordered(pd.DataFrame(rows), LEARNING)


def cost(config: Config, results: Path) -> pd.DataFrame:
    """Resources of every training run; ``ratio_to_lora`` is its wall time over the reference method's mean."""
    rows = []
    for run, record in load_runs(config, results):
        fields = record.model_dump(include=set(COST) | {"peak_memory_bytes"})
        seconds = {f"seconds_{phase}": value for phase, value in record.seconds.items()}
        rows.append(run.model_dump() | {"kind": config.methods[run.method].kind} | fields | seconds)
    frame = pd.DataFrame(rows)
    reference = frame[frame["method"] == config.analysis.reference].groupby(["model", "task"])["seconds_total"].mean()
    cells = pd.MultiIndex.from_frame(frame[["model", "task"]])
    ratio = frame["seconds_total"] / reference.reindex(cells).to_numpy()
    frame["ratio_to_lora"] = ratio.where(frame["kind"].isin(TRAINED_KINDS))
    phases = sorted(name for name in frame if name.startswith("seconds_") and name != "seconds_total")
    return frame[[*COST, *phases, "peak_memory_bytes", "ratio_to_lora"]]


def versions(config: Config, results: Path) -> pd.DataFrame:
    """Software, revision and device of the training runs; ``runs`` counts those that share the value."""
    counts: Counter[tuple[str, str]] = Counter()
    for _, record in load_runs(config, results):
        about = {"revision": record.revision or "unknown", "device": record.device, "threads": str(record.threads)}
        counts.update((record.versions | about).items())
    return pd.DataFrame([(*pair, count) for pair, count in sorted(counts.items())], columns=VERSIONS)


def _ordered(frame: pd.DataFrame, first: list[str]) -> pd.DataFrame:
    return frame[first + [name for name in frame if name not in first]]
