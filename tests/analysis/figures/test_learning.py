from __future__ import annotations

import pytest
from artists import BLUE, RED, bands, drawn, labels, legend, limits, lines, ticks, titles, words
from literal_frames import experiment, frame
from matplotlib.figure import Figure

FRAME = frame("""
model    task      method   kind     seed step reward validation_accuracy
big-1m   sums      lora     lora     3    0    -      0.2
big-1m   sums      lora     lora     3    1    0.5    -
big-1m   sums      lora     lora     3    2    0.6    0.8
tools-2m tool_call no_image no_image 0    0    0.9    0.9
tools-2m tool_call art      art      3    0    -      0.3
tools-2m tool_call art      art      3    1    0.1    -
tools-2m tool_call art      art      3    2    0.5    0.4
tools-2m tool_call art      art      1    0    -      0.35
tools-2m tool_call art      art      1    1    0.2    -
tools-2m tool_call art      art      1    2    0.55   0.7
tools-2m tool_call art      art      2    0    -      0.1
tools-2m tool_call art      art      2    1    0.6    -
tools-2m tool_call art      art      2    2    0.45   0.55
""")


@pytest.fixture(scope="module")
def figure() -> Figure:
    training = {"steps": 2, "prompts": 24, "completions": 6, "validation_problems": 40}
    return drawn("learning", experiment(training=training), {"learning": FRAME})


def test_rows_are_each_models_reward_and_validation_and_columns_tasks(figure: Figure) -> None:
    assert titles(figure) == ["tool call", "sums", *[""] * 6]
    assert labels(figure, "y") == [
        *("tools-2m\ntraining reward\n(sampled)", "", "tools-2m\nvalidation accuracy\n(greedy)", ""),
        *("big-1m\ntraining reward\n(sampled)", "", "big-1m\nvalidation accuracy\n(greedy)", ""),
    ]
    assert labels(figure, "x") == [*[""] * 6, "optimisation step", "optimisation step"]
    assert figure.get_size_inches().tolist() == [6.7, 6.9]


def test_a_line_is_the_mean_over_seeds_of_the_steps_that_have_the_number(figure: Figure) -> None:
    assert lines(figure.axes[0]) == [([1, 2], [0.3, 0.5], "-", RED)]
    assert lines(figure.axes[2]) == [([0, 2], [0.25, 0.55], "-", RED)]
    assert lines(figure.axes[5]) == [([1, 2], [0.5, 0.6], "-", BLUE)]
    assert lines(figure.axes[7]) == [([0, 2], [0.2, 0.8], "-", BLUE)]


def test_a_band_is_the_range_of_several_seeds(figure: Figure) -> None:
    assert bands(figure.axes[0]) == [({1: (0.1, 0.6), 2: (0.45, 0.55)}, RED)]
    assert bands(figure.axes[2]) == [({0: (0.1, 0.35), 2: (0.4, 0.7)}, RED)]
    assert bands(figure.axes[5]) == bands(figure.axes[7]) == [], "there is only one seed"
    assert figure.axes[0].collections[0].get_alpha() == 0.2


def test_the_rare_checks_have_marks(figure: Figure) -> None:
    marks = {line.get_marker() for number in (0, 5) for line in figure.axes[number].lines if len(line.get_xdata()) > 1}
    assert marks == {"None"}
    for number, marker in ((2, "o"), (7, "s")):
        assert marker in [line.get_marker() for line in figure.axes[number].lines]


def test_all_panels_have_one_scale_and_whole_steps(figure: Figure) -> None:
    for axes in figure.axes:
        assert limits(axes)[2:] == [-0.03, 1.03]
        assert limits(axes)[:2] == limits(figure.axes[0])[:2]
    assert [place for place, _ in ticks(figure.axes[6], "x") if 0 <= place <= 2] == [0, 1, 2]


def test_the_title_counts_problems_seeds_and_completions(figure: Figure) -> None:
    assert words(figure) == ["validation: n = 40 problems; 3 seeds: mean and range\nreward: 24 x 6 completions a step"]
    alone = drawn("learning", experiment(seeds=[3]), {"learning": FRAME.query("seed == 3")})
    assert words(alone) == ["validation: n = 64 problems\nreward: 16 x 8 completions a step"]


def test_the_legend_has_the_trained_methods_that_are_there(figure: Figure) -> None:
    assert legend(figure) == {"ART": ("o", "-", RED, RED), "LoRA": ("s", "-", BLUE, BLUE)}


def test_without_trained_methods_the_figure_says_so() -> None:
    controls = drawn("learning", experiment(), {"learning": FRAME.query("kind == 'no_image'")})
    assert words(controls) == ["No method of this experiment is trained."] and not controls.axes
