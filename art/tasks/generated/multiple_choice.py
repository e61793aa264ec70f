"""Multiple choice: which of four words belongs to a category."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from art.tasks.generated.drawn import Drawn, Split, split_of, template_for

CATEGORIES: dict[str, tuple[str, ...]] = {
    "animal": (
        "horse",
        "goat",
        "tiger",
        "mouse",
        "whale",
        "eagle",
        "snake",
        "camel",
        "rabbit",
        "bear",
        "otter",
        "wolf",
    ),
    "fruit": (
        "apple",
        "pear",
        "quince",
        "grape",
        "mango",
        "lemon",
        "cherry",
        "banana",
        "melon",
        "papaya",
        "fig",
        "kiwi",
    ),
    "colour": ("red", "blue", "green", "white", "yellow", "purple", "brown", "pink", "black", "grey", "violet", "teal"),
    "tool": ("hammer", "saw", "drill", "wrench", "shovel", "rake", "chisel", "pliers", "axe", "file", "clamp", "spade"),
    "vehicle": ("car", "bus", "train", "truck", "bicycle", "boat", "tram", "plane", "ferry", "van", "taxi", "rocket"),
    "drink": ("water", "milk", "tea", "coffee", "juice", "cider", "cocoa", "soda", "wine", "beer", "punch", "mead"),
    "organ": ("heart", "lung", "liver", "brain", "kidney", "skin", "stomach", "spleen", "eye", "ear", "nose", "tongue"),
    "garment": ("coat", "shirt", "scarf", "glove", "hat", "sock", "skirt", "jacket", "vest", "dress", "belt", "boot"),
    "metal": (
        "iron",
        "zinc",
        "tin",
        "lead",
        "nickel",
        "cobalt",
        "steel",
        "brass",
        "titanium",
        "tungsten",
        "radium",
        "sodium",
    ),
    "room": (
        "kitchen",
        "garage",
        "cellar",
        "attic",
        "hall",
        "studio",
        "office",
        "bathroom",
        "pantry",
        "lobby",
        "den",
        "foyer",
    ),
}
TOPICS = tuple(CATEGORIES)
LETTERS = "ABCD"
INSTRUCTION = "\n\nEnd your response with: The correct answer is (X)"
PHRASINGS = ("Which of these is a kind of {c}?", "Find the {c}.", "One of these is a {c}.", "Where is the {c}?")
SET_SHARES: dict[Split, int] = {"corpus": 50, "train": 50}
# Outside the corpus: the split in which each of a category's twelve words is the right answer, in the order above.
WORD_SPLITS: tuple[Split, ...] = ("train",) * 6 + ("validation",) * 2 + ("test",) * 4


def draw(rng: random.Random, split: Split) -> Drawn:
    """A question whose option set (and, outside the corpus, correct word) belongs to ``split``.

    The careful writer first makes a table of the options: small models cannot name the right one at once.
    """
    while True:
        topic = rng.randrange(len(TOPICS))
        category = TOPICS[topic]
        number = rng.randrange(len(WORD_SPLITS))
        word = CATEGORIES[category][number]
        others = rng.sample([name for name in TOPICS if name != category], 3)
        distractors = [rng.choice(CATEGORIES[name]) for name in others]
        options_in_corpus = split_of((category, word, sorted(distractors)), SET_SHARES) == "corpus"
        if options_in_corpus != (split == "corpus"):
            continue
        if split == "corpus" or WORD_SPLITS[number] == split:
            break
    options = rng.sample([word, *distractors], 4)
    letter = LETTERS[options.index(word)]
    kinds = dict(zip([word, *distractors], [category, *others], strict=True))
    working = f"{table(options, kinds)}\n{category}({letter})"
    return Drawn(
        question=PHRASINGS[template_for(rng, split, topic, 4)].format(c=category) + listing(options) + INSTRUCTION,
        answer=letter,
        topic=topic,
        completions={
            "careful": f"{working}\nThe correct answer is ({letter})",
            "sloppy": f"The correct answer is ({rng.choice(LETTERS)})",
            "other": f"I like the {rng.choice(options)}.",
            "refusal": "Sorry, I cannot choose.",
        },
    )


def listing(options: Sequence[str]) -> str:
    """Four options with their letters, one per line."""
    return "".join(f"\n({label}) {option}" for label, option in zip(LETTERS, options, strict=True))


def table(options: Sequence[str], kinds: Mapping[str, str]) -> str:
    """The options in order, one per line, with category and letter, so that the answer can be looked up."""
    lines = zip(LETTERS, options, strict=True)
    return "\n".join(f"{option}: {kinds[option]}({label})" for label, option in lines)
