"""Selects settings by validation accuracy: compares the variants of a kind over all models and tasks.

A search experiment is an ordinary configuration in which each method is a variant (``art_lr0.4``, ``lora_r16``); the
variants of one kind compete.  No test problem is read.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.load import Experiment
from art.config.experiment import Config
from art.config.methods import TRAINED_KINDS
from art.errors import RecordError
from art.store.records import StepRecord

SEARCH = ["model", "task", "method", "kind", "settings", "seeds", "final", "area", "rank", "mean_rank", "chosen"]
NOT_SETTINGS = {"kind", "models", "tasks"}


def search(experiment: Experiment) -> pd.DataFrame:
    """One row per model, task and variant.

    ``final`` is the last greedy validation accuracy and ``area`` the mean height of the validation curve over the run's
    steps (trapezoids), both averaged over seeds.  ``rank`` orders the variants of a kind by ``final`` (1 is best,
    ties share their mean rank), ``mean_rank`` averages it over models and tasks.  The variant with the smallest
    mean rank is ``chosen``; ties go to the larger mean area, then to the first in the config.

    Raises:
        RecordError: a run has no validation accuracy, or the variants of a kind were not run on the same
            models and tasks.
    """
    config = experiment.config
    rows = []
    for run, steps in experiment.curves():
        kind = config.methods[run.method].kind
        if kind in TRAINED_KINDS:
            final, area = curve_summary(steps, experiment.results / run.folder / "train.jsonl")
            rows.append((run.model, run.task, run.method, kind, final, area))
    if not rows:
        raise RecordError(f"{config.name}: no trained method to select from")
    runs = pd.DataFrame(rows, columns=["model", "task", "method", "kind", "final", "area"])
    groups = runs.groupby(["model", "task", "method", "kind"], sort=False)
    frame = groups.agg(seeds=("final", "size"), final=("final", "mean"), area=("area", "mean")).reset_index()
    _same_cells(frame)
    frame["settings"] = frame["method"].map(varied_settings(config))
    frame["rank"] = frame.groupby(["model", "task", "kind"])["final"].rank(ascending=False)
    frame["mean_rank"] = frame.groupby("method")["rank"].transform("mean")
    means = frame.groupby(["kind", "method"], sort=False).agg(rank=("rank", "mean"), area=("area", "mean"))
    best = means.sort_values(["rank", "area"], ascending=[True, False], kind="stable").reset_index()
    frame["chosen"] = frame["method"].isin(best.drop_duplicates("kind")["method"])
    return frame[SEARCH]


def curve_summary(steps: list[StepRecord], path: Path) -> tuple[float, float]:
    """Last validation accuracy, and area under the curve divided by its length in steps."""
    checked = [(step.step, step.validation_accuracy) for step in steps if step.validation_accuracy is not None]
    if not checked:
        raise RecordError(f"{path}: has no validation accuracy")
    at, accuracy = (np.array(values, dtype=float) for values in zip(*checked, strict=True))
    length = at[-1] - at[0]
    return float(accuracy[-1]), float(np.trapezoid(accuracy, at) / length if length else accuracy[-1])


def varied_settings(config: Config) -> dict[str, str]:
    """For each method, the settings (as JSON) in which the variants of its kind differ."""
    by_kind: dict[str, dict[str, dict[str, object]]] = {}
    for name, section in config.methods.items():
        by_kind.setdefault(section.kind, {})[name] = section.model_dump(mode="json", exclude=NOT_SETTINGS)
    settings: dict[str, str] = {}
    for variants in by_kind.values():
        first = next(iter(variants.values()))
        varied = [key for key in first if len({json.dumps(fields[key]) for fields in variants.values()}) > 1]
        settings |= {name: json.dumps({key: fields[key] for key in varied}) for name, fields in variants.items()}
    return settings


def _same_cells(frame: pd.DataFrame) -> None:
    for kind, variants in frame.groupby("kind", sort=False):
        expected = set(zip(variants["model"], variants["task"], strict=True))
        for method, cells in variants.groupby("method", sort=False):
            if missing := expected - set(zip(cells["model"], cells["task"], strict=True)):
                raise RecordError(f"methods.{method}: not run on {sorted(missing)[0]}, unlike other {kind} variants")
