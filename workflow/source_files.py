"""Which source files a command runs, by the imports in them.

Snakemake does not see what a command imports.  The rules name these files as inputs, so that a change of one repeats
the jobs that run it, and no others.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

# The text of these does not count: their values do, through params, each rule naming its own.  Nor does a line in the
# registry: the module that it names counts for the runs that pick it.
SETTINGS = "art/config/"


def source_files(*files: str) -> list[str]:
    """These files and the project's files that they import, directly or not; paths below the working directory."""
    found: set[str] = set()
    waiting = set(files)
    while waiting:
        file = waiting.pop()
        found.add(file)
        waiting |= imported_files(file) - found
    return sorted(found)


@cache
def imported_files(file: str) -> frozenset[str]:
    """The project's files that a file imports, also inside of a function and under ``TYPE_CHECKING``."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(Path(file).read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    paths = {module_file(module) for module in modules}
    return frozenset(path for path in paths if path is not None and not path.startswith(SETTINGS))


def module_file(module: str) -> str | None:
    """The project's file of a module (of ``module:attribute``, too); None where the project has none."""
    path = Path(*module.partition(":")[0].split("."))
    return next((str(file) for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
