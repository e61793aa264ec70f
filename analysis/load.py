"""Reads scores, run records and learning curves of finished runs; writes and reads the tidy CSV files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.statistics import Array
from art.config.experiment import Config, RunKey
from art.errors import RecordError
from art.files import atomic_path, read_records
from art.store.artifact import Artifact, read_artifact
from art.store.records import Item, RunRecord, StepRecord
from art.store.run_record import load_record


@dataclass
class Cell:
    """Scores of one model, task and decoding on the same items.

    ``scores[method]`` is (seeds, items), the mean over samples in [0, 1]; ``seeds[method]`` names its rows.
    """

    samples: int
    scores: dict[str, Array] = field(default_factory=dict)
    seeds: dict[str, list[int]] = field(default_factory=dict)


CellKey = tuple[str, str, str]


class Experiment:
    """A finished experiment: its configuration, and the files of its runs.

    Args:
        config: the configuration.
        results: folder that the runs were written to.
        scores: scores of all runs; None: they are read from the folder at first use.
    """

    def __init__(self, config: Config, results: Path, scores: dict[CellKey, Cell] | None = None) -> None:
        self.config, self.results, self._scores = config, results, scores

    @property
    def scores(self) -> dict[CellKey, Cell]:
        """See ``load_scores``."""
        if self._scores is None:
            self._scores = load_scores(self.config, self.results)
        return self._scores

    def runs(self) -> Iterator[tuple[RunKey, RunRecord]]:
        """The training records (``run.json``) of the grid."""
        for run in self.config.grid():
            yield run, load_record(self.config, run, self.results, "run")

    def curves(self) -> Iterator[tuple[RunKey, list[StepRecord]]]:
        """The learning curves (``train.jsonl``) of the grid."""
        for run, _ in self.runs():
            yield run, read_records(self.results / run.folder / "train.jsonl", StepRecord)

    def images(self) -> Iterator[tuple[RunKey, Artifact]]:
        """Runs of the grid whose artifact is an image, trained or not."""
        for run, _ in self.runs():
            artifact = read_artifact(self.results / run.folder / "artifact")
            if artifact.image_size is not None:
                yield run, artifact

    def trained_images(self) -> list[RunKey]:
        """Runs of the grid whose artifact is a trained image."""
        return [run for run, artifact in self.images() if artifact.trained_numbers]


def load_scores(config: Config, results: Path) -> dict[CellKey, Cell]:
    """All scores of the grid by (model, task, decoding), in the config's order.

    Raises:
        RecordError: a file is missing or malformed, was made with other settings than the config's, or has other
            items (or another number of samples) than the first file of its task; the message names both files.
    """
    cells: dict[CellKey, Cell] = {}
    first: dict[tuple[str, str], tuple[Path, list[str], int]] = {}
    for run in config.grid():
        load_record(config, run, results, "evaluation")
        path = results / run.folder / "items.jsonl"
        items = read_records(path, Item)
        for decoding in sorted({item.decoding for item in items}):
            ids, samples, scores = _by_item(path, [item for item in items if item.decoding == decoding])
            origin, expected, expected_samples = first.setdefault((run.task, decoding), (path, sorted(ids), samples))
            if sorted(ids) != expected or samples != expected_samples:
                raise RecordError(
                    f"{path}: {decoding}: {len(ids)} items x {samples} completions, not the "
                    f"{len(expected)} x {expected_samples} of {origin} ({_difference(ids, expected)})"
                )
            cell = cells.setdefault((run.model, run.task, decoding), Cell(samples))
            row = np.array([[scores[name] for name in expected]])
            cell.scores[run.method] = np.concatenate([cell.scores.get(run.method, row[:0]), row])
            cell.seeds.setdefault(run.method, []).append(run.seed)
        missing = {decoding for task, decoding in first if task == run.task} - {item.decoding for item in items}
        if missing:
            raise RecordError(f"{path}: holds no {missing.pop()} completions, but other runs of the task do")
    return cells


def _by_item(path: Path, items: list[Item]) -> tuple[set[str], int, dict[str, float]]:
    counts = Counter(item.id for item in items)
    samples = len({item.sample for item in items})
    if set(counts.values()) != {samples} or len({(item.id, item.sample) for item in items}) != len(items):
        odd = next((name for name, count in counts.items() if count != samples), items[0].id)
        raise RecordError(f"{path}: item {odd} has {counts[odd]} {items[0].decoding} completions, not {samples}")
    totals: Counter[str] = Counter()
    for item in items:
        totals[item.id] += item.score
    return set(counts), samples, {name: totals[name] / samples for name in counts}


def _difference(ids: set[str], expected: list[str]) -> str:
    odd = sorted(ids.symmetric_difference(expected))
    return f"first id that only one file has: {odd[0]}" if odd else "same ids"


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a CSV file with full precision, atomically."""
    with atomic_path(path) as partial:
        frame.to_csv(partial, index=False, lineterminator="\n")


def read_csv(path: Path) -> pd.DataFrame:
    """Read what ``write_csv`` wrote; names stay text, only empty fields and ``nan`` are missing values.

    Raises:
        RecordError: the file is missing or empty.
    """
    names = dict.fromkeys(
        ("model", "task", "method", "kind", "decoding", "baseline", "role", "encoder", "source", "engine"), str
    )
    try:
        return pd.read_csv(path, dtype=names, keep_default_na=False, na_values=["", "nan"])
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from None
