"""Splits of a data set: disjoint, repeatable, counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from published import gsm8k_rows, section, svamp_rows, write_lines

from art.config.sections import TaskSection
from art.errors import ConfigError
from art.files import read_json, read_records
from art.store.problem import Problem, text_hash
from art.tasks.candidate import Candidate, Dropped, Published, make_problem
from art.tasks.problem_files import report
from art.tasks.published import gsm8k, svamp
from art.tasks.published.prepare import prepare
from art.tasks.splits import Catalogue

PARTS = ("train", "validation", "test")


def made(folder: Path, reader, task: str, wanted: TaskSection) -> dict[str, list[str]]:
    """Questions of each split, in order."""
    prepare(reader, task, wanted, folder)
    return {part: [p.question for p in read_records(folder / f"{part}.jsonl", Problem)] for part in PARTS}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    write_lines(tmp_path / "gsm8k/train.jsonl", gsm8k_rows("train", 40))
    write_lines(tmp_path / "gsm8k/test.jsonl", gsm8k_rows("test", 12))
    return tmp_path / "gsm8k"


def test_published_test_part_is_the_test_part(tmp_path: Path, published: Path) -> None:
    parts = made(tmp_path / "out", gsm8k, "gsm8k", section("numeric", published, train=20, test=12))
    assert {part: len(questions) for part, questions in parts.items()} == {"train": 20, "validation": 8, "test": 12}
    assert all("In test," in question for question in parts["test"])
    assert all("In train," in question for question in parts["train"] + parts["validation"])
    assert len({question for questions in parts.values() for question in questions}) == 40
    assert read_json(tmp_path / "out/report.json") == {
        "source": {"path": str(published)},
        "records": {"test": 12, "train": 40},
        "dropped": {},
        "unused": 12,
        "problems": {"train": 20, "validation": 8, "test": 12},
        "topics": {"train": {}, "validation": {}, "test": {}},
        "shared": {"train/validation": 0, "train/test": 0, "validation/test": 0},
    }


def test_neither_seed_nor_number_of_training_problems_moves_the_test_part(tmp_path: Path) -> None:
    path = tmp_path / "SVAMP.json"
    write_lines(path, svamp_rows(60))  # JSON lines in a .json file are read as well
    first = made(tmp_path / "a", svamp, "svamp", section("numeric", path))
    seeded = made(tmp_path / "b", svamp, "svamp", section("numeric", path, seed=1))
    larger = made(tmp_path / "c", svamp, "svamp", section("numeric", path, train=40, test=10))
    assert first["test"] == seeded["test"] == larger["test"][:8]
    assert first["train"] != seeded["train"]
    assert (first["validation"], first["train"]) == (larger["validation"], larger["train"][:8])
    assert len({question for questions in larger.values() for question in questions}) == 58
    topics = read_json(tmp_path / "c/report.json")["topics"].values()
    assert [sum(counts.values()) for counts in topics] == [40, 8, 10]
    assert [list(counts) for counts in topics] == [["Addition", "Subtraction"]] * 3
    write_lines(path, svamp_rows(60)[::-1])
    assert made(tmp_path / "d", svamp, "svamp", section("numeric", path)) == first


def test_repeated_questions_count_once_and_never_stand_in_two_parts(tmp_path: Path, published: Path) -> None:
    test = gsm8k_rows("test", 12)
    again = [{**row, "question": f"  {row['question'].upper()}\n"} for row in test[:5]]
    write_lines(published / "train.jsonl", [*gsm8k_rows("train", 40), *again, *gsm8k_rows("train", 3)])
    parts = made(tmp_path / "out", gsm8k, "gsm8k", section("numeric", published, train=32, test=12))
    assert len({text_hash(question) for questions in parts.values() for question in questions}) == 52
    report = read_json(tmp_path / "out/report.json")
    assert report["dropped"] == {"question_in_test": 5, "question_repeated": 3} and report["unused"] == 0


def candidate(part: Published, text: str, answer: str = "1") -> Candidate:
    return Candidate(part, text, make_problem(f"{text} Think.", answer))


def test_records_are_counted_with_the_reasons_why_they_are_dropped() -> None:
    catalogue = Catalogue()
    catalogue.add([candidate("train", "One?"), candidate("test", "Two?"), Dropped("train", "no_call")])
    catalogue.add([candidate("train", "ONE?"), candidate("test", "two? "), Dropped("test", "no_call")])
    catalogue.add([candidate("train", "Two?"), candidate("test", "One?")])
    assert catalogue.published == {"train": 4, "test": 4}
    assert catalogue.dropped == {"no_call": 2, "question_repeated": 2, "question_in_test": 2}
    assert {text_hash("one?"), text_hash("two?")} == catalogue.entries.keys()


@pytest.mark.parametrize("parts", [("train", "train"), ("test", "test"), ("train", "test")])
def test_of_one_question_the_test_problem_stands_or_that_of_the_least_id(parts: tuple[Published, Published]) -> None:
    for answers in (("1", "2"), ("2", "1")):
        records = [candidate(part, "One?", answer) for part, answer in zip(parts, answers, strict=True)]
        least = records[1] if parts == ("train", "test") else min(records, key=lambda record: record.problem.id)
        for order in (records, records[::-1]):
            catalogue = Catalogue()
            catalogue.add(order)
            assert list(catalogue.entries.values()) == [(least.published, least.problem.id)]


def test_a_broken_cut_shows_in_the_report(tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = Catalogue.cut

    def broken(self: Catalogue, task: str, wanted: TaskSection) -> dict[str, list[str]]:
        parts = cut(self, task, wanted)
        return parts | {
            "train": [*parts["train"], *parts["validation"][:3]],
            "test": parts["test"] + parts["train"][:2],
        }

    monkeypatch.setattr(Catalogue, "cut", broken)
    prepare(gsm8k, "gsm8k", section("numeric", published), tmp_path / "out")
    report = read_json(tmp_path / "out/report.json")
    assert report["shared"] == {"train/validation": 3, "train/test": 2, "validation/test": 0}


def test_shared_problems_are_known_by_the_text() -> None:
    one, same_text, other = (make_problem(*made) for made in (("Two?", "2"), (" two? ", "3"), ("Three?", "3")))
    parts = {"train": [one, other], "validation": [same_text], "test": [one]}
    assert report(parts)["shared"] == {"train/validation": 1, "train/test": 1, "validation/test": 1}
    assert report(parts | {"train": [other]})["shared"] == {
        "train/validation": 0,
        "train/test": 0,
        "validation/test": 1,
    }


def test_more_than_there_is(tmp_path: Path, published: Path) -> None:
    with pytest.raises(ConfigError, match=r"tasks\.gsm8k\.test: 13 .* 12 distinct.*12 test, 40 train; dropped: none"):
        prepare(gsm8k, "gsm8k", section("numeric", published, test=13), tmp_path / "out")
    with pytest.raises(ConfigError, match=r"tasks\.gsm8k\.train \+ validation: 41 .* 40 distinct"):
        prepare(gsm8k, "gsm8k", section("numeric", published, train=33), tmp_path / "out")
    write_lines(published / "test.jsonl", gsm8k_rows("test", 12) + gsm8k_rows("train", 3) + gsm8k_rows("test", 2))
    with pytest.raises(ConfigError, match=r"17 test, 40 train; dropped: 3 question_in_test, 2 question_repeated\)"):
        prepare(gsm8k, "gsm8k", section("numeric", published, train=33), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("How many?", "  how\n MANY? ", True),
        ("ﬁve km²", "five km2", True),
        ("Which STRASSE?", "Which straße?", True),
        ("Are they here?", "Are theyhere?", False),
        ("Add 2 and 3.", "Add 2 and 4.", False),
        ("Add 2 and 3.", "Add 2 and 3", False),
    ],
)
def test_what_counts_as_the_same_question(one: str, other: str, same: bool) -> None:
    assert (text_hash(one) == text_hash(other)) == same
