"""Copies of the project for the tests of the DAG."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from dag_project import Project, copy_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh copy: nothing has run."""
    return copy_project(tmp_path / "project")


@pytest.fixture(scope="session")
def finished_smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which the smoke configuration has run to its end (with stand-in commands)."""
    project = copy_project(tmp_path_factory.mktemp("finished") / "project")
    done = project.snakemake("--configfile", "config/smoke.yaml")
    assert done.returncode == 0, done.stdout
    return project.root


@pytest.fixture
def finished(finished_smoke: Path, tmp_path: Path) -> Project:
    """A copy of the finished project, Snakemake's records included, to be changed at will."""
    shutil.copytree(finished_smoke, tmp_path / "project")
    return Project(tmp_path / "project")
