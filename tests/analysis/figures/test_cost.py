from __future__ import annotations

import pytest
from artists import BLUE, GREEN, LIGHT_GREY, ORANGE, RED, boxes, drawn, labels, limits, points, ticks, titles, words
from literal_frames import experiment, frame
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

FRAME = frame("""
model    task      method      kind        seed trained_numbers
big-1m   sums      soft_prompt soft_prompt 3    40
big-1m   tool_call no_image    no_image    0    1
tools-2m sums      lora        lora        3    500
tools-2m tool_call art         art         3    3000
tools-2m tool_call art         art         1    3000
tools-2m tool_call lora        lora        3    500

seconds_total seconds_training seconds_backward seconds_forward seconds_idle seconds_rollout ratio_to_reference
5             7                4                2               0            1               -
100           90               90               0               0            0               9
20            10               6                -               0            4               1.04
10            6                3                1               0            2               0.5
14            10               5                1               0            4               0.78
16            3                1                1               0            1               1.0
""")


@pytest.fixture(scope="module")
def figure() -> Figure:
    return drawn("cost", experiment(), {"cost": FRAME})


def bars(axes: Axes) -> list[tuple[float, float, float, str]]:
    """Bars: row, left end, length, colour."""
    return [(round(low + high / 2, 6), left, length, colour) for left, low, length, high, colour in boxes(axes)]


def beside(axes: Axes) -> list[tuple[str, tuple[float, float]]]:
    return [(text.get_text(), tuple(map(float, text.xy))) for text in axes.texts]


def test_phases_are_stacked_and_the_rest_of_the_process_follows(figure: Figure) -> None:
    assert bars(figure.axes[0]) == [
        (0, 0, 4, BLUE),
        (0, 4, 1, ORANGE),
        (0, 5, 3, GREEN),
        (0, 8, 4, LIGHT_GREY),
        (1, 0, 1, BLUE),
        (1, 1, 1, ORANGE),
        (1, 2, 1, GREEN),
        (1, 3, 13, LIGHT_GREY),
    ]
    assert beside(figure.axes[0]) == [("0.6x", (12, 0)), ("1.0x", (16, 1))]


def test_a_phase_that_is_missing_takes_no_time(figure: Figure) -> None:
    assert bars(figure.axes[1]) == [(1, 0, 6, BLUE), (1, 6, 0, ORANGE), (1, 6, 4, GREEN), (1, 10, 10, LIGHT_GREY)]
    assert beside(figure.axes[1]) == [("1.0x", (20, 1))]


def test_no_rest_is_less_than_nothing_and_no_ratio_is_written_where_there_is_none(figure: Figure) -> None:
    assert bars(figure.axes[4]) == [(2, 0, 4, BLUE), (2, 4, 2, ORANGE), (2, 6, 1, GREEN), (2, 7, 0, LIGHT_GREY)]
    assert beside(figure.axes[4]) == [] and bars(figure.axes[3]) == []


def test_a_ratio_stands_beside_the_longer_of_phases_and_process() -> None:
    longer = frame("""
model  task method kind seed trained_numbers seconds_total seconds_training seconds_backward ratio_to_reference
big-1m sums lora   lora 3    5               2             3                3                0.96
""")
    only = drawn("cost", experiment(), {"cost": longer})
    assert beside(only.axes[0]) == [("1.0x", (3, 0))]
    assert words(only) == ["n = 1 run; beside a bar: ratio of the coloured part to soft prompt's"]


def test_numbers_of_trained_values_stand_in_the_last_column(figure: Figure) -> None:
    assert points(figure.axes[2]) == [(500, 1, "s", BLUE, BLUE), (3000, 0, "o", RED, RED)]
    assert points(figure.axes[5]) == [(40, 2, "D", GREEN, GREEN)]
    assert [axes.get_xscale() for axes in figure.axes] == ["linear", "linear", "log"] * 2
    left, right = limits(figure.axes[2])[:2]
    assert left < 20 and right > 6000, "marks do not touch the frame"


def test_panels_methods_and_units_are_named(figure: Figure) -> None:
    assert titles(figure) == [
        *("tools-2m\ntool call", "tools-2m\nsums", "tools-2m\nsize"),
        *("big-1m\ntool call", "big-1m\nsums", "big-1m\nsize"),
    ]
    assert labels(figure, "x") == ["", "", "", "wall time (s)", "wall time (s)", "trained parameters"]
    assert ticks(figure.axes[0], "y") == [(0, "ART"), (1, "LoRA"), (2, "soft prompt")]
    assert words(figure) == ["mean of n = 2 runs; beside a bar: ratio of the coloured part to soft prompt's"]
    assert figure.get_size_inches().tolist() == pytest.approx([6.7, 2 * (0.55 + 0.24 * 3) + 0.5])


def test_seconds_have_one_scale_with_room_for_the_ratios(figure: Figure) -> None:
    for axes in (figure.axes[0], figure.axes[1], figure.axes[3], figure.axes[4]):
        assert limits(axes) == [0, 24.4, 2.6, -0.6]


def test_the_legend_names_the_phases_that_took_time(figure: Figure) -> None:
    (box,) = figure.legends
    assert [text.get_text() for text in box.get_texts()] == [
        *("backward", "forward", "rollout", "start-up, validation, storing")
    ]
    assert [to_hex(patch.get_facecolor()) for patch in box.get_patches()] == [BLUE, ORANGE, GREEN, LIGHT_GREY]


def test_without_trained_methods_the_figure_says_so() -> None:
    controls = drawn("cost", experiment(), {"cost": FRAME.query("kind == 'no_image'")})
    assert words(controls) == ["No method of this experiment is trained."] and not controls.axes
