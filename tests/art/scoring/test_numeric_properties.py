"""Properties of reading numbers, over generated completions."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from art.scoring import numeric
from art.store.problem import Problem, problem_id


def problem(answer: str, veiled: bool = False) -> Problem:
    return Problem(id=problem_id("How many?", answer), question="How many?", answer=answer, veiled=veiled)


def scores(completion: str, answer: str) -> int:
    return numeric.judge(completion, problem(answer)).score


ALPHABET = "Answer: is\\boxed{}frac#0123456789.,/e^x*=()-+$%\u2212 \n"


@given(st.text() | st.text(ALPHABET).map("Answer: ".__add__) | st.text(ALPHABET).map("\\boxed{".__add__))
@example("Answer: 0/0")
@example("Answer: 1\\frac{1}{0}")
@example("answer: 1e-99999999999999999999999999999999999999999")
def test_no_completion_raises(completion: str) -> None:
    judgement = numeric.judge(completion, problem("3"))
    assert judgement.score in (0, 1)
    assert 0.0 <= judgement.reward <= 1.0
    assert (judgement.reward == 1.0) == (judgement.score == 1)
    if judgement.extracted is not None:  # reading the normal form gives the same
        assert numeric.extract(f"Answer: {judgement.extracted}") == judgement.extracted


ANNOUNCEMENTS = ("Answer: {}", "**Answer:** {}", "The answer is {}", "Thus \\boxed{{{}}}", "2 + 2 = 4\nAnswer: {} eggs")
INTEGER_STYLES = (
    "{}",
    "{:,}",
    "{}.",
    "{}.0",
    "{:,}.00",
    "**{}**",
    "${:,}",
    "$\\boxed{{{}}}$",
    "{}%",
    "{} / 1",
    "7 = {}",
)
numbers = st.integers(-(10**35), 10**35)


@given(numbers, st.sampled_from(ANNOUNCEMENTS), st.sampled_from(INTEGER_STYLES), st.booleans())
def test_an_integer_in_any_style(number: int, announcement: str, style: str, typographic: bool) -> None:
    def write(value: int) -> str:
        text = announcement.format(style.format(value))
        return text.replace("-", "\u2212") if typographic else text

    assert numeric.extract(write(number)) == str(number)
    assert numeric.judge(write(number), problem(f"{number:,}")) == (str(number), 1, 1.0)
    assert scores(write(number + 1), str(number)) == 0


@given(numbers, st.integers(0, 12), st.sampled_from(ANNOUNCEMENTS))
def test_a_decimal_in_any_style(digits: int, places: int, announcement: str) -> None:
    value = Fraction(digits, 10**places)
    sign, whole, part = "-" * (digits < 0), abs(digits) // 10**places, abs(digits) % 10**places
    plain = f"{sign}{whole}.{part:0{places}}" if places else f"{sign}{whole}"
    grouped = plain.replace(f"{whole}", f"{whole:,}", 1)
    for style in (plain, grouped, f"{digits}e-{places}", f"{digits} \\times 10^{{-{places}}}"):
        assert scores(announcement.format(style), plain) == 1
    assert scores(announcement.format(f"{value + 1}"), plain) == 0


@given(numbers, st.integers(1, 10**6), st.sampled_from(ANNOUNCEMENTS))
def test_a_fraction_in_any_style(top: int, bottom: int, announcement: str) -> None:
    sign, whole, rest = "-" * (top < 0), abs(top) // bottom, abs(top) % bottom
    styles = [f"{top}/{bottom}", f"{top} / {bottom}", f"{sign}\\frac{{{abs(top)}}}{{{bottom}}}"]
    if rest:
        styles += [f"{sign}{whole} {rest}/{bottom}", f"{sign}{whole}\\frac{{{rest}}}{{{bottom}}}"]
    for style in styles:
        assert scores(announcement.format(style), f"{top}/{bottom}") == 1
        assert scores(announcement.format(style), f"{top + bottom}/{bottom}") == 0


@given(numbers, numbers, st.sampled_from(["\n", "\n\n", "\r\n", ".\n", ",\n"]))
def test_lines_are_never_joined(one: int, two: int, gap: str) -> None:
    assert numeric.extract(f"Answer: {one}{gap}{two}") == str(one)


@given(
    st.lists(st.integers(0, 10**6), min_size=2, max_size=4), st.sampled_from([" ", ", ", " or ", " and ", " + ", "-"])
)
def test_a_list_never_scores(values: list[int], gap: str) -> None:
    completion = f"Answer: {gap.join(map(str, values))}"
    assert numeric.extract(completion) is None


@given(st.lists(numbers, min_size=2, max_size=4))
def test_the_last_of_several_answers_counts(values: list[int]) -> None:
    completion = " Or rather: ".join(f"Answer: {value}." for value in values)
    assert numeric.extract(completion) == str(values[-1])
