"""Commands of ``python -m analysis``: arguments in, files out; each command imports only what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from art.config import ConfigError, load_config
from art.records import RecordError

app = typer.Typer(add_completion=False, no_args_is_help=True, help="CSV files, tables and figures of finished runs.")
ConfigPath = Annotated[Path, typer.Option("--config", help="resolved configuration of the experiment")]
Results = Annotated[Path, typer.Option("--results", help="folder that the runs were written to")]
CONFIG, RESULTS = Path("results/config.json"), Path("results")


@app.command()
def measure(
    names: Annotated[list[str] | None, typer.Argument(help="which tidy files; all when absent")] = None,
    config: ConfigPath = CONFIG,
    results: Results = RESULTS,
    out: Annotated[Path, typer.Option(help="folder for the CSV files")] = Path("results/analysis"),
) -> None:
    """Write tidy CSV files: on accuracy, pictures, training, cost, serving."""
    from analysis import measures, pictures, serving
    from analysis.load import load_scores, write_csv

    with_scores = {
        "accuracy": measures.accuracy,
        "comparisons": measures.comparisons,
        "png": lambda experiment, scores: pictures.png(experiment, results, scores),
        "distance": lambda experiment, scores: pictures.distances(experiment, results, scores),
    }
    without = {
        "png_steps": pictures.png_steps,
        "learning": measures.learning,
        "cost": measures.cost,
        "versions": measures.versions,
        "served": serving.served,
        "serving_load": serving.serving_load,
        "gap": serving.gap,
    }
    wanted = _known(names, [*with_scores, *without])
    with _clear_errors():
        experiment = load_config(config)
        scores = load_scores(experiment, results) if any(name in with_scores for name in wanted) else {}
        for name in wanted:
            make = with_scores.get(name)
            frame = make(experiment, scores) if make else without[name](experiment, results)
            write_csv(frame, out / f"{name}.csv")


@app.command()
def tables(
    names: Annotated[list[str] | None, typer.Argument(help="which tables; all when absent")] = None,
    config: ConfigPath = CONFIG,
    results: Results = RESULTS,
    out: Annotated[Path, typer.Option(help="folder for the tables")] = Path("paper/tables"),
) -> None:
    """Format tables as csv, tex and md, from the tidy CSV files in RESULTS/analysis."""
    from analysis.load import read_csv
    from analysis.tables import TABLES, write_table

    wanted = _known(names, list(TABLES))
    with _clear_errors():
        experiment = load_config(config)
        sources = {source for name in wanted for source in TABLES[name].reads}
        frames = {source: read_csv(results / "analysis" / f"{source}.csv") for source in sorted(sources)}
        for name in wanted:
            write_table(TABLES[name].build(experiment, frames), out, name)


@app.command()
def figure(
    name: Annotated[str, typer.Argument(help="a file of analysis/figures, without its suffix")],
    config: ConfigPath = CONFIG,
    results: Results = RESULTS,
    out: Annotated[Path, typer.Option(help="folder for NAME.pdf and NAME.png")] = Path("paper/figures"),
) -> None:
    """Draw one figure as pdf and png, from the tidy CSV files in RESULTS/analysis (and stored pictures)."""
    from analysis.figures import figure_names, render

    _known([name], figure_names())
    with _clear_errors():
        render(name, load_config(config), results, out)


@app.command()
def search(
    config: ConfigPath = CONFIG,
    results: Results = RESULTS,
    out: Annotated[Path, typer.Option(help="the CSV file")] = Path("results/analysis/search.csv"),
) -> None:
    """Compare the variants of each kind on validation accuracy and mark the chosen one."""
    from analysis.load import write_csv
    from analysis.search import search as compare

    with _clear_errors():
        frame = compare(load_config(config), results)
        write_csv(frame, out)
    for row in frame[frame["chosen"]].drop_duplicates("method").itertuples():
        typer.echo(f"{row.kind}: {row.method} {row.settings} (mean rank {row.mean_rank:.2f})")


def _known(names: list[str] | None, allowed: list[str]) -> list[str]:
    for name in names or []:
        if name not in allowed:
            raise typer.BadParameter(f"unknown {name!r}; allowed: {', '.join(allowed)}")
    return names or allowed


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Turn what is wrong with an input file into one line and exit status 1; all else keeps its traceback."""
    from art.images import ImageError

    try:
        yield
    except (ConfigError, RecordError, ImageError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
