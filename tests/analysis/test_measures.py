"""Tests accuracy, comparisons and cost on literal scores and logs; expected numbers are worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import measures
from analysis.load import Cell, Experiment
from art.config.experiment import Config
from art.config.reading import parse_config
from art.files import write_records
from art.store.records import StepRecord

METHODS: dict[str, dict[str, Any]] = {
    "plain": {"kind": "no_image"},
    "lora": {"kind": "lora"},
    "tuned": {"kind": "lora"},
    "art": {"kind": "art"},
}
MODELS = {name: {"path": "nowhere"} for name in ("m1", "m2")}
TASKS = {name: {"scorer": "numeric"} for name in ("t1", "t2")}


def experiment(fake: ModuleType, analysis: dict[str, Any] | None = None, **changes: Any) -> Config:
    """Two models and two tasks; baseline, reference method, confidence and number of resamples are not the defaults."""
    settings = {"baseline": "plain", "reference": "tuned", "confidence": 0.8, "resamples": 4000} | (analysis or {})
    data = {"models": MODELS, "tasks": TASKS, "methods": METHODS, "seeds": [5, 2], "analysis": settings} | changes
    return parse_config(fake.mapping(**data), "test")


def right(*counts: int, items: int = 40) -> np.ndarray:
    """Scores, one row per seed: each seed answers the first ``count`` items correctly."""
    return np.array([[float(item < count) for item in range(items)] for count in counts])


def cell(samples: int = 1, **scores: np.ndarray) -> Cell:
    return Cell(samples, scores, {name: list(range(len(matrix))) for name, matrix in scores.items()})


def test_each_cell_has_random_numbers_of_its_own() -> None:
    keys = [(0, "m", "t", "d"), (1, "m", "t", "d"), (0, "n", "t", "d"), (0, "m", "u", "d"), (0, "m", "t", "e")]
    keys += [(0, "mt", "d"), (0, "m", "td")]
    first, again = ([measures.cell_rng(*key).random() for key in keys] for _ in range(2))
    assert first == again and len(set(first)) == len(keys)


def test_accuracy_by_hand(fake: ModuleType) -> None:
    scores = {
        ("m2", "t1", "greedy"): cell(art=right(37), plain=right(0)),
        ("m1", "t2", "sampled"): cell(lora=right(30, 10)),
    }
    frame = measures.accuracy(Experiment(experiment(fake), Path(), scores))
    heads = ["model", "task", "method", "kind", "decoding", "seeds", "n", "accuracy"]
    assert frame[heads].to_numpy().tolist() == [
        ["m2", "t1", "art", "art", "greedy", 1, 40, 0.925],
        ["m2", "t1", "plain", "no_image", "greedy", 1, 40, 0.0],
        ["m1", "t2", "lora", "lora", "sampled", 2, 40, 0.5],
    ]
    # The number of right answers in a resample of 40 is binomial with p = 37/40; its 10 % and 90 % quantiles are 35 and
    # 39.  BCa's levels are 5.3 % and 84.5 %, from a bias of -0.101 and an acceleration of -0.085: 34 and 39.
    ends = frame[["low", "high", "low_bca", "high_bca"]].to_numpy().tolist()
    assert ends[0] == [35 / 40, 39 / 40, 34 / 40, 39 / 40]
    assert ends[1] == [0.0, 0.0, 0.0, 0.0]


def test_settings_of_the_analysis_decide_the_resamples(fake: ModuleType) -> None:
    scores = {("m1", "t1", "greedy"): cell(art=np.random.default_rng(0).random((2, 30)), plain=right(9, items=30))}
    changes = ({}, {}, {"seed": 1}, {"resamples": 150}, {"confidence": 0.6})
    configs = [experiment(fake, {"resamples": 100} | change) for change in changes]
    for measure in (measures.accuracy, measures.comparisons):
        low = [measure(Experiment(config, Path(), scores))["low"][0] for config in configs]
        assert low[0] == low[1] and len(set(low)) == 4


def test_a_comparison_by_hand(fake: ModuleType) -> None:
    """Of 40 items, only the method answers 15, only the baseline 3, and both answer 12."""
    counts = [15, 3, 12, 10]
    ours, theirs = np.repeat([1.0, 0.0, 1.0, 0.0], counts)[None], np.repeat([0.0, 1.0, 1.0, 0.0], counts)[None]
    scores = {("m1", "t1", "greedy"): cell(plain=theirs, art=ours)}
    (row,) = measures.comparisons(Experiment(experiment(fake), Path(), scores)).to_dict("records")
    names = ("model", "task", "decoding", "method", "baseline", "n", "only_method", "only_baseline")
    assert [row[name] for name in names] == ["m1", "t1", "greedy", "art", "plain", 40, 15, 3]
    assert row["difference"] == pytest.approx(12 / 40)
    # Wins less losses in a resample (multinomial, chances 15/40 and 3/40) have the 10 % and 90 % quantiles 7 and 17.
    assert (row["low"], row["high"]) == (7 / 40, 17 / 40)
    # Of 18 discordant items, at most 3 fall on one side: 2 (1 + 18 + 153 + 816) / 2^18.
    assert row["p_exact"] == row["p_holm"] == pytest.approx(988 / 2**17)
    # Connor's formula for a level of 20 %: (1.2816 sqrt(.45) + 0.8416 sqrt(.45 - d^2))^2 / d^2 = 40.
    assert row["mde"] == pytest.approx(0.22025, abs=1e-5)


def test_a_family_is_all_methods_and_tasks_of_a_model_decoding_and_baseline(fake: ModuleType) -> None:
    """If one run answers all items of another and k more, the exact p is 2 / 2^k."""
    config = experiment(fake, {"resamples": 199})
    scores = {
        ("m1", "t1", "greedy"): cell(plain=right(0), art=right(9), tuned=right(5)),
        ("m1", "t2", "greedy"): cell(plain=right(0), art=right(5), tuned=right(7)),
        ("m2", "t1", "greedy"): cell(plain=right(0), art=right(3), tuned=right(6)),
        ("m1", "t1", "sampled"): cell(plain=right(0), art=right(40, 40), tuned=right(9)),
    }
    frame = measures.comparisons(Experiment(config, Path(), scores))
    heads = ["model", "task", "decoding", "baseline", "method"]
    rows = {tuple(row[heads]): (row["p_exact"], row["p_holm"]) for _, row in frame.iterrows()}
    expected = {
        ("m1", "t1", "greedy", "plain", "art"): (1 / 256, 4 / 256),
        ("m1", "t1", "greedy", "plain", "tuned"): (1 / 16, 2 / 16),
        ("m1", "t1", "greedy", "tuned", "art"): (1 / 8, 2 / 8),
        ("m1", "t2", "greedy", "plain", "art"): (1 / 16, 2 / 16),  # not 1 / 16: adjusted p-values never decrease
        ("m1", "t2", "greedy", "plain", "tuned"): (1 / 64, 3 / 64),
        ("m1", "t2", "greedy", "tuned", "art"): (1 / 2, 1 / 2),
        ("m2", "t1", "greedy", "plain", "art"): (1 / 4, 1 / 4),
        ("m2", "t1", "greedy", "plain", "tuned"): (1 / 32, 2 / 32),
        ("m2", "t1", "greedy", "tuned", "art"): (1 / 4, 1 / 4),
        # Two seeds have no exact p; they win every resample, so p_bootstrap is 2 / 200.
        ("m1", "t1", "sampled", "plain", "art"): (math.nan, 0.01),
        ("m1", "t1", "sampled", "plain", "tuned"): (1 / 256, 2 / 256),
        ("m1", "t1", "sampled", "tuned", "art"): (math.nan, 0.01),
    }
    assert list(rows) == list(expected)
    assert [p for pair in rows.values() for p in pair] == pytest.approx(
        [p for pair in expected.values() for p in pair], nan_ok=True
    )


@pytest.mark.parametrize(("ours", "theirs"), [(2, 1), (1, 2), (2, 2)])
def test_only_one_run_against_one_has_an_exact_p(fake: ModuleType, ours: int, theirs: int) -> None:
    several = {("m1", "t1", "greedy"): cell(art=right(*[9] * ours), plain=right(*[3] * theirs))}
    (row,) = measures.comparisons(Experiment(experiment(fake), Path(), several)).to_dict("records")
    assert math.isnan(row["p_exact"]) and row["p_holm"] == row["p_bootstrap"]
    assert row["difference"] == pytest.approx(6 / 40) and row["only_method"] == 6


def test_an_exact_p_of_mean_scores_counts_samples(fake: ModuleType) -> None:
    """Gains of 1, 1 and 2 of four samples: among their 8 sign flips, two sums are at least as far from 0 as 4."""
    scores = {("m1", "t1", "sampled"): cell(4, art=np.array([[0.25, 0.75, 1.0]]), plain=np.array([[0.0, 0.5, 0.5]]))}
    assert measures.comparisons(Experiment(experiment(fake), Path(), scores))["p_exact"].tolist() == [0.25]


def test_differences_carry_no_rounding(fake: ModuleType) -> None:
    scores = {("m1", "t1", "sampled"): cell(10, art=np.full((1, 4), 0.9), plain=np.full((1, 4), 0.6))}
    (row,) = measures.comparisons(Experiment(experiment(fake), Path(), scores)).to_dict("records")
    assert 0.9 - 0.6 != 0.3 and (row["low"], row["high"]) == (0.3, 0.3)


def test_what_is_compared_with_what(fake: ModuleType) -> None:
    def pairs(scores: Cell, **analysis: str) -> list[tuple[str, str]]:
        frame = measures.comparisons(Experiment(experiment(fake, analysis), Path(), {("m1", "t1", "greedy"): scores}))
        return list(zip(frame["method"], frame["baseline"], strict=True))

    full = cell(**dict.fromkeys(METHODS, right(4)))
    against_plain = [("lora", "plain"), ("tuned", "plain"), ("art", "plain")]
    assert pairs(full) == [*against_plain, ("lora", "tuned"), ("art", "tuned")]
    assert pairs(full, reference="plain") == against_plain
    assert pairs(cell(lora=right(4), plain=right(4))) == [("lora", "plain")], "the reference method was not run"
    assert pairs(cell(plain=right(4))) == []


def write_runs(fake: ModuleType, root: Path, config: Config) -> None:
    """Write logs of two steps; times of runs are multiples of a cell's unit, so that all cells have equal ratios."""
    for run in config.grid():
        unit = {"m1": 1, "m2": 10}[run.model] * {"t1": 1, "t2": 3}[run.task]
        took = (
            unit
            * {"tuned": {5: 2.0, 2: 4.0}, "lora": {5: 9.0, 2: 9.0}, "art": {5: 1.5, 2: 4.5}, "plain": {0: 0.0}}[
                run.method
            ][run.seed]
        )
        steps = [StepRecord(step=0, validation_accuracy=0.25)]
        if run.method != "plain":
            phases = {"rollout": took / 8, "backward": 3 * took / 8, "validation": 50.0}
            steps.append(StepRecord(step=1, updates=3, groups=16, groups_dropped=2, seconds=phases))
            steps.append(StepRecord(step=2, updates=2, groups=8, seconds=phases, detail={"distance_max": 7.0}))
        write_records(root / run.folder / "train.jsonl", steps)
        seconds = {"start_up": 4.0, "total": 1000.0 + took}
        fake.write_record(root, config, run, seconds=seconds, peak_memory_bytes=1000 + run.seed, completion_tokens=77)


def test_cost_by_hand(fake: ModuleType, tmp_path: Path) -> None:
    config = experiment(fake, training={"completions": 5})
    write_runs(fake, tmp_path, config)
    frame = measures.cost(Experiment(config, tmp_path))
    keys = ["model", "task", "method", "seed"]
    assert frame[keys].to_numpy().tolist() == [list(run.model_dump().values()) for run in config.grid()]
    assert set(zip(frame["method"], frame["kind"], strict=True)) == {
        ("plain", "no_image"),
        ("lora", "lora"),
        ("tuned", "lora"),
        ("art", "art"),
    }
    rows = frame.set_index(keys)
    row = rows.loc[("m2", "t2", "art", 5)]
    assert row["seconds_training"] == pytest.approx(45) and row["seconds_total"] == 1045
    assert (row["seconds_rollout"], row["seconds_backward"]) == (11.25, 33.75)
    assert (row["updates"], row["completions"], row["completion_tokens"]) == (5, 24 * 5, 77)
    assert row["peak_memory_bytes"] == 1005
    for model in MODELS:
        for task in TASKS:
            ratios = rows.loc[(model, task), "ratio_to_reference"].to_dict()
            assert ratios == pytest.approx(
                {
                    ("plain", 0): math.nan,
                    **{("lora", 5): 3.0, ("lora", 2): 3.0},
                    **{("tuned", 5): 2 / 3, ("tuned", 2): 4 / 3},
                    **{("art", 5): 0.5, ("art", 2): 1.5},
                },
                nan_ok=True,
            )


def test_a_supervised_problem_has_one_completion(fake: ModuleType, tmp_path: Path) -> None:
    for kind, expected in (("supervised", 24), ("grpo", 24 * 5)):
        config = experiment(fake, objective={"kind": kind}, training={"completions": 5})
        write_runs(fake, tmp_path / kind, config)
        frame = measures.cost(Experiment(config, tmp_path / kind))
        assert set(frame.loc[frame["kind"] == "art", "completions"]) == {expected}


def test_a_reference_that_is_not_trained_leaves_no_ratio(fake: ModuleType, tmp_path: Path) -> None:
    config = experiment(fake, {"reference": "plain"})
    write_runs(fake, tmp_path, config)
    assert measures.cost(Experiment(config, tmp_path))["ratio_to_reference"].isna().all()


def test_learning_has_a_row_a_step(fake: ModuleType, tmp_path: Path) -> None:
    config = experiment(fake)
    write_runs(fake, tmp_path, config)
    frame = measures.learning(Experiment(config, tmp_path))
    last = frame.set_index(["model", "task", "method", "seed"]).loc[("m2", "t1", "tuned", 2)]
    assert last["step"].tolist() == [0, 1, 2] and set(last["kind"]) == {"lora"}
    names = ["validation_accuracy", "groups_dropped", "seconds_rollout", "seconds_validation", "detail_distance_max"]
    found = last[names].fillna(-1).to_numpy().tolist()
    assert found == [[0.25, -1, -1, -1, -1], [-1, 2, 40 / 8, 50, -1], [-1, -1, 40 / 8, 50, 7]]
    runs = frame[["model", "task", "method", "seed"]].drop_duplicates().to_numpy().tolist()
    assert runs == [list(run.model_dump().values()) for run in config.grid()]


def test_versions_are_counted(fake: ModuleType, tmp_path: Path) -> None:
    config = experiment(fake, models={"m1": MODELS["m1"]}, tasks={"t1": TASKS["t1"]}, seeds=[0])
    about = [
        {"revision": None, "device": "cpu", "threads": 2, "versions": {"torch": "2.13", "python": "3.11"}},
        {"revision": "b+", "device": "cpu", "threads": 1, "versions": {"torch": "2.14", "python": "3.11"}},
        {"revision": "b+", "device": "gpu", "threads": 1, "versions": {"torch": "2.13", "python": "3.11"}},
        {"revision": "b+", "device": "cpu", "threads": 1, "versions": {"torch": "2.13", "python": "3.11"}},
    ]
    for run, changes in zip(config.grid(), about, strict=True):
        fake.write_record(tmp_path, config, run, **changes)
    expected = [("device", "cpu", 3), ("device", "gpu", 1), ("python", "3.11", 4), ("revision", "b+", 3)]
    expected += [("revision", "unknown", 1), ("threads", "1", 3), ("threads", "2", 1), ("torch", "2.13", 3)]
    pd.testing.assert_frame_equal(
        measures.versions(Experiment(config, tmp_path)),
        pd.DataFrame([*expected, ("torch", "2.14", 1)], columns=["name", "value", "runs"]),
    )
