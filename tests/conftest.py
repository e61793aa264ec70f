"""Settings of all tests, and a tiny world: a checkpoint with random weights, problem files, seed pictures."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from art.config import Config, RunKey, parse_config
from art.images import encode_png, reduce_contrast
from art.pictures import draw as draw_picture
from art.records import write_json, write_records

if TYPE_CHECKING:
    from art.models.policy import Policy

# The same examples every time, and no time limit for one example: a busy machine must not fail a test.
settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")

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
    """A folder with everything that a run of the grid reads, and the paths of what it writes."""

    def __init__(self, root: Path) -> None:
        self.root, self.results = root, root / "results"

    def mapping(self, **sections: dict[str, Any]) -> dict[str, Any]:
        """The configuration as plain data; ``sections`` are laid over its own, key by key."""
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


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the reference models' classes with random weights."""
    from art.models.reference import ReferenceShape, build_model, save_checkpoint, train_tokenizer
    from art.synthetic.corpus import documents

    shape = ReferenceShape(
        hidden=64, feed_forward=64, vision_hidden=32, vision_depth=1, image_size=64, vocabulary=700
    )
    texts = (text for one in itertools.islice(documents(0, 64), 300) for text in (one.question, one.completion))
    tokenizer = train_tokenizer(texts, shape.vocabulary)
    folder = tmp_path_factory.mktemp("tiny") / "checkpoint"
    save_checkpoint(folder, build_model(shape, tokenizer, 0), tokenizer, shape)
    return folder


@pytest.fixture(scope="session")
def tiny_policy(tiny_checkpoint: Path) -> Policy:
    """The checkpoint as a policy; tests must not change it (an adapter does)."""
    import torch

    from art.models.policy import Policy

    torch.set_num_threads(1)
    return Policy(tiny_checkpoint)


@pytest.fixture(scope="session")
def tiny_inputs(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the rules before training write: checkpoint, problem files, seed pictures."""
    from art.synthetic.tasks import problems

    root = tmp_path_factory.mktemp("inputs")
    shutil.copytree(tiny_checkpoint, root / "checkpoint")
    for task in SCORERS:
        for split, count in (("train", 16), ("validation", 8), ("test", 8)):
            write_records(root / f"results/tasks/{task}/{split}.jsonl", problems(task, split, count, 0))
        encode_png(reduce_contrast(draw_picture(task, 64), 0.5), root / f"results/seeds/{task}.png")
    return root


@pytest.fixture
def new_world(tiny_inputs: Path, tmp_path: Path) -> Callable[[str], World]:
    """Makes fresh worlds by name."""

    def make(name: str) -> World:
        shutil.copytree(tiny_inputs, tmp_path / name)
        return World(tmp_path / name)

    return make


@pytest.fixture
def world(new_world: Callable[[str], World]) -> World:
    """A world in which nothing has run."""
    return new_world("world")
