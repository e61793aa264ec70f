"""What a reader makes of one published record: a problem, or the reason why it makes none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Protocol

from art.config.sections import TaskSection
from art.errors import RecordError
from art.store.problem import Problem, problem_id

Published = Literal["train", "test", "all"]
"""Part that the data set itself puts a record in; "all" where it has no parts."""


class Candidate(NamedTuple):
    """A problem, with the question as it was published: its text decides to which part the problem goes."""

    published: Published
    text: str
    problem: Problem


class Dropped(NamedTuple):
    """A sound record that makes no problem of this task; the reason is a word or two for the report."""

    published: Published
    reason: str


class Unfit(Exception):
    """Raised by a reader's conversion of one record; its argument is the reason for the report."""


class Reader(Protocol):
    """A module of this package.

    ``read`` may be called more than once and gives the same every time.
    """

    def read(self, task: str, section: TaskSection) -> Iterator[Candidate | Dropped]:
        """The records of the data set that ``section`` names.

        Raises:
            ConfigError: the data set is not there; the message says which key to set.
            RecordError: a file is not of the published format (file and line, what is missing).
        """

    def origin(self, section: TaskSection) -> dict[str, str]:
        """What was read, for the report: a path, a repository and its commit, or a package and its version."""


def make_problem(question: str, answer: str, **fields: Any) -> Problem:
    """A problem with its id; ``fields`` are the optional ones of ``Problem``."""
    name = problem_id(question, answer, fields.get("tools"), fields.get("messages"))
    return Problem(id=name, question=question, answer=answer, **fields)


def text_of(row: dict[str, Any], key: str) -> str:
    """The text under a key of a published record, stripped.

    Raises:
        RecordError: there is none.  The message quotes nothing of the record: it may have to stay unseen.
    """
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise RecordError(f"no text under {key!r}")
    return value.strip()
