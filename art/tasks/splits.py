"""Selects the training, validation and test problems of a data set, so that no question is in two splits.

Where the data set has a test split, the test problems come from it.  Otherwise they are selected by content hash, which
no seed can change.  Training and validation problems are selected from the rest, by the hash with the task's seed.  A
question that is published several times, in any split, counts once.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from art.config.sections import Split, TaskSection
from art.errors import ConfigError
from art.store.problem import text_hash
from art.tasks.candidate import Candidate, Dropped, Published


@dataclass
class Catalogue:
    """The content of a data set: one entry per distinct question, without the problems themselves.

    Attributes:
        entries: hash of the question -> published split and id of the problem that is kept for it.
        published: number of records in each published split.
        dropped: number of records that make no problem, by reason.
    """

    entries: dict[str, tuple[Published, str]] = field(default_factory=dict)
    published: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, records: Iterable[Candidate | Dropped]) -> None:
        """Add records.  Of several with the same question, a test problem is kept, else the one with the least id."""
        for record in records:
            self.published[record.published] += 1
            if isinstance(record, Dropped):
                self.dropped[record.reason] += 1
                continue
            key, new = text_hash(record.text), (record.published, record.problem.id)
            old = self.entries.setdefault(key, new)
            if old is not new:
                self.dropped["question_in_test" if {old[0], new[0]} == {"train", "test"} else "question_repeated"] += 1
                self.entries[key] = min(old, new)  # "test" sorts before "train"

    def cut(self, task: str, section: TaskSection) -> dict[Split, list[str]]:
        """Hashes of the questions of each split, in the order of the problem file.

        Raises:
            ConfigError: there are fewer distinct questions than asked for.
        """
        tests = [key for key, (published, _) in self.entries.items() if published == "test"]
        test = self._first(task, "test", section.test, sorted(tests or self.entries))
        held_out = {*tests, *test}
        rest = [key for key in self.entries if key not in held_out]
        rest = sorted(rest, key=lambda key: hashlib.sha256(f"{section.seed}/{key}".encode()).digest())
        rest = self._first(task, "train + validation", section.train + section.validation, rest)
        return {"train": rest[section.validation :], "validation": rest[: section.validation], "test": test}

    def _first(self, task: str, key: str, wanted: int, available: list[str]) -> list[str]:
        if len(available) < wanted:
            raise ConfigError(
                f"tasks.{task}.{key}: {wanted} problems were asked for; there are {len(available)} distinct ones "
                f"(records: {_counts(self.published)}; dropped: {_counts(self.dropped)})"
            )
        return available[:wanted]


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(counter.items())) or "none"
