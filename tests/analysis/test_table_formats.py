"""Tests numbers as text, names of methods, and the three formats of a table."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from literal_frames import experiment

from analysis.names import LABELS, method_labels
from analysis.tables.format import interval, number, p_value, percent, write_table


@given(st.floats(-1e9, 1e9) | st.floats(-1, 1), st.integers(0, 4), st.booleans())
def test_a_number_is_rounded_to_its_decimals_with_a_true_sign(value: float, decimals: int, signed: bool) -> None:
    text = number(value, decimals, signed)
    rounded = Decimal(value).quantize(Decimal(10) ** -decimals, ROUND_HALF_EVEN)
    sign = "\u2212" if rounded < 0 else "+" if rounded > 0 and signed else ""
    assert text.startswith(sign)
    digits = text.removeprefix(sign)
    assert re.fullmatch(r"\d{1,3}(,\d{3})*" + (rf"\.\d{{{decimals}}}" if decimals else ""), digits)
    assert Decimal(digits.replace(",", "")) == abs(rounded)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "<0.001"),
        (0.0005, "<0.001"),
        (0.00099, "<0.001"),
        (0.001, "0.001"),
        (0.0094, "0.009"),
        (0.0096, "0.010"),
        (0.05, "0.050"),
        (1.0, "1.000"),
        (math.nan, "\u2013"),
    ],
)
def test_a_p_value_below_a_thousandth_is_a_bound(value: float, text: str) -> None:
    assert p_value(value) == text


def test_missing_numbers_are_dashes() -> None:
    assert number(math.nan, 2) == percent(math.nan, signed=True) == "\u2013"


def test_an_interval_has_low_before_high_and_signs_only_where_asked() -> None:
    assert interval(0.1, -0.2, 0.4) == "10.0 [\u221220.0, 40.0]"
    assert interval(0.1, -0.2, 0.4, signed=True) == "+10.0 [\u221220.0, +40.0]"


def test_methods_are_called_by_their_kind_and_what_their_name_adds() -> None:
    methods = {
        "art": {"kind": "art"},
        "art_bound32": {"kind": "art"},
        "lora-r8_slow": {"kind": "lora"},
        "soft_prompt": {"kind": "soft_prompt"},
        "no_image": {"kind": "no_image"},
        "random_image": {"kind": "random_image"},
        "seed_image": {"kind": "seed_image"},
        "random_string": {"kind": "random_string"},
        "my_art": {"kind": "art"},
        "lora": {"kind": "art"},
    }
    analysis = {"baseline": "no_image", "reference": "art"}
    assert method_labels(experiment(methods=methods, analysis=analysis)) == {
        "art": "ART",
        "art_bound32": "ART bound32",
        "lora-r8_slow": "LoRA r8 slow",
        "soft_prompt": "soft prompt",
        "no_image": "no image",
        "random_image": "random image",
        "seed_image": "seed image",
        "random_string": "random string",
        "my_art": "my_art",
        "lora": "lora",
    }


def test_a_kind_without_a_name_of_its_own_leaves_methods_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(LABELS, "lora")
    assert method_labels(experiment())["lora"] == "lora"


def test_a_table_is_written_in_three_formats_with_their_own_escapes(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"a_b | %": ["x & y", "<0.001 > {z}"], "n": [3, 4], "D": ["\u22125.0 #$ \u2013", r"~ ^ \ 1|2"]}
    )
    write_table(table, tmp_path / "made", "one")
    written = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "made").iterdir()}
    assert written == {
        "one.csv": "a_b | %,n,D\nx & y,3,\u22125.0 #$ \u2013\n<0.001 > {z},4,~ ^ \\ 1|2\n",
        "one.md": "| a_b \\| % | n | D |\n"
        "| --- | --- | --- |\n"
        "| x & y | 3 | \u22125.0 #$ \u2013 |\n"
        "| <0.001 > {z} | 4 | ~ ^ \\ 1\\|2 |\n",
        "one.tex": "\\begin{tabular}{lll}\n"
        "\\toprule\n"
        "a\\_b | \\% & n & D \\\\\n"
        "\\midrule\n"
        "x \\& y & 3 & $-$5.0 \\#\\$ -- \\\\\n"
        "$<$0.001 $>$ \\{z\\} & 4 & \\textasciitilde{} \\textasciicircum{} \\textbackslash{} 1|2 \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n",
    }
