"""Tests every column of every table on literal frames; expected cells are worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest
from literal_frames import experiment, frame

from analysis.registry import TABLES
from art.config.experiment import Config
from art.config.registry import implementation

ACCURACY = """
model    task      method      kind        decoding seeds n   accuracy low    high   low_bca high_bca
big-1m   sums      no_image    no_image    greedy   1     300 0.3962   0.3312 0.4656 0.31    0.45
big-1m   sums      art         art         greedy   3     300 1.0      0.985  1.0    0.97    0.99
big-1m   sums      art         art         sampled  3     300 0.5      0.4    0.7    0.3     0.6
tools-2m tool_call lora        lora        greedy   2     80  0.0004   0.0    0.0126 0.1     0.2
tools-2m tool_call art_bound32 art         sampled  2     80  0.8128   0.75   0.9    0.1     0.2
tools-2m sums      lora        lora        greedy   2     300 0.6      0.5    0.65   0.1     0.2
"""
COMPARISONS = """
model    task      decoding method baseline     n    difference low     high
tools-2m tool_call greedy   art    random_image 1234 0.1236     -0.0512 0.25
tools-2m tool_call sampled  art    random_image 1234 0.9        0.8     0.95
big-1m   sums      greedy   lora   random_image 60   -0.2       -0.31   -0.1
big-1m   sums      greedy   art    soft_prompt  60   -0.0004    -0.04   0.0

p_exact p_bootstrap p_holm only_method only_baseline mde
0.0005  0.0021      0.0096 37          12            0.0871
0.1     0.1         0.1    1           2             0.3
-       0.001       1.0    1.5         13.25         -
0.00099 0.05        0.1    1200        4             0.12
"""
PNG = """
model    task      method       seed role    encoder  bytes   start_bytes raw_bytes ratio  growth accuracy gain
big-1m   sums      art          3    trained png      1400000 7           3072      0.8125 12.344 0.7      0.25
big-1m   sums      art          3    trained png_sub  1300    7           3072      0.7    11     0.7      0.25
big-1m   sums      art          3    trained webp     1310    7           3072      0.7    11     0.7      0.25
big-1m   sums      art          3    trained best     1300    7           3072      0.71   11.125 0.7      0.25
big-1m   sums      art          1    trained png      1600002 7           3072      0.8136 12.355 0.7      0.30
big-1m   sums      art          1    trained png_sub  1500    7           3072      0.9    13     0.7      0.30
big-1m   sums      art          1    trained webp     1200    7           3072      0.9    13     0.7      0.30
big-1m   sums      art          1    trained best     1200    7           3072      0.5    10.625 0.7      0.30
tools-2m tool_call random_image 0    random  png      3000    7           3072      0.9766 15     0.7      -0.1
tools-2m tool_call random_image 0    random  png_none 2999    7           3072      0.9766 15     0.7      -0.1
tools-2m tool_call random_image 0    random  best     2999    7           3072      0.97   14.5   0.7      -0.1
"""
COST = """
model    task      method   kind     seed trained_numbers prefix_tokens
big-1m   sums      art      art      3    49152           16
big-1m   sums      art      art      1    49152           16
tools-2m tool_call lora     lora     3    1234567         0
tools-2m tool_call no_image no_image 0    5               6

steps updates completions prompt_tokens completion_tokens
12    40      1536        120000        48000
12    44      1500        110000        46000
20    80      640         9             8
7     8       9           10            11

seconds_total seconds_training peak_memory_bytes ratio_to_reference
310.5         100.0            536870912         0.611
330.7         120.5            1073741824        0.632
7.25          4.96             1000000           -
12            13               14                15
"""
SERVED = """
model    task      method kind seed engine       n
big-1m   sums      art    art  3    transformers 200
tools-2m tool_call lora   lora 3    vllm         1000

accuracy_served accuracy_evaluated difference low   high p_exact score_differs text_differs
0.61            0.585              0.025      -0.01 0.06 0.3323  0.035         0.2716
0.5             0.75               -0.25      -0.3  -0.2 0.0001  0.25          1.0
"""
LOAD = """
model    task      kind     variants repeats requests prompt_tokens completion_tokens
big-1m   sums      no_image 0        3       8        202           600
tools-2m tool_call image    4        5       64       2624          600
tools-2m tool_call adapter  16       5       64       1600          600

rate   rate_low rate_high rate_ratio rate_ratio_low rate_ratio_high
1234.5 1100.4   1300.6    1          1              1
150    75       200       0.502      0.401          0.954
66.6   50       100       0.333      0.25           0.5

first_token first_token_low first_token_high first_token_ratio first_token_ratio_low first_token_ratio_high
0.123       0.101           0.2              1                 1                     1
0.4         0.3             0.9              4.001             3.006                 4.5
0.6         0.5             0.7              3.5               2                     5
"""
GAP = """
model    task      source   method tokens mean    maximum effective
big-1m   sums      server   art    12345  0.00204 0.2506  0.99996
tools-2m tool_call training lora   7800   0.0833  1.7     0.5
"""
VERSIONS = """
name     value runs
python   3.11  4
device   cpu   3
device   cuda  1
"""
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
FRAMES = {
    "accuracy": ACCURACY,
    "comparisons": COMPARISONS,
    "png": PNG,
    "cost": COST,
    "served": SERVED,
    "serving_load": LOAD,
    "gap": GAP,
    "versions": VERSIONS,
}


def build(name: str, config: Config, **frames: pd.DataFrame) -> pd.DataFrame:
    """The table, made only from the frames that it declares in ``reads``."""
    given = {source: frame(text) for source, text in FRAMES.items()} | frames
    return implementation(TABLES[name].build)(config, {source: given[source] for source in TABLES[name].reads})


def rows_of(table: pd.DataFrame) -> list[str]:
    """The rows as text, with - for a minus sign and -- for a dash; the tests of formats distinguish the characters."""
    rows = [" | ".join(row) for row in table.to_numpy().tolist()]
    return [row.replace("\u2212", "-").replace("\u2013", "--") for row in rows]


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
