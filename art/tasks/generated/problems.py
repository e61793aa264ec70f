"""Problem files of the procedural tasks."""

from __future__ import annotations

import random

from art.config.registry import GENERATORS, implementation
from art.errors import ConfigError
from art.store.problem import Problem
from art.tasks.generated.drawn import Split


def problems(task: str, split: Split, count: int, seed: int) -> list[Problem]:
    """``count`` distinct problems of one split, the same for the same seed.

    Raises:
        ConfigError: the split of this task holds fewer distinct problems than asked for.
    """
    generator = implementation(GENERATORS[task])
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
