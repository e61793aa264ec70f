"""A scorer's verdict on one completion, and the interface of every scorer."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from art.store.problem import Problem


class Judgement(NamedTuple):
    """Verdict on one completion.

    Attributes:
        extracted: the answer as the scorer read it, in a normal form; None when there is none.
        score: accuracy, strictly 0 or 1.
        reward: training reward in [0, 1]; 1 exactly when ``score`` is 1.
    """

    extracted: str | None
    score: int
    reward: float


class Scorer(Protocol):
    """A module with these two functions. No completion makes them raise."""

    def extract(self, completion: str) -> str | None:
        """Return the answer found in ``completion`` in a normal form, or None."""

    def judge(self, completion: str, problem: Problem) -> Judgement:
        """Compare the answer in ``completion`` with the problem's gold answer.

        Raises:
            ValueError: the *gold answer* does not have the scorer's form; the message names the problem.
        """
