"""The pretraining corpus: it is repeatable, shares no problem with a split, and its pictures do not tell the writer."""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

from art.config.registry import GENERATORS, implementation
from art.tasks.generated import arithmetic, multiple_choice
from art.tasks.generated.drawn import WRITERS, Drawn, Split, split_of
from art.tasks.generated.problems import problems
from pretraining import corpus as module
from pretraining import picture_tasks, writers
from pretraining.corpus import Document, Mixture, document, documents
from pretraining.recipe import load_recipe
from pretraining.writers import CUES, LEADERS, leader_mixture

# The mixtures of the shipped recipes, and the default.
RECIPES = sorted((Path(__file__).parents[2] / "config/pretrain").glob("*.yaml"))
SHIPPED = {repr(stage.mixture): stage.mixture for path in RECIPES for stage in load_recipe(path).stages}
MIXTURES = [Mixture(), *SHIPPED.values()]


def equal(one: Document, two: Document) -> bool:
    same = (one.question, one.completion, one.tools) == (two.question, two.completion, two.tools)
    return same and np.array_equal(one.pixels, two.pixels) if one.pixels is not None else same and two.pixels is None


@pytest.mark.parametrize("mixture", MIXTURES)
def test_a_document_depends_on_its_seed_and_number_alone(mixture: Mixture) -> None:
    stream = list(itertools.islice(documents(5, 64, mixture), 60))
    assert all(equal(*pair) for pair in zip(stream, documents(5, 64, mixture), strict=False))
    for number in (0, 17, 59):
        assert equal(stream[number], document(random.Random(f"corpus/5/{number}"), 64, mixture))
    assert not all(equal(*pair) for pair in zip(stream, documents(6, 64, mixture), strict=False))


@pytest.mark.parametrize("mixture", MIXTURES)
def test_the_corpus_holds_no_problem_of_a_split(mixture: Mixture, monkeypatch: pytest.MonkeyPatch) -> None:
    held_out = {problem.question for task in GENERATORS for split in ("train", "validation", "test")
                for problem in problems(task, split, 300, 0)}  # fmt: skip
    splits: set[str] = set()
    for generator in map(implementation, GENERATORS.values()):
        original: Callable[[random.Random, Split], Drawn] = generator.draw
        monkeypatch.setattr(generator, "draw", lambda *given, draw=original: (splits.add(given[1]), draw(*given))[1])
    for one in itertools.islice(documents(1, 32, mixture), 4000):
        assert not any(one.question.endswith(question) for question in held_out & {one.question, rest(one.question)})
    assert splits == ({"corpus"} if mixture.task else set()), "drawn from the corpus's own share of the facts"


def test_problems_about_pictures_start_from_the_picture_and_use_the_corpus_share_of_the_numbers() -> None:
    seen: Counter[tuple[str, int]] = Counter()
    for number in range(500):
        picture, drawn = picture_tasks.draw(random.Random(number), 32)
        step = int(re.search(r"finds (\d) more", drawn.question)[1])
        kind, start = re.search(r"(dots:|digit) (\d)$", picture.description).groups()
        assert int(start) + step == int(drawn.answer)
        assert drawn.completions["careful"].startswith(f"{start} + {step} = {drawn.answer}\n")
        things = arithmetic.TOPICS[drawn.topic]
        opening = {"dots:": f"Each dot is one of the {things}.", "digit": f"The digit is the number of {things}."}
        assert drawn.question.startswith(opening[kind])
        assert split_of(("arithmetic", int(start), (step,)), arithmetic.SHARES) == "corpus"
        seen[kind, int(start)] += 1
    assert set(seen) == {*(("dots:", count) for count in range(1, 7)), *(("digit", value) for value in range(10))}


def rest(question: str) -> str:
    """The question without its first line, which may be a cue or noise."""
    return question.split("\n", 1)[-1]


def writer_table(mixture: Mixture, count: int, monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, int, str]]:
    """Tuples (what comes before the problem, topic, writer), found by watching what the generators return."""
    drawn: list[tuple[str, Drawn]] = []

    def follow(kind: str, made: object) -> object:
        drawn.append((kind, made[1] if kind == "picture" else made))
        return made

    for generator in map(implementation, GENERATORS.values()):
        monkeypatch.setattr(generator, "draw", lambda *given, draw=generator.draw: follow("words", draw(*given)))
    monkeypatch.setattr(picture_tasks, "draw", lambda *given, draw=picture_tasks.draw: follow("picture", draw(*given)))
    cues = tuple(cue for sentences in CUES.values() for cue in sentences)
    table: Counter[tuple[str, int, str]] = Counter()
    for number in range(count):
        drawn.clear()
        made = document(random.Random(f"table/{number}"), 32, mixture)
        if not drawn:
            continue
        ((kind, source),) = drawn
        # Two writers may give the same text (a right guess of a letter never equals the careful text).
        (writer,) = [name for name in WRITERS if source.completions[name] == made.completion]
        if kind == "words" and made.question == source.question:
            kind = "nothing"
        elif kind == "words" and made.question.startswith(cues):
            kind = "cue"
        table[kind, source.topic, writer] += 1
    return table


@pytest.mark.parametrize("mixture", MIXTURES)
def test_no_picture_tells_the_writer(mixture: Mixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures and random words are independent of the writer, for each topic and over all; a cue is not."""
    table = writer_table(mixture, 12_000, monkeypatch)
    leaders = list(dict.fromkeys(LEADERS))
    overall = np.mean([leader_mixture(topic) for topic in range(10)], axis=0)
    for kind in ("picture", "words", "nothing"):
        found = np.array([[table[kind, topic, writer] for writer in WRITERS] for topic in range(10)])
        if not mixture.task and kind != "picture":
            assert found.sum() == 0
            continue
        assert found.sum() > 250
        assert chisquare(found.sum(axis=0), overall * found.sum()).pvalue > 1e-3, kind
        for leader in leaders:
            of_leader = found[[topic for topic in range(10) if LEADERS[topic] == leader]].sum(axis=0)
            expected = np.array(leader_mixture(LEADERS.index(leader))) * of_leader.sum()
            assert chisquare(of_leader, expected).pvalue > 1e-3, (kind, leader)
    if mixture.task:  # the test can find a dependence: a cue clearly changes the distribution
        cued = np.array([sum(table["cue", topic, writer] for topic in range(10)) for writer in WRITERS])
        even = len(set(mixture.cue_writers)) == len(mixture.cue_writers)
        assert even or chisquare(cued, overall * cued.sum()).pvalue < 1e-6


def test_pictures_are_independent_of_the_writer() -> None:
    """The mean level of the pictures of problems does not differ between writers."""
    mixture = Mixture(task=0, picture=0, skill=0, described=False)
    levels: dict[str, list[float]] = {writer: [] for writer in WRITERS}
    for number in range(1500):
        made = document(random.Random(f"levels/{number}"), 32, mixture)
        _, drawn = picture_tasks.draw(_after_kind(f"levels/{number}"), 32)
        writer = next(name for name in WRITERS if drawn.completions[name] == made.completion)
        levels[writer].append(float(made.pixels.mean()))
    middle = float(np.median(np.concatenate([np.array(values) for values in levels.values()])))
    above = [sum(value > middle for value in values) for values in levels.values()]
    below = [sum(value <= middle for value in values) for values in levels.values()]
    assert chi2_contingency(np.array([above, below])).pvalue > 1e-3


def _after_kind(seed: str) -> random.Random:
    """The generator of a document after it has drawn the document's kind."""
    rng = random.Random(seed)
    rng.random()
    return rng


def test_writers_without_a_cue_follow_the_topics_mixture() -> None:
    for topic in range(10):
        rng = random.Random(topic)
        found = Counter(writers.choose(rng, topic) for _ in range(2000))
        assert sum(leader_mixture(topic)) == pytest.approx(1.0)
        expected = [2000 * share for share in leader_mixture(topic)]
        assert chisquare([found[writer] for writer in WRITERS], expected).pvalue > 1e-4
        assert found.most_common(1)[0][0] == LEADERS[topic]


def test_cues_are_their_writers_own() -> None:
    owners = Counter(cue for sentences in CUES.values() for cue in sentences)
    assert set(owners.values()) == {1}
    for writer in WRITERS:
        assert all(sum(cue in writers.cue(random.Random(n), writer, 2) for cue in CUES[writer]) == 2 for n in range(20))


def test_exercises_are_right() -> None:
    kind_of = {word: category for category, words in multiple_choice.CATEGORIES.items() for word in words}
    for number in range(300):
        made = {name: skill(random.Random(f"{name}/{number}")) for name, skill in module.SKILLS.items()}
        assert set(made) == {"sums", "table", "look_ups", "copy"}
        for line in made["sums"].completion.split("\n"):
            a, sign, b, total = re.fullmatch(r"(\d+) ([+-]) (\d+) = (\d+)", line).groups()
            assert int(a) + (int(b) if sign == "+" else -int(b)) == int(total)
        assert made["copy"].question == f"Repeat: {made['copy'].completion}"
        for name, count in (("table", 2), ("look_ups", 6)):
            lines = made[name].completion.split("\n")
            rows = [re.fullmatch(r"(\w+): (\w+)\((\w)\)", line).groups() for line in lines[:4]]
            for word, kind, letter in rows:
                assert kind_of[word] == kind and f"({letter}) {word}" in made[name].question
            asked = re.match(r"Make a table, find (.+)\.\n", made[name].question)[1].split(", ")
            letter_of = {kind: letter for _, kind, letter in rows}
            assert len(asked) == count and lines[4:] == [f"{kind}({letter_of[kind]})" for kind in asked]


def test_a_described_picture_stands_in_words_where_the_picture_would() -> None:
    shares = {"task": 0, "skill": 0}
    for number in range(100):
        told = document(random.Random(number), 64, Mixture(**shares))
        shown = document(random.Random(number), 64, Mixture(**shares, described=False))
        assert told.pixels is None and shown.pixels is not None
        description, question = told.question.split("\n", 1)
        assert (question, told.completion) == (shown.question, shown.completion)
        assert re.match(r"\w+ background, ", description)
