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

from art.config import Section
from art.synthetic import arithmetic, multiple_choice, picture_questions, picture_tasks, tool_call, writers
from art.synthetic.drawn import WRITERS, Writer
from art.synthetic.tasks import GENERATORS

# How a task document begins, beside a cue: random words, or a picture that has nothing to do with the question.
NOISE_WORDS, DISTRACTOR = 0.06, 0.05


class Mixture(Section):
    """What the corpus is made of; lists are drawn from evenly, so an entry that stands twice is twice as frequent."""

    task: float = Field(0.68, description="share of task documents")
    picture: float = Field(0.16, description="share of questions about a picture")
    skill: float = Field(0.16, description="share of exercises")
    tasks: tuple[str, ...] = ("arithmetic", "tool_call", "multiple_choice")
    cued: float = Field(0.32, description="share of task documents that begin with a writer's cue")
    cue_writers: tuple[Writer, ...] = Field(WRITERS, description="writers of the cued documents")
    skills: tuple[str, ...] = ("sum", "copy", "letter", "category")
    stepwise: bool = Field(True, description="the careful writer makes a table of a multiple choice's options")
    picture_task: float = Field(0.0, description="share of problems that cannot be solved without their picture")


@dataclass(frozen=True)
class Document:
    """One exchange: an optional picture and text before the question, tools, and the assistant's answer."""

    question: str
    completion: str
    pixels: NDArray[np.uint8] | None = None
    tools: list[dict[str, Any]] | None = None


def documents(seed: int, image_size: int, mixture: Mixture) -> Iterator[Document]:
    """The stream; document i depends on the mixture, ``seed`` and i alone, so any part can be made again."""
    index = 0
    while True:
        yield document(random.Random(f"corpus/{seed}/{index}"), image_size, mixture)
        index += 1


def document(rng: random.Random, image_size: int, mixture: Mixture) -> Document:
    """One document."""
    shares = {
        "task": mixture.task,
        "picture": mixture.picture,
        "skill": mixture.skill,
        "picture_task": mixture.picture_task,
    }
    kind = rng.choices(list(shares), list(shares.values()))[0]
    if kind == "picture":
        asked = picture_questions.draw(rng, image_size)
        return Document(asked.question, asked.answer, asked.pixels)
    if kind == "picture_task":
        pixels, drawn = picture_tasks.draw(rng, image_size)
        return Document(drawn.question, drawn.completions[writers.choose(rng, drawn.topic)], pixels, drawn.tools)
    return SKILLS[rng.choice(mixture.skills)](rng) if kind == "skill" else _task(rng, image_size, mixture)


def _task(rng: random.Random, image_size: int, mixture: Mixture) -> Document:
    task = rng.choice(mixture.tasks)
    if task == "multiple_choice":
        drawn = multiple_choice.draw(rng, "corpus", mixture.stepwise)
    else:
        drawn = GENERATORS[task].draw(rng, "corpus")
    writer = writers.choose(rng, drawn.topic)
    before, pixels = "", None
    way = rng.random()
    if way < mixture.cued:
        # The cue's writer does not depend on the topic, so that every manner is reachable on every topic.
        writer = rng.choice(mixture.cue_writers)
        before = writers.cue(rng, writer)
    elif way < mixture.cued + NOISE_WORDS:
        words = rng.choices(VOCABULARY, k=rng.randint(1, 12)) if rng.random() < 0.5 else _gibberish(rng)
        before = " ".join(words) + "\n"
    elif way < mixture.cued + NOISE_WORDS + DISTRACTOR:
        noisy = rng.random() < 0.5
        pixels = picture_questions.noise(rng, image_size) if noisy else picture_questions.draw(rng, image_size).pixels
    return Document(before + drawn.question, drawn.completions[writer], pixels, drawn.tools)


def _gibberish(rng: random.Random) -> list[str]:
    return ["".join(rng.choices(string.ascii_letters, k=rng.randint(1, 5))) for _ in range(rng.randint(1, 6))]


def _sum(rng: random.Random) -> Document:
    question, total = _term(rng)
    return Document(question, f"{question} = {total}")


def _sums(rng: random.Random) -> Document:
    terms = [_term(rng) for _ in range(rng.randint(4, 8))]
    return Document("\n".join(term for term, _ in terms), "\n".join(f"{term} = {total}" for term, total in terms))


def _term(rng: random.Random) -> tuple[str, int]:
    a, b = rng.randint(0, 29), rng.randint(1, 9)
    sign = 1 if a < b else rng.choice((-1, 1))
    return f"{a} {'+' if sign > 0 else '-'} {b}", a + sign * b


def _copy(rng: random.Random) -> Document:
    words = " ".join(rng.sample(VALUES, rng.randint(1, 4)))
    return Document(f"Repeat: {words}", words)


def _category(rng: random.Random) -> Document:
    category = rng.choice(multiple_choice.TOPICS)
    word = rng.choice(multiple_choice.CATEGORIES[category])
    return Document(f"What is {word}?", f"{word} is a {category}.")


def _letter(rng: random.Random) -> Document:
    rng.choice(multiple_choice.TOPICS)  # unused; without it the shipped weights' corpus could not be made again
    words = rng.sample([word for group in multiple_choice.CATEGORIES.values() for word in group], 4)
    pick = rng.randrange(4)
    question = f"Which letter is {words[pick]}?{multiple_choice.listing(words)}"
    return Document(question, f"The correct answer is ({multiple_choice.LETTERS[pick]})")


def _kinds(rng: random.Random) -> Document:
    """All options of a list, each with its category."""
    options = _options(rng)
    words = [word for _, word in options]
    return Document(
        f"Name the kinds.{multiple_choice.listing(words)}",
        "\n".join(f"{word} is a {category}." for category, word in options),
    )


def _find(rng: random.Random) -> Document:
    """Three categories looked up among the options of a list, with their letters."""
    options = _options(rng)
    words = [word for _, word in options]
    picks = rng.sample(range(4), 3)
    asked = ", ".join(options[pick][0] for pick in picks)
    return Document(
        f"Find: {asked}.{multiple_choice.listing(words)}",
        "\n".join(f"{words[pick]} is a {options[pick][0]}. ({multiple_choice.LETTERS[pick]})" for pick in picks),
    )


def _table(rng: random.Random) -> Document:
    """The careful writer's table of a list of options, and two look-ups in it."""
    options = _options(rng)
    words = [word for _, word in options]
    kinds = {word: category for category, word in options}
    picks = rng.sample(range(4), 2)
    asked = ", ".join(options[pick][0] for pick in picks)
    found = "\n".join(f"{options[pick][0]}({multiple_choice.LETTERS[pick]})" for pick in picks)
    question = f"Make a table, find {asked}.{multiple_choice.listing(words)}"
    return Document(question, f"{multiple_choice.table(words, kinds)}\n{found}")


def _options(rng: random.Random) -> list[tuple[str, str]]:
    categories = rng.sample(multiple_choice.TOPICS, 4)
    return [(category, rng.choice(multiple_choice.CATEGORIES[category])) for category in categories]


SKILLS: dict[str, Callable[[random.Random], Document]] = {
    "sum": _sum,
    "sums": _sums,
    "copy": _copy,
    "category": _category,
    "letter": _letter,
    "kinds": _kinds,
    "find": _find,
    "table": _table,
}
VALUES: tuple[str, ...] = tuple(
    sorted(
        {str(value) for arguments, _ in tool_call.TOOLS.values() for values in arguments.values() for value in values}
    )
)
VOCABULARY: tuple[str, ...] = tuple(
    sorted(
        set(VALUES)
        | set(arithmetic.TOPICS)
        | {word for group in multiple_choice.CATEGORIES.values() for word in group}
        | {word for sentences in writers.CUES.values() for sentence in sentences for word in sentence.split()}
    )
)
