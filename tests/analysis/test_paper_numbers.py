"""Tests that the sentences of the paper take their numbers from the right rows and columns."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fake_results import mapping
from literal_frames import frame
from matplotlib.figure import Figure
from paper_words import said

from analysis.load import write_csv
from analysis.registry import FIGURES, TABLES
from art.config.reading import parse_config

PAPER = Path(__file__).parents[2] / "paper"
# An experiment with two models and two tasks; the expected sentences are worked out by hand.
LITERAL = {
    "accuracy": """
model   task      method      decoding accuracy
tiny-1m sums      seed_image  sampled  0.05
tiny-1m sums      seed_image  greedy   0.25
tiny-1m sums      art_bound32 greedy   0.7
tiny-1m sums      art         greedy   0.812
tiny-1m sums      lora        greedy   0.5
qwen    sums      seed_image  greedy   0.31
qwen    sums      art         greedy   0.29
qwen    tool_call seed_image  greedy   0.4
qwen    tool_call art         greedy   0.405
""",
    "comparisons": """
model   task      decoding method       baseline   difference low   high  p_holm mde
tiny-1m sums      sampled  art          seed_image 0.9        0.8   0.95  0.0001 0.5
tiny-1m sums      greedy   art_bound32  seed_image 0.45       0.4   0.5   0.0001 0.5
tiny-1m sums      greedy   art          seed_image 0.562      0.501 0.613 0.0002 0.5
tiny-1m sums      greedy   lora         seed_image 0.25       0.1   0.4   0.05   0.5
tiny-1m sums      greedy   random_image seed_image 0.04       0.01  0.1   0.04   0.5
qwen    sums      greedy   art          seed_image -0.02      -0.09 0.05  0.6    0.5
qwen    sums      greedy   lora         seed_image -0.2       -0.3  -0.1  0.03   0.5
qwen    sums      greedy   random_image seed_image -0.064     -0.2  -0.01 0.001  0.5
qwen    tool_call greedy   art          seed_image 0.005      0.0   0.03  0.049  0.5
qwen    tool_call greedy   lora         seed_image 0.1        0.05  0.2   0.01   0.5
qwen    tool_call greedy   random_image seed_image 0.02       0.01  0.1   0.01   0.5
tiny-1m sums      greedy   art          lora       0.312      0.2   0.4   0.0005 0.071
tiny-1m sums      greedy   random_image lora       -0.3       -0.4  -0.2  0.0001 0.9
qwen    sums      greedy   art          lora       -0.1       -0.2  -0.05 0.02   0.128
qwen    sums      sampled  art          lora       -0.1       -0.2  -0.05 0.02   0.01
qwen    tool_call greedy   art          lora       -0.105     -0.2  0.0   0.03   0.05
""",
    "png": """
role    encoder ratio growth
trained png     0.92  12.5
trained best    0.1   99
trained png     0.815 9.254
random  png     0.995 15
random  png     0.991 16
seed    png     0.2   1
""",
    "cost": """
model   method trained_numbers seconds_training ratio_to_reference peak_memory_bytes
tiny-1m art    49152           1234.4           0.606              536870912
qwen    art    98304           2000.7           0.754              1073741824
tiny-1m lora   120000          3000             1                  104857600
qwen    lora   120000          3000             1                  104857600
""",
    "distance": """
model   task method      max_distance measured_max measured_mean psnr  accuracy low  high
tiny-1m sums art         -            101          7.456         28.34 0.8      0.7  0.85
qwen    sums art         -            60           12.344        25.06 0.3      0.2  0.4
qwen    sums art_bound32 32           31           4             33    0.655    0.61 0.72
""",
    "versions": """
name   value
python 3.11
device cpu
device H100
""",
    "served": """
difference score_differs
-0.025     0.06
0.015      0.0
0.041      0.035
""",
    "serving_load": """
kind     variants repeats rate_ratio rate_ratio_low rate_ratio_high
no_image 0        7       1          1              1
image    1        7       0.904      0.85           0.951
adapter  16       7       0.333      0.25           0.5

first_token_ratio first_token_ratio_low first_token_ratio_high
1                 1                     1
1.25              1.1                   1.4
3.5               2                     5.25
""",
    "gap": """
mean    maximum
0.00204 0.25
0.0833  1.704
""",
}
SENTENCES = (
    "on 2 models (tiny-1m and qwen) and 2 tasks (tool call and sums)",
    "ART is significantly better than seed_image (paired tests, Holm-corrected) in 2 of 4 combinations of model "
    "and task, and LoRA in 1 of 4.",
    "Controls without training are significantly better than seed_image in 2 of 3 comparisons.",
    "Training starts at a seed picture of the task, at contrast 0.75 about mid-grey",
    "Patch basis (ours, for art and art_bound32)",
    "Bound (ours, for art_bound32)",
    "replaced by groups of newly drawn problems at most 2 times a step",
    "A step takes 24 questions and makes at most 3 updates.",
    "tiny-1m, from the folder checkpoints/tiny-1m; qwen, Qwen/Qwen3 on the hub at commit 2fc063642fc0.",
    "tiny-1m is a reference model of this project",
    "tool call (generated by this project; 2000 training, 200 validation, 300 test problems); "
    "sums (1000 training, 100 validation, 77 test problems).",
    "48 \u00d7 48 pixels",
    "Greedy decoding, and 3 sampled completions per problem at temperature 0.7, with at most 40 new tokens.",
    "with 90.0 % intervals",
    "tiny-1m. On sums, accuracy is 25.0 % with seed_image and 81.2 % with ART: +56.2 points (interval "
    "+50.1 to +61.3, corrected \U0001d45d<0.001).",
    "qwen. On tool call, accuracy is 40.0 % with seed_image and 40.5 % with ART: +0.5 points (interval "
    "+0.0 to +3.0, corrected \U0001d45d=0.049).",
    "On sums, accuracy is 31.0 % with seed_image and 29.0 % with ART: \u22122.0 points (interval \u22129.0 to +5.0, "
    "corrected \U0001d45d=0.600).",
    "Against LoRA, ART is significantly better in 1 of 4 and significantly worse in 2 of 4 combinations; where it "
    "is neither, differences below about 5.0 % to 12.8 % could not be detected",
    "random_image: the mean difference to seed_image is \u22120.1 points, from \u22126.4 to +4.0 over the "
    "combinations; it is significantly better in 2 and significantly worse in 1 of 3.",
    "differ from the seed picture by 7.46 to 12.34 levels on average (at most 60 to 101), at a PSNR of 25.1 to "
    "28.3 dB.",
    "Within 32 levels, ART reaches 65.5 % (61.0 % to 72.0 %) on sums with qwen.",
    "This experiment has 2 of 3 of them",
    "bootstrap intervals over problems and seeds with 400 resamples",
    "With 3 seeds, the variation between trainings is covered only roughly",
    "Trained images are 9.25 to 12.50 times as large as the pictures that training started from, 81.5 % to 92.0 % of "
    "the raw size; random images are 99.1 % to 99.5 % of it.",
    "art: 49152 to 98304 trained parameters, 1234 to 2001 s of training steps per run, 0.61 to 0.75 times the time of "
    "LoRA, peak memory 512 to 1024 MiB.",
    "lora: 120000 trained parameters, 3000 s of training steps per run, 1.00 times the time of LoRA, peak memory "
    "100 MiB.",
    "Times are wall time on cpu and H100, with one thread",
    "Over 3 artifacts (of the first seed of each method), greedy accuracy differs from the evaluation\u2019s "
    "by \u22122.5 to +4.1 points, and the score differs for 0.0 % to 6.0 % of the problems",
    "by 0.0020 to 0.0833 nats a token on average and by up to 1.70",
    "With 1 image the server makes 0.90 [0.85, 0.95] times as many tokens per second as without image or adapter, and "
    "takes 1.25 [1.10, 1.40] times as long to the first token.",
    "With 16 adapters the server makes 0.33 [0.25, 0.50] times as many tokens per second as without image or adapter, "
    "and takes 3.50 [2.00, 5.25] times as long to the first token.",
    "These are medians and ranges, over 7 repeats, of the ratio within a repeat. They were measured on this machine, "
    "with completions of equal length and 5 requests at a time",
    "ART is not significantly better than seed_image on sums with qwen (\u22122.0 points, \U0001d45d=0.600).",
    "After training, answers are significantly worse than with seed_image for lora on sums with qwen.",
)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The words of the paper for the data above, with empty figures and tables."""
    root = tmp_path_factory.mktemp("literal")
    for folder in ("paper/tables", "paper/figures", "results/analysis"):
        (root / folder).mkdir(parents=True)
    for name in ("paper.typ", "references.bib"):
        shutil.copy(PAPER / name, root / "paper" / name)
    parts = {"train": 1000, "validation": 100, "test": 77}
    data = mapping(
        models={"tiny-1m": {"path": "checkpoints/tiny-1m"}, "qwen": {"path": "Qwen/Qwen3", "revision": "2fc06364" * 5}},
        tasks={"tool_call": {"scorer": "tool_call"}, "sums": {"scorer": "numeric", **parts}},
        seeds=[3, 1, 2],
        image={"size": 48, "contrast": 0.75},
        training={"prompts": 24, "completions": 6, "minibatches": 3, "max_resamples": 2},
        evaluation={"samples": 3, "temperature": 0.7, "max_new_tokens": 40},
        analysis={"baseline": "seed_image", "reference": "lora", "confidence": 0.9, "resamples": 400},
        serving={"problems": 20, "variants": [1], "requests": 8, "concurrency": 5},
    )
    (root / "results/config.json").write_text(parse_config(data, "test").model_dump_json())
    for name, text in LITERAL.items():
        write_csv(frame(text).convert_dtypes(), root / f"results/analysis/{name}.csv")
    for name in TABLES:
        (root / f"paper/tables/{name}.csv").write_text("Column\nCell\n")
    (root / "paper/tables/published.csv").write_text('"Ours, %"\nnot run\n40.0\n41.0\n')
    for name in FIGURES:
        Figure(figsize=(1, 1)).savefig(root / f"paper/figures/{name}.pdf")
    return said(root)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentences_have_the_numbers_of_their_rows(words: str, sentence: str) -> None:
    assert sentence in words


def test_what_is_not_there_is_not_said(words: str) -> None:
    assert "nothing about a GPU" not in words, "one of the devices is a GPU"
    assert "No trained method is significantly worse" not in words
    assert words.count("accuracy is") == 3 and words.count("mean difference to") == 1
    assert words.count("Within ") == 1 and words.count(" trained parameters, ") == 2
