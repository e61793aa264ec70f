"""Tests the selection of variants on literal validation curves; ranks and areas are worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from analysis.cli import app
from analysis.load import Experiment, read_csv
from analysis.search import SEARCH, curve_summary, search
from art.config.experiment import Config, RunKey
from art.config.reading import parse_config
from art.errors import RecordError
from art.files import write_records
from art.store.records import StepRecord

METHODS: dict[str, dict[str, Any]] = {
    "art_lr0.4": {"kind": "art", "learning_rate": 0.4},
    "lora_r8": {"kind": "lora"},
    "art_lr0.8": {"kind": "art", "learning_rate": 0.8, "tasks": ["b", "a"]},
    "lora_r16": {"kind": "lora", "rank": 16, "models": ["n", "m"]},
    "no_image": {"kind": "no_image"},
}
# Accuracies at steps 0, 10 and 20 of two seeds.  The first of ART's variants has rank 2 on m/a and n/b, rank 1 on n/a,
# and a tie on m/b.
CURVES = {
    ("m", "a", "art_lr0.4"): ((0.0, 0.2, 0.2), (0.0, 0.4, 0.6)),
    ("m", "a", "art_lr0.8"): ((0.0, 0.1, 0.5), (0.0, 0.1, 0.5)),
    ("m", "b", "art_lr0.4"): ((0.0, 0.1, 0.3), (0.0, 0.1, 0.1)),
    ("m", "b", "art_lr0.8"): ((0.0, 0.1, 0.1), (0.0, 0.1, 0.3)),
    ("n", "a", "art_lr0.4"): ((0.0, 0.1, 0.9), (0.0, 0.1, 0.9)),
    ("n", "a", "art_lr0.8"): ((0.0, 0.1, 0.8), (0.0, 0.1, 0.8)),
    ("n", "b", "art_lr0.4"): ((0.0, 0.1, 0.6), (0.0, 0.1, 0.6)),
    ("n", "b", "art_lr0.8"): ((0.0, 0.1, 0.7), (0.0, 0.1, 0.7)),
}


def curve(*accuracy: float | None) -> list[StepRecord]:
    return [StepRecord(step=10 * i, validation_accuracy=value) for i, value in enumerate(accuracy)]


def write(
    fake: ModuleType, root: Path, curves: Callable[[RunKey], tuple[float, ...]], methods: dict[str, Any], **changes: Any
) -> Config:
    """Write the logs of an experiment with two models and two tasks."""
    data = fake.mapping(
        methods={"plain": {"kind": "no_image"}} | methods,
        models={name: {"path": "nowhere"} for name in ("m", "n")},
        tasks={name: {"scorer": "numeric"} for name in ("a", "b")},
        analysis={"baseline": "plain", "reference": "plain"},
    )
    config = parse_config(data | changes, "x")
    root.mkdir(exist_ok=True)
    (root / "config.json").write_text(config.model_dump_json())
    for run in config.grid():
        fake.write_record(root, config, run)
        write_records(root / run.folder / "train.jsonl", curve(*curves(run)))
    return config


def usual(run: RunKey) -> tuple[float, ...]:
    """ART's curves are those above; LoRA's are constant, and its second variant is always better."""
    height = {"lora_r8": 0.45, "lora_r16": 0.55}.get(run.method, 0.0)
    return CURVES.get((run.model, run.task, run.method), ((height,) * 3,) * 2)[run.seed]


@pytest.mark.parametrize(
    ("accuracy", "final", "area"),
    [
        ((0.0, 0.5, None, 0.8), 0.8, (2.5 + 13) / 30),
        ((None, 0.5, 0.9, 0.3), 0.3, (7 + 6) / 20),
        ((None, 0.4), 0.4, 0.4),
    ],
)
def test_summary_by_hand(accuracy: tuple[float | None, ...], final: float, area: float) -> None:
    assert curve_summary(curve(*accuracy), Path("x")) == (final, pytest.approx(area))


def test_variants_are_ranked_within_their_kind_on_each_model_and_task(fake: ModuleType, tmp_path: Path) -> None:
    frame = search(Experiment(write(fake, tmp_path, usual, METHODS, seeds=[0, 1]), tmp_path))
    assert list(frame.columns) == SEARCH
    variants = ["art_lr0.4", "lora_r8", "art_lr0.8", "lora_r16"]
    cells = [(model, task, method) for model in ("m", "n") for task in ("a", "b") for method in variants]
    assert list(zip(frame["model"], frame["task"], frame["method"], strict=True)) == cells
    assert (frame["seeds"] == 2).all()
    rows = frame.set_index("method")
    assert rows.loc["art_lr0.4", "final"].tolist() == pytest.approx([0.4, 0.2, 0.9, 0.6])
    assert rows.loc["art_lr0.4", "area"].iloc[0] == pytest.approx((0.6 + 1.4) / 8)  # of 0.6 / 4 and 1.4 / 4
    assert rows.loc["art_lr0.4", "rank"].tolist() == [2, 1.5, 1, 2]
    assert rows.loc["art_lr0.8", "rank"].tolist() == [1, 1.5, 2, 1]
    assert rows.loc["lora_r8", "rank"].tolist() == [2, 2, 2, 2]
    means = frame.groupby("method", sort=False)["mean_rank"].unique()
    assert {name: list(values) for name, values in means.items()} == {
        "art_lr0.4": [6.5 / 4],
        "lora_r8": [2],
        "art_lr0.8": [5.5 / 4],
        "lora_r16": [1],
    }
    assert set(frame.loc[frame["chosen"], "method"]) == {"art_lr0.8", "lora_r16"} and frame["chosen"].sum() == 8
    kinds = dict(zip(frame["method"], frame["kind"], strict=True))
    assert kinds == {"art_lr0.4": "art", "art_lr0.8": "art", "lora_r8": "lora", "lora_r16": "lora"}
    settings = {name: json.loads(text) for name, text in zip(frame["method"], frame["settings"], strict=True)}
    assert settings == {
        "art_lr0.4": {"learning_rate": 0.4},
        "art_lr0.8": {"learning_rate": 0.8},
        "lora_r8": {"rank": 8},
        "lora_r16": {"rank": 16},
    }


@pytest.mark.parametrize(
    ("curves", "chosen"),
    [
        # The final accuracies tie, so the ranks do, too: the larger area decides.
        ({"z": ((0, 0.2, 0.5), (0, 0.2, 0.5)), "y": ((0, 0.4, 0.5), (0, 0.4, 0.5))}, "y"),
        # The rank counts before the area.
        ({"z": ((0, 0.9, 0.5), (0, 0.9, 0.5)), "y": ((0, 0.1, 0.6), (0, 0.1, 0.6))}, "y"),
        # Areas of 0.35 and 0.15 against two of 0.3: the mean area counts, not the largest.
        ({"z": ((0, 0.45, 0.5), (0, 0.05, 0.5)), "y": ((0, 0.35, 0.5), (0, 0.35, 0.5))}, "y"),
        # Each is first once: z has the larger mean final accuracy, y the larger mean area.
        ({"z": ((0, 0.0, 0.9), (0, 0.0, 0.1)), "y": ((0, 0.5, 0.5), (0, 0.5, 0.4))}, "y"),
        # Ranks 1 and 3, 2 and 1, 3 and 2: the mean rank counts, not the best.
        ({"z": ((0, 0.9, 0.9), (0, 0.9, 0.1)), "y": ((0, 0, 0.5), (0, 0, 0.9)), "x": ((0, 0, 0.1), (0, 0, 0.5))}, "y"),
        # All are equal: the first in the configuration is chosen, not the first in the alphabet.
        (dict.fromkeys("zyx", ((0, 0.2, 0.5), (0, 0.2, 0.5))), "z"),
    ],
)
def test_which_variant_is_chosen(
    fake: ModuleType, tmp_path: Path, curves: dict[str, tuple[tuple[float, ...], ...]], chosen: str
) -> None:
    variants = {name: {"kind": "art"} for name in curves}

    def of(run: RunKey) -> tuple[float, ...]:
        return curves[run.method]["ab".index(run.task)] if run.method in curves else (0.0,)

    frame = search(Experiment(write(fake, tmp_path, of, variants, models={"m": {"path": "nowhere"}}), tmp_path))
    assert set(frame.loc[frame["chosen"], "method"]) == {chosen}


def test_variants_must_meet_on_the_same_models_and_tasks(fake: ModuleType, tmp_path: Path) -> None:
    methods = METHODS | {"lora_r16": {"kind": "lora", "tasks": ["b"]}}
    config = write(fake, tmp_path, usual, methods, seeds=[0, 1])
    with pytest.raises(RecordError) as caught:
        search(Experiment(config, tmp_path))
    assert str(caught.value) == "methods.lora_r16: not run on ('m', 'a'), unlike other lora variants"


def test_kinds_may_be_searched_on_other_tasks(fake: ModuleType, tmp_path: Path) -> None:
    methods = {name: {"kind": "art", "tasks": ["a"]} for name in ("art_lr0.4", "art_lr0.8")} | {
        "lora": {"kind": "lora"}
    }
    frame = search(Experiment(write(fake, tmp_path, usual, methods), tmp_path))
    assert set(frame.loc[frame["kind"] == "art", "task"]) == {"a"}
    assert set(frame.loc[frame["kind"] == "lora", "task"]) == {"a", "b"}


def test_a_log_without_checks_is_named(fake: ModuleType, tmp_path: Path) -> None:
    config = write(fake, tmp_path, lambda _: (None, None), {"lora": {"kind": "lora"}})
    with pytest.raises(RecordError, match=r"m/a/lora/seed0/train\.jsonl: has no validation accuracy"):
        search(Experiment(config, tmp_path))


def test_controls_alone_leave_nothing_to_choose(fake: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="fake: no trained method"):
        search(Experiment(write(fake, tmp_path, usual, {}), tmp_path))


def test_the_command_says_what_it_chose_and_writes_all(
    fake: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(fake, tmp_path / "results", usual, METHODS, seeds=[0, 1])
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["search"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        'art: art_lr0.8 {"learning_rate": 0.8} (mean rank 1.38)',
        'lora: lora_r16 {"rank": 16} (mean rank 1.00)',
    ]
    assert len(read_csv(Path("results/analysis/search.csv"))) == 16
