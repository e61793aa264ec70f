"""Problem files, read for a scorer."""

from __future__ import annotations

import pytest
from tiny_world import World

from art.errors import RecordError
from art.files import write_records
from art.scoring import load_problems, numeric
from art.store.problem import Problem, problem_id


def test_a_reference_that_is_not_the_scorers_is_named_with_its_line(world: World) -> None:
    path = world.results / "tasks/arithmetic/validation.jsonl"
    write_records(path, [Problem(id=problem_id("q", answer), question="q", answer=answer) for answer in ("1", "one")])
    with pytest.raises(RecordError, match=rf"^{path}:2: "):
        load_problems(path, numeric)
