"""Makes a task from a file of the user's own: problems without ids, split by a seeded shuffle."""

from __future__ import annotations

import json
import random
from pathlib import Path

from pydantic import ValidationError

from art.config.sections import SPLITS, Split, TaskSection
from art.errors import ConfigError, RecordError
from art.files import invalid, numbered_lines
from art.store.problem import Problem, problem_id, text_hash


def read_problems(path: Path) -> list[Problem]:
    """Read JSON lines with ``question`` and ``answer``, and any optional fields of ``Problem``.

    Lines with the same content count once.

    Raises:
        RecordError: the file cannot be read, or a line is not such a problem (file:line).
    """
    found: dict[str, Problem] = {}
    for number, line in numbered_lines(path):
        try:
            fields = json.loads(line)
            name = problem_id(fields["question"], fields["answer"], fields.get("tools"), fields.get("messages"))
            found.setdefault(name, Problem.model_validate({**fields, "id": name}))
        except ValidationError as error:
            raise invalid(f"{path}:{number}", error) from None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RecordError(f"{path}:{number}: not a problem with question and answer: {error!r}") from None
    return list(found.values())


def split(task: str, section: TaskSection, source: Path) -> tuple[dict[Split, list[Problem]], int]:
    """Shuffle with the task's seed and cut into splits of the configured sizes.

    The test split is cut first, so that asking for more training problems does not change it.  A problem is left out
    where the same is asked, but for case and white space, in a split that is cut before its own.

    Returns:
        The splits, and how many problems were left out.

    Raises:
        ConfigError: the file holds fewer distinct problems than asked for.
    """
    problems = read_problems(source)
    wanted, found = section.train + section.validation + section.test, len(problems)
    random.Random(f"{task}/split/{section.seed}").shuffle(problems)
    splits: dict[Split, list[Problem]] = {}
    left_out = 0
    for name in reversed(SPLITS):
        count = getattr(section, name)
        splits[name], rest = problems[:count], problems[count:]
        known = {_asked(problem) for problem in splits[name]}
        problems = [problem for problem in rest if _asked(problem) not in known]
        left_out += len(rest) - len(problems)
    if sum(map(len, splits.values())) < wanted:
        raise ConfigError(
            f"tasks.{task}: {wanted} problems were asked for (train + validation + test); "
            f"{source} holds only {found} distinct ones, {left_out} of which repeat a question of another split"
        )
    return {name: splits[name] for name in SPLITS}, left_out


def _asked(problem: Problem) -> str:
    """What a problem asks: its question, in its conversation and with its tools."""
    return text_hash(problem.question) + text_hash(json.dumps([problem.messages, problem.tools], default=str))
