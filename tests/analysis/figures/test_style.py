"""Tests what all figures share: styles of methods, sizes, saving."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pandas as pd
import pytest
from artists import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY
from literal_frames import experiment
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from analysis.figures import style
from analysis.registry import FIGURES


def test_every_kind_has_its_colour_and_mark_and_variants_get_lighter() -> None:
    looks = {
        name: (one.label, to_hex(one.colour), one.marker) for name, one in style.method_styles(experiment()).items()
    }
    assert looks == {
        "art": ("ART", RED, "o"),
        # 0.65 / 2 of the way to white: d5, 5e, 00 = 213, 94, 0 become 213 + 42 x 0.325 = 226.65, 146.3, 82.9
        "art_bound32": ("ART bound32", "#e39253", "o"),
        "lora": ("LoRA", BLUE, "s"),
        "soft_prompt": ("soft prompt", GREEN, "D"),
        "no_image": ("no image", GREY, "X"),
        "random_image": ("random image", ORANGE, "^"),
        "seed_image": ("seed image", SKY, "v"),
        "random_string": ("random string", PURPLE, "P"),
    }


def test_a_kind_without_a_look_of_its_own_is_brown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(style.KIND_STYLE, "lora")
    look = style.method_styles(experiment())["lora"]
    assert (to_hex(look.colour), look.marker) == ("#ca9161", "h")


def test_one_column_is_narrower_and_height_goes_by_rows() -> None:
    wide, panels = style.grid(3, 2, 1.5)
    assert wide.get_size_inches().tolist() == [6.7, 5.0] and panels.shape == (3, 2)
    narrow, panels = style.grid(1, 1, 2)
    assert narrow.get_size_inches().tolist() == pytest.approx([0.62 * 6.7, 2.5]) and panels.shape == (1, 1)


def test_a_message_is_the_only_thing_in_its_figure() -> None:
    figure = style.message("Nothing.")
    (text,) = figure.texts
    assert text.get_text() == "Nothing." and text.get_position() == (0.5, 0.5) and not figure.axes
    assert figure.get_size_inches().tolist() == [6.7, 1]


def test_names_are_present_in_their_own_order() -> None:
    assert style.present(["b", "x", "a"], pd.Series(["a", "b", "a", "c"])) == ["b", "a"]


def test_legends_have_few_columns_and_two_in_a_narrow_figure() -> None:
    def columns(width: float, asked: int) -> int:
        figure = Figure(figsize=(width, 1), layout="constrained")
        style.legend_below(figure, [matplotlib.lines.Line2D([], [], label=str(number)) for number in range(4)], asked)
        return figure.legends[0]._ncols

    assert [columns(6.7, 3), columns(6.7, 6), columns(4, 3)] == [3, 4, 2]


def test_settings_hold_while_a_figure_is_drawn_whatever_stood_before() -> None:
    with matplotlib.rc_context({"font.size": 30, "axes.xmargin": 0.4}):
        before = dict(matplotlib.rcParams)
        with style.applied():
            assert matplotlib.rcParams["font.size"] == 8 and matplotlib.rcParams["axes.xmargin"] == 0.05
            assert to_hex(matplotlib.rcParams["axes.prop_cycle"].by_key()["color"][0]) == BLUE
            assert matplotlib.rcParams["axes.grid"] and not matplotlib.rcParams["legend.frameon"]
        assert dict(matplotlib.rcParams) == before


def test_a_figure_is_saved_twice_without_dates(tmp_path: Path) -> None:
    with style.applied():
        figure, panels = style.grid(1, 2, 1)
        panels[0, 0].set_title("word")
        style.save(figure, tmp_path / "deep", "one")
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["one.pdf", "one.png"]
    pdf = (tmp_path / "deep/one.pdf").read_bytes()
    assert pdf.startswith(b"%PDF") and b"CreationDate" not in pdf
    assert b"/FontFile2" in pdf, "text is embedded as TrueType, not drawn"
    with Image.open(tmp_path / "deep/one.png") as image:
        assert image.size == (1340, 300), "200 dots an inch"
        assert "Software" not in image.info


def test_figures_are_the_files_of_the_folder_but_the_style() -> None:
    assert FIGURES == ["accuracy", "cost", "distance", "images", "learning", "png_growth", "serving"]
