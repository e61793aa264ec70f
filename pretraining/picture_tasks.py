"""Draw arithmetic problems that need their picture: they start from a number of dots or a digit in it.

From them the model learns to use an image for its answer.  As in the whole corpus, the writer who answers depends only
on the topic; all ten topics are equally frequent, so pictures are independent of the writer.
"""

from __future__ import annotations

import random

from art.tasks.generated import arithmetic
from art.tasks.generated.drawn import Drawn, split_of
from pretraining.picture_questions import Picture, digit, dots


def draw(rng: random.Random, size: int) -> tuple[Picture, Drawn]:
    """A picture and a problem about it; its numbers belong to the share of the facts that the corpus may use."""
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
