import re
import time
from string import ascii_uppercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from art.scoring import multiple_choice
from art.store.problem import Problem, problem_id

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
        ("The correct answer is (J)", "J"),
        ("The correct answer is (A). No: the correct answer is (C).", "C"),
        ("The correct answer is (B)\nand I am sure.", "B"),
        ("The correct answer is (B) and I am sure.", "B"),
        # the other forms, where the requested one is missing
        ("The correct answer is B", "B"),
        ("The correct answer is B.", "B"),
        ("The correct answer is **B**", "B"),
        ("The correct answer is B: carbon dioxide", "B"),
        ("The correct answer is B) carbon dioxide", "B"),
        ("The best answer is option B, since it is heavy.", "B"),
        ("My answer is B because it is heavy", "B"),
        ("The answer is A - oxygen", "A"),
        ("The right option is (b)", "B"),
        ("The right choice is (B)", "B"),
        ("Answer: B", "B"),
        ("**Answer:** (B) carbon dioxide", "B"),
        ("Answer: A\nSo it is done.", "A"),
        ("So $\\boxed{B}$", "B"),
        ("So $\\boxed{\\text{(B)}}$", "B"),
        ("Answer: A, or rather\nAnswer: C", "C"),
        ("(B)", "B"),
        ("**B**", "B"),
        (" B.\n", "B"),
        # the requested form counts before the others
        ("The correct answer is (B). In short, \\boxed{C}", "B"),
        ("\\boxed{C}\nB", "C"),
        # an article, a pronoun, a word
        ("The correct answer is a gas", None),
        ("The correct answer is A gas", None),
        ("Answer: A gas that burns", None),
        ("The answer is I think carbon dioxide", None),
        ("The answer is carbon dioxide", None),
        ("The answer is NOT clear", None),
        ("The answer is A's", None),
        ("A", "A"),
        ("A gas.", None),
        ("a", None),
        ("Among (A) oxygen and (B) carbon dioxide, I like the second.", None),
        # not one letter
        ("The correct answer is (AB)", None),
        ("The correct answer is (A) or (B)", None),
        ("The correct answer is (A) and (B)", None),
        ("The correct answer is A or B", None),
        ("Answer: A/B", None),
        ("A B", None),
        ("The correct answer is (X\u0130)", None),
        ("The correct answer is (A), (C)", None),
        ("The correct answer is (A); (C)", None),
        ("The correct answer is (A) vs. (B)", None),
        ("The correct answer is (A) or option (B)", None),
        ("Answer: A, B, C, D", None),
        ("Answer: A B C", None),
        ("Answer: A + C", None),
        ("Answer: A vs B", None),
        ("$\\boxed{A}$ or $\\boxed{B}$", None),
        ("\\boxed{A}, \\boxed{B}", None),
        ("\\boxed{A}\nNo: \\boxed{B}", "B"),
        ("Answer: (A), since (B) is wrong", "A"),
        ("Answer: B, A bird is not", "B"),
        ("The answer is B, and I am sure", "B"),
        # an initial
        ("The correct answer is C. elegans", None),
        ("Answer: B. a worm", "B"),
        ("Answer: **B. a worm**", "B"),
        ("The answer is: B. a worm", "B"),
        ("The correct answer is (B); (A) is false.", "B"),
        ("The correct answer is (B), (A) is wrong because of it", "B"),
        ("The answer is A, B is wrong", "A"),
        ("\\boxed{B}, \\boxed{B}", "B"),
        ("\\boxed{B} or \\boxed{B}", "B"),
        ("\\boxed{A} or \\boxed{B}", None),
        ("The correct answer is (A) or the correct answer is (B)", None),
        ("Answer: E.coli", None),
        ("Answer: A. Amnion", "A"),
        # brackets of other kinds, full width, blanks
        ("The correct answer is \\(B\\)", "B"),
        ("The correct answer is [B]", "B"),
        ("The correct answer is \uff08B\uff09", "B"),
        ("Answer\uff1aB", "B"),
        ("\\boxed{ B }", "B"),
        # the instruction, repeated
        ("The correct answer is (B)\n\nEnd your response with: The correct answer is (X)", "B"),
        ("**End your response with:** The correct answer is (X)", None),
        ("End your response with: The correct answer is (B)", "B"),
        ("", None),
    ],
)
def test_extract(completion: str, extracted: str | None) -> None:
    assert multiple_choice.extract(completion) == extracted


@pytest.mark.parametrize(
    ("letter", "score", "reward"), [("B", 1, 1.0), ("A", 0, 0.1), ("D", 0, 0.1), ("E", 0, 0.0), ("X", 0, 0.0)]
)
def test_reward(letter: str, score: int, reward: float) -> None:
    """A letter that the problem does not offer is no answer."""
    judgement = multiple_choice.judge(f"The correct answer is ({letter})", problem())
    assert judgement == (letter if letter in "ABCD" else None, score, reward)


def test_a_letter_that_is_not_offered_does_not_hide_one_that_is() -> None:
    assert multiple_choice.judge("The correct answer is (B). The correct answer is (X)", problem()).score == 1


def test_no_answer() -> None:
    assert multiple_choice.judge("Carbon dioxide.", problem()) == (None, 0, 0.0)


@pytest.mark.parametrize("mark", ["({})", "{})", "{}.", "{}:"])
@pytest.mark.parametrize("separator", ["\n", " "])
def test_options_are_read_from_the_question(mark: str, separator: str) -> None:
    question = "Which?" + separator + separator.join(f"{mark.format(letter)} thing" for letter in "ABCDE")
    assert multiple_choice.options(problem("B", question)) == set("ABCDE")


@pytest.mark.parametrize(
    ("question", "reference", "letters"),
    [
        ("Pick one.", "C", "ABC"),
        ("(A) ox (C) cow", "B", "ABC"),
        ("(A) ox (B) cow, C.f. the text", "A", "AB"),
        (" ".join(f"({letter}) thing" for letter in ascii_uppercase), "B", ascii_uppercase),
    ],
)
def test_options_are_a_run_from_a_on_with_the_reference(question: str, reference: str, letters: str) -> None:
    assert multiple_choice.options(problem(reference, question)) == set(letters)


def test_reference_that_is_no_letter_is_named() -> None:
    for veiled, shown in ((False, "'BC'"), (True, "(veiled)")):
        made = problem("BC").model_copy(update={"veiled": veiled})
        with pytest.raises(ValueError, match=re.escape(f"problem {made.id}: answer {shown} is not a letter A-Z")):
            multiple_choice.judge("The correct answer is (B)", made)


@given(st.text() | st.text("(ABC)* \nanswer is or:{}").map("The correct answer is ".__add__))
def test_no_completion_raises(completion: str) -> None:
    judgement = multiple_choice.judge(completion, problem())
    assert judgement.score == (judgement.extracted == "B")
    assert 0.0 <= judgement.reward <= 1.0


FORMS = ("The correct answer is ({})", "The answer is {}.", "Answer: **{}**", "Hence \\boxed{{{}}}", "({})", "{}")


@given(st.sampled_from(ascii_uppercase), st.sampled_from(ascii_uppercase), st.sampled_from(FORMS))
def test_a_letter_in_any_form_scores_where_it_is_the_reference(given_letter: str, wanted: str, form: str) -> None:
    asked = problem(wanted)
    offered = given_letter in multiple_choice.options(asked)
    judgement = multiple_choice.judge(form.format(given_letter), asked)
    assert judgement[:2] == (given_letter if offered else None, int(given_letter == wanted))


JOINTS = (", ", "; ", " or ", " and ", " vs ", " vs. ", "/", " & ", " + ", ", and ", " or option ", ",")


@given(
    st.lists(st.sampled_from("BCDEFGH"), min_size=2, max_size=4, unique=True),
    st.sampled_from(JOINTS),
    st.sampled_from(("The correct answer is {}", "Answer: {}", "The answer is {}.", "{}")),
    st.sampled_from(("{}", "({})", "**{}**", "[{}]")),
)
def test_a_list_of_letters_is_no_answer(letters: list[str], joint: str, form: str, mark: str) -> None:
    listed = joint.join(mark.format(letter) for letter in letters)
    assert multiple_choice.extract(form.format(listed)) is None
    assert multiple_choice.extract(joint.join(f"\\boxed{{{letter}}}" for letter in letters)) is None


@given(
    st.sampled_from("ABCD"),
    st.sampled_from(("({})", "[{}]", "\\({}\\)", "\uff08{}\uff09", "**({})**", "$({})$", "( {} )")),
    st.sampled_from(
        ("The correct answer is {}", "the correct answer is: {}.", "The answer is {}", "Answer: {}", "Answer\uff1a{}")
    ),
    st.booleans(),
)
def test_brackets_of_any_kind(letter: str, mark: str, form: str, echo: bool) -> None:
    completion = form.format(mark.format(letter))
    if echo:
        completion += "\n\nEnd your response with: The correct answer is (X)"
    assert multiple_choice.extract(completion) == letter


@given(st.lists(st.sampled_from(ascii_uppercase), min_size=1), st.sampled_from(FORMS[:4]))
def test_the_last_of_several_answers_counts(letters: list[str], form: str) -> None:
    completion = "\nOr rather: ".join(form.format(letter) for letter in letters)
    assert multiple_choice.extract(completion) == letters[-1]


@pytest.mark.parametrize("gap", [" ", "\n", "*"])
@pytest.mark.parametrize(
    "text", ["The{}x", "The correct answer is{}x", "The correct answer is ({}x", "Answer{}x", "{}x"]
)
def test_long_runs_cost_little(text: str, gap: str) -> None:
    start = time.process_time()
    assert multiple_choice.extract(text.format(gap * 20_000)) is None
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "piece",
    [
        "\\boxed{",
        "Answer: ",
        "\\text{",
        "(A) or ",
        "the correct answer is (",
        "*`",
        "Answer: A, ",
        "\\boxed{A} or ",
        "end your response with ",
        "Answer: A or option ",
    ],
)
def test_repeated_forms_cost_little(piece: str) -> None:
    start = time.process_time()
    multiple_choice.extract(piece * (500_000 // len(piece)))
    assert time.process_time() - start < 2
