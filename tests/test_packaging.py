"""Tests that the set-up files agree with each other and with what is installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from art.config.reading import load_config
from art.config.schema import SCHEMA_PATH, config_schema

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"pytorch": "torch"}


def split(requirement: str) -> tuple[str, str]:
    """Name and bounds: ``numpy>=2,<3`` -> (``numpy``, ``>=2,<3``)."""
    match = re.fullmatch(r"([A-Za-z0-9_.-]+?)\s*([<>=!].*)?", requirement)
    assert match, requirement
    return CONDA_NAMES.get(match[1], match[1]), match[2] or ""


def pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def outside_make() -> dict[str, str]:
    """The environment without the variables that a calling make sets."""
    return {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL")}


def requirements() -> dict[str, str]:
    """All requirements of pyproject.toml, with those of the extra ``test``."""
    project = pyproject()["project"]
    return dict(map(split, project["dependencies"] + project["optional-dependencies"]["test"]))


def test_conda_environment_has_the_same_names_and_bounds() -> None:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    plain = [entry for entry in listed if isinstance(entry, str)]
    from_pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    conda = dict(map(split, plain + from_pip))
    assert conda.pop("python") == pyproject()["project"]["requires-python"]
    assert conda.pop("pip") == ""
    assert conda == requirements()


def test_every_dependency_has_both_bounds() -> None:
    assert all(re.fullmatch(r">=[\d.]+,<[\d.]+", bounds) for bounds in requirements().values())


def test_torch_of_the_makefile_lies_within_the_bounds() -> None:
    version = re.search(r"^TORCH := torch==([\d.]+)$", (ROOT / "Makefile").read_text(), re.M)
    assert version and SpecifierSet(requirements()["torch"]).contains(version[1])


@pytest.mark.parametrize(("target", "extras"), [("test", ["test"]), ("reasoning-gym", ["test", "reasoning-gym"])])
def test_what_needs_a_compiler_is_installed_by_a_command_of_its_own(target: str, extras: list[str]) -> None:
    planned = subprocess.run(["make", "-nB", target], cwd=ROOT, env=outside_make(), capture_output=True, text=True)
    assert re.findall(r"--editable '\.\[(.+)\]'$", planned.stdout, re.M) == extras


def test_console_script_is_installed() -> None:
    scripts = {script.name: script.value for script in entry_points(group="console_scripts")}
    assert scripts["art"] == pyproject()["project"]["scripts"]["art"]


def test_schema_agrees_with_the_types() -> None:
    written = json.loads((ROOT / SCHEMA_PATH).read_text())
    assert written == json.loads(json.dumps(config_schema())), "run: python -m art.config.schema"


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_configurations_are_valid(path: Path) -> None:
    assert load_config(path).grid()


def test_citation_is_complete() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == pyproject()["project"]["version"]
    names = [author["family-names"] for author in citation["references"][0]["authors"]]
    assert names == ["Chudoba", "Alyaev", "Galuscakova", "Wiktorski"]


def test_old_python_is_refused_with_a_clear_message(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    (tmp_path / "pyproject.toml").touch()
    done = subprocess.run(
        ["make", "reproduce", f"PYTHON={old}"],
        cwd=tmp_path,
        env=outside_make(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed" in done.stderr and "Python 3.9.2" in done.stderr
    assert not (tmp_path / ".venv").exists()
