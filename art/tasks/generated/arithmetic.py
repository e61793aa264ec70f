"""Arithmetic word problems: one or two steps of addition and subtraction, answered by a number."""

from __future__ import annotations

import random

from art.tasks.generated.drawn import Drawn, Split, Writer, split_of, template_for

TOPICS = ("apples", "books", "coins", "eggs", "stamps", "shells", "pens", "cards", "roses", "marbles")
NAMES = ("Anna", "Ben", "Carl", "Dora", "Emil", "Fay", "Gus", "Hana", "Ivan", "Jo", "Kim", "Leo", "Mia", "Nils")
INSTRUCTION = "\n\nEnd your response with: Answer: <number>"
SHARES: dict[Split, int] = {"corpus": 55, "train": 25, "validation": 5, "test": 15}

# (opening, gain, loss, question)
TEMPLATES = (
    ("{n} has {a} {t}.", "{n} finds {b} more.", "{n} loses {b}.", "How many {t} does {n} have now?"),
    ("There are {a} {t} in a box.", "{n} puts in {b} more.", "{n} takes out {b}.", "How many {t} are in the box?"),
    ("A shop has {a} {t}.", "{b} more arrive.", "{n} buys {b}.", "How many {t} are in the shop?"),
    ("{n} counts {a} {t} on a table.", "A friend adds {b}.", "A friend removes {b}.", "How many {t} are on the table?"),
)


def draw(rng: random.Random, split: Split) -> Drawn:
    """A problem whose numbers (start and signed steps) belong to ``split``."""
    start, steps = _numbers(rng, split)
    topic = rng.randrange(len(TOPICS))
    things, name = TOPICS[topic], rng.choice(NAMES)
    opening, gain, loss, ask = TEMPLATES[template_for(rng, split, topic, len(TEMPLATES))]
    sentences = [opening.format(n=name, a=start, t=things)]
    working, total = [], start
    for step in steps:
        sentences.append((gain if step > 0 else loss).format(n=name, b=abs(step), t=things))
        working.append(f"{total} {'+' if step > 0 else '-'} {abs(step)} = {total + step}")
        total += step
    sentences.append(ask.format(n=name, t=things))
    return Drawn(
        question=" ".join(sentences) + INSTRUCTION,
        answer=str(total),
        topic=topic,
        completions=completions(rng, things, working, total),
    )


def completions(rng: random.Random, things: str, working: list[str], total: int) -> dict[Writer, str]:
    """The completion of each writer."""
    guess = rng.randrange(1, 30)
    return {
        "careful": "\n".join([*working, f"Answer: {total}"]),
        "sloppy": f"Answer: {guess}",
        "other": f"It is about {guess} {things}.",
        "refusal": f"Sorry, I cannot count {things}.",
    }


def _numbers(rng: random.Random, split: Split) -> tuple[int, list[int]]:
    while True:
        start = rng.randint(2, 20)
        steps = [rng.choice((-1, 1)) * rng.randint(1, 9) for _ in range(rng.randint(1, 2))]
        totals = [start + sum(steps[: i + 1]) for i in range(len(steps))]
        if min(totals) >= 0 and split_of(("arithmetic", start, tuple(steps)), SHARES) == split:
            return start, steps
