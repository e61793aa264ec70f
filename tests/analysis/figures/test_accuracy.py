from __future__ import annotations

import pytest
from artists import BLUE, GREY, ORANGE, RED, WHITE, drawn, labels, legend, limits, lines, points, ticks, titles
from literal_frames import experiment, frame
from matplotlib.figure import Figure

FRAME = frame("""
model    task      method       decoding seeds n  accuracy low  high
big-1m   sums      lora         greedy   2     60 0.85     0.7  0.9
big-1m   sums      lora         sampled  1     60 0.75     0.7  0.95
big-1m   sums      art          greedy   1     60 0.65     0.6  0.8
big-1m   tool_call random_image greedy   2     80 0.2      0.1  0.25
tools-2m tool_call art          greedy   3     80 0.5      0.45 0.7
tools-2m tool_call random_image sampled  3     80 0.35     0.3  0.5
tools-2m tool_call random_image greedy   3     80 0.3      0.15 0.35
tools-2m tool_call no_image     greedy   1     80 0.4      0.3  0.6
""")


@pytest.fixture(scope="module")
def figure() -> Figure:
    return drawn("accuracy", experiment(), {"accuracy": FRAME})


def test_panels_are_models_by_tasks_in_the_configs_order(figure: Figure) -> None:
    assert titles(figure) == [
        *("tools-2m\ntool call (n = 80)", "tools-2m\nsums", "big-1m\ntool call (n = 80)", "big-1m\nsums (n = 60)")
    ]
    assert labels(figure, "x") == ["", "", "accuracy (share correct)", "accuracy (share correct)"]
    assert figure.get_size_inches().tolist() == pytest.approx([6.7, 2 * (0.55 + 0.2 * 4) + 0.5])


def test_methods_stand_from_the_top_in_the_configs_order_with_their_most_seeds(figure: Figure) -> None:
    assert ticks(figure.axes[0], "y") == [(0, "ART (3)"), (1, "LoRA (2)"), (2, "no image"), (3, "random image (3)")]
    for axes in figure.axes:
        assert limits(axes) == [-0.02, 1.02, 3.6, -0.6]
    assert ticks(figure.axes[2], "x") == [(0, "0"), (0.25, ".25"), (0.5, ".5"), (0.75, ".75"), (1, "1")]


def test_marks_lie_at_the_accuracies_greedy_full_and_above_sampled(figure: Figure) -> None:
    assert points(figure.axes[0]) == [
        (0.3, 2.83, "^", ORANGE, ORANGE),
        (0.35, 3.17, "^", ORANGE, WHITE),
        (0.4, 1.83, "X", GREY, GREY),
        (0.5, -0.17, "o", RED, RED),
    ]
    assert points(figure.axes[1]) == []
    assert points(figure.axes[2]) == [(0.2, 2.83, "^", ORANGE, ORANGE)]
    assert points(figure.axes[3]) == [
        (0.65, -0.17, "o", RED, RED),
        (0.75, 1.17, "s", BLUE, WHITE),
        (0.85, 0.83, "s", BLUE, BLUE),
    ]


def test_intervals_run_from_low_to_high_and_the_baselines_greedy_accuracy_is_dashed(figure: Figure) -> None:
    assert lines(figure.axes[0]) == [
        ([0.15, 0.35], [2.83, 2.83], "-", ORANGE),
        ([0.3, 0.3], [0, 1], "--", GREY),
        ([0.3, 0.5], [3.17, 3.17], "-", ORANGE),
        ([0.3, 0.6], [1.83, 1.83], "-", GREY),
        ([0.45, 0.7], [-0.17, -0.17], "-", RED),
    ]
    assert lines(figure.axes[3]) == [
        ([0.6, 0.8], [-0.17, -0.17], "-", RED),
        ([0.7, 0.9], [0.83, 0.83], "-", BLUE),
        ([0.7, 0.95], [1.17, 1.17], "-", BLUE),
    ]


def test_the_legend_tells_greedy_sampled_and_baseline_apart(figure: Figure) -> None:
    full, line = ("o", "-", GREY, GREY), ("None", "--", GREY, GREY)
    assert legend(figure) == {
        "greedy, 90 % interval": full,
        "sampled, 90 % interval": ("o", "-", GREY, WHITE),
        "random image, greedy": line,
    }
    greedy = drawn("accuracy", experiment(), {"accuracy": FRAME.query("decoding == 'greedy'")})
    assert legend(greedy) == {"greedy, 90 % interval": full, "random image, greedy": line}
