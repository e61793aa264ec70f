"""The pretraining corpus: an endless, seeded stream of chat documents."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from art.config.registry import GENERATORS, implementation
from art.config.sections import Section
from art.tasks.generated import arithmetic, multiple_choice, tool_call
from art.tasks.generated.drawn import WRITERS, Writer
from pretraining import picture_questions, picture_tasks, writers

# Share of task documents that begin with random words instead of a cue.
NOISE_WORDS = 0.06


class Mixture(Section):
    """What the corpus is made of; lists are drawn from uniformly, so an entry listed twice is twice as frequent."""

    task: float = Field(0.56, description="share of task documents")
    picture: float = Field(0.12, description="share of questions about a picture")
    picture_task: float = Field(0.06, description="share of problems that cannot be solved without their picture")
    skill: float = Field(0.26, description="share of exercises")
    described: bool = Field(True, description="show a picture's description in words instead of the picture")
    tasks: tuple[str, ...] = ("arithmetic", "tool_call", "multiple_choice")
    cued: float = Field(0.38, description="share of task documents that begin with a writer's cue")
    cue_writers: tuple[Writer, ...] = Field(WRITERS, description="writers of the cued documents")
    skills: tuple[str, ...] = ("sums", "table", "copy")


@dataclass(frozen=True)
class Document:
    """One exchange: a question, perhaps with a picture before it and tools, and the assistant's answer."""

    question: str
    completion: str
    pixels: NDArray[np.uint8] | None = None
    tools: list[dict[str, Any]] | None = None


def documents(seed: int, image_size: int, mixture: Mixture) -> Iterator[Document]:
    """The stream of documents; document i depends only on the mixture, ``seed`` and i, so any can be made again."""
    index = 0
    while True:
        yield document(random.Random(f"corpus/{seed}/{index}"), image_size, mixture)
        index += 1


def document(rng: random.Random, image_size: int, mixture: Mixture) -> Document:
    """Draw one document."""
    kinds = ("task", "picture", "picture_task", "skill")
    kind = rng.choices(kinds, [getattr(mixture, name) for name in kinds])[0]
    if kind == "task":
        return _task(rng, mixture)
    if kind == "skill":
        return SKILLS[rng.choice(mixture.skills)](rng)
    if kind == "picture":
        picture, question, answer = picture_questions.draw(rng, image_size)
    else:
        picture, drawn = picture_tasks.draw(rng, image_size)
        question, answer = drawn.question, drawn.completions[writers.choose(rng, drawn.topic)]
    if mixture.described:
        return Document(f"{picture.description}\n{question}", answer)
    return Document(question, answer, picture.pixels)


def _task(rng: random.Random, mixture: Mixture) -> Document:
    drawn = implementation(GENERATORS[rng.choice(mixture.tasks)]).draw(rng, "corpus")
    writer = writers.choose(rng, drawn.topic)
    before = ""
    way = rng.random()
    if way < mixture.cued:
        # The cue's writer does not depend on the topic, so that a cue can lead to every manner on every topic.
        writer = rng.choice(mixture.cue_writers)
        before = writers.cue(rng, writer, rng.randint(1, 3))
    elif way < mixture.cued + NOISE_WORDS:
        words = rng.choices(VOCABULARY, k=rng.randint(1, 12)) if rng.random() < 0.5 else _gibberish(rng)
        before = " ".join(words) + "\n"
    return Document(before + drawn.question, drawn.completions[writer], None, drawn.tools)


def _gibberish(rng: random.Random) -> list[str]:
    return ["".join(rng.choices(string.ascii_letters, k=rng.randint(1, 5))) for _ in range(rng.randint(1, 6))]


def _sums(rng: random.Random) -> Document:
    terms = [_term(rng) for _ in range(rng.randint(4, 8))]
    return Document("\n".join(term for term, _ in terms), "\n".join(f"{term} = {total}" for term, total in terms))


def _term(rng: random.Random) -> tuple[str, int]:
    a, b = rng.randint(0, 29), rng.randint(1, 9)
    sign = 1 if a < b else rng.choice((-1, 1))
    return f"{a} {'+' if sign > 0 else '-'} {b}", a + sign * b


def _copy(rng: random.Random) -> Document:
    words = " ".join(rng.sample(VOCABULARY, rng.randint(2, 12)))
    return Document(f"Repeat: {words}", words)


def _table(rng: random.Random) -> Document:
    """An exercise: make the careful writer's table of a list of options, and look up two categories in it."""
    options = _options(rng)
    return _look_up(options, rng.sample(options, 2))


def _look_ups(rng: random.Random) -> Document:
    """Like ``_table`` with six look-ups, so that a category can be asked for more than once."""
    options = _options(rng)
    return _look_up(options, rng.choices(options, k=6))


def _look_up(options: list[tuple[str, str]], picks: list[tuple[str, str]]) -> Document:
    words = [word for _, word in options]
    asked = ", ".join(category for category, _ in picks)
    found = "\n".join(f"{category}({multiple_choice.LETTERS[words.index(word)]})" for category, word in picks)
    table = multiple_choice.table(words, {word: category for category, word in options})
    return Document(f"Make a table, find {asked}.{multiple_choice.listing(words)}", f"{table}\n{found}")


def _options(rng: random.Random) -> list[tuple[str, str]]:
    categories = rng.sample(multiple_choice.TOPICS, 4)
    return [(category, rng.choice(multiple_choice.CATEGORIES[category])) for category in categories]


SKILLS: dict[str, Callable[[random.Random], Document]] = {
    "sums": _sums,
    "table": _table,
    "look_ups": _look_ups,
    "copy": _copy,
}
VOCABULARY: tuple[str, ...] = tuple(
    sorted(
        {str(value) for arguments, _ in tool_call.TOOLS.values() for values in arguments.values() for value in values}
        | set(arithmetic.TOPICS)
        | {word for group in multiple_choice.CATEGORIES.values() for word in group}
        | {word for sentences in writers.CUES.values() for sentence in sentences for word in sentence.split()}
    )
)
