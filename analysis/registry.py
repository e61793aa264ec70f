"""Lists all tidy CSV files, tables and figures by name, with the functions or modules that make them.

The entries are text, so that the workflow reads the names without importing pandas or matplotlib.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

# name of a tidy CSV file in RESULTS/analysis: the function that makes it from the experiment
DATA = {
    "accuracy": "analysis.measures:accuracy",
    "comparisons": "analysis.measures:comparisons",
    "png": "analysis.pictures:png",
    "png_steps": "analysis.pictures:png_steps",
    "learning": "analysis.measures:learning",
    "cost": "analysis.measures:cost",
    "distance": "analysis.pictures:distances",
    "versions": "analysis.measures:versions",
    "served": "analysis.serving:served",
    "serving_load": "analysis.serving:serving_load",
    "gap": "analysis.serving:gap",
}


class Table(NamedTuple):
    """The tidy files that a table reads, and the function that makes the table from them."""

    reads: tuple[str, ...]
    build: str


TABLES = {
    "accuracy": Table(("accuracy",), "analysis.tables.accuracy:accuracy"),
    "accuracy_sampled": Table(("accuracy",), "analysis.tables.accuracy:sampled"),
    "published": Table(("accuracy",), "analysis.tables.accuracy:published"),
    "comparisons_baseline": Table(("comparisons",), "analysis.tables.comparisons:against_baseline"),
    "comparisons_reference": Table(("comparisons",), "analysis.tables.comparisons:against_reference"),
    "png": Table(("png",), "analysis.tables.png:png"),
    "budget": Table(("cost",), "analysis.tables.cost:budget"),
    "cost": Table(("cost",), "analysis.tables.cost:cost"),
    "served": Table(("served",), "analysis.tables.serving:served"),
    "serving_load": Table(("serving_load",), "analysis.tables.serving:serving_load"),
    "gap": Table(("gap",), "analysis.tables.serving:gap"),
    "hyperparameters": Table((), "analysis.tables.settings:hyperparameters"),
    "settings": Table((), "analysis.tables.settings:settings"),
    "versions": Table(("versions",), "analysis.tables.settings:versions"),
}

# each figure is a file in analysis/figures
FIGURES = sorted(
    path.stem for path in Path(__file__).parent.glob("figures/*.py") if path.stem not in ("__init__", "style")
)
