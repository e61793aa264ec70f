"""Answers of reasoning-gym: the package's scorers where they can be trusted, the published answer where not."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from art.errors import RecordError
from art.scoring import reasoning_gym as scorer
from art.store.problem import Problem
from art.tasks.candidate import make_problem
from art.tasks.published.reasoning_gym import INSTRUCTION


def problem(dataset: str, answer: Any, metadata: Any = None) -> Problem:
    reference = {"dataset": dataset, "answer": answer, "metadata": metadata}
    return make_problem("Why?" + INSTRUCTION, json.dumps(reference))


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Replaces the package: a beginning of a right answer gets 0.5, and "boom" raises an error."""

    def score(answer: str, entry: dict[str, Any]) -> float:
        if answer == "boom":
            raise KeyError(answer)
        if answer in ("nan", "inf", "-inf", "2", "-1"):
            return float(answer)
        return (
            1.0 if answer in entry["metadata"] else 0.5 * any(right.startswith(answer) for right in entry["metadata"])
        )

    def get_score_answer_fn(name: str) -> Any:
        if name == "chess":
            raise ValueError(f"Dataset '{name}' not registered")
        return score

    stand_in = ModuleType("reasoning_gym.factory")
    stand_in.get_score_answer_fn = get_score_answer_fn  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "reasoning_gym", ModuleType("reasoning_gym"))
    monkeypatch.setitem(sys.modules, "reasoning_gym.factory", stand_in)
    monkeypatch.setattr(scorer, "version", lambda name: scorer.VERSION)
    scorer._own_scorer.cache_clear()
    yield stand_in
    scorer._own_scorer.cache_clear()


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("<answer>7</answer>", "7"),
        ("I think.\n<answer>\n a b\n c \n</answer> Done.", "a b\n c"),
        ("<answer>1</answer> No: <answer>2</answer>", "2"),
        ("<answer>1 or <answer>2</answer>", "2"),
        ("<answer>1</answer> <answer>2", "1"),
        ("<answer></answer>", ""),
        ("7", None),
        ("answer>7</answer>", None),
    ],
)
def test_the_last_answer_in_tags(completion: str, answer: str | None) -> None:
    assert scorer.extract(completion) == answer


@pytest.mark.parametrize(
    ("answer", "score", "reward"),
    [("left", 1, 1.0), ("north", 1, 1.0), ("lef", 0, 0.5), ("up", 0, 0.1), ("boom", 0, 0.1), ("nan", 0, 0.1),
     ("inf", 0, 0.1), ("-inf", 0, 0.1), ("2", 0, 0.1), ("-1", 0, 0.1)],
)  # fmt: skip
def test_the_packages_scorer_decides(package: ModuleType, answer: str, score: int, reward: float) -> None:
    verdict = scorer.judge(f"<answer>{answer}</answer>", problem("maps", "left", ["left", "north"]))
    assert (verdict.extracted, verdict.score, verdict.reward) == (answer, score, reward)
    assert scorer.judge(answer, problem("maps", "left", ["left"])) == (None, 0, 0.0)


@pytest.mark.parametrize(
    ("right", "answer", "score"),
    [
        ("7.0", "7", 1),
        ("1 2\n3 4", "1 2 3  4", 1),
        ("x + C", "x + C", 1),
        ("x", "y", 0),
        ("7", "7.1", 0),
        ("1 2", "2 1", 0),
        (None, "", 0),
    ],
)
def test_the_published_answer_decides_where_the_package_cannot(right: str, answer: str, score: int) -> None:
    for dataset in ("spiral_matrix", "game_of_life_halting"):
        verdict = scorer.judge(f"<answer>{answer}</answer>", problem(dataset, right))
        assert verdict.score == score and verdict.reward == (1.0 if score else 0.1)


@pytest.mark.parametrize(
    "answer", ["__import__('os').abort()", "9**9**9**9", "9* *9", "(9).real", "[0]*9", "1" * 201, "().a", "x", "9; 9"]
)
def test_only_plain_arithmetic_reaches_a_scorer_that_runs_it(package: ModuleType, answer: str) -> None:
    assert scorer.judge(f"<answer>{answer}</answer>", problem("countdown", "1 + 1", [answer])).score == 0


@pytest.mark.parametrize(
    ("dataset", "answer"),
    [
        ("countdown", "(3+ 4)*5 - 6/2"),
        ("countdown", "1" * 200),
        ("puzzle24", "(3+ 4)*5 - 6/2"),
        ("n_queens", "_ Q\nQ _\n" * 250),
    ],
)
def test_what_is_harmless_reaches_it(package: ModuleType, dataset: str, answer: str) -> None:
    assert scorer.judge(f"<answer>{answer}</answer>", problem(dataset, "0", [answer.strip()])).score == 1


@pytest.mark.parametrize(
    ("dataset", "answer"),
    [("puzzle24", "exit()"), ("n_queens", "exit()"), ("n_queens", "Q" * 2001)]
    + [
        (name, "1")
        for name in (
            "binary_matrix", "intermediate_integration", "polynomial_multiplication", "simple_integration",
            "spiral_matrix", "string_insertion", "arc_agi", "rearc", "game_of_life_halting", "coin_flip",
            "complex_arithmetic",
        )
    ],
)  # fmt: skip
def test_what_is_not_never_does(package: ModuleType, dataset: str, answer: str) -> None:
    """The stand-in's scorer would accept the answer, but only the published answer is right."""
    assert scorer.judge(f"<answer>{answer}</answer>", problem(dataset, "0", [answer])) == (answer, 0, 0.1)
    assert scorer.judge("<answer> as published </answer>", problem(dataset, "as published", [])).score == 1


@pytest.mark.parametrize("answer", ["7", "[]", "{}", '{"dataset": "maps", "answer": "1"}', "{"])
def test_a_reference_of_another_form(answer: str) -> None:
    made = make_problem("Why?", answer)
    with pytest.raises(ValueError, match=f"problem {made.id}: answer is not the JSON of dataset, answer and metadata"):
        scorer.judge("", made)


def test_an_unknown_data_set_is_named_before_anything_is_scored(package: ModuleType) -> None:
    with pytest.raises(RecordError, match="reasoning-gym: no scorer of 'chess': Dataset 'chess' not registered"):
        scorer.judge("", problem("chess", "e4"))


def test_without_the_package(package: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym.factory", None)
    with pytest.raises(RecordError, match="reasoning-gym: no scorer of 'maps': "):
        scorer.judge("", problem("maps", "left"))


@pytest.mark.parametrize("installed", ["9.8", "0.1.24", "0.1.26"])
def test_another_version_of_the_package_is_refused(
    package: ModuleType, monkeypatch: pytest.MonkeyPatch, installed: str
) -> None:
    monkeypatch.setattr(scorer, "version", {"reasoning-gym": installed}.__getitem__)
    message = re.escape(f"reasoning-gym {installed} is installed; ") + rf".* {re.escape(scorer.VERSION)} only: pip"
    with pytest.raises(RecordError, match=message):
        scorer.judge("", problem("maps", "left", ["left"]))


def test_the_extra_asks_for_the_version_that_was_examined() -> None:
    extras = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    (wanted,) = extras["reasoning-gym"]
    assert wanted.startswith(f"reasoning-gym>={scorer.VERSION},")


@given(st.text(), st.booleans())
def test_no_completion_raises(text: str, tagged: bool) -> None:
    verdict = scorer.judge(f"<answer>{text}</answer>" if tagged else text, problem("spiral_matrix", "1 2 3"))
    assert verdict.score in (0, 1) and 0 <= verdict.reward <= 1 and (verdict.reward == 1) == (verdict.score == 1)
