from __future__ import annotations

import pytest
from artists import GREY, RED, WHITE, boxes, drawn, labels, legend, limits, lines, points, titles, words
from literal_frames import experiment, frame
from matplotlib.figure import Figure

DISTANCE = frame("""
model    task      method      seed max_distance measured_max measured_mean
big-1m   sums      art         3    -            90           20
big-1m   sums      art         1    -            110          26
tools-2m sums      art         3    -            50           5
tools-2m tool_call art         3    -            60           12
tools-2m tool_call art_bound32 3    32           30           8
""")
ACCURACY = frame("""
model    task      method       decoding n  accuracy low  high
big-1m   sums      art          greedy   60 0.7      0.65 0.9
big-1m   sums      art          sampled  99 0.1      0.05 0.2
big-1m   sums      random_image greedy   60 0.3      0.2  0.35
big-1m   sums      no_image     greedy   60 0.25     0.2  0.35
tools-2m sums      art          greedy   60 0.85     0.8  0.95
tools-2m tool_call art          greedy   80 0.8      0.75 0.95
tools-2m tool_call art_bound32  greedy   80 0.6      0.5  0.65
tools-2m tool_call random_image greedy   80 0.4      0.3  0.45
""")


def draw(**changes: object) -> Figure:
    return drawn("distance", experiment(), {"distance": DISTANCE, "accuracy": ACCURACY} | changes)


@pytest.fixture(scope="module")
def figure() -> Figure:
    return draw()


def test_panels_are_models_by_tasks_in_the_configs_order_with_the_greedy_n(figure: Figure) -> None:
    titled = titles(figure)
    assert titled[:2] == ["tools-2m\ntool call (n = 80)", "tools-2m\nsums (n = 60)"]
    assert titled[2].startswith("big-1m\ntool call") and titled[3] == "big-1m\nsums (n = 60)"
    assert labels(figure, "x") == ["", "", "distance to seed (levels)", "distance to seed (levels)"]
    assert labels(figure, "y") == ["accuracy (greedy)", "", "accuracy (greedy)", ""]
    assert figure.get_size_inches().tolist() == [6.7, 4.0]


def test_a_full_mark_is_the_largest_distance_and_an_open_one_the_mean(figure: Figure) -> None:
    assert points(figure.axes[0]) == [
        (8, 0.6, "o", RED, WHITE),
        (12, 0.8, "o", RED, WHITE),
        (30, 0.6, "o", RED, RED),
        (60, 0.8, "o", RED, RED),
    ]
    assert points(figure.axes[1]) == [(5, 0.85, "o", RED, WHITE), (50, 0.85, "o", RED, RED)]


def test_distances_are_means_over_seeds(figure: Figure) -> None:
    assert points(figure.axes[3]) == [(23, 0.7, "o", RED, WHITE), (100, 0.7, "o", RED, RED)]


def test_lines_are_the_interval_the_way_between_the_marks_the_bound_and_the_baseline(figure: Figure) -> None:
    assert lines(figure.axes[0]) == [
        ([0, 1], [0.4, 0.4], "--", GREY),
        ([8, 30], [0.6, 0.6], "-", RED),
        ([12, 60], [0.8, 0.8], "-", RED),
        ([30, 30], [0.5, 0.65], "-", RED),
        ([32, 32], [0, 1], ":", GREY),
        ([60, 60], [0.75, 0.95], "-", RED),
    ]
    assert lines(figure.axes[3]) == [
        ([0, 1], [0.3, 0.3], "--", GREY),
        ([23, 100], [0.7, 0.7], "-", RED),
        ([100, 100], [0.65, 0.9], "-", RED),
    ]


def test_the_baselines_interval_is_a_pale_band_of_that_panel(figure: Figure) -> None:
    assert [boxes(axes) for axes in figure.axes] == [
        *([(0, 0.3, 1, 0.15, GREY)], [], [], [(0, 0.2, 1, 0.15, GREY)]),
    ]
    assert figure.axes[0].patches[0].get_alpha() == 0.12


def test_all_panels_reach_from_nothing_to_the_largest_distance_or_bound(figure: Figure) -> None:
    for axes in figure.axes:
        assert limits(axes) == [0, 116.6, -0.03, 1.03]
    assert limits(draw(distance=DISTANCE.tail(1)).axes[0])[:2] == [0, 33.92]
    still = DISTANCE.tail(1).assign(max_distance=float("nan"), measured_max=0, measured_mean=0)
    assert limits(draw(distance=still).axes[0])[:2] == [0, 1.06]


def test_the_legend_tells_what_the_marks_are(figure: Figure) -> None:
    assert legend(figure) == {
        "largest distance, 90 % interval": ("o", "-", RED, RED),
        "mean distance": ("o", "None", RED, WHITE),
        "bound": ("None", ":", GREY, GREY),
        "random image, 90 % interval": ("None", "--", GREY, GREY),
    }


def test_without_trained_pictures_the_figure_says_so() -> None:
    assert words(draw(distance=DISTANCE.head(0))) == ["No picture was trained in this experiment."]
