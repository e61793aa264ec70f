"""Tests sizes, growth and distances of pictures; all files differ, so that a wrong file is noticed."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import pictures
from analysis.load import Cell, Experiment
from art.config.experiment import Config
from art.config.reading import parse_config
from art.pictures.png import ImageError, encode_png, png_bytes
from art.store.artifact import Artifact

METHODS: dict[str, dict[str, Any]] = {
    "grey": {"kind": "art", "start": "grey", "models": ["m"]},
    "bound": {"kind": "art", "max_distance": 9, "models": ["m"]},
    "lora": {"kind": "lora"},
    "noise": {"kind": "random_image", "draws": 2, "models": ["m"]},
    "original": {"kind": "seed_image"},
    "plain": {"kind": "random_string", "draws": 2},
}
SIZE = 32
RAW = SIZE * SIZE * 3
TASKS = ("t1", "t2")


def picture(lines: int, level: int = 100) -> np.ndarray:
    """A flat picture with some lines of noise; more lines make its file larger."""
    pixels = np.full((SIZE, SIZE, 3), level, np.uint8)
    pixels[:lines] = np.random.default_rng(lines).integers(0, 256, (lines, SIZE, 3))
    return pixels


SEED = {"t1": picture(2), "t2": picture(3)}
# Lines of noise in the pictures of steps 0, 5 and 10 (the artifact), by task, method and seed of ART's runs.
LINES = {
    ("t1", "grey", 4): (7, 9, 8),
    ("t1", "grey", 1): (10, 11, 13),
    ("t1", "bound", 4): (2, 14, 15),
    ("t1", "bound", 1): (2, 16, 17),
    ("t2", "grey", 4): (18, 19, 20),
    ("t2", "grey", 1): (21, 22, 23),
    ("t2", "bound", 4): (3, 24, 25),
    ("t2", "bound", 1): (3, 26, 27),
}
NOISE = {0: picture(30), 1: picture(31)}


@pytest.fixture(scope="module")
def tree(fake: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Path]:
    root = tmp_path_factory.mktemp("pictures")
    data = fake.mapping(
        models={name: {"path": "nowhere"} for name in ("m", "n")},
        tasks={task: {"scorer": "numeric"} for task in TASKS},
        methods=METHODS,
        seeds=[4, 1],
        image={"size": SIZE},
        analysis={"baseline": "plain", "reference": "lora", "confidence": 0.8, "resamples": 2000},
    )
    config = parse_config(data, "test")
    for task, pixels in SEED.items():
        encode_png(pixels, root / f"seeds/{task}.png")
    for run in config.grid():
        fake.write_record(root, config, run)
        folder = root / run.folder
        if run.method in ("grey", "bound"):
            lines = LINES[run.task, run.method, run.seed]
            for step, count in zip((10, 5, 0), reversed(lines), strict=True):
                encode_png(picture(count), folder / f"snapshots/step{step:04d}.png")
            encode_png(picture(lines[-1]), folder / "artifact/image.png")
        if run.method == "noise":
            encode_png(NOISE[run.seed], folder / "artifact/image.png")
    return config, root


def scores(*left_out: str) -> dict[tuple[str, str, str], Cell]:
    """Scores of ten items: ``grey`` has 9 and 4 right with seeds 4 and 1, the baseline's draws 3 and 2; one less in t2.

    Model n answers nothing with the baseline.
    """
    cells = {}
    for less, task in enumerate(TASKS):
        right = {"grey": (9, 4), "bound": (8, 5), "lora": (10, 10), "noise": (6, 7), "original": (4,), "plain": (3, 2)}
        rows = {
            name: np.array([[float(item < count - less) for item in range(10)] for count in counts])
            for name, counts in right.items()
            if name not in left_out
        }
        seeds = {name: [4, 1] if name in ("grey", "bound", "lora") else [0, 1][: len(rows[name])] for name in rows}
        cells["m", task, "greedy"] = Cell(1, rows, seeds)
        cells["n", task, "greedy"] = Cell(1, rows | {"plain": np.zeros((2, 10))} if "plain" in rows else rows, seeds)
        cells["m", task, "sampled"] = Cell(2, {name: row * 0 + 0.5 for name, row in rows.items()}, seeds)
    return cells


def test_growth_is_over_the_runs_own_start_and_of_controls_over_the_seed_picture(tree: tuple[Config, Path]) -> None:
    frame = pictures.png(Experiment(*tree, scores()))
    rows = frame[(frame["encoder"] == "png") & (frame["model"] == "m")]
    found = {(row.task, row.method, row.seed): row for row in rows.itertuples()}
    expected = {}
    for task in TASKS:
        for method in ("grey", "bound"):
            for seed in (4, 1):
                start, _, last = (picture(count) for count in LINES[task, method, seed])
                expected[task, method, seed] = ("trained", last, start)
        expected |= {(task, "noise", draw): ("random", pixels, SEED[task]) for draw, pixels in NOISE.items()}
        expected[task, "original", 0] = ("seed", SEED[task], SEED[task])
    assert list(found) == list(expected)
    for key, (role, pixels, start) in expected.items():
        size, begun = len(png_bytes(pixels)), len(png_bytes(start))
        row = found[key]
        assert (row.role, row.bytes, row.start_bytes, row.raw_bytes) == (role, size, begun, RAW), key
        assert (row.growth, row.ratio) == (size / begun, size / RAW), key


def test_every_encoder_is_compared_with_itself(tree: tuple[Config, Path]) -> None:
    frame = pictures.png(Experiment(*tree, scores()))
    rows = frame[(frame["task"] == "t1") & (frame["method"] == "grey") & (frame["seed"] == 4)].set_index("encoder")
    own, start = (pictures.encoded_sizes(picture(lines)) for lines in (8, 7))
    assert rows["bytes"].to_dict() == own and rows["start_bytes"].to_dict() == start
    assert rows["growth"].to_dict() == {name: size / start[name] for name, size in own.items()}


def test_gain_is_of_the_one_run_over_the_baselines_mean(tree: tuple[Config, Path]) -> None:
    frame = (
        pictures.png(Experiment(*tree, scores()))
        .query("encoder == 'best'")
        .set_index(["model", "task", "method", "seed"])
    )
    for key, (accuracy, gain) in {
        ("m", "t1", "grey", 4): (0.9, 0.65),  # the baseline: 0.25
        ("m", "t1", "grey", 1): (0.4, 0.15),
        ("m", "t2", "bound", 1): (0.4, 0.25),  # in t2: 0.15
        ("m", "t2", "noise", 1): (0.6, 0.45),
        ("m", "t2", "original", 0): (0.3, 0.15),
        ("n", "t2", "original", 0): (0.3, 0.3),
    }.items():
        assert frame.loc[key, ["accuracy", "gain"]].tolist() == pytest.approx([accuracy, gain]), key
    without = pictures.png(Experiment(*tree, scores("plain")))
    assert without["gain"].isna().all() and len(without) > 0


def test_a_runs_snapshots_grow_from_its_first(tree: tuple[Config, Path]) -> None:
    frame = pictures.png_steps(Experiment(*tree))
    expected = []
    for (task, method, seed), lines in LINES.items():
        sizes = [len(png_bytes(picture(count))) for count in lines]
        steps = zip((0, 5, 10), sizes, strict=True)
        expected += [["m", task, method, seed, step, size, size / sizes[0], size / RAW] for step, size in steps]
    assert frame.to_numpy().tolist() == expected


def test_distance_is_to_the_seed_picture_also_from_a_grey_start(tree: tuple[Config, Path]) -> None:
    frame = pictures.distances(Experiment(*tree, scores()))
    keys = list(zip(frame["task"], frame["method"], frame["seed"], strict=True))
    assert keys == list(LINES)
    for key, row in zip(keys, frame.itertuples(), strict=True):
        gap = picture(LINES[key][-1]).astype(int) - SEED[key[0]]
        assert row.measured_max == np.abs(gap).max() and row.measured_mean == pytest.approx(np.abs(gap).mean())
        assert row.psnr == pytest.approx(20 * math.log10(255 / np.linalg.norm(gap) * math.sqrt(gap.size)))
        assert pd.isna(row.max_distance) if key[1] == "grey" else row.max_distance == 9
    assert frame["max_distance"].dtype == "Int64", "written as whole numbers, although some are missing"
    # The number of right answers in a resample of ten is binomial with p = .9 and .4; 80 % lie in 8 to 10 and 2 to 6.
    assert frame[["accuracy", "low", "high"]].head(2).to_numpy().tolist() == [[0.9, 0.8, 1.0], [0.4, 0.2, 0.6]]


def test_settings_of_the_analysis_decide_the_resamples(tree: tuple[Config, Path]) -> None:
    config, root = tree
    cells = scores()
    for cell in cells.values():
        cell.scores["grey"] = np.random.default_rng(0).random((2, 10))
    low = []
    for change in ({}, {}, {"seed": 1}, {"resamples": 150}, {"confidence": 0.6}):
        analysis = config.analysis.model_copy(update={"resamples": 100} | change)
        low.append(
            pictures.distances(Experiment(config.model_copy(update={"analysis": analysis}), root, cells))["low"][0]
        )
    assert low[0] == low[1] and len(set(low)) == 4


def test_a_run_without_its_first_picture_is_named(tree: tuple[Config, Path], tmp_path: Path) -> None:
    config, _ = tree
    run = config.grid()[0]
    encode_png(picture(1), tmp_path / run.folder / "snapshots/step0005.png")
    with pytest.raises(ImageError, match=r"m/t1/grey/seed4/snapshots/step0000\.png: missing"):
        list(pictures.snapshots(tmp_path, run))


def test_the_role_of_an_image_is_that_of_its_artifact() -> None:
    for kind, trained, role in (
        ("frame", 5, "trained"),
        ("art", 5, "trained"),
        ("seed_image", 0, "seed"),
        ("random_image", 0, "random"),
        ("transformed", 0, "control"),
    ):
        assert pictures._role(Artifact(kind=kind, image_size=64, trained_numbers=trained)) == role
