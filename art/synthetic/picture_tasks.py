"""Problems of the tasks' kinds that need their picture: a number of dots, a colour.

They keep the way from the image to the answer in use.  As everywhere in the corpus, the writer who answers depends on
the topic alone, never on the picture.
"""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

from art.synthetic import arithmetic, tool_call
from art.synthetic.drawn import Drawn
from art.synthetic.picture_questions import COLOURS, dots, shapes


def draw(rng: random.Random, size: int) -> tuple[NDArray[np.uint8], Drawn]:
    """A picture (size, size, 3) and a problem about it."""
    return _counted(rng, size) if rng.random() < 0.5 else _coloured(rng, size)


def _counted(rng: random.Random, size: int) -> tuple[NDArray[np.uint8], Drawn]:
    """Arithmetic that starts from the number of dots."""
    count, step = rng.randint(1, 6), rng.randint(1, 9)
    topic = rng.randrange(len(arithmetic.TOPICS))
    things, name = arithmetic.TOPICS[topic], rng.choice(arithmetic.NAMES)
    drawn = Drawn(
        question=f"Each dot is one of the {things}. {name} finds {step} more. How many {things} are there now?"
        + arithmetic.INSTRUCTION,
        answer=str(count + step),
        topic=topic,
        completions=arithmetic.completions(rng, things, [f"{count} + {step} = {count + step}"], count + step),
    )
    return dots(rng, size, count), drawn


def _coloured(rng: random.Random, size: int) -> tuple[NDArray[np.uint8], Drawn]:
    """A tool call whose colour is that of the background."""
    colour, room = rng.choice(sorted(COLOURS)), rng.choice(tool_call.ROOMS)
    others = rng.sample([tool for tool in tool_call.TOPICS if tool != "set_light"], rng.randint(1, 2))
    drawn = Drawn(
        question=f"Make the {room} the colour of the background.",
        answer=tool_call.call("set_light", ["room", "colour"], [room, colour]),
        topic=tool_call.TOPICS.index("set_light"),
        tools=[tool_call.definition(tool) for tool in rng.sample(["set_light", *others], len(others) + 1)],
        completions=tool_call.completions("set_light", ["room", "colour"], [room, colour]),
    )
    return shapes(rng, size, colour), drawn
