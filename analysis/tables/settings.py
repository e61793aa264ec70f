"""Tables of settings and software."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pandas as pd

from analysis.names import method_labels
from analysis.tables.format import MISSING, Frames
from art.config.experiment import Config
from art.config.methods import TRAINED_KINDS


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
    """Settings that all methods share: the seeds and the sections from image to analysis."""
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


def _listed(fields: Mapping[str, object]) -> str:
    """Settings in one line; the word ``kind`` is left out."""
    return ", ".join(f"{key.replace('_', ' ')} {_plain(value)}".removeprefix("kind ") for key, value in fields.items())


def _plain(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)
