"""Makes problem files and their report from a published data set."""

from __future__ import annotations

from pathlib import Path

from art.config.sections import TaskSection
from art.store.problem import Problem, text_hash
from art.tasks.candidate import Candidate, Reader
from art.tasks.problem_files import write_problem_files
from art.tasks.splits import Catalogue


def prepare(reader: Reader, task: str, section: TaskSection, out: Path) -> None:
    """Write ``{train,validation,test}.jsonl`` and ``report.json``.

    The data set may be larger than the memory.  It is read twice, first to select problems and then to keep those.

    Raises:
        ConfigError, RecordError: see ``Reader.read``; or there are fewer problems than asked for.
    """
    catalogue = Catalogue()
    catalogue.add(reader.read(task, section))
    splits = catalogue.cut(task, section)
    selected = {catalogue.entries[key][1] for keys in splits.values() for key in keys}
    kept: dict[str, Problem] = {}
    for record in reader.read(task, section):
        if isinstance(record, Candidate) and record.problem.id in selected:
            kept[text_hash(record.text)] = record.problem
    problems = {name: [kept[key] for key in keys] for name, keys in splits.items()}
    write_problem_files(
        problems,
        out,
        source=reader.origin(section),
        records=dict(sorted(catalogue.published.items())),
        dropped=dict(sorted(catalogue.dropped.items())),
        unused=len(catalogue.entries) - len(kept),
    )
