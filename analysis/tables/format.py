"""Formats numbers for tables, and writes the files of a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from analysis.load import write_csv
from art.files import atomic_path

Frames = Mapping[str, pd.DataFrame]

MINUS, MISSING = "\u2212", "\u2013"


def percent(value: float, signed: bool = False) -> str:
    """A share in per cent, with one decimal and a true minus sign."""
    return number(100 * value, 1, signed)


def number(value: float, decimals: int, signed: bool = False) -> str:
    """A number with fixed decimals and commas between thousands; a dash for a missing value."""
    if pd.isna(value):
        return MISSING
    text = f"{value:+,.{decimals}f}" if signed else f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def p_value(value: float) -> str:
    """A p-value with three decimals, or <0.001; a dash for a missing value."""
    return MISSING if pd.isna(value) else "<0.001" if value < 0.001 else f"{value:.3f}"


def interval(centre: float, low: float, high: float, signed: bool = False) -> str:
    """An estimate and its interval, in per cent."""
    return f"{percent(centre, signed)} [{percent(low, signed)}, {percent(high, signed)}]"


def spread(middle: float, low: float, high: float, decimals: int) -> str:
    return f"{number(middle, decimals)} [{number(low, decimals)}, {number(high, decimals)}]"


def write_table(frame: pd.DataFrame, folder: Path, name: str) -> None:
    """Write NAME.csv, NAME.tex (booktabs) and NAME.md."""
    write_csv(frame, folder / f"{name}.csv")
    for suffix, text in (("tex", to_latex(frame)), ("md", to_markdown(frame))):
        with atomic_path(folder / f"{name}.{suffix}") as partial:
            partial.write_text(text, encoding="utf-8")


def to_markdown(frame: pd.DataFrame) -> str:
    """A pipe table."""
    rows = [list(frame.columns), ["---"] * len(frame.columns), *frame.astype(str).to_numpy().tolist()]
    return "".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |\n" for row in rows)


LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "%": r"\%",
        "_": r"\_",
        "&": r"\&",
        "#": r"\#",
        "$": r"\$",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": "$<$",
        ">": "$>$",
        MINUS: "$-$",
        MISSING: "--",
    }
)


def to_latex(frame: pd.DataFrame) -> str:
    """A booktabs tabular, not in a float."""
    lines = [rf"\begin{{tabular}}{{{'l' * len(frame.columns)}}}", r"\toprule"]
    cells = [list(frame.columns), *frame.astype(str).to_numpy().tolist()]
    rows = [" & ".join(str(cell).translate(LATEX) for cell in row) + r" \\" for row in cells]
    lines += [rows[0], r"\midrule", *rows[1:], r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"
