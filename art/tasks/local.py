"""A task from a file of the user's own: problems without ids, split by a seeded shuffle."""

from __future__ import annotations

import json
import random
from pathlib import Path

from pydantic import ValidationError

from art.config.sections import SPLITS, Split, TaskSection
from art.errors import ConfigError, RecordError
from art.files import invalid, numbered_lines
from art.store.problem import Problem, problem_id


def read_problems(path: Path) -> list[Problem]:
    """Read JSON lines with ``question`` and ``answer``, and the optional fields of ``Problem`` where there are any.

    Lines of the same content count once, so that no problem can stand in two splits.

    Raises:
        RecordError: the file cannot be read, or a line is no such problem (file:line).
    """
    found: dict[str, Problem] = {}
    for number, line in numbered_lines(path):
        try:
            fields = json.loads(line)
            name = problem_id(fields["question"], fields["answer"], fields.get("tools"), fields.get("messages"))
            found.setdefault(name, Problem.model_validate({**fields, "id": name}))
        except ValidationError as error:
            raise invalid(f"{path}:{number}", error) from None
        except (ValueError, KeyError, TypeError) as error:
            raise RecordError(f"{path}:{number}: not a problem with question and answer: {error!r}") from None
    return list(found.values())


def split(task: str, section: TaskSection, source: Path) -> dict[Split, list[Problem]]:
    """Shuffle by the task's seed and cut into test, validation and training problems of the configured numbers.

    The test part is cut first, so that asking for more training problems leaves it as it is.

    Raises:
        ConfigError: the file holds fewer distinct problems than asked for.
    """
    problems = read_problems(source)
    wanted = section.train + section.validation + section.test
    if len(problems) < wanted:
        raise ConfigError(
            f"tasks.{task}: {wanted} problems were asked for (train + validation + test); "
            f"{source} holds only {len(problems)} distinct ones"
        )
    random.Random(f"{task}/split/{section.seed}").shuffle(problems)
    splits: dict[Split, list[Problem]] = {}
    for name in reversed(SPLITS):
        count = getattr(section, name)
        splits[name], problems = problems[:count], problems[count:]
    return {name: splits[name] for name in SPLITS}
