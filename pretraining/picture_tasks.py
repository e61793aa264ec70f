"""Arithmetic problems that need their picture: they start from a number of dots or a digit in it.

They keep the way from the image to the answer in use.  As everywhere in the corpus, the writer who answers depends on
the topic alone, never on the picture; all ten topics are equally frequent, so pictures as such go with no writer.
"""

from __future__ import annotations

import random

from art.tasks.generated import arithmetic
from art.tasks.generated.drawn import Drawn, split_of
from pretraining.picture_questions import Picture, digit, dots


def draw(rng: random.Random, size: int) -> tuple[Picture, Drawn]:
    """A picture and a problem about it, whose numbers belong to the corpus's share of the facts."""
    while True:
        counted = rng.random() < 0.5
        start, step = rng.randint(1, 6) if counted else rng.randrange(10), rng.randint(1, 9)
        if split_of(("arithmetic", start, (step,)), arithmetic.SHARES) == "corpus":
            break
    topic = rng.randrange(len(arithmetic.TOPICS))
    things, name = arithmetic.TOPICS[topic], rng.choice(arithmetic.NAMES)
    opening = f"Each dot is one of the {things}." if counted else f"The digit is the number of {things}."
    drawn = Drawn(
        question=f"{opening} {name} finds {step} more. How many {things} are there now?" + arithmetic.INSTRUCTION,
        answer=str(start + step),
        topic=topic,
        completions=arithmetic.completions(rng, things, [f"{start} + {step} = {start + step}"], start + step),
    )
    return (dots if counted else digit)(rng, size, start), drawn
