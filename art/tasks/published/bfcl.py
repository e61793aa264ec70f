"""BFCL (Patil et al. 2025, Apache-2.0), categories ``simple`` and ``multiple``: one call, one or more tools on offer.

The data come from the package ``bfcl-eval``, or from a folder with the same files.  Install the package with
``--no-deps``, since its requirements contradict ours; none of its code is run.  BFCL lists the right values of each
argument, and so can the gold answers of our scorer.  It also lists the right values of each field of an object.  Our
scorer cannot, so records with several right values of a field are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from art.config.sections import TaskSection
from art.errors import ConfigError, RecordError
from art.store.problem import Problem
from art.tasks.candidate import Candidate, Dropped, Unfit, make_problem
from art.tasks.formats import rows
from art.tasks.published.tool_definitions import definition, gold_answer
from art.tasks.source import locate
from art.tasks.source import origin as files_origin

PACKAGE = "bfcl-eval"
FILES = tuple(f"BFCL_v4_{name}.json" for name in ("simple_python", "multiple", "live_simple", "live_multiple"))
LEFT_OUT = ""
"""BFCL's sign, among the right values, that an argument may be left out unless it is required.

For an argument that is a text, the empty text is right as well.
"""
_TEXT = ("string", "any")

# BFCL's type names -> those of JSON schemas, as BFCL itself translates them
_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": "string"}


def read(task: str, section: TaskSection) -> Iterator[Candidate | Dropped]:
    """See ``art.tasks.candidate.Reader``."""
    for path in _files(task, section):
        answers = {row.get("id"): row for _, row in rows(path.parent / "possible_answer" / path.name)}
        for place, row in rows(path):
            if row.get("id") not in answers:
                raise RecordError(f"{place}: no answer of this id in possible_answer/{path.name}")
            try:
                yield Candidate("all", *_convert(row, answers[row["id"]]["ground_truth"], path.stem))
            except Unfit as reason:
                yield Dropped("all", str(reason))
            except (LookupError, TypeError, AttributeError, ValueError) as error:
                raise RecordError(f"{place}: not a record of BFCL: {error!r}") from None


def origin(section: TaskSection) -> dict[str, str]:
    """The folder, or the package and its version."""
    return files_origin(section) or {"package": PACKAGE, "version": version(PACKAGE)}


def _files(task: str, section: TaskSection) -> list[Path]:
    key, names = f"tasks.{task}.source", ", ".join(FILES)
    if section.source is not None:
        if section.source.path is None:
            raise ConfigError(f"{key}: give path, a folder with {names} and possible_answer/; or leave source out")
        found = locate(task, section, [{"all": "BFCL_v4_*.json"}])["all"]
        return [path for path in found if path.name in FILES]
    package = find_spec("bfcl_eval")
    if package is None or not package.submodule_search_locations:
        raise ConfigError(
            f"{key}: missing, and the package {PACKAGE} is not installed; pip install --no-deps "
            f"'{PACKAGE}==2026.3.23', or give path, a folder with {names} and possible_answer/"
        )
    return [Path(package.submodule_search_locations[0]) / "data" / name for name in FILES]


def _convert(row: dict[str, Any], truth: list[Any], category: str) -> tuple[str, Problem]:
    (conversation,) = row["question"]
    ((name, values),) = truth[0].items()
    (schema,) = (function["parameters"] for function in row["function"] if function["name"] == name)
    question = next(message["content"] for message in conversation if message["role"] == "user")
    problem = make_problem(
        question,
        gold_answer({"name": name, **_right_arguments(values, schema)}),
        tools=[definition(_translated(function)) for function in row["function"]],
        messages=conversation if len(conversation) > 1 else None,
        topic=category.removeprefix("BFCL_v4_"),
    )
    return question, problem


def _right_arguments(values: dict[str, list[Any]], schema: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a right call; also, where there are any, other right values and arguments that may be left out.

    Raises:
        Unfit: an argument is not in the definition, has no right value, or is an object with several right forms.
    """
    arguments: dict[str, Any] = {}
    accepted: dict[str, list[Any]] = {}
    optional: list[str] = []
    for argument, listed in values.items():
        if argument not in schema["properties"]:
            raise Unfit("argument_of_no_definition")
        may_be_left_out = LEFT_OUT in listed and argument not in schema.get("required", [])
        right = [_plain(value) for value in listed if value != LEFT_OUT]
        if LEFT_OUT in listed and schema["properties"][argument]["type"] in _TEXT:
            right.append(LEFT_OUT)
        if not right and not may_be_left_out:
            raise Unfit("no_right_value")
        if right:
            arguments[argument] = right[0]
        if right[1:]:
            accepted[argument] = right[1:]
        if right and may_be_left_out:
            optional.append(argument)
    others = {"accepted": accepted, "optional": optional}
    return {"arguments": arguments, **{key: found for key, found in others.items() if found}}


def _plain(value: Any) -> Any:
    """A right value without BFCL's lists: in an object, also inside a list, each field has a list of right values.

    Raises:
        Unfit: a field has several right values or may be left out.
    """
    if isinstance(value, list):
        return [_plain(part) if isinstance(part, dict) else part for part in value]
    if not isinstance(value, dict):
        return value
    if any(len(listed) != 1 or LEFT_OUT in listed for listed in value.values()):
        raise Unfit("object_with_several_right_forms")
    return {field: only for field, (only,) in value.items()}


def _translated(schema: Any) -> Any:
    """A definition with the type names of JSON schemas."""
    if isinstance(schema, list):
        return [_translated(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _TYPES.get(value, value) if key == "type" and isinstance(value, str) else _translated(value)
        for key, value in schema.items()
    }
