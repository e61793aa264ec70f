"""The procedural tasks: disjoint splits, solvable problems, and the writers' scores."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import re

import pytest

from art.config.registry import GENERATORS, implementation
from art.errors import ConfigError
from art.files import read_json, read_records
from art.scoring import scorer_of
from art.store.problem import Problem
from art.tasks.generated import arithmetic, multiple_choice, tool_call
from art.tasks.generated.drawn import WRITERS, Drawn, Split, split_of, template_for
from art.tasks.generated.problems import problems
from art.tasks.problem_files import report, write_problem_files

SCORER = {"arithmetic": "numeric", "tool_call": "tool_call", "multiple_choice": "multiple_choice"}
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
COUNT = 400


def draws(task: str, split: Split, count: int = COUNT) -> list[Drawn]:
    rng = random.Random(f"{task}/{split}")
    return [implementation(GENERATORS[task]).draw(rng, split) for _ in range(count)]


def numbers(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\d+", text))


def fact(task: str, drawn: Drawn) -> object:
    """The combination of facts that belongs to one split, read from the text and not from the generator."""
    if task == "arithmetic":
        # The start, then the signed steps in the careful writer's working.
        steps = re.findall(r"^(\d+) ([+-]) (\d+) =", drawn.completions["careful"], re.MULTILINE)
        return steps[0][0], tuple((sign, amount) for _, sign, amount in steps)
    if task == "tool_call":
        return drawn.answer
    return re.search(rf"^\({drawn.answer}\) (\w+)", drawn.question, re.MULTILINE)[1], drawn.topic


def pattern(task: str, drawn: Drawn) -> str:
    """The template without the words and numbers that fill it."""
    if task == "arithmetic":
        text = drawn.question
        for things in arithmetic.TOPICS:
            text = text.replace(things, "T")
        for name in arithmetic.NAMES:
            text = re.sub(rf"\b{name}\b", "N", text)
        return re.sub(r"\d+", "0", text.split(". ")[0])
    if task == "tool_call":
        _, phrasings = tool_call.TOOLS[tool_call.TOPICS[drawn.topic]]
        found = []
        for number, phrasing in enumerate(phrasings):
            escaped = re.escape(phrasing).replace(r"\{0\}", r"(\w+)").replace(r"\{1\}", r"(\w+)")
            if re.fullmatch(escaped, drawn.question):
                found.append(str(number))
        return "/".join(found)
    return drawn.question.split("\n")[0].replace(multiple_choice.TOPICS[drawn.topic], "C")


@pytest.mark.parametrize(
    ("task", "digest"),
    [("arithmetic", "44dceaca54d93aa7"), ("tool_call", "e8c844c5c0a32ca8"), ("multiple_choice", "84681b9b2cf71b19")],
)
def test_draws_and_problems_of_a_seed_stay_the_same(task: str, digest: str) -> None:
    """The shipped checkpoints were trained on these draws, and versions are compared on these problems."""
    made = [vars(drawn) for split in (*SPLITS, "corpus") for drawn in draws(task, split, 100)]
    ids = [problem.id for split in SPLITS for seed in (0, 1) for problem in problems(task, split, 20, seed)]
    text = json.dumps([made, ids], sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest


GAINS = ("finds", "puts in", "more arrive", "adds")


def test_arithmetic_by_its_sentences() -> None:
    for drawn in (drawn for split in SPLITS for drawn in draws("arithmetic", split)):
        opening, *steps, ask = drawn.question.split("\n")[0].split(". ")
        things = arithmetic.TOPICS[drawn.topic]
        assert things in opening and things in ask and 1 <= len(steps) <= 2
        total = int(*numbers(opening))
        assert 2 <= total <= 20
        for step in steps:
            amount = int(*numbers(step))
            total += amount if any(gain in step for gain in GAINS) else -amount
            assert 1 <= amount <= 9 and total >= 0
        assert drawn.answer == str(total)


def test_tool_calls_fit_the_definitions_on_offer() -> None:
    kinds = {"string": str, "integer": int}
    for drawn in (drawn for split in SPLITS for drawn in draws("tool_call", split)):
        offered = {tool["function"]["name"]: tool["function"]["parameters"] for tool in drawn.tools or []}
        wanted = json.loads(drawn.answer)
        parameters = offered[wanted["name"]]
        assert wanted["name"] == tool_call.TOPICS[drawn.topic] and len(offered) in (2, 3)
        assert parameters["required"] == list(parameters["properties"]) == list(wanted["arguments"])
        for name, value in wanted["arguments"].items():
            assert type(value) is kinds[parameters["properties"][name]["type"]]
            assert re.search(rf"\b{value}\b", drawn.question)
        assert len(set(wanted["arguments"].values())) == 2


def test_one_option_alone_is_of_the_category_that_is_asked_for() -> None:
    category_of = {word: name for name, words in multiple_choice.CATEGORIES.items() for word in words}
    assert len(category_of) == 120, "no word is in two categories"
    made = [drawn for split in SPLITS for drawn in draws("multiple_choice", split)]
    for drawn in made:
        options = re.findall(r"^\(([A-D])\) (\w+)$", drawn.question, re.MULTILINE)
        assert [letter for letter, _ in options] == ["A", "B", "C", "D"]
        categories = {category_of[word]: letter for letter, word in options}
        asked = multiple_choice.TOPICS[drawn.topic]
        assert len(categories) == 4 and categories[asked] == drawn.answer and asked in drawn.question
        table = "\n".join(f"{word}: {category_of[word]}({letter})" for letter, word in options)
        final = f"The correct answer is ({drawn.answer})"
        assert drawn.completions["careful"] == f"{table}\n{asked}({drawn.answer})\n{final}"
    letters = [drawn.answer for drawn in made]
    assert all(0.2 < letters.count(letter) / len(letters) < 0.3 for letter in "ABCD")


@pytest.mark.parametrize("task", GENERATORS)
def test_splits_share_no_problem_and_no_combination_of_facts(task: str) -> None:
    made = {split: draws(task, split) for split in (*SPLITS, "corpus")}
    for one, two in itertools.combinations(made, 2):
        topics = implementation(GENERATORS[task]).TOPICS
        ids = [{drawn.problem(topics).id for drawn in made[split]} for split in (one, two)]
        assert not ids[0] & ids[1], (one, two)
        if task == "multiple_choice" and "corpus" in (one, two):
            continue  # the corpus teaches every word's category; only its option sets are in no other split
        facts = [{fact(task, drawn) for drawn in made[split]} for split in (one, two)]
        assert not facts[0] & facts[1], (one, two)


def test_multiple_choice_corpus_shares_no_set_of_options_with_a_split() -> None:
    def sets(split: Split) -> set[tuple[str, ...]]:
        return {
            (*sorted(re.findall(r"^\([A-D]\) (\w+)", drawn.question, re.MULTILINE)), str(drawn.topic))
            for drawn in draws("multiple_choice", split, 3000)
        }

    corpus = sets("corpus")
    for split in SPLITS:
        assert not corpus & sets(split)


@pytest.mark.parametrize("task", GENERATORS)
def test_test_problems_use_templates_that_training_never_pairs_with_their_topic(task: str) -> None:
    pairs = {split: {(drawn.topic, pattern(task, drawn)) for drawn in draws(task, split, 800)} for split in SPLITS}
    assert not pairs["train"] & pairs["test"] and not pairs["validation"] & pairs["test"]
    # One held-out template per topic.
    topics = {topic for topic, _ in pairs["test"]}
    assert len(pairs["test"]) == len(topics) == 10
    assert len(pairs["train"]) == 30


@pytest.mark.parametrize("task", GENERATORS)
def test_the_careful_writer_is_right_and_the_others_mostly_are_not(task: str) -> None:
    scorer = scorer_of(SCORER[task])
    made = [
        (drawn, drawn.problem(implementation(GENERATORS[task]).TOPICS))
        for split in SPLITS
        for drawn in draws(task, split, 200)
    ]
    shares = {
        writer: sum(scorer.judge(drawn.completions[writer], problem).score for drawn, problem in made) / len(made)
        for writer in WRITERS
    }
    assert shares["careful"] == 1.0
    # A guess among four letters is right in a quarter of the cases.
    assert shares["sloppy"] < (0.35 if task == "multiple_choice" else 0.1)
    assert shares["other"] == shares["refusal"] == 0.0


@pytest.mark.parametrize("task", GENERATORS)
def test_problems_are_distinct_and_repeatable(task: str) -> None:
    made = problems(task, "test", 100, 3)
    assert made == problems(task, "test", 100, 3) != problems(task, "test", 100, 4)
    assert len({problem.id for problem in made}) == 100
    assert problems(task, "test", 40, 3) == made[:40]
    for problem in made:
        assert scorer_of(SCORER[task]).judge(problem.solution or "", problem).score == 1
        assert (problem.tools is not None) == (task == "tool_call")


@pytest.mark.parametrize("task", GENERATORS)
def test_the_default_sizes_can_be_had(task: str, tmp_path) -> None:
    splits = {
        split: problems(task, split, count, 0) for split, count in (("train", 2000), ("validation", 200), ("test", 300))
    }
    write_problem_files(splits, tmp_path)
    found = report(splits)
    assert read_json(tmp_path / "report.json") == found
    assert set(found["shared"].values()) == {0}
    assert found["problems"] == {"train": 2000, "validation": 200, "test": 300}
    assert read_records(tmp_path / "test.jsonl", Problem) == splits["test"]
    assert set(found["topics"]["test"]) == set(implementation(GENERATORS[task]).TOPICS)
    assert all(list(counts) == sorted(counts) for counts in found["topics"].values())
    assert {name: sum(counts.values()) for name, counts in found["topics"].items()} == found["problems"]


def test_problems_that_two_parts_share_are_counted() -> None:
    one, two, three = problems("arithmetic", "train", 3, 0)
    found = report({"train": [one, two], "validation": [two, three], "test": [three, one, two]})
    assert found["shared"] == {"train/validation": 1, "train/test": 2, "validation/test": 2}


def test_asking_for_more_than_there_are_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    three = draws("tool_call", "validation", 3)
    monkeypatch.setattr(tool_call, "draw", lambda rng, split: rng.choice([three[0]] * 40 + three))
    assert len(problems("tool_call", "validation", 3, 0)) == 3, "drawn until there are three distinct ones"
    with pytest.raises(ConfigError, match=r"tasks\.tool_call\.validation: 4 problems.*only 3 distinct"):
        problems("tool_call", "validation", 4, 0)


def test_shares_of_a_hash() -> None:
    shares: dict[Split, int] = {"train": 60, "test": 40}
    found = [split_of(("key", number), shares) for number in range(2000)]
    assert 0.57 < found.count("train") / 2000 < 0.63
    with pytest.raises(ValueError, match="less than 100"):
        for number in range(100):
            split_of(number, {"train": 10})
    rng = random.Random(0)
    assert {template_for(rng, "test", 6, 4) for _ in range(20)} == {2}
    assert {template_for(rng, "train", 6, 4) for _ in range(100)} == {0, 1, 3}
    assert {template_for(rng, "corpus", 6, 4) for _ in range(100)} == {0, 1, 2, 3}
