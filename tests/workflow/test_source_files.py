"""The source files behind a command, found by the imports in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_files import imported_files, module_file, source_files

FILES = {
    "art/__init__.py": "",
    "art/cli.py": "import art.top\nfrom elsewhere import thing\n",
    "art/top.py": "from art.room import one\nimport numpy\n",
    "art/room/__init__.py": "from art.files import read\n",
    "art/room/one.py": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from art.types import T\n"
        "def late():\n    from art.late import name as other\n"
    ),
    "art/files.py": "from art.config.sections import Section\nfrom art import top\n",  # a circle, too
    "art/types.py": "",
    "art/late.py": "from . import relative\n",
    "art/config/sections.py": "from art.never import value\n",
    "art/never.py": "",
    "art/alone.py": "REGISTRY = {'x': 'art.never'}\n",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    imported_files.cache_clear()
    yield tmp_path
    imported_files.cache_clear()


def test_imports_are_followed_everywhere_in_a_file(project: Path) -> None:
    """At its head, inside a function, for types only; a package's own file, and ``import a.b``."""
    lower = ["art/files.py", "art/late.py", "art/room/__init__.py", "art/room/one.py", "art/top.py", "art/types.py"]
    assert source_files("art/cli.py") == ["art/__init__.py", "art/cli.py", *lower]
    assert source_files("art/types.py", "art/late.py") == ["art/late.py", "art/types.py"]


def test_settings_count_by_their_values_and_not_as_files(project: Path) -> None:
    assert not any("config" in file or "never" in file for file in source_files("art/cli.py"))


def test_a_module_that_is_named_in_a_registry_is_not_imported(project: Path) -> None:
    assert source_files("art/alone.py") == ["art/alone.py"]


def test_the_file_of_a_module(project: Path) -> None:
    assert module_file("art.room") == "art/room/__init__.py"
    assert module_file("art.room.one:late") == "art/room/one.py"
    assert module_file("numpy") is None and module_file("art.room.one.late") is None


def test_a_file_that_is_not_there_is_an_error(project: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"art/gone\.py"):
        source_files("art/gone.py")
