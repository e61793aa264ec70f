"""Finds the source files that a command runs, by following imports.

Snakemake does not see what a command imports.  So the rules name these files as inputs, and a change of a file repeats
exactly the jobs that run it.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

# These files are no inputs.  Settings count by their values, which each rule names in its params.  An entry in a
# registry counts by the module that it names, for the runs that select it.
SETTINGS = "art/config/"


def source_files(*files: str) -> list[str]:
    """These files and all project files that they import, directly or indirectly; paths below the working directory."""
    found: set[str] = set()
    waiting = set(files)
    while waiting:
        file = waiting.pop()
        found.add(file)
        waiting |= imported_files(file) - found
    return sorted(found)


@cache
def imported_files(file: str) -> frozenset[str]:
    """The project files that a file imports, including imports inside functions and under ``TYPE_CHECKING``."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(Path(file).read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    paths = {module_file(module) for module in modules}
    return frozenset(path for path in paths if path is not None and not path.startswith(SETTINGS))


def module_file(module: str) -> str | None:
    """The project file of ``module`` or ``module:attribute``; None for a module from outside the project."""
    path = Path(*module.partition(":")[0].split("."))
    return next((str(file) for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
