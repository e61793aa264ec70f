"""Reads a configuration and explains its faults."""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from art.config.experiment import Config, RunKey
from art.errors import ConfigError

# What a message quotes of a value: YAML can express values of many megabytes.
_QUOTED = reprlib.Repr()
_QUOTED.maxlevel = 3
_QUOTED.maxdict = _QUOTED.maxlist = 8
_QUOTED.maxstring = _QUOTED.maxother = 200


def run_key(model: str, task: str, method: str, seed: int) -> RunKey:
    """Check the coordinates of a run that a person typed.

    Raises:
        ConfigError: a name or the seed is not of the right form.
    """
    try:
        return RunKey(model=model, task=task, method=method, seed=seed)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(fault) for fault in error.errors())) from None


def parse_config(data: Any, source: str) -> Config:
    """Validate a mapping; ``source`` names where it came from in the error message.

    Raises:
        ConfigError: the message has one line for each fault: key, value, what is allowed.
    """
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        lines = [f"{source}: {_explain(fault)}" for fault in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def load_config(path: Path) -> Config:
    """Read a YAML or JSON configuration.

    Raises:
        ConfigError: the file is missing, is not YAML, or does not validate.
    """
    return parse_config(read_yaml(path), str(path))


def read_yaml(path: Path) -> Any:
    """Read a YAML or JSON file in which no mapping has a key twice.

    Raises:
        ConfigError: the file is missing, is not YAML, or repeats a key; the message has the line where there is one.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not YAML that can be read: nested too deep") from None
    except Exception as error:  # not UTF-8, or whatever PyYAML raises on odd values
        raise ConfigError(f"{path}: not YAML: {error}") from None


class _UniqueKeys(yaml.SafeLoader):
    """PyYAML itself lets the last of several equal keys win, in silence."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        seen: set[tuple[str, str]] = set()
        for key in keys:
            if (key.tag, key.value) in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.composer.ComposerError(None, None, f"the key {key.value!r} is there twice", key.start_mark)
            seen.add((key.tag, key.value))
        return node


def _explain(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"]) or "configuration"
    value = _QUOTED.repr(fault["input"])
    given = f" (given: {value})" if fault["type"] not in ("missing", "value_error") else ""
    if fault["type"] == "extra_forbidden":
        given = f" (given: {value}); allowed keys: {', '.join(_allowed_keys(fault['loc']))}"
    message = fault["msg"].removeprefix("Value error, ")
    return message if fault["type"] == "value_error" and not fault["loc"] else f"{key}: {message}{given}"


def _allowed_keys(location: tuple[Any, ...]) -> list[str]:
    """Allowed keys of the section with the unknown key; it is found by following the types along the location.

    Pydantic names the kind that selects one of several sections behind the name that the user chose.
    """
    path = list(location[:-1])
    section: type[BaseModel] = Config
    while path:
        part = path.pop(0)
        inside = _sections(section.model_fields[part].annotation)
        if part in ("models", "tasks", "methods"):
            path.pop(0)  # the name that the user chose
        if len(inside) > 1:
            kind = path.pop(0)
            inside = [one for one in inside if kind in get_args(one.model_fields["kind"].annotation)]
        section = inside[0]
    return list(section.model_fields)


def _sections(annotation: Any) -> list[type[BaseModel]]:
    """The sections that an annotation mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections(part)]
