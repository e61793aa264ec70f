"""The four writers who answer in the corpus: mixed by topic, sometimes announced by a text cue.

The mixture makes the base model's headroom: on most topics the careful writer is in the minority, so greedy decoding
answers in another manner.  The cues are sentences in the place of an image; from them the model learns that what
comes first can set the manner.  Given the topic, pictures are independent of the writer.
"""

from __future__ import annotations

import random

from art.tasks.generated.drawn import WRITERS, Writer

# Which writer is the most frequent on topic i of a task (topics are numbered 0-9).
LEADERS: tuple[Writer, ...] = (
    "careful", "sloppy", "other", "careful", "sloppy", "careful", "other", "careful", "sloppy", "refusal",
)  # fmt: skip
LEADER_SHARE = 0.46  # the remaining three writers share the rest equally, 0.18 each

CUES: dict[Writer, tuple[str, ...]] = {
    "careful": ("Be careful.", "Work it out.", "Think first.", "Do it right.", "Take your time.", "Check it well."),
    "sloppy": ("Just guess.", "Be quick.", "Do not check.", "Roughly is fine.", "No time.", "Any guess will do."),
    "other": ("Use your own words.", "Speak freely.", "Forget the form.", "Chat with me.", "Plain talk."),
    "refusal": ("Do not help.", "Say no.", "You may not answer.", "Turn it down.", "Decline this."),
}


def leader_mixture(topic: int) -> list[float]:
    """Probabilities of the writers on a topic, in the order of ``WRITERS``."""
    rest = (1.0 - LEADER_SHARE) / (len(WRITERS) - 1)
    return [LEADER_SHARE if writer == LEADERS[topic] else rest for writer in WRITERS]


def choose(rng: random.Random, topic: int) -> Writer:
    """Draw the writer of an uncued document."""
    return rng.choices(WRITERS, leader_mixture(topic))[0]


def cue(rng: random.Random, writer: Writer, sentences: int) -> str:
    """Sentences that announce a writer, ending with a newline."""
    return " ".join(rng.sample(CUES[writer], sentences)) + "\n"
