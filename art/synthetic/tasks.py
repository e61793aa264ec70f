"""Problem files of the procedural tasks."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

from art.config import ConfigError
from art.records import Problem, write_json, write_records
from art.synthetic import arithmetic, multiple_choice, tool_call
from art.synthetic.drawn import Split

GENERATORS: dict[str, ModuleType] = {
    "arithmetic": arithmetic,
    "tool_call": tool_call,
    "multiple_choice": multiple_choice,
}


def problems(task: str, split: Split, count: int, seed: int) -> list[Problem]:
    """``count`` distinct problems of one split, the same for the same seed.

    Raises:
        ConfigError: the split of this task holds fewer distinct problems than asked for.
    """
    generator = GENERATORS[task]
    rng = random.Random(f"{task}/{split}/{seed}")
    found: dict[str, Problem] = {}
    for _ in range(200 * count):
        problem = generator.draw(rng, split).problem(generator.TOPICS)
        found.setdefault(problem.id, problem)
        if len(found) == count:
            return list(found.values())
    raise ConfigError(
        f"tasks.{task}.{split}: {count} problems were asked for; this split holds only {len(found)} distinct ones"
    )


def report(splits: dict[str, list[Problem]]) -> dict[str, Any]:
    """Sizes of the splits, their topics, and how many problems any two share (by content hash; must be 0)."""
    names = list(splits)
    return {
        "problems": {name: len(made) for name, made in splits.items()},
        "topics": {name: dict(sorted(Counter(p.topic for p in made).items())) for name, made in splits.items()},
        "shared": {
            f"{a}/{b}": len({p.id for p in splits[a]} & {p.id for p in splits[b]})
            for a, b in itertools.combinations(names, 2)
        },
    }


def write_splits(splits: dict[str, list[Problem]], out: Path) -> None:
    """Write a problem file a split, and ``report.json``."""
    for name, made in splits.items():
        write_records(out / f"{name}.jsonl", made)
    write_json(out / "report.json", report(splits))
