"""The tables of settings and hyperparameters."""

from __future__ import annotations

from typing import Any

from literal_frames import experiment
from literal_tables import build, rows_of


def test_the_hyperparameters_are_those_of_the_configuration() -> None:
    methods: dict[str, Any] = {
        "lora": {"kind": "lora", "learning_rate": 0.004, "betas": [0.8, 0.99], "rank": 4, "alpha": 32},
        "no_image": {"kind": "no_image"},
        "random_image": {"kind": "random_image"},
        "soft_prompt": {"kind": "soft_prompt", "learning_rate": 0.25, "tasks": ["sums"]},
        "art": {"kind": "art", "max_distance": 32, "basis": "pixel", "start": "grey", "learning_rate": 1},
        "art_vllm": {
            "kind": "art",
            "engine": {"kind": "vllm", "importance_cap": 1.5, "timeout": 7},
            "models": ["big-1m"],
        },
    }
    table = build("hyperparameters", experiment(methods=methods))
    assert list(table.columns) == ["Method", "Learning rate", "Adam betas", "Other settings", "Engine"]
    assert rows_of(table) == [
        "LoRA | 0.004 | 0.8, 0.99 | rank 4, alpha 32 | transformers",
        "soft prompt | 0.25 | 0.9, 0.95 | -- | transformers",
        "ART | 1.0 | 0.9, 0.95 | basis pixel, start grey, max distance 32 | transformers",
        "ART vllm | 0.1 | 0.9, 0.95 | basis patch, start picture, max distance none | vllm, importance cap 1.5",
    ]


def test_the_settings_are_those_that_all_methods_share() -> None:
    config = experiment(
        image={"size": 64, "contrast": 0.75},
        evaluation={"samples": 3, "temperature": 0.5, "presence_penalty": 1, "max_new_tokens": 9, "batch_size": 11},
        serving={"problems": 20, "variants": [1, 4], "requests": 8, "concurrency": 5, "repeats": 3},
    )
    table = build("settings", config)
    assert list(table.columns) == ["Section", "Setting", "Value"]
    rows = rows_of(table)
    assert rows[:4] == [
        "experiment | seeds | 3, 1, 2",
        "image | size | 64",
        "image | contrast | 0.75",
        "objective | kind | dapo",
    ]
    assert rows[-15:] == [
        "evaluation | samples | 3",
        "evaluation | temperature | 0.5",
        "evaluation | presence penalty | 1.0",
        "evaluation | max new tokens | 9",
        "evaluation | batch size | 11",
        "serving | problems | 20",
        "serving | variants | 1, 4",
        "serving | requests | 8",
        "serving | concurrency | 5",
        "serving | repeats | 3",
        "analysis | resamples | 100",
        "analysis | confidence | 0.9",
        "analysis | seed | 0",
        "analysis | baseline | random_image",
        "analysis | reference | soft_prompt",
    ]
    assert [row for row in rows if row.startswith("training | max grad")] == ["training | max grad norm | none"]
    assert list(table["Section"].unique()) == [
        *("experiment", "image", "objective", "training", "evaluation", "serving", "analysis")
    ]


def test_what_is_not_served_has_no_settings_of_serving() -> None:
    assert "serving" not in set(build("settings", experiment())["Section"])
