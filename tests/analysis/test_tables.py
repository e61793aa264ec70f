"""Tests every column of every table on literal frames; expected cells are worked out by hand."""

from __future__ import annotations

import pytest
from literal_frames import experiment, frame
from literal_tables import ACCURACY, build, rows_of

PUBLISHED = """
model        task  method       decoding accuracy low    high
qwen3.5-0.8b gsm8k art          greedy   0.6853   0.5853 0.7
qwen3.5-0.8b gsm8k art          sampled  0.1      0.1    0.2
qwen3.5-0.8b gsm8k lora         greedy   0.4      0.3    0.4951
qwen3.5-0.8b gsm8k no_image     greedy   0.4062   0.3966 0.5
qwen3.5-0.8b svamp random_image greedy   0.5      0.4    0.6
qwen3.5-2b   gsm8k random_image greedy   0.5      0.4    0.6
"""
EXPECTED: dict[str, tuple[str, list[str]]] = {
    "accuracy": (
        "Model | Method | Seeds | tool_call, % (n = 80) | sums, % (n = 300)",
        [
            "big-1m | no image | 1 | -- | 39.6 [33.1, 46.6]",
            "big-1m | ART | 3 | -- | 100.0 [98.5, 100.0]",
            "tools-2m | LoRA | 2 | 0.0 [0.0, 1.3] | 60.0 [50.0, 65.0]",
        ],
    ),
    "accuracy_sampled": (
        "Model | Method | Seeds | tool_call, % (n = 80) | sums, % (n = 300)",
        ["big-1m | ART | 3 | -- | 50.0 [40.0, 70.0]", "tools-2m | ART bound32 | 2 | 81.3 [75.0, 90.0] | --"],
    ),
    "comparisons_baseline": (
        "Model | Task | Method | n | Difference to random image, points | Only method | Only random image"
        " | p (paired exact) | p (bootstrap) | p (Holm) | MDE, points",
        [
            "tools-2m | tool_call | ART | 1234 | +12.4 [-5.1, +25.0] | 37 | 12 | <0.001 | 0.002 | 0.010 | 8.7",
            "big-1m | sums | LoRA | 60 | -20.0 [-31.0, -10.0] | 1.5 | 13.2 | -- | 0.001 | 1.000 | --",
        ],
    ),
    "comparisons_reference": (
        "Model | Task | Method | n | Difference to soft prompt, points | Only method | Only soft prompt"
        " | p (paired exact) | p (bootstrap) | p (Holm) | MDE, points",
        ["big-1m | sums | ART | 60 | 0.0 [-4.0, 0.0] | 1,200 | 4 | <0.001 | 0.050 | 0.100 | 12.0"],
    ),
    "png": (
        "Model | Task | Picture | PNG, bytes | PNG / raw | PNG growth | Best compressor | Best, bytes | Best growth"
        " | Gain, points",
        [
            "big-1m | sums | ART | 1,500,001 | 0.813 | 12.35 | webp | 1,250 | 10.88 | +27.5",
            "tools-2m | tool_call | random image | 3,000 | 0.977 | 15.00 | png none | 2,999 | 14.50 | -10.0",
        ],
    ),
    "budget": (
        "Model | Task | Method | Trained parameters | Prefix tokens | Steps | Completions | Updates | Prompt tokens"
        " | Completion tokens",
        [
            "big-1m | sums | ART | 49,152 | 16 | 12 | 1,518 | 42 | 115,000 | 47,000",
            "tools-2m | tool_call | LoRA | 1,234,567 | 0 | 20 | 640 | 80 | 9 | 8",
        ],
    ),
    "cost": (
        "Model | Task | Method | Training, s | s / step | s / step, ratio to soft prompt | Process, s"
        " | Peak memory, MiB",
        [
            "big-1m | sums | ART | 110.2 | 9.19 | 0.62 | 320.6 | 768",
            "tools-2m | tool_call | LoRA | 5.0 | 0.25 | -- | 7.2 | 1",
        ],
    ),
    "served": (
        "Model | Task | Method | n | Evaluated by | Evaluated, % | Served, % | Difference, points | p (paired exact)"
        " | Score differs, % | Text differs, %",
        [
            "big-1m | sums | ART | 200 | transformers | 58.5 | 61.0 | +2.5 [-1.0, +6.0] | 0.332 | 3.5 | 27.2",
            "tools-2m | tool_call | LoRA | 1000 | vllm | 75.0 | 50.0 | -25.0 [-30.0, -20.0] | <0.001 | 25.0 | 100.0",
        ],
    ),
    "serving_load": (
        "Model | Task | Condition | Variants | Repeats | Prompt tokens / request | Tokens / s"
        " | Tokens / s, ratio | First token, s | First token, ratio",
        [
            "big-1m | sums | no image | -- | 3 | 25.2 | 1,234 [1,100, 1,301] | 1.00 [1.00, 1.00] | 0.12 [0.10, 0.20]"
            " | 1.00 [1.00, 1.00]",
            "tools-2m | tool_call | image | 4 | 5 | 41.0 | 150 [75, 200] | 0.50 [0.40, 0.95] | 0.40 [0.30, 0.90]"
            " | 4.00 [3.01, 4.50]",
            "tools-2m | tool_call | adapter | 16 | 5 | 25.0 | 67 [50, 100] | 0.33 [0.25, 0.50] | 0.60 [0.50, 0.70]"
            " | 3.50 [2.00, 5.00]",
        ],
    ),
    "gap": (
        "Model | Task | Measured in | Method | Tokens | Mean mismatch, nats | Maximum mismatch, nats"
        " | Effective sample, %",
        [
            "big-1m | sums | server | ART | 12,345 | 0.0020 | 0.251 | 100.00",
            "tools-2m | tool_call | training | LoRA | 7,800 | 0.0833 | 1.700 | 50.00",
        ],
    ),
    "versions": ("Component | Version", ["python | 3.11", "device | cpu; cuda"]),
    "published": (
        "Model | Task | Method | Published, % | Ours, % | Ours to published, points | Published in our interval",
        [
            "qwen3.5-0.8b | gsm8k | no image | 39.65 | 40.6 [39.7, 50.0] | +1.0 | no",
            "qwen3.5-0.8b | gsm8k | random image | 54.59 | not run | -- | --",
            "qwen3.5-0.8b | gsm8k | LoRA | 49.51 | 40.0 [30.0, 49.5] | -9.5 | yes",
            "qwen3.5-0.8b | gsm8k | ART | 58.53 | 68.5 [58.5, 70.0] | +10.0 | yes",
        ],
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_every_cell_says_what_the_frame_says(name: str) -> None:
    frames = {"accuracy": frame(PUBLISHED)} if name == "published" else {}
    table = build(name, experiment(), **frames)
    headings, rows = EXPECTED[name]
    assert " | ".join(table.columns) == headings
    assert rows_of(table) == rows


def test_a_published_method_that_is_not_run_here_keeps_its_name() -> None:
    methods = {"no_image": {"kind": "no_image"}, "art": {"kind": "art"}}
    config = experiment(methods=methods, analysis={"baseline": "no_image", "reference": "art"})
    table = build("published", config, accuracy=frame(PUBLISHED).head(1))
    assert table["Method"].tolist() == ["no image", "random image", "LoRA", "ART"]


def test_without_sampled_completions_the_headings_stay() -> None:
    table = build("accuracy_sampled", experiment(), accuracy=frame(ACCURACY).query("decoding == 'greedy'"))
    assert len(table) == 0 and list(table.columns) == ["Model", "Method", "Seeds", "tool_call", "sums"]
