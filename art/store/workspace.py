"""Where a run reads and writes below the results folder."""

from __future__ import annotations

from pathlib import Path

from art.config.experiment import Config, RunKey
from art.errors import ConfigError


class Workspace:
    """The paths of one run.

    Raises:
        ConfigError: the configuration has no such model, task, method or seed.
    """

    def __init__(self, config: Config, key: RunKey, results: Path) -> None:
        for name, known in (("model", config.models), ("task", config.tasks), ("method", config.methods)):
            if getattr(key, name) not in known:
                raise ConfigError(f"{name}: unknown {getattr(key, name)!r}; allowed: {', '.join(known)}")
        seeds = config.method_seeds(key.method)
        if key.seed not in seeds:
            raise ConfigError(
                f"seed: unknown {key.seed} for method {key.method}; allowed: {', '.join(map(str, seeds))}"
            )
        self.config, self.key, self.results = config, key, results
        self.model, self.task, self.section = (
            config.models[key.model],
            config.tasks[key.task],
            config.methods[key.method],
        )
        self.folder = results / key.folder
        self.artifact, self.progress = self.folder / "artifact", self.folder / "progress"
        self.seed_picture = results / "seeds" / f"{key.task}.png"

    def log(self, name: str) -> Path:
        """Path of a log, in the folder of the logs of the run's steps."""
        key = self.key
        return self.results / "logs" / key.model / key.task / key.method / f"seed{key.seed}.{name}"

    def problem_file(self, split: str) -> Path:
        """Path of a problem file of the run's task."""
        return self.results / "tasks" / self.key.task / f"{split}.jsonl"
