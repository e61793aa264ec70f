"""A tiny world for tests: a folder with all that a run reads, and a configuration with every method."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from art.config.experiment import Config, RunKey
from art.config.reading import parse_config
from art.files import read_records, write_json
from art.store.records import StepRecord

Undisturbed = Callable[[str], dict[str, bytes]]
SCORERS = {"arithmetic": "numeric", "tool_call": "tool_call", "multiple_choice": "multiple_choice"}
METHODS: dict[str, dict[str, Any]] = {
    "no_image": {"kind": "no_image"},
    "seed_image": {"kind": "seed_image"},
    "random_image": {"kind": "random_image", "draws": 3},
    "random_string": {"kind": "random_string", "draws": 3},
    "art": {"kind": "art"},
    "art_pixel": {"kind": "art", "basis": "pixel"},
    "art_bound5": {"kind": "art", "learning_rate": 2.0, "max_distance": 5},
    "art_pixel_bound5": {"kind": "art", "basis": "pixel", "max_distance": 5},
    "lora": {"kind": "lora", "rank": 2},
    "soft_prompt": {"kind": "soft_prompt"},
}


class World:
    """A folder with everything that a run of the grid reads, and the paths of the files that it writes."""

    def __init__(self, root: Path) -> None:
        self.root, self.results = root, root / "results"

    def mapping(self, **sections: dict[str, Any]) -> dict[str, Any]:
        """The configuration as plain data; the keys of ``sections`` replace its own."""
        data: dict[str, Any] = {
            "name": "tiny",
            "seeds": [0, 1],
            "models": {"tiny": {"path": str(self.root / "checkpoint")}},
            "tasks": {
                task: {"scorer": scorer, "train": 16, "validation": 8, "test": 8} for task, scorer in SCORERS.items()
            },
            "methods": METHODS,
            "image": {"size": 64},
            "training": {
                "steps": 3,
                "prompts": 4,
                "completions": 4,
                "minibatches": 2,
                "max_new_tokens": 8,
                "snapshot_every": 1,
                "validate_every": 2,
                "validation_problems": 4,
            },
            "evaluation": {"samples": 2, "max_new_tokens": 6, "batch_size": 3},
        }
        return {name: {**data.get(name, {}), **sections.get(name, {})} if name in sections else data[name]
                for name in {**data, **sections}}  # fmt: skip

    def changed(self, key: str, value: Any) -> dict[str, Any]:
        """The configuration as plain data, with the dotted key set."""
        data = Config.model_validate(self.mapping()).model_dump(mode="json", exclude_defaults=True)
        *path, last = key.split(".")
        place = data
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
        return data

    def config(self, **sections: dict[str, Any]) -> Config:
        """The validated configuration."""
        return parse_config(self.mapping(**sections), "test")

    def write_config(self, **sections: dict[str, Any]) -> Path:
        """Write config.json and return its path."""
        write_json(self.root / "config.json", self.mapping(**sections))
        return self.root / "config.json"

    def key(self, method: str, task: str = "arithmetic", seed: int = 0) -> RunKey:
        """Coordinates of a run."""
        return RunKey(model="tiny", task=task, method=method, seed=seed)

    def folder(self, method: str, task: str = "arithmetic", seed: int = 0) -> Path:
        """The run's folder."""
        return self.results / self.key(method, task, seed).folder

    def arguments(self, command: str, method: str, seed: int = 0, **sections: dict[str, Any]) -> list[str]:
        """Command line of ``art train`` or ``art evaluate``."""
        options = {"config": self.write_config(**sections), "model": "tiny", "task": "arithmetic", "method": method}
        options |= {"results": self.results, "seed": seed}
        return [command, *(str(part) for name, value in options.items() for part in (f"--{name}", value))]


def run(world: World, method: str, seed: int = 0, **sections: dict) -> Path:
    """Train a run and return its folder."""
    from art.training.loop import train

    train(world.config(**sections), world.key(method, seed=seed), world.results)
    return world.folder(method, seed=seed)


def log(folder: Path) -> list[StepRecord]:
    """A run's train.jsonl."""
    return read_records(folder / "train.jsonl", StepRecord)


def contents(folder: Path) -> dict[str, bytes]:
    """All that must be reproducible: every file but the record, the log without its times, paths without the root."""
    root = str(folder.parents[5]).encode()  # peft writes the checkpoint's path into the adapter
    found = {
        str(path.relative_to(folder)): path.read_bytes().replace(root, b"")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("run.json", "train.jsonl")
    }
    steps = [record.model_copy(update={"seconds": None}).model_dump_json() for record in log(folder)]
    return {**found, "train.jsonl": "\n".join(steps).encode()}


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Allow no file above ``size`` bytes: writing fails in the middle of a file, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
