"""The registries: every entry names existing code, and the configuration allows these names and no others."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError

from art.config import registry
from art.config.methods import METHOD_SECTIONS, Method
from art.config.registry import OneOf, implementation
from art.config.schema import config_schema
from art.methods.base import TrainedMethod
from art.models.policy import Policy
from art.rollouts.engines import Engine


def test_what_an_entry_names() -> None:
    assert implementation("art.scoring.numeric").__name__ == "art.scoring.numeric"
    assert implementation("art.models.policy:Policy") is Policy
    with pytest.raises(AttributeError, match="nothing"):
        implementation("art.models.policy:nothing")


def test_families_and_engines_are_classes_of_their_kind() -> None:
    assert all(issubclass(implementation(entry), Policy) for entry in registry.FAMILIES.values())
    assert all(issubclass(implementation(entry), Engine) for entry in registry.ENGINES.values())


@pytest.mark.parametrize(
    ("entries", "functions"),
    [
        (registry.SCORERS, ("extract", "judge")),
        (registry.GENERATORS, ("draw",)),
        (registry.READERS, ("read", "origin")),
        ({**registry.SEED_PICTURES, "other": registry.OTHER_SEED_PICTURE}, ("draw",)),
    ],
)
def test_modules_have_the_functions_that_are_asked_of_them(entries: dict[str, str], functions: tuple[str, ...]) -> None:
    for entry in entries.values():
        assert all(callable(getattr(implementation(entry), name)) for name in functions), entry


def test_a_method_has_its_settings_and_what_makes_it() -> None:
    for kind, section in METHOD_SECTIONS.items():
        assert issubclass(section, Method) and callable(implementation(section.implementation)), kind
        trained = "learning_rate" in section.model_fields
        assert trained == isinstance(implementation(section.implementation), type)
        assert not trained or issubclass(implementation(section.implementation), TrainedMethod)


def test_one_of_allows_the_names_alone() -> None:
    names: TypeAdapter[str] = TypeAdapter(Annotated[str, OneOf({"b": "module", "a": "module"})])
    assert names.validate_python("a") == "a"
    assert names.json_schema() == {"enum": ["b", "a"], "type": "string"}
    for wrong in ("c", 1, None):
        with pytest.raises(ValidationError, match="Input should be 'b' or 'a'"):
            names.validate_python(wrong)


def test_the_schema_lists_the_registered_names() -> None:
    sections = config_schema()["$defs"]
    assert sections["ModelSection"]["properties"]["family"]["enum"] == list(registry.FAMILIES)
    assert sections["EngineSection"]["properties"]["kind"]["enum"] == list(registry.ENGINES)
    assert sections["TaskSection"]["properties"]["scorer"]["enum"] == list(registry.SCORERS)
