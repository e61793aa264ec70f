"""Commands of ``python -m analysis``, which write files; each command imports only what it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis.registry import DATA, FIGURES, TABLES
from art.config.reading import load_config
from art.config.registry import implementation
from art.errors import printed

app = typer.Typer(add_completion=False, no_args_is_help=True, help="CSV files, tables and figures of finished runs.")
ConfigPath = Annotated[Path, typer.Option("--config", help="resolved configuration of the experiment")]
Results = Annotated[Path, typer.Option("--results", help="folder that the runs were written to")]
CONFIG, RESULTS = Path("results/config.json"), Path("results")


@app.command()
def measure(
    names: Annotated[list[str] | None, typer.Argument(help="names of tidy files; default: all")] = None,
    config: ConfigPath = CONFIG,
    results: Results = RESULTS,
    out: Annotated[Path, typer.Option(help="folder for the CSV files")] = Path("results/analysis"),
) -> None:
    """Write tidy CSV files on accuracy, pictures, training, cost and serving."""
    from analysis.load import Experiment, write_csv

    wanted = _known(names, list(DATA))
    with printed("analysis"):
        experiment = Experiment(load_config(config), results)
        for name in wanted:
            write_csv(implementation(DATA[name])(experiment), out / f"{name}.csv")


@app.command()
def tables(
    names: Annotated[list[str] | None, typer.Argument(help="names of tables; default: all")] = None,
    config: ConfigPath = CONFIG,
    results: Results = RESULTS,
    out: Annotated[Path, typer.Option(help="folder for the tables")] = Path("paper/tables"),
) -> None:
    """Write tables as csv, tex and md, from the tidy CSV files in RESULTS/analysis."""
    from analysis.load import read_csv
    from analysis.tables.format import write_table

    wanted = _known(names, list(TABLES))
    with printed("analysis"):
        experiment = load_config(config)
        sources = {source for name in wanted for source in TABLES[name].reads}
        frames = {source: read_csv(results / "analysis" / f"{source}.csv") for source in sorted(sources)}
        for name in wanted:
            write_table(implementation(TABLES[name].build)(experiment, frames), out, name)


@app.command()
def figure(
    name: Annotated[str, typer.Argument(help="a file in analysis/figures, without its suffix")],
    config: ConfigPath = CONFIG,
    results: Results = RESULTS,
    out: Annotated[Path, typer.Option(help="folder for NAME.pdf and NAME.png")] = Path("paper/figures"),
) -> None:
    """Draw one figure as pdf and png, from the tidy CSV files in RESULTS/analysis (and the stored pictures)."""
    from analysis.figures import render

    _known([name], FIGURES)
    with printed("analysis"):
        render(name, load_config(config), results, out)


@app.command()
def search(
    config: ConfigPath = CONFIG,
    results: Results = RESULTS,
    out: Annotated[Path, typer.Option(help="CSV file to write")] = Path("results/analysis/search.csv"),
) -> None:
    """Compare the variants of each kind by validation accuracy and mark the selected one."""
    from analysis.load import Experiment, write_csv
    from analysis.search import search as compare

    with printed("analysis"):
        frame = compare(Experiment(load_config(config), results))
        write_csv(frame, out)
    for row in frame[frame["chosen"]].drop_duplicates("method").itertuples():
        typer.echo(f"{row.kind}: {row.method} {row.settings} (mean rank {row.mean_rank:.2f})")


def _known(names: list[str] | None, allowed: list[str]) -> list[str]:
    for name in names or []:
        if name not in allowed:
            raise typer.BadParameter(f"unknown {name!r}; allowed: {', '.join(allowed)}")
    return names or allowed
