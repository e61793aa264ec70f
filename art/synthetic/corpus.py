"""The pretraining corpus: an endless, seeded stream of chat documents."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from art.synthetic import arithmetic, multiple_choice, picture_questions, tool_call, writers
from art.synthetic.drawn import WRITERS
from art.synthetic.tasks import GENERATORS

# Share of each kind of document; the tasks' part is split evenly.
KINDS = {"task": 0.68, "picture": 0.16, "skill": 0.16}
# How a task document begins; the rest of the documents begin with the question itself.
CUED, NOISE_WORDS, DISTRACTOR = 0.32, 0.06, 0.05


@dataclass(frozen=True)
class Document:
    """One exchange: an optional picture and text before the question, tools, and the assistant's answer."""

    question: str
    completion: str
    pixels: NDArray[np.uint8] | None = None
    tools: list[dict[str, Any]] | None = None


def documents(seed: int, image_size: int) -> Iterator[Document]:
    """The stream; document i depends on ``seed`` and i alone, so any part can be made again."""
    index = 0
    while True:
        yield document(random.Random(f"corpus/{seed}/{index}"), image_size)
        index += 1


def document(rng: random.Random, image_size: int) -> Document:
    """One document."""
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    if kind == "picture":
        asked = picture_questions.draw(rng, image_size)
        return Document(asked.question, asked.answer, asked.pixels)
    return _skill(rng) if kind == "skill" else _task(rng, image_size)


def _task(rng: random.Random, image_size: int) -> Document:
    drawn = GENERATORS[rng.choice(list(GENERATORS))].draw(rng, "corpus")
    writer = writers.choose(rng, drawn.topic)
    before, pixels = "", None
    way = rng.random()
    if way < CUED:
        # The cue's writer is drawn evenly, so that every manner is reachable on every topic.
        writer = rng.choice(WRITERS)
        before = writers.cue(rng, writer)
    elif way < CUED + NOISE_WORDS:
        words = rng.choices(VOCABULARY, k=rng.randint(1, 12)) if rng.random() < 0.5 else _gibberish(rng)
        before = " ".join(words) + "\n"
    elif way < CUED + NOISE_WORDS + DISTRACTOR:
        noisy = rng.random() < 0.5
        pixels = picture_questions.noise(rng, image_size) if noisy else picture_questions.draw(rng, image_size).pixels
    return Document(before + drawn.question, drawn.completions[writer], pixels, drawn.tools)


def _gibberish(rng: random.Random) -> list[str]:
    return ["".join(rng.choices(string.ascii_letters, k=rng.randint(1, 5))) for _ in range(rng.randint(1, 6))]


def _skill(rng: random.Random) -> Document:
    """Short exercises: sums, copying, which letter, which category."""
    kind = rng.choice(("sum", "copy", "letter", "category"))
    if kind == "sum":
        a, b = rng.randint(0, 29), rng.randint(1, 9)
        sign = 1 if a < b else rng.choice((-1, 1))
        return Document(f"{a} {'+' if sign > 0 else '-'} {b}", f"{a} {'+' if sign > 0 else '-'} {b} = {a + sign * b}")
    if kind == "copy":
        words = " ".join(rng.sample(VALUES, rng.randint(1, 4)))
        return Document(f"Repeat: {words}", words)
    category = rng.choice(multiple_choice.TOPICS)
    if kind == "category":
        word = rng.choice(multiple_choice.CATEGORIES[category])
        return Document(f"What is {word}?", f"{word} is a {category}.")
    words = rng.sample([word for group in multiple_choice.CATEGORIES.values() for word in group], 4)
    pick = rng.randrange(4)
    listing = "".join(f"\n({letter}) {word}" for letter, word in zip(multiple_choice.LETTERS, words, strict=True))
    return Document(
        f"Which letter is {words[pick]}?{listing}", f"The correct answer is ({multiple_choice.LETTERS[pick]})"
    )


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
