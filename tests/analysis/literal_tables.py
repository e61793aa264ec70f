"""Frames of every kind from text, and the tables that are made from them."""

from __future__ import annotations

import pandas as pd
from literal_frames import frame

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
