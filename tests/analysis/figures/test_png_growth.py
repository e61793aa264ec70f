from __future__ import annotations

import pytest
from artists import BLUE, GREEN, GREY, RED, WHITE, drawn, labels, legend, limits, lines, points, ticks, words
from literal_frames import experiment, frame
from matplotlib.figure import Figure

STEPS = frame("""
model    task      method      seed step bytes
tools-2m tool_call art         3    0    300
tools-2m tool_call art         3    2    1500
tools-2m tool_call art         1    0    310
tools-2m tool_call art         1    2    1800
big-1m   sums      art         3    0    400
big-1m   sums      art         3    2    2500
big-1m   sums      art_bound32 3    0    300
big-1m   sums      art_bound32 3    2    700
""")
SIZES = frame("""
model    task      method       seed role    encoder bytes raw_bytes growth gain
tools-2m tool_call art          3    trained png     1     3072      5      0.25
tools-2m tool_call art          3    trained best    1     3072      4      0.25
tools-2m tool_call art_bound32  3    trained png     1     3072      2.5    -0.125
tools-2m tool_call seed_image   0    seed    png     1     3072      1      0.01
tools-2m tool_call random_image 0    random  png     1     3072      10     -0.02
big-1m   sums      art          3    trained png     1     3072      6.25   0.5
big-1m   sums      random_image 0    random  png     1     3072      9      0.03
""")
ACCURACY = frame("""
model    task      n
tools-2m tool_call 80
big-1m   sums      60
""")


def draw(**changes: object) -> Figure:
    return drawn("png_growth", experiment(), {"png_steps": STEPS, "png": SIZES, "accuracy": ACCURACY} | changes)


@pytest.fixture(scope="module")
def figure() -> Figure:
    return draw()


def test_the_first_methods_snapshots_of_every_seed_are_lines_in_kilobytes(figure: Figure) -> None:
    assert lines(figure.axes[0]) == [
        ([0, 1], [3.072, 3.072], "--", GREY),
        ([0, 2], [0.3, 1.5], "-", BLUE),
        ([0, 2], [0.31, 1.8], "-", BLUE),
        ([0, 2], [0.4, 2.5], "--", RED),
    ]
    marks = sorted(line.get_marker() for line in figure.axes[0].lines)
    assert marks == ["None", "o", "o", "s"]


def test_raw_pixels_are_named_and_everything_is_below_the_top(figure: Figure) -> None:
    (text,) = figure.axes[0].texts
    assert text.get_text() == "raw pixels" and text.xy == (0, 3.072)
    assert limits(figure.axes[0])[2:] == [0, 3.31776]
    larger = STEPS.assign(bytes=STEPS["bytes"].replace(2500, 4000))
    assert limits(draw(png_steps=larger).axes[0])[2:] == [0, 4.32]
    assert [place for place, _ in ticks(figure.axes[0], "x") if 0 <= place <= 2] == [0, 1, 2]


def test_growth_stands_against_the_gain_of_trained_and_random_pictures(figure: Figure) -> None:
    assert points(figure.axes[1]) == [
        (2.5, -12.5, "o", BLUE, BLUE),
        (5, 25, "o", BLUE, BLUE),
        (6.25, 50, "s", RED, RED),
        (9, 3, "s", RED, WHITE),
        (10, -2, "o", BLUE, WHITE),
    ]
    assert lines(figure.axes[1]) == [([0, 1], [0, 0], "-", GREY)]
    left, right = limits(figure.axes[1])[:2]
    assert left == 0 and right > 10


def test_axes_have_their_units(figure: Figure) -> None:
    assert labels(figure, "x") == ["optimisation step", "PNG size / size at initialisation"]
    assert labels(figure, "y") == ["PNG file (kB)", "accuracy gain over baseline (points)"]
    assert words(figure) == ["accuracy: greedy, n = 80 (tool call), 60 (sums)"]
    assert figure.get_size_inches().tolist() == [6.7, 3.2]


def test_the_legend_has_tasks_as_colours_and_models_as_marks(figure: Figure) -> None:
    assert legend(figure) == {
        "tool call": ("None", "-", BLUE, BLUE),
        "sums": ("None", "-", RED, RED),
        "tools-2m": ("o", "-", GREY, GREY),
        "big-1m": ("s", "--", GREY, GREY),
        "random image": ("o", "None", GREY, WHITE),
    }


def test_a_task_without_results_is_left_out_of_the_title() -> None:
    assert words(draw(accuracy=ACCURACY.tail(1))) == ["accuracy: greedy, n = 60 (sums)"]


def test_looks_begin_again_after_the_last() -> None:
    names = [f"m{number}" for number in range(5)]
    tasks = [f"t{number}" for number in range(8)]
    config = experiment(
        models={name: {"path": "nowhere"} for name in names}, tasks={name: {"scorer": "numeric"} for name in tasks}
    )
    frames = {"png_steps": STEPS, "png": SIZES, "accuracy": ACCURACY}
    last = {name: rows.assign(model="m4", task="t7") for name, rows in frames.items()}
    looks = legend(drawn("png_growth", config, last))
    assert [looks[name][0] for name in names] == ["o", "s", "^", "D", "o"]
    assert looks["t0"] == looks["t7"] and looks["t2"][2] == GREEN


def test_without_trained_pictures_the_figure_says_so() -> None:
    assert words(draw(png_steps=STEPS.head(0))) == ["No picture was trained in this experiment."]
