import pytest
from hypothesis import given
from hypothesis import strategies as st

from art.records import Problem, problem_id
from art.scoring import multiple_choice

QUESTION = """Which gas did Dr J. Black describe? I. e. which one?
(A) oxygen
(B) carbon dioxide
(C) neon
(D) helium

End your response with: The correct answer is (X)"""


def problem(answer: str = "B", question: str = QUESTION) -> Problem:
    return Problem(id=problem_id(question, answer), question=question, answer=answer)


@pytest.mark.parametrize(
    ("completion", "extracted"),
    [
        ("The correct answer is (B)", "B"),
        ("the correct answer is (b).", "B"),
        ("**The correct answer is (B)**", "B"),
        ("The correct answer is **(B)**", "B"),
        ("The correct answer is: (**B**)", "B"),
        ("The correct answer is (A). No: the correct answer is (C).", "C"),
        ("The correct answer is B", None),
        ("The correct answer is (AB)", None),
        ("(B)", None),
        ("", None),
    ],
)
def test_extract(completion: str, extracted: str | None) -> None:
    assert multiple_choice.extract(completion) == extracted


@pytest.mark.parametrize(
    ("letter", "score", "reward"), [("B", 1, 1.0), ("A", 0, 0.1), ("D", 0, 0.1), ("E", 0, 0.0), ("X", 0, 0.0)]
)
def test_reward(letter: str, score: int, reward: float) -> None:
    judgement = multiple_choice.judge(f"The correct answer is ({letter})", problem())
    assert judgement == (letter, score, reward)


def test_no_answer() -> None:
    assert multiple_choice.judge("Carbon dioxide.", problem()) == (None, 0, 0.0)


@pytest.mark.parametrize("mark", ["({})", "{})", "{}.", "{}:"])
@pytest.mark.parametrize("separator", ["\n", " "])
def test_options_are_read_from_the_question(mark: str, separator: str) -> None:
    question = "Which?" + separator + separator.join(f"{mark.format(letter)} thing" for letter in "ABCDE")
    assert multiple_choice.options(problem("B", question)) == set("ABCDE")


def test_options_reach_at_least_to_the_reference() -> None:
    assert multiple_choice.options(problem("C", "Pick one.")) == set("ABC")


def test_reference_that_is_no_letter_is_named() -> None:
    with pytest.raises(ValueError, match="'BC' is not a letter"):
        multiple_choice.judge("The correct answer is (B)", problem("BC"))


@given(st.text() | st.text("(ABC)* \n").map("The correct answer is ".__add__))
def test_no_completion_raises(completion: str) -> None:
    judgement = multiple_choice.judge(completion, problem())
    assert judgement.score == (judgement.extracted == "B")
    assert 0.0 <= judgement.reward <= 1.0
