"""The scorers of the real package reasoning-gym: which run an answer as code, which accept wrong answers."""

from __future__ import annotations

import ast
import inspect
import json
import math
from typing import Any

import pytest

from art.scoring import reasoning_gym as scorer
from art.store.problem import Problem
from art.tasks.candidate import make_problem
from art.tasks.published.reasoning_gym import INSTRUCTION

# One requirement comes as source only, and not every machine can build it: `make reasoning-gym` tries.
factory = pytest.importorskip("reasoning_gym.factory", reason="needs pip install '.[reasoning-gym]' (a C compiler)")


def problem(dataset: str, answer: Any, metadata: Any = None) -> Problem:
    reference = {"dataset": dataset, "answer": answer, "metadata": metadata}
    return make_problem("Why?" + INSTRUCTION, json.dumps(reference))


RUNS_CODE = {"eval", "exec", "parse_expr", "sympify", "literal_eval"}


def calls(function: Any) -> set[str]:
    """Names that a function calls, directly or through functions of its own module."""
    module = inspect.getmodule(function)
    source = ast.parse(inspect.getsource(module))
    bodies: dict[str, list[ast.AST]] = {}
    for node in ast.walk(source):
        if isinstance(node, ast.FunctionDef):
            bodies.setdefault(node.name, []).append(node)
    found, waiting = set(), [function.__name__]
    while waiting:
        for body in bodies.get(waiting.pop(), []):
            made = [node.func for node in ast.walk(body) if isinstance(node, ast.Call)]
            names = {getattr(function, "attr", getattr(function, "id", "")) for function in made}
            waiting += names - found
            found |= names
    return found


def test_all_scorers_that_run_code_are_known() -> None:
    runs = {name for name, (kind, _) in factory.DATASETS.items() if RUNS_CODE & calls(kind.score_answer)}
    harmless = {
        # they use eval on their own problem and not on the answer, or their own parser has the name parse_expr
        "bitwise_arithmetic",
        "number_sorting",
        "propositional_logic",
    }
    assert runs - harmless <= scorer.EXACT | set(scorer.HARMLESS)
    assert scorer.EXACT | set(scorer.HARMLESS) <= set(factory.DATASETS)


@pytest.mark.parametrize("dataset", ["chain_sum", "countdown", "n_queens", "shortest_path", "spiral_matrix", "rearc"])
def test_published_answers_are_right(dataset: str) -> None:
    for entry in factory.create_dataset(dataset, seed=1, size=3):
        made = problem(dataset, entry["answer"], entry["metadata"])
        assert scorer.judge(f"<answer>{entry['answer']}</answer>", made).score == 1
        assert scorer.judge("<answer>no idea</answer>", made).score == 0
        assert math.isclose(scorer.judge("no idea", made).reward, 0)


NO_ANSWERS = (
    "", "0", "0.0", "0.", "1", "-1", "0/1", "1e999999999", "nan", "NaN", "inf", "-inf", "nan+nanj", "0j", "x", "A",
    "-", ".", "[]", "[[]]", "{}", "()", "None", "null", "True", "False", "yes", "no", "\\boxed{}",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore:loadtxt")
@pytest.mark.parametrize("dataset", sorted(factory.DATASETS.keys() - {"composite"}))
def test_no_constant_is_right_but_where_it_is_the_published_answer(dataset: str) -> None:
    for entry in factory.create_dataset(dataset, seed=1, size=3):
        made = problem(dataset, entry["answer"], entry["metadata"])
        right = [answer for answer in NO_ANSWERS if scorer.judge(f"<answer>{answer}</answer>", made).score]
        assert all(same(answer, entry["answer"]) for answer in right), (right, entry["answer"])


def same(one: str, other: str) -> bool:
    """Whether two answers are the same number, or the same text up to case."""
    try:
        return float(one) == float(other)
    except ValueError:
        return one.casefold() == other.casefold()
