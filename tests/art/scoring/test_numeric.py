import re

import pytest

from art.scoring import numeric
from art.store.problem import Problem, problem_id


def problem(answer: str, veiled: bool = False) -> Problem:
    return Problem(id=problem_id("How many?", answer), question="How many?", answer=answer, veiled=veiled)


def scores(completion: str, answer: str) -> int:
    return numeric.judge(completion, problem(answer)).score


@pytest.mark.parametrize(
    ("written", "extracted"),
    [
        ("18", "18"),
        ("18.", "18"),
        ("018", "18"),
        ("18.50", "18.5"),
        (".5", "0.5"),
        ("**18**", "18"),
        ("`18`", "18"),
        ("<18>", "18"),
        ("(18)", "18"),
        ("\u201c18\u201d", "18"),
        ("\u224818", "18"),
        # currency and separators
        ("$1,234.50", "1234.5"),
        ("\u20ac 1,234,567", "1234567"),
        (r"\$18", "18"),
        (r"5{,}000", "5000"),
        (r"5\,000 \text{ cm}", "5000"),
        # signs
        ("-5", "-5"),
        ("+5", "5"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("\u22125", "-5"),
        ("-0", "0"),
        # LaTeX
        (r"\boxed{72}", "72"),
        (r"$\boxed{72}$", "72"),
        (r"$$\boxed{\text{18 cm}}$$", "18"),
        (r"\(\boxed{-\frac{1}{2}}\)", "-0.5"),
        (r"\[ \mathbf{7} \]", "7"),
        # fractions
        ("3/4", "0.75"),
        ("3 / 4 cups", "0.75"),
        ("3\u20444", "0.75"),
        ("1.5/2", "0.75"),
        ("2/6", "1/3"),
        ("1 1/2 cups", "1.5"),
        ("-1 1/2", "-1.5"),
        (r"\frac{-3}{4}", "-0.75"),
        (r"\dfrac{1,000}{3}", "1000/3"),
        (r"2\frac{1}{3}", "7/3"),
        (r"2 \tfrac{1}{3}", "7/3"),
        # scientific notation
        ("1e3", "1000"),
        ("1.5E-3", "0.0015"),
        (r"1.5 \times 10^3", "1500"),
        ("1.5\u00d710^{-3} m", "0.0015"),
        ("2 x 10^6", "2000000"),
        # units
        ("18 apples", "18"),
        ("18cm", "18"),
        ("18th", "18"),
        ("5-year plan", "5"),
        ("50%", "50"),
        (r"50\%", "50"),
        ("18% of 20", "18"),
        ("18 (2 each)", "18"),
        ("(18) of 20", "18"),
        ("18, of which 9 are red", "18"),
        ("**18**.", "18"),
        ("18...", "18"),
        ("18 m\u00b2", "18"),
        # worked answers
        ("3 * 6 = 18", "18"),
        ("**3 x 6 = $18**", "18"),
        (r"\boxed{3 \times 6 = 18}", "18"),
        ("3 * (4 + 2) = 18 eggs", "18"),
        ("x = 5", "5"),
        ("= 5", "5"),
        ("18 = 9 * 2", "18"),
        ("18 (9 * 2 = 18 and 18 / 2 = 9)", "18"),
        ("18. 2 + 2 = 4", "18"),
        # the line ends the number
        ("5\n\n10 apples", "5"),
        ("3.\n4", "3"),
        ("3. 4 left", "3"),
        ("1,\n234", "1"),
        ("5\r234", "5"),
        ("5\u2028234", "5"),
        # not one number
        ("1 2", None),
        ("1,2", None),
        ("5 000", None),
        ("5\u00a0000", None),
        ("5, 10 apples", None),
        ("[18, 20]", None),
        ("1,2345", None),
        ("0,123", None),
        ("1,23,456", None),
        ("1.2.3", None),
        ("1.234,50", None),
        ("1_000", None),
        ("12:30", None),
        ("12/25/2020", None),
        ("5-6", None),
        ("5 to 6", None),
        ("5 or 6", None),
        ("5 or -6", None),
        ("**5** or **6**", None),
        ("x = 5 or x = 6", None),
        ("5% to 10%", None),
        ("5; 6", None),
        ("5 | 6", None),
        ("5 & 6", None),
        ("5~6", None),
        ("5..6", None),
        ("5\u20266", None),
        (r"5\;000", None),
        ("5\u2009000", None),
        ("1\u066c000", None),
        ("5\u00b76", None),
        ("3 + 4", None),
        ("3 * (4 + 2)", None),
        ("3 x 4", None),
        ("2^10", None),
        ("2**10", None),
        ("10\u00b2", None),
        ("2\u00bd", None),
        ("1 3/2", None),
        ("1 2/2", None),
        ("1 0/2", None),
        ("1/0", None),
        ("0/0", None),
        ("--5", None),
        ("5e3.2", None),
        ("five", None),
        ("inf", None),
        ("nan", None),
        ("\u0661\u0662", None),
        ("__import__('os').getpid()", None),
        ("\n5", None),
        ("", None),
    ],
)
def test_reading_a_number(written: str, extracted: str | None) -> None:
    assert numeric.extract(f"Answer: {written}") == extracted


@pytest.mark.parametrize(
    ("completion", "extracted"),
    [
        ("so 3 + 4 = 7.\nanswer: 7.", "7"),
        ("**Answer:** 18", "18"),
        ("**Answer**: 18", "18"),
        ("Final Answer:18", "18"),
        ("Answer\uff1a18", "18"),
        ("The answer is 5", "5"),
        ("the answer is: **$5**", "5"),
        ("So it is \\boxed{72}.", "72"),
        ("16 - 3 = 13\n#### 13", "13"),
        ("####13", "13"),
        # the last one counts
        ("Answer: 3. Wait. Answer: 4", "4"),
        ("Answer: 3. Wait. Answer: none", "3"),
        ("\\boxed{3}\n#### 4\nThe answer is 5", "5"),
        ("The answer is 5, hence \\boxed{3}", "3"),
        # the requested form counts before the others; a number without an announcement never counts
        ("Answer: 3\nThe answer is 5\n\\boxed{6}\n#### 7\n8", "3"),
        ("Answer: unknown\nThe answer is 5\n8", "5"),
        # no announcement
        ("It is about 7 apples.", None),
        ("The answers are 5", None),
        ("answering: 5", None),
        ("The answer is not 5", None),
        ("#### 1. Add the eggs", None),
        ("##### 1", None),
        ("2 #### 1", None),
        ("", None),
    ],
)
def test_which_number_counts(completion: str, extracted: str | None) -> None:
    assert numeric.extract(completion) == extracted


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize(
    ("completion", "score", "reward"),
    [
        ("Answer: 200", 1, 1.0),
        ("Answer: 200.0000009", 1, 1.0),
        ("Answer: 400/2", 1, 1.0),
        ("Answer: 200.000001", 0, 0.4),
        ("Answer: 199.999999", 0, 0.4),
        ("Answer: 199.9999991", 1, 1.0),
        ("Answer: 202", 0, 0.4),
        ("Answer: 198", 0, 0.4),
        ("Answer: 202.01", 0, 0.2),
        ("Answer: 197.99", 0, 0.2),
        ("Answer: 220", 0, 0.2),
        ("Answer: 180", 0, 0.2),
        ("Answer: 220.1", 0, 0.1),
        ("Answer: 179.9", 0, 0.1),
        ("Answer: 0", 0, 0.1),
        ("It is 200", 0, 0.01),
        ("Answer: 200 or 300", 0, 0.01),
        ("No idea", 0, 0.0),
    ],
)
def test_reward_bands(sign: str, completion: str, score: int, reward: float) -> None:
    judgement = numeric.judge(completion.replace("Answer: ", f"Answer: {sign}"), problem(f"{sign}200"))
    assert (judgement.score, judgement.reward) == (score, reward)


def test_the_opposite_number_is_far_off() -> None:
    assert numeric.judge("Answer: -200", problem("200")) == ("-200", 0, 0.1)
    assert numeric.judge("Answer: 200", problem("-200")) == ("200", 0, 0.1)


@pytest.mark.parametrize("reference", ["-18", " -18 ", "\u221218", "-18.0", "-$18", "-36/2", "-1.8e1"])
def test_references_in_several_styles(reference: str) -> None:
    assert numeric.judge("Answer: -18", problem(reference)) == ("-18", 1, 1.0)
    assert scores("Answer: 18", reference) == 0


def test_a_long_working_is_read_to_its_end() -> None:
    assert scores(f"Answer: {' + '.join(['1'] * 200)} = 200", "200") == 1


@pytest.mark.parametrize(
    ("written", "extracted"),
    [
        ("7" * 300, "7" * 300),
        ("7" * 301, None),
        ("1e300", "1" + "0" * 300),
        ("1e301", None),
        ("1e-300", f"0.{'0' * 299}1"),
        ("1e-301", None),
    ],
)
def test_numbers_of_more_than_300_digits_are_not_read(written: str, extracted: str | None) -> None:
    assert numeric.extract(f"Answer: {written}") == extracted


def test_values_are_compared_exactly() -> None:
    large = 10**40  # a float can hold neither this number nor the next one
    assert scores(f"Answer: {large + 1}", str(large + 1)) == 1
    assert scores(f"Answer: {large}", str(large + 1)) == 0
    assert scores("Answer: 1/3", "0.3333333") == 1  # off by less than the tolerance
    assert scores("Answer: 1/3", "0.33333") == 0


def test_reference_zero_has_no_near_miss() -> None:
    assert numeric.judge("Answer: 0.001", problem("0")).reward == 0.1


@pytest.mark.parametrize("answer", ["many", "18 apples", "1 2", "1/0", "9" * 400])
def test_reference_that_is_no_number_is_named(answer: str) -> None:
    for veiled, shown in ((False, repr(answer)), (True, "(veiled)")):
        made = problem(answer, veiled)
        with pytest.raises(ValueError, match=re.escape(f"problem {made.id}: answer {shown} is not a number")):
            numeric.judge("Answer: 1", made)
