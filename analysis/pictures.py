"""Makes the tidy CSV files on pictures: their sizes, growth during training, and distance to the seed picture.

A run's initialisation is its snapshot of step 0: the task's seed picture, or a grey picture where the config says so.
The growth of a trained picture is its size divided by that of the initialisation; the growth of a control picture is
its size divided by that of the seed picture.
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

PNG = ["model", "task", "method", "seed", "role", "encoder", "bytes", "start_bytes", "raw_bytes", "ratio"]
PNG += ["growth", "accuracy", "gain"]
PNG_STEPS = ["model", "task", "method", "seed", "step", "bytes", "growth", "ratio"]
DISTANCE = ["model", "task", "method", "seed", "max_distance", "measured_max", "measured_mean", "psnr"]
DISTANCE += ["accuracy", "low", "high"]


def seed_path(results: Path, task: str) -> Path:
    """File of the task's seed picture."""
    return results / "seeds" / f"{task}.png"


def trained_path(results: Path, run: RunKey) -> Path:
    """File of the picture that a run trained (or, for a control, drew)."""
    return results / run.folder / "artifact" / "image.png"


def initial_path(results: Path, run: RunKey) -> Path:
    """File of the picture from which a run's training of an image started (its initialisation)."""
    return results / run.folder / "snapshots" / "step0000.png"


def snapshots(results: Path, run: RunKey) -> Iterator[tuple[int, Path]]:
    """Steps and files of the pictures that a run stored while it trained one, step 0 first.

    Raises:
        ImageError: the picture of step 0 is missing.
    """
    if not initial_path(results, run).exists():
        raise ImageError(f"{initial_path(results, run)}: missing")
    for path in sorted(initial_path(results, run).parent.glob("step*.png")):
        yield int(path.stem.removeprefix("step")), path


def png(experiment: Experiment) -> pd.DataFrame:
    """Bytes of seed, trained and random pictures under every encoder, with the greedy accuracy and its gain.

    ``growth`` = bytes / start_bytes; ``ratio`` = bytes / raw bytes; ``gain`` = accuracy less the baseline's.
    """
    config, results = experiment.config, experiment.results
    rows = []
    scores = experiment.scores
    for run, artifact in experiment.images():
        role = _role(artifact)
        seed = decode_png(seed_path(results, run.task), config.image.size)
        pixels = seed if role == "seed" else decode_png(trained_path(results, run), config.image.size)
        start = decode_png(initial_path(results, run), config.image.size) if role == "trained" else seed
        accuracy = _greedy(scores, run).mean()
        base = scores[run.model, run.task, "greedy"].scores.get(config.analysis.baseline)
        gain = accuracy - base.mean() if base is not None else None
        starts = encoded_sizes(start)
        for encoder, size in encoded_sizes(pixels).items():
            sizes = (size, starts[encoder], pixels.size, size / pixels.size, size / starts[encoder])
            rows.append((*run.model_dump().values(), role, encoder, *sizes, accuracy, gain))
    return pd.DataFrame(rows, columns=PNG)


def png_steps(experiment: Experiment) -> pd.DataFrame:
    """Bytes of the snapshots of every ART run under the fixed PNG setting; growth is relative to step 0."""
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
    """Distance of each trained picture to the task's seed picture (bound and measured), and its greedy accuracy.

    The interval is the bootstrap's over the items of this one run.
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
    """The role of an image: trained, seed (the seed picture itself), random, or another control."""
    if artifact.trained_numbers:
        return "trained"
    return {"seed_image": "seed", "random_image": "random"}.get(artifact.kind, "control")


def _key(run: RunKey) -> CellKey:
    return run.model, run.task, "greedy"


def _greedy(scores: Scores, run: RunKey) -> statistics.Array:
    """Greedy scores of one run, (1, items)."""
    cell = scores[_key(run)]
    return np.atleast_2d(cell.scores[run.method][cell.seeds[run.method].index(run.seed)])
