"""Formatted tables of the paper, each made from tidy CSV files and written as csv, tex and md.

Accuracies and differences are in per cent and percentage points; intervals are percentile bootstrap.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from analysis.load import write_csv
from analysis.names import LABELS, method_labels
from art.config import TRAINED_KINDS, Config
from art.records import atomic_path

Frames = Mapping[str, pd.DataFrame]
MINUS, MISSING = "\u2212", "\u2013"
PUBLISHED = Path(__file__).with_name("published.csv")


class Table(NamedTuple):
    """Which tidy files a table reads, and how it is made from them."""

    reads: tuple[str, ...]
    build: Callable[[Config, Frames], pd.DataFrame]


def percent(value: float, signed: bool = False) -> str:
    """A share as per cent with one decimal, with a true minus sign."""
    return number(100 * value, 1, signed)


def number(value: float, decimals: int, signed: bool = False) -> str:
    """Fixed decimals, thousands apart, a dash for what is missing."""
    if pd.isna(value):
        return MISSING
    text = f"{value:+,.{decimals}f}" if signed else f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def p_value(value: float) -> str:
    """Three decimals, or a bound."""
    return MISSING if pd.isna(value) else "<0.001" if value < 0.001 else f"{value:.3f}"


def interval(centre: float, low: float, high: float, signed: bool = False) -> str:
    """Estimate and interval in per cent."""
    return f"{percent(centre, signed)} [{percent(low, signed)}, {percent(high, signed)}]"


def accuracy(config: Config, frames: Frames, decoding: str = "greedy") -> pd.DataFrame:
    """Method by task, a block a model; n stands in the heading of the task."""
    frame = frames["accuracy"]
    frame = frame[frame["decoding"] == decoding]
    labels, rows = method_labels(config), []
    sizes = frame.groupby("task")["n"].first()
    for (model, method), group in frame.groupby(["model", "method"], sort=False):
        cells = {row.task: interval(row.accuracy, row.low, row.high) for row in group.itertuples()}
        tasks = {f"{task}, % (n = {sizes[task]})": cells.get(task, MISSING) for task in config.tasks if task in sizes}
        rows.append({"Model": model, "Method": labels[method], "Seeds": str(group["seeds"].iloc[0])} | tasks)
    return pd.DataFrame(rows, columns=None if rows else ["Model", "Method", "Seeds", *config.tasks])


def sampled(config: Config, frames: Frames) -> pd.DataFrame:
    """The same for sampled completions; without rows where none were asked for."""
    return accuracy(config, frames, "sampled")


def comparison(config: Config, frames: Frames, baseline: str) -> pd.DataFrame:
    """Greedy accuracy of each method against ``baseline``, paired."""
    frame, labels = frames["comparisons"], method_labels(config)
    frame = frame[(frame["baseline"] == baseline) & (frame["decoding"] == "greedy")]
    columns = {
        "Model": frame["model"],
        "Task": frame["task"],
        "Method": frame["method"].map(labels),
        "n": frame["n"].astype(str),
        f"Difference to {labels[baseline]}, points": [
            interval(row.difference, row.low, row.high, signed=True) for row in frame.itertuples()
        ],
        "Only method": frame["only_method"].map(lambda value: number(value, int(value % 1 > 0))),
        f"Only {labels[baseline]}": frame["only_baseline"].map(lambda value: number(value, int(value % 1 > 0))),
        "p (paired exact)": frame["p_exact"].map(p_value),
        "p (bootstrap)": frame["p_bootstrap"].map(p_value),
        "p (Holm)": frame["p_holm"].map(p_value),
        "MDE, points": frame["mde"].map(percent),
    }
    return pd.DataFrame(columns)


def against_baseline(config: Config, frames: Frames) -> pd.DataFrame:
    return comparison(config, frames, config.analysis.baseline)


def against_reference(config: Config, frames: Frames) -> pd.DataFrame:
    return comparison(config, frames, config.analysis.reference)


def png(config: Config, frames: Frames) -> pd.DataFrame:
    """Sizes of pictures (means over seeds or draws) under the fixed PNG setting and the best compressor."""
    frame, labels, rows = frames["png"], method_labels(config), []
    for (model, task, method), group in frame.groupby(["model", "task", "method"], sort=False):
        means = group.groupby("encoder", sort=False)[["bytes", "ratio", "growth"]].mean()
        best = means.drop("best")["bytes"].idxmin()
        rows.append(
            {
                "Model": model,
                "Task": task,
                "Picture": labels[method],
                "PNG, bytes": number(means.loc["png", "bytes"], 0),
                "PNG / raw": number(means.loc["png", "ratio"], 3),
                "PNG growth": number(means.loc["png", "growth"], 2),
                "Best compressor": best.replace("_", " "),
                "Best, bytes": number(means.loc["best", "bytes"], 0),
                "Best growth": number(means.loc["best", "growth"], 2),
                "Gain, points": percent(group["gain"].mean(), signed=True),
            }
        )
    return pd.DataFrame(rows)


def published(config: Config, frames: Frames) -> pd.DataFrame:
    """The paper's accuracies beside ours of the same model, task and method, by name; most experiments have none."""
    ours = frames["accuracy"].query("decoding == 'greedy'").set_index(["model", "task", "method"])
    labels, rows = LABELS | method_labels(config), []
    for row in pd.read_csv(PUBLISHED, comment="#").itertuples():
        key = (row.model, row.task, row.method)
        shown = ("not run", MISSING, MISSING)
        if key in ours.index:
            found = ours.loc[key]
            inside = "yes" if found.low <= row.accuracy <= found.high else "no"
            difference = percent(found.accuracy - row.accuracy, signed=True)
            shown = (interval(found.accuracy, found.low, found.high), difference, inside)
        rows.append((row.model, row.task, labels[row.method], number(100 * row.accuracy, 2), *shown))
    names = ("Published, %", "Ours, %", "Ours to published, points", "Published in our interval")
    return pd.DataFrame(rows, columns=["Model", "Task", "Method", *names])


def _trained_costs(frames: Frames) -> pd.DataFrame:
    """Means over seeds of the trained methods' rows, by model, task and method."""
    frame = frames["cost"]
    frame = frame[frame["kind"].isin(TRAINED_KINDS)]
    return frame.groupby(["model", "task", "method"], sort=False).mean(numeric_only=True)


def budget(config: Config, frames: Frames) -> pd.DataFrame:
    """What each method was given and used, means over seeds: the same steps and completions, so that they compare."""
    labels = method_labels(config)
    rows = [
        {
            "Model": model,
            "Task": task,
            "Method": labels[method],
            "Trained numbers": number(row["trained_numbers"], 0),
            "Prefix tokens": number(row["prefix_tokens"], 0),
            "Steps": number(row["steps"], 0),
            "Completions": number(row["completions"], 0),
            "Updates": number(row["updates"], 0),
            "Prompt tokens": number(row["prompt_tokens"], 0),
            "Completion tokens": number(row["completion_tokens"], 0),
        }
        for (model, task, method), row in _trained_costs(frames).iterrows()
    ]
    return pd.DataFrame(rows)


def cost(config: Config, frames: Frames) -> pd.DataFrame:
    """Means over seeds of the time and memory of training; the ratio is of the steps' seconds to the reference's."""
    labels, rows = method_labels(config), []
    reference = labels[config.analysis.reference]
    for (model, task, method), row in _trained_costs(frames).iterrows():
        rows.append(
            {
                "Model": model,
                "Task": task,
                "Method": labels[method],
                "Training, s": number(row["seconds_training"], 1),
                "s / step": number(row["seconds_training"] / row["steps"], 2),
                f"s / step / {reference}": number(row["ratio_to_reference"], 2),
                "Process, s": number(row["seconds_total"], 1),
                "Peak memory, MiB": number(row["peak_memory_bytes"] / 2**20, 0),
            }
        )
    return pd.DataFrame(rows)


def served(config: Config, frames: Frames) -> pd.DataFrame:
    """Greedy accuracy through the server beside the evaluation's, on the same problems, and how many differ."""
    frame, labels = frames["served"], method_labels(config)
    columns = {
        "Model": frame["model"],
        "Task": frame["task"],
        "Method": frame["method"].map(labels),
        "n": frame["n"].astype(str),
        "Evaluated by": frame["engine"],
        "Evaluated, %": frame["accuracy_evaluated"].map(percent),
        "Served, %": frame["accuracy_served"].map(percent),
        "Difference, points": [interval(row.difference, row.low, row.high, signed=True) for row in frame.itertuples()],
        "p (paired exact)": frame["p_exact"].map(p_value),
        "Score differs, %": frame["score_differs"].map(percent),
        "Text differs, %": frame["text_differs"].map(percent),
    }
    return pd.DataFrame(columns)


def serving_load(config: Config, frames: Frames) -> pd.DataFrame:
    """Throughput and time to the first token: medians over repeats, and ratios to no image, with their ranges."""
    frame = frames["serving_load"]
    rows = list(frame.itertuples())
    kinds = {"no_image": "no image", "image": "image", "adapter": "adapter"}
    columns = {
        "Model": frame["model"],
        "Task": frame["task"],
        "Before or over": frame["kind"].map(kinds),
        "Variants": [MISSING if row.kind == "no_image" else str(row.variants) for row in rows],
        "Repeats": frame["repeats"].astype(str),
        "Prompt tokens / request": [number(row.prompt_tokens / row.requests, 1) for row in rows],
        "Tokens / s": [_range(row.rate, row.rate_low, row.rate_high, 0) for row in rows],
        "Ratio within a repeat": [_range(row.rate_ratio, row.rate_ratio_low, row.rate_ratio_high, 2) for row in rows],
        "First token, s": [_range(row.first_token, row.first_token_low, row.first_token_high, 2) for row in rows],
        "Its ratio": [
            _range(row.first_token_ratio, row.first_token_ratio_low, row.first_token_ratio_high, 2) for row in rows
        ],
    }
    return pd.DataFrame(columns)


def gap(config: Config, frames: Frames) -> pd.DataFrame:
    """How far an engine's log-probabilities lie from the policy's."""
    frame, labels = frames["gap"], method_labels(config)
    columns = {
        "Model": frame["model"],
        "Task": frame["task"],
        "Where": frame["source"],
        "Method": frame["method"].map(labels),
        "Tokens": frame["tokens"].map(lambda value: number(value, 0)),
        "Mean, nats": frame["mean"].map(lambda value: number(value, 4)),
        "Maximum, nats": frame["maximum"].map(lambda value: number(value, 3)),
        "Effective sample, %": frame["effective"].map(lambda value: number(100 * value, 2)),
    }
    return pd.DataFrame(columns)


def _range(middle: float, low: float, high: float, decimals: int) -> str:
    return f"{number(middle, decimals)} [{number(low, decimals)}, {number(high, decimals)}]"


def hyperparameters(config: Config, frames: Frames) -> pd.DataFrame:
    """Settings of each trained method, from the resolved configuration."""
    labels, rows = method_labels(config), []
    for name, section in config.methods.items():
        if section.kind in TRAINED_KINDS:
            fields = section.model_dump(mode="json", exclude={"kind", "models", "tasks", "engine"})
            shown = [fields.pop(key) for key in ("learning_rate", "betas")]
            others = _listed(fields)
            engine = config.engine_of(name).results_depend_on()
            rows.append((labels[name], *map(_plain, shown), others or MISSING, _listed(engine)))
    return pd.DataFrame(rows, columns=["Method", "Learning rate", "Adam betas", "Other settings", "Engine"])


def settings(config: Config, frames: Frames) -> pd.DataFrame:
    """What all methods share: sections image, objective, training, evaluation and analysis, and the seeds."""
    rows = [("experiment", "seeds", _plain(list(config.seeds)))]
    for section in ("image", "objective", "training", "evaluation", "serving", "analysis"):
        given = getattr(config, section)
        fields = given.model_dump(mode="json") if given else {}
        rows += [(section, key.replace("_", " "), _plain(value)) for key, value in fields.items()]
    return pd.DataFrame(rows, columns=["Section", "Setting", "Value"])


def versions(config: Config, frames: Frames) -> pd.DataFrame:
    """Software, revision and device; several values where runs differ."""
    groups = frames["versions"].groupby("name", sort=False)["value"]
    return pd.DataFrame(
        [(name, "; ".join(map(str, values))) for name, values in groups], columns=["Component", "Version"]
    )


TABLES = {
    "accuracy": Table(("accuracy",), accuracy),
    "accuracy_sampled": Table(("accuracy",), sampled),
    "published": Table(("accuracy",), published),
    "comparisons_baseline": Table(("comparisons",), against_baseline),
    "comparisons_reference": Table(("comparisons",), against_reference),
    "png": Table(("png",), png),
    "budget": Table(("cost",), budget),
    "cost": Table(("cost",), cost),
    "served": Table(("served",), served),
    "serving_load": Table(("serving_load",), serving_load),
    "gap": Table(("gap",), gap),
    "hyperparameters": Table((), hyperparameters),
    "settings": Table((), settings),
    "versions": Table(("versions",), versions),
}


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
    """A booktabs tabular, without a float around it."""
    lines = [rf"\begin{{tabular}}{{{'l' * len(frame.columns)}}}", r"\toprule"]
    cells = [list(frame.columns), *frame.astype(str).to_numpy().tolist()]
    rows = [" & ".join(str(cell).translate(LATEX) for cell in row) + r" \\" for row in cells]
    lines += [rows[0], r"\midrule", *rows[1:], r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def _listed(fields: Mapping[str, object]) -> str:
    """Settings in one line; the engine's kind goes without saying what it is."""
    return ", ".join(f"{key.replace('_', ' ')} {_plain(value)}".removeprefix("kind ") for key, value in fields.items())


def _plain(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)
