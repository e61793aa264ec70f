"""Draws the figures of the paper: one file per figure.

A figure is a module with ``READS``, the names of the tidy CSV files that it needs, and
``draw(config, frames, results)``, which returns a matplotlib figure.  Every file in this folder is a figure, except
this one and style.py.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from art.config.experiment import Config


def render(name: str, config: Config, results: Path, out: Path) -> None:
    """Draw figure ``name`` and write ``out/NAME.pdf`` and ``out/NAME.png``."""
    from analysis.figures import style
    from analysis.load import read_csv

    module = import_module(f"analysis.figures.{name}")
    frames = {source: read_csv(results / "analysis" / f"{source}.csv") for source in module.READS}
    with style.applied():
        style.save(module.draw(config, frames, results), out, name)
