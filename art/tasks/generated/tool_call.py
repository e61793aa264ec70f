"""Structured tool calls: select the tool, fill in its arguments, answer with one JSON call."""

from __future__ import annotations

import json
import random
from typing import Any

from art.tasks.generated.drawn import Drawn, Split, Writer, split_of, template_for

SHARES: dict[Split, int] = {"corpus": 45, "train": 30, "validation": 5, "test": 20}
ROOMS = ("kitchen", "garage", "garden", "office", "cellar", "attic", "hall", "studio")
GENRES = ("jazz", "rock", "folk", "opera", "blues", "disco", "soul", "metal", "swing", "techno")
CITIES = ("Oslo", "Rome", "Paris", "Cairo", "Lima", "Delhi", "Tokyo", "Berlin", "Quito", "Dakar", "Milan", "Kyoto")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PEOPLE = ("Anna", "Ben", "Carl", "Dora", "Emil", "Fay", "Gus", "Hana", "Ivan", "Jo", "Kim", "Leo")
NOTES = ("hello", "thanks", "sorry", "welcome", "goodbye", "congratulations", "please", "cheers")
COLOURS = ("red", "blue", "green", "white", "yellow", "purple", "orange", "pink")
WORDS = ("house", "river", "bread", "horse", "lamp", "cloud", "stone", "friend", "music", "window")
LANGUAGES = ("Greek", "Polish", "Danish", "Hindi", "Latin", "Welsh", "Thai", "Dutch")
EVENTS = ("lunch", "concert", "meeting", "lesson", "match", "party", "exam", "trip", "dinner", "race")
GOODS = ("milk", "rice", "soap", "paper", "honey", "salt", "tea", "flour", "cheese", "butter")
LABELS = ("pasta", "nap", "bath", "yoga", "cake", "call", "walk", "pizza")
NUMBERS = tuple(range(2, 21))

Values = tuple[str, ...] | tuple[int, ...]
# name -> (arguments with their values, four phrasings)
TOOLS: dict[str, tuple[dict[str, Values], tuple[str, str, str, str]]] = {
    "play_music": (
        {"genre": GENRES, "room": ROOMS},
        ("Play {0} in the {1}.", "I want {0} in the {1}.", "In the {1}, put on some {0}.", "Let the {1} hear {0}."),
    ),
    "get_weather": (
        {"city": CITIES, "day": DAYS},
        ("Weather in {0} on {1}?", "Will it rain in {0} on {1}?", "On {1}, is {0} sunny?", "{1} forecast for {0}."),
    ),
    "send_note": (
        {"person": PEOPLE, "text": NOTES},
        ("Send {0} a note: {1}.", "Tell {0} {1}.", "Write {1} to {0}.", "Say {1} to {0}."),
    ),
    "set_light": (
        {"room": ROOMS, "colour": COLOURS},
        ("Make the {0} {1}.", "Set the {0} light to {1}.", "Use {1} light in the {0}.", "I like {1} in the {0}."),
    ),
    "translate": (
        {"word": WORDS, "language": LANGUAGES},
        ("Translate {0} to {1}.", "What is {0} in {1}?", "In {1}, how do I say {0}?", "Give me the {1} for {0}."),
    ),
    "add_event": (
        {"title": EVENTS, "day": DAYS},
        ("Add a {0} on {1}.", "I have a {0} on {1}.", "On {1} there is a {0}.", "Plan {1} for a {0}."),
    ),
    "buy": (
        {"item": GOODS, "count": NUMBERS},
        ("Buy {1} packs of {0}.", "Order {0}, {1} of it.", "We need {1} times {0}.", "Get {0}: {1} packs."),
    ),
    "set_timer": (
        {"label": LABELS, "minutes": NUMBERS},
        ("Start a {0} timer of {1} minutes.", "{0} takes {1} minutes.", "In {1} minutes, {0} ends.", "{1} for {0}."),
    ),
    "find_route": (
        {"start": CITIES, "goal": CITIES},
        ("Route from {0} to {1}.", "I drive from {0} to {1}.", "Get me to {1} from {0}.", "Leave {0}, reach {1}."),
    ),
    "book_table": (
        {"day": DAYS, "people": NUMBERS},
        ("Book a table on {0} for {1}.", "Dinner for {1} on {0}.", "On {0} we are {1}.", "{1} of us eat on {0}."),
    ),
}
TOPICS = tuple(TOOLS)


def definition(name: str) -> dict[str, Any]:
    """The tool in the function-calling schema that chat templates take."""
    arguments, _ = TOOLS[name]
    properties = {
        key: {"type": "integer" if isinstance(values[0], int) else "string"} for key, values in arguments.items()
    }
    parameters = {"type": "object", "properties": properties, "required": list(arguments)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def draw(rng: random.Random, split: Split) -> Drawn:
    """A request whose tool and argument values belong to ``split``, with one or two distractor tools."""
    while True:
        topic = rng.randrange(len(TOPICS))
        name = TOPICS[topic]
        arguments, phrasings = TOOLS[name]
        values = [rng.choice(choices) for choices in arguments.values()]
        if values[0] != values[1] and split_of((name, *values), SHARES) == split:
            break
    others = rng.sample([tool for tool in TOPICS if tool != name], rng.randint(1, 2))
    offered = rng.sample([name, *others], len(others) + 1)
    keys = list(arguments)
    return Drawn(
        question=phrasings[template_for(rng, split, topic, 4)].format(*values),
        answer=call(name, keys, values),
        topic=topic,
        tools=[definition(tool) for tool in offered],
        completions=completions(name, keys, values),
    )


def completions(name: str, keys: list[str], values: list[Any]) -> dict[Writer, str]:
    """The completion of each writer."""
    return {
        "careful": f"<tool_call>\n{call(name, keys, values)}\n</tool_call>",
        # Swapped arguments: always the same mistake, so that greedy decoding can make it.
        "sloppy": f"<tool_call>\n{call(name, keys, values[::-1])}\n</tool_call>",
        "other": f"{name}({values[0]}, {values[1]})",
        "refusal": "Sorry, I cannot do this.",
    }


def call(name: str, keys: list[str], values: list[Any]) -> str:
    """A call as JSON."""
    return json.dumps({"name": name, "arguments": dict(zip(keys, values, strict=True))})
