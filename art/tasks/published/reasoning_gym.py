"""Any data set of the package reasoning-gym (Apache-2.0): the task has the name of the data set.

Problems are generated with the data set's default settings; test problems have another seed than the others.  Some
generators depend on the order of Python's sets, so the problems are repeatable only with the same ``PYTHONHASHSEED``,
which the rule sets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from difflib import get_close_matches
from importlib.metadata import version
from typing import Any

from art.config.sections import TaskSection
from art.errors import ConfigError, RecordError
from art.store.problem import text_hash
from art.tasks.candidate import Candidate, Published, make_problem, text_of

INSTRUCTION = "\n\nEnd your response with: <answer>your answer</answer>"

DRAWS = 10
"""Draws per wanted problem; if these do not give enough distinct problems, we report that there are too few."""


def read(task: str, section: TaskSection) -> Iterator[Candidate]:
    """See ``art.tasks.candidate.Reader``."""
    wanted: dict[Published, int] = {"test": section.test, "train": section.train + section.validation}
    seen: set[str] = set()
    for split, count in wanted.items():
        seed = int(hashlib.sha256(f"{task}/{split}/{section.seed}".encode()).hexdigest()[:8], 16)
        dataset = _dataset(task, seed, DRAWS * count)
        enough = len(seen) + count
        for index in range(DRAWS * count):
            entry = dataset[index]
            question = text_of(entry, "question")
            seen.add(text_hash(question))
            yield Candidate(split, question, make_problem(question + INSTRUCTION, _gold_answer(task, entry)))
            if len(seen) == enough:
                break


def origin(section: TaskSection) -> dict[str, str]:
    """The package and its version."""
    return {"package": "reasoning-gym", "version": version("reasoning-gym")}


def _dataset(task: str, seed: int, size: int) -> Any:
    try:
        from reasoning_gym.factory import DATASETS, create_dataset
    except ImportError as error:
        raise ConfigError(f"tasks.{task}: {error}; reasoning-gym is an extra: pip install '.[reasoning-gym]'") from None
    if task not in DATASETS:
        close = get_close_matches(task, DATASETS) or sorted(DATASETS)
        raise ConfigError(f"tasks.{task}: reasoning-gym has no data set of this name; allowed: {', '.join(close)}")
    try:
        return create_dataset(task, seed=seed, size=size)
    except (AssertionError, TypeError, ValueError) as error:
        raise ConfigError(
            f"tasks.{task}: reasoning-gym cannot make this data set with default settings: {error}"
        ) from None


def _gold_answer(task: str, entry: dict[str, Any]) -> str:
    """The gold answer in the form of art/scoring/reasoning_gym.py."""
    try:
        return json.dumps({"dataset": task, "answer": entry["answer"], "metadata": entry["metadata"]}, sort_keys=True)
    except (KeyError, TypeError) as error:
        raise RecordError(f"reasoning-gym: {task}: an entry cannot be written as JSON: {error!r}") from None
