"""The tidy CSV files on pictures: sizes, growth over training, distance to the seed picture.

A run's beginning is its snapshot of step 0: the task's seed picture, or the grey one where the config says so.
Growth of a trained picture is taken over that one; growth of a control picture over the seed picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import statistics
from analysis.load import CellKey, Experiment
from analysis.measures import Scores, cell_rng
from analysis.steganography import encoded_sizes
from art.config.experiment import RunKey
from art.pictures.png import ImageError, decode_png, distance, png_bytes
from art.store.artifact import Artifact

PNG = [
    "model",
    "task",
    "method",
    "seed",
    "role",
    "encoder",
    "bytes",
    "start_bytes",
    "raw_bytes",
    "ratio",
    "growth",
    "accuracy",
    "gain",
]
PNG_STEPS = ["model", "task", "method", "seed", "step", "bytes", "growth", "ratio"]
DISTANCE = [
    "model",
    "task",
    "method",
    "seed",
    "max_distance",
    "measured_max",
    "measured_mean",
    "psnr",
    "accuracy",
    "low",
    "high",
]


def seed_path(results: Path, task: str) -> Path:
    """The task's seed picture."""
    return results / "seeds" / f"{task}.png"


def trained_path(results: Path, run: RunKey) -> Path:
    """The picture that a run has made (or drawn, for a control)."""
    return results / run.folder / "artifact" / "image.png"


def start_path(results: Path, run: RunKey) -> Path:
    """The picture that an ART run began from."""
    return results / run.folder / "snapshots" / "step0000.png"


def snapshots(results: Path, run: RunKey) -> Iterator[tuple[int, Path]]:
    """Steps and files of an ART run's stored pictures, step 0 first.

    Raises:
        ImageError: there is none for step 0.
    """
    if not start_path(results, run).exists():
        raise ImageError(f"{start_path(results, run)}: missing")
    for path in sorted(start_path(results, run).parent.glob("step*.png")):
        yield int(path.stem.removeprefix("step")), path


def png(experiment: Experiment) -> pd.DataFrame:
    """Bytes of seed, trained and random pictures under every encoder, beside the greedy accuracy gained.

    ``growth`` = bytes / start_bytes; ``ratio`` = bytes / raw bytes; ``gain`` is over the baseline's accuracy.
    """
    config, results = experiment.config, experiment.results
    rows = []
    scores = experiment.scores
    for run, artifact in experiment.images():
        role = _role(artifact)
        seed = decode_png(seed_path(results, run.task), config.image.size)
        pixels = seed if role == "seed" else decode_png(trained_path(results, run), config.image.size)
        start = decode_png(start_path(results, run), config.image.size) if role == "trained" else seed
        accuracy = _greedy(scores, run).mean()
        base = scores[run.model, run.task, "greedy"].scores.get(config.analysis.baseline)
        gain = accuracy - base.mean() if base is not None else None
        starts = encoded_sizes(start)
        for encoder, size in encoded_sizes(pixels).items():
            sizes = (size, starts[encoder], pixels.size, size / pixels.size, size / starts[encoder])
            rows.append((*run.model_dump().values(), role, encoder, *sizes, accuracy, gain))
    return pd.DataFrame(rows, columns=PNG)


def png_steps(experiment: Experiment) -> pd.DataFrame:
    """Bytes of the snapshots of every ART run under the fixed PNG setting; growth over the run's step 0."""
    config, results = experiment.config, experiment.results
    rows = []
    for run in experiment.trained_images():
        start = 0
        for step, path in snapshots(results, run):
            pixels = decode_png(path, config.image.size)
            size = len(png_bytes(pixels))
            start = start or size
            rows.append((*run.model_dump().values(), step, size, size / start, size / pixels.size))
    return pd.DataFrame(rows, columns=PNG_STEPS)


def distances(experiment: Experiment) -> pd.DataFrame:
    """How far each trained picture lies from the task's seed picture, bound and measured, and what it scores (greedy).

    The interval is a bootstrap over the items of the one run.
    """
    config, results = experiment.config, experiment.results
    settings, rows = config.analysis, []
    for run in experiment.trained_images():
        pair = (trained_path(results, run), seed_path(results, run.task))
        measured = distance(*(decode_png(path, config.image.size) for path in pair))
        matrix = _greedy(experiment.scores, run)
        rng = cell_rng(settings.seed, *_key(run))
        samples = statistics.resample_means({run.method: matrix}, rng, settings.resamples)[run.method]
        interval = statistics.percentile_interval(samples, settings.confidence)
        bound = getattr(config.methods[run.method], "max_distance", None)
        rows.append((*run.model_dump().values(), bound, *measured, matrix.mean(), *interval))
    return pd.DataFrame(rows, columns=DISTANCE).astype({"max_distance": "Int64"})


def _role(artifact: Artifact) -> str:
    """What an image stands for: a trained one, the seed picture itself, or a random draw."""
    if artifact.trained_numbers:
        return "trained"
    return "seed" if artifact.kind == "seed_image" else "random"


def _key(run: RunKey) -> CellKey:
    return run.model, run.task, "greedy"


def _greedy(scores: Scores, run: RunKey) -> statistics.Array:
    """Greedy scores of one run, (1, items)."""
    cell = scores[_key(run)]
    return np.atleast_2d(cell.scores[run.method][cell.seeds[run.method].index(run.seed)])
