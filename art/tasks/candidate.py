"""The result of reading one published record: a problem, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Protocol

from art.config.sections import TaskSection
from art.errors import RecordError
from art.store.problem import Problem, problem_id

Published = Literal["train", "test", "all"]
"""Split in which the data set publishes a record; "all" where it has no splits."""


class Candidate(NamedTuple):
    """A problem, and the published text of its question, which decides the problem's split."""

    published: Published
    text: str
    problem: Problem


class Dropped(NamedTuple):
    """A valid record that makes no problem of this task; the reason is a word or two for the report."""

    published: Published
    reason: str


class Unfit(Exception):
    """Raised when a record makes no problem of this task; the argument is the reason for the report."""


class Reader(Protocol):
    """A module that reads one published data set.

    ``read`` may be called more than once and gives the same records every time.
    """

    def read(self, task: str, section: TaskSection) -> Iterator[Candidate | Dropped]:
        """The records of the data set that ``section`` names.

        Raises:
            ConfigError: the data set is not found; the message says which key to set.
            RecordError: a file does not have the published format; the message gives file, line and what is missing.
        """

    def origin(self, section: TaskSection) -> dict[str, str]:
        """Source of the records, for the report: a path, a repository and its commit, or a package and its version."""


def make_problem(question: str, answer: str, **fields: Any) -> Problem:
    """A problem with its id; ``fields`` are optional fields of ``Problem``."""
    name = problem_id(question, answer, fields.get("tools"), fields.get("messages"))
    return Problem(id=name, question=question, answer=answer, **fields)


def text_of(row: dict[str, Any], key: str) -> str:
    """The text under a key of a published record, stripped.

    Raises:
        RecordError: there is no text.  The message quotes nothing of the record, which may have to stay hidden.
    """
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise RecordError(f"no text under {key!r}")
    return value.strip()
