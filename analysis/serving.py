"""Makes the tidy CSV files on serving: answers of a server and of the evaluation, the cost of images and adapters, and
the log-probability mismatch between engine and policy.

Without a serving check, ``served`` and ``serving_load`` have no rows, and ``gap`` has only those of training.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import statistics
from analysis.load import Experiment
from analysis.measures import cell_rng
from art.config.digests import serving_digest
from art.config.experiment import Config, RunKey
from art.errors import RecordError
from art.files import AnyRecord, read_record, read_records
from art.store.records import GapRecord, Item, LoadRecord, Mismatch, ServedItem, ServingRecord

SERVED = ["model", "task", "method", "kind", "seed", "engine", "n"]
SERVED += ["accuracy_served", "accuracy_evaluated", "difference", "low", "high", "p_exact"]
SERVED += ["score_differs", "text_differs"]
RATIO = ["_ratio", "_ratio_low", "_ratio_high"]
LOAD = ["model", "task", "kind", "variants", "repeats", "requests", "prompt_tokens", "completion_tokens"]
LOAD += [f"{name}{end}" for name in ("rate", "first_token") for end in ("", "_low", "_high", *RATIO)]
GAP = ["model", "task", "source", "method", "tokens", "mean", "maximum", "effective"]


def served(experiment: Experiment) -> pd.DataFrame:
    """Greedy accuracy of the server and of the evaluation, on the same problems.

    ``score_differs`` and ``text_differs`` are shares of problems; the interval is from the paired bootstrap over them.
    """
    config, results = experiment.config, experiment.results
    rows, settings = [], config.analysis
    for model, task in _cells(config):
        answers: dict[str, list[ServedItem]] = {}
        for item in _read(config, results, model, task, "served", ServedItem):
            answers.setdefault(item.method, []).append(item)
        for run in config.served_runs(model, task):
            here = {item.id: item for item in answers.get(run.method, [])}
            there = _evaluated(results, run)
            if not here or not here.keys() <= there.keys():
                raise RecordError(
                    f"{folder(results, model, task)}/served.jsonl: {run.method}: no answers, or answers to "
                    f"problems that are not in {results / run.folder}/items.jsonl"
                )
            pairs = [(item, there[name]) for name, item in here.items()]
            ours, theirs = (np.array([[float(pair[side].score) for pair in pairs]]) for side in (0, 1))
            key = (model, task, "served", run.method)
            samples = statistics.resample_means(
                {"served": ours, "evaluated": theirs}, cell_rng(settings.seed, *key), settings.resamples
            )
            differences = (samples["served"] - samples["evaluated"]).round(statistics.DIGITS)
            rows.append(
                (
                    *(model, task, run.method, config.methods[run.method].kind, run.seed),
                    config.engine.kind,
                    len(pairs),
                    ours.mean(),
                    theirs.mean(),
                    ours.mean() - theirs.mean(),
                    *statistics.percentile_interval(differences, settings.confidence),
                    statistics.paired_exact_p((ours - theirs)[0], 1),
                    float((ours != theirs).mean()),
                    float(np.mean([one.completion != other.completion for one, other in pairs])),
                )
            )
    return pd.DataFrame(rows, columns=SERVED)


def serving_load(experiment: Experiment) -> pd.DataFrame:
    """Rate (completion tokens per second) and time to the first token (s): medians and ranges over the repeats.

    A ratio divides a value by that of no image in the same repeat; its median and range are given, too.
    """
    config, results = experiment.config, experiment.results
    rows = []
    for model, task in _cells(config):
        records = _read(config, results, model, task, "load", LoadRecord)
        frame = pd.DataFrame([record.model_dump() for record in records])
        frame["rate"] = frame["completion_tokens"] / frame["seconds"]
        frame["first_token"] = frame.pop("first_token_seconds")
        base = frame[frame["kind"] == "no_image"].set_index("repeat")
        for (kind, variants), group in frame.groupby(["kind", "variants"], sort=False):
            row = {"model": model, "task": task, "kind": kind, "variants": variants, "repeats": len(group)}
            row |= {name: group[name].iloc[0] for name in ("requests", "prompt_tokens", "completion_tokens")}
            for name in ("rate", "first_token"):
                values = group.set_index("repeat")[name]
                row |= {name: values.median(), f"{name}_low": values.min(), f"{name}_high": values.max()}
                ratios = values / base[name]
                row |= {
                    f"{name}{end}": value
                    for end, value in zip(RATIO, (ratios.median(), ratios.min(), ratios.max()), strict=True)
                }
            rows.append(row)
    return pd.DataFrame(rows, columns=LOAD)


def gap(experiment: Experiment) -> pd.DataFrame:
    """Log-probability mismatch, in the serving check of each artifact and in training.

    It is the absolute difference of log-probabilities in nats per token.  In training, ``mean`` and ``effective`` are
    means over steps, weighted by their tokens; ``maximum`` is the largest of all steps.
    """
    config, results = experiment.config, experiment.results
    rows = []
    for model, task in _cells(config):
        for record in _read(config, results, model, task, "gap", GapRecord):
            rows.append((model, task, "server", record.method, *_numbers(record)))
    for run, steps in experiment.curves():
        measured = [step.mismatch for step in steps if step.mismatch is not None]
        if measured:
            tokens = np.array([step.tokens for step in measured])
            over_steps = Mismatch(
                tokens=int(tokens.sum()),
                mean=float(np.average([step.mean for step in measured], weights=tokens)),
                maximum=max(step.maximum for step in measured),
                effective=float(np.average([step.effective for step in measured], weights=tokens)),
            )
            rows.append((run.model, run.task, f"training, seed {run.seed}", run.method, *_numbers(over_steps)))
    return pd.DataFrame(rows, columns=GAP)


def _numbers(found: Mismatch) -> tuple[int, float, float, float]:
    return found.tokens, found.mean, found.maximum, found.effective


def folder(results: Path, model: str, task: str) -> Path:
    """Folder of the serving check of a model and task."""
    return results / "serving" / model / task


def _cells(config: Config) -> list[tuple[str, str]]:
    runs = config.grid() if config.serving is not None else []
    return list(dict.fromkeys((run.model, run.task) for run in runs))


def _read(
    config: Config, results: Path, model: str, task: str, name: str, kind: type[AnyRecord]
) -> Iterator[AnyRecord]:
    place = folder(results, model, task)
    if read_record(place / "serving.json", ServingRecord).digest != serving_digest(config, model, task):
        raise RecordError(f"{place}: serving.json was made with other settings than the configuration's; rerun it")
    yield from read_records(place / f"{name}.jsonl", kind)


def _evaluated(results: Path, run: RunKey) -> dict[str, Item]:
    items = read_records(results / run.folder / "items.jsonl", Item)
    return {item.id: item for item in items if item.decoding == "greedy"}
