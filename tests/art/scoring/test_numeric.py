import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from art.records import Problem, problem_id
from art.scoring import numeric


def problem(answer: str) -> Problem:
    return Problem(id=problem_id("How many?", answer), question="How many?", answer=answer)


@pytest.mark.parametrize(
    ("completion", "extracted"),
    [
        ("Answer: 18", "18"),
        ("so 3 + 4 = 7.\nanswer: 7.", "7"),
        ("Answer: **18**", "18"),
        ("**Answer:** 18", "18"),
        ("**Answer**: 18", "18"),
        ("Answer: $1,234.50", "1234.50"),
        ("Answer: -$5", "-5"),
        ("Answer: $-5", "-5"),
        ("Answer: \u22125", "-5"),
        (r"Answer: \boxed{72}", "72"),
        (r"Answer: $\boxed{72}$", "72"),
        (r"Answer: \(\boxed{-\frac{1}{2}}\)", "-1/2"),
        (r"Answer: \$18", "18"),
        ("Answer: 3/4", "3/4"),
        ("Answer: 3 / 4 cups", "3/4"),
        ("Answer: 1.5/2", "3/4"),
        ("Answer: .5", ".5"),
        ("Answer: 18 apples", "18"),
        ("Answer: 18% of 20", "18"),
        ("Answer: 1e3", "1e3"),
        ("Answer: <18>", "18"),
        ("Answer: 5\n\n10 apples", "5"),
        ("Answer: 5 000", "5"),
        ("Answer: 5, 10 apples", "5"),
        ("Answer: 3. Wait. Answer: 4", "4"),
        ("Answer: 3. Wait. Answer: none", "3"),
        ("Answer:\n5", None),
        ("Answer: five", None),
        ("Answer: 1/0", None),
        ("Answer: inf", None),
        ("Answer: nan", None),
        ("Answer: \u0661\u0662", None),
        ("Answer: 1e999999999", None),
        ("Answer:" + " " * 20_000 + "x", None),
        ("Answer: -" + " " * 20_000 + "$" + " " * 20_000 + "5", "-5"),
        ("Answer: " + "9" * 10_000, None),
        ("The answer is 5", None),
        ("", None),
    ],
)
def test_extract(completion: str, extracted: str | None) -> None:
    assert numeric.extract(completion) == extracted


@pytest.mark.parametrize(
    ("completion", "score", "reward"),
    [
        ("Answer: 200", 1, 1.0),
        ("Answer: 200.0000001", 1, 1.0),
        ("Answer: 400/2", 1, 1.0),
        ("Answer: 200.000001", 0, 0.4),
        ("Answer: 202", 0, 0.4),
        ("Answer: 202.1", 0, 0.2),
        ("Answer: 180", 0, 0.2),
        ("Answer: 179", 0, 0.1),
        ("Answer: -200", 0, 0.1),
        ("It is 200", 0, 0.01),
        ("No idea", 0, 0.0),
    ],
)
def test_reward_bands(completion: str, score: int, reward: float) -> None:
    judgement = numeric.judge(completion, problem("200"))
    assert (judgement.score, judgement.reward) == (score, reward)


def test_reference_zero_has_no_near_miss() -> None:
    assert numeric.judge("Answer: 0.001", problem("0")).reward == 0.1


def test_reference_that_is_no_number_is_named() -> None:
    with pytest.raises(ValueError, match="'many' is not a number"):
        numeric.judge("Answer: 1", problem("many"))


@given(st.text() | st.text("Answer:0123456789.,/e-+$*\\{}\n ").map("Answer: ".__add__))
@example("Answer: 0/0")
@example("answer: 1e-99999999999999999999999999999999999999999")
def test_no_completion_raises(completion: str) -> None:
    judgement = numeric.judge(completion, problem("3"))
    assert judgement.score in (0, 1)
    assert 0.0 <= judgement.reward <= 1.0


@given(st.integers(-(10**35), 10**35))
def test_reference_scores_and_its_neighbour_does_not(number: int) -> None:
    assert numeric.extract(f"Answer: {number}") == str(number)
    assert numeric.judge(f"Answer: {number:,}", problem(f"{number:,}")) == (str(number), 1, 1.0)
    assert numeric.judge(f"Answer: {number + 1}", problem(str(number))).score == 0
