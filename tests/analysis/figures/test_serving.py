from __future__ import annotations

import pytest
from artists import (
    BLUE,
    GREEN,
    GREY,
    RED,
    WHITE,
    boxes,
    drawn,
    labels,
    legend,
    limits,
    lines,
    points,
    ticks,
    titles,
    words,
)
from literal_frames import experiment, frame
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

SERVED = frame("""
model    task      method      n   accuracy_evaluated accuracy_served
big-1m   sums      no_image    200 0.25               0.21
big-1m   sums      art         190 0.585              0.61
tools-2m sums      lora        80  0.75               0.5
tools-2m sums      soft_prompt 80  0.4                0.45
tools-2m sums      art         80  0.7                0.7
big-1m   tool_call art         90  0.1                0.2
""")
LOAD = frame("""
model    task      kind     variants repeats requests
big-1m   sums      no_image 0        3       64
big-1m   sums      image    1        3       64
big-1m   sums      image    8        3       64
big-1m   sums      adapter  2        3       64
tools-2m sums      no_image 0        5       32
tools-2m sums      adapter  4        5       32
big-1m   tool_call no_image 0        9       99

rate rate_low rate_high first_token first_token_low first_token_high
250  200      260       0.125       0.1             0.25
200  120      240       0.3         0.2             0.6
150  75       160       0.8         0.4             0.9
100  75       150       0.2         0.15            0.4
10   8        15        1           0.5             3
6    5        9         2           1               5
7    6        9         4           3               6
""")


@pytest.fixture(scope="module")
def figure() -> Figure:
    return drawn("serving", experiment(), {"served": SERVED, "serving_load": LOAD})


def curves(axes: Axes) -> list[tuple[list[float], list[float], list[tuple[float, float]], str, str]]:
    """For each kind: xs, medians, ranges, marker, colour."""
    found = []
    for line, _, (bars,) in axes.containers:
        ranges = [tuple(float(y) for y in part[:, 1].round(6)) for part in bars.get_segments()]
        xs, ys = ([round(float(one), 6) for one in data] for data in line.get_data())
        found.append((xs, ys, ranges, line.get_marker(), to_hex(line.get_color())))
        assert [round(float(part[0, 0]), 6) for part in bars.get_segments()] == xs
    return found


def test_the_evaluation_is_open_and_larger_and_the_server_full(figure: Figure) -> None:
    assert points(figure.axes[0]) == [
        (21, 0, "o", GREY, GREY),
        (25, 0, "o", GREY, WHITE),
        (58.5, 1, "o", RED, WHITE),
        (61, 1, "o", RED, RED),
    ]
    assert lines(figure.axes[0]) == [([25, 21], [0, 0], "-", GREY), ([58.5, 61], [1, 1], "-", RED)]
    assert points(figure.axes[3])[:2] == [(40, 1, "o", GREEN, WHITE), (45, 1, "o", GREEN, GREEN)]
    for line in figure.axes[3].lines:
        if len(line.get_xdata()) == 1:
            assert line.get_markersize() == (6 if to_hex(line.get_markerfacecolor()) == WHITE else 3.5)
            assert not line.get_clip_on(), "marks at 0 and 100 are not clipped"


def test_methods_stand_in_the_frames_order_from_the_top(figure: Figure) -> None:
    assert ticks(figure.axes[0], "y") == [(0, "no image"), (1, "ART")]
    assert ticks(figure.axes[3], "y") == [(0, "LoRA"), (1, "soft prompt"), (2, "ART")]
    assert limits(figure.axes[0]) == [0, 100, 1.5, -0.5] and limits(figure.axes[3]) == [0, 100, 2.5, -0.5]


def test_costs_are_medians_with_ranges_beside_each_other(figure: Figure) -> None:
    image, adapter = ([0.96, 7.68], "o", RED), ([2.08], "s", BLUE)
    assert curves(figure.axes[1]) == [
        (image[0], [200, 150], [(120, 240), (75, 160)], *image[1:]),
        (adapter[0], [100], [(75, 150)], *adapter[1:]),
    ]
    assert curves(figure.axes[2]) == [
        (image[0], [0.3, 0.8], [(0.2, 0.6), (0.4, 0.9)], *image[1:]),
        (adapter[0], [0.2], [(0.15, 0.4)], *adapter[1:]),
    ]
    assert curves(figure.axes[4])[1] == ([4.16], [6], [(5, 9)], "s", BLUE)


def test_no_image_is_a_level_line_in_its_range(figure: Figure) -> None:
    for number, middle, low, high in ((1, 250, 200, 260), (2, 0.125, 0.1, 0.25), (4, 10, 8, 15), (5, 1, 0.5, 3)):
        axes = figure.axes[number]
        level = [one for one in lines(axes) if one[2] == "--"]
        assert level == [([0, 1], [middle, middle], "--", GREY)]
        assert boxes(axes) == [(0, low, 1, round(high - low, 6), GREY)] and axes.patches[0].get_alpha() == 0.12


def test_variants_are_ticks_on_a_scale_of_doublings_from_nothing(figure: Figure) -> None:
    assert ticks(figure.axes[1], "x") == [(1, "1"), (2, "2"), (8, "8")] == ticks(figure.axes[2], "x")
    assert ticks(figure.axes[4], "x") == [(4, "4")]
    for axes in (figure.axes[1], figure.axes[2], figure.axes[4], figure.axes[5]):
        assert axes.get_xscale() == "log" and axes.xaxis.get_transform().base == 2
        assert limits(axes)[2] == 0 and list(axes.xaxis.get_minorticklocs()) == []


def test_without_images_or_adapters_only_the_level_lines_stand() -> None:
    bare = drawn("serving", experiment(), {"served": SERVED, "serving_load": LOAD.query("kind == 'no_image'")})
    assert bare.axes[1].get_xscale() == "linear" and len(boxes(bare.axes[1])) == 1


def test_panels_are_named_with_their_n_and_units(figure: Figure) -> None:
    assert titles(figure) == [
        *("big-1m\nsums (n = 200)", "64 requests,\nn = 3 repeats", "64 requests,\nn = 3 repeats"),
        *("tools-2m\nsums (n = 80)", "32 requests,\nn = 5 repeats", "32 requests,\nn = 5 repeats"),
        *("big-1m\ntool call (n = 90)", "99 requests,\nn = 9 repeats", "99 requests,\nn = 9 repeats"),
    ]
    assert labels(figure, "y") == ["", "completion tokens / s", "time to first token (s)"] * 3
    assert labels(figure, "x") == [*[""] * 6, "greedy accuracy (%)", "images or adapters", "images or adapters"]
    assert figure.get_size_inches().tolist() == pytest.approx([6.7, 3 * (0.9 + 0.17 * 4) + 0.5])


def test_the_legend_tells_marks_and_kinds(figure: Figure) -> None:
    assert legend(figure) == {
        "evaluation": ("o", "None", GREY, WHITE),
        "served": ("o", "None", GREY, GREY),
        "images": ("o", "-", RED, RED),
        "LoRA adapters": ("s", "-", BLUE, BLUE),
        "no image": ("None", "--", GREY, GREY),
    }


def test_where_nothing_is_served_the_figure_says_so() -> None:
    empty = drawn("serving", experiment(), {"served": SERVED.head(0), "serving_load": LOAD.head(0)})
    assert words(empty) == ["This experiment serves nothing."]
