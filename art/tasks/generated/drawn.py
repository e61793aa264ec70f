"""The result of a task's generator, and how a draw is assigned to a split."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from art.store.problem import Problem, problem_id

Split = Literal["corpus", "train", "validation", "test"]
Writer = Literal["careful", "sloppy", "other", "refusal"]
WRITERS: tuple[Writer, ...] = ("careful", "sloppy", "other", "refusal")


@dataclass(frozen=True)
class Drawn:
    """One problem, and the completion of each of the corpus's four writers."""

    question: str
    answer: str
    topic: int
    completions: dict[Writer, str]
    tools: list[dict[str, Any]] | None = None

    def problem(self, topics: tuple[str, ...]) -> Problem:
        """The record of a problem file; the careful writer's completion is the solution."""
        return Problem(
            id=problem_id(self.question, self.answer, self.tools),
            question=self.question,
            answer=self.answer,
            solution=self.completions["careful"],
            tools=self.tools,
            topic=topics[self.topic],
        )


class Generator(Protocol):
    """A task module: its topics and a seeded draw from one split."""

    TOPICS: tuple[str, ...]

    def draw(self, rng: random.Random, split: Split) -> Drawn: ...


def split_of(key: object, shares: dict[Split, int]) -> Split:
    """The split that a fact belongs to, by a stable hash of ``key``; ``shares`` are integers that sum to 100."""
    bucket = int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:4], "big") % 100
    for split, share in shares.items():
        bucket -= share
        if bucket < 0:
            return split
    raise ValueError(f"shares {shares} sum to less than 100")


def template_for(rng: random.Random, split: Split, topic: int, templates: int) -> int:
    """A template number; training and validation never get the (topic, template) pairs of the test split."""
    held_out = topic % templates
    if split == "corpus":
        return rng.randrange(templates)
    if split == "test":
        return held_out
    return rng.choice([number for number in range(templates) if number != held_out])
