"""Tests the planted faults: which faults a line has, that prose has none, and the whole harness."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from faults import faults_of
from mutants import Job, report

HERE = Path(__file__).parent


def planted(source: str) -> list[str]:
    """Versions of the source, each with one of its faults."""
    return [fault.planted(source.encode()).decode() for fault in faults_of(source.encode())]


@pytest.mark.parametrize(
    ("line", "faults"),
    [
        ("x = a < b", ["x = a <= b"]),
        ("x = a is not None", ["x = a is None"]),
        ("x = a in b and c", ["x = a not in b and c", "x = a in b or c"]),
        ("x = (a - 1) * b", ["x = (a + 1) * b", "x = (a - 2) * b", "x = (a - 1) / b"]),
        ("x = -a", ["x = a"]),
        ("x = not a", ["x = a"]),
        ("x = 0.5", ["x = 1.0"]),
        ("x = True", ["x = False"]),
        ("x = 'train'", ["x = 'validation'"]),
        ("x = f'{a}/{b}'", ["x = f'/{b}'", "x = f'{a}/'"]),
        ("x = a[:n]", ["x = a[:None]"]),
        ("x = abs(a)", ["x = (a)"]),
        ("x = a.detach()", ["x = a"]),
        ("x = a.mean()", ["x = a.sum()"]),
        ("x = f(a, b)", ["x = f(b, a)"]),
        ("x = f(a, k=b)", ["x = f(a, **{})"]),
        ("x = [a for a in b if c]", ["x = [a for a in b if True]"]),
        ("x = a if b else c", ["x = a if not (b) else c"]),
        ("f(a)", ["pass"]),
        ("x += a", ["pass"]),
        ("a[b] = c", ["pass"]),
        ("with f():\n    x = a", ["if True:\n    x = a"]),
        (
            "def f(a: int, b: int) -> int:\n    return a",
            ["def f(a: int, b: int) -> int:\n    return b"],
        ),
        ("def f(a):\n    if a:\n        return b\n    return c", None),
        ("@cache\ndef f(a):\n    return a", ["\ndef f(a):\n    return a"]),
        ("raise E(f'{a}: wanted b')", ["pass", "raise E(f': wanted b')"]),
    ],
)
def test_faults_of_a_line(line: str, faults: list[str] | None) -> None:
    if faults is None:
        assert {"def f(a):\n    if False:\n        return b\n    return c"} < set(planted(line))
    else:
        assert sorted(planted(line)) == sorted(faults)


@pytest.mark.parametrize(
    "prose",
    [
        '"""A module."""',
        'def f(a: "int | None") -> int:\n    """Says what it does."""\n    return a',
        "x = Field(description='of a 1')",
        "x: int",
        "if __name__ == '__main__':\n    x = f(1)",
        "raise E('not a number')",
    ],
)
def test_prose_and_annotations_have_no_faults(prose: str) -> None:
    assert set(planted(prose)) <= {"pass"}  # only the raise itself can be deleted


def test_columns_are_bytes() -> None:
    assert planted("x = 'ä', a < b")[1:] == ["x = 'ä', a <= b"]


def test_every_fault_of_the_project_compiles_and_changes_one_place() -> None:
    source = (HERE.parents[1] / "art/training/objectives.py").read_bytes()
    faults = faults_of(source)
    assert len(faults) > 100
    for fault in faults:
        changed = fault.planted(source)
        compile(changed, "planted", "exec")
        assert changed[: fault.start] == source[: fault.start] and changed.endswith(source[fault.end :])
        assert changed != source


def test_the_report_counts_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.py").write_text("x = a < b\ny = 1\nz = 2\n")
    Path("same.yaml").write_text("- {file: one.py, was: z = 2, becomes: z = 3, because: nobody reads z}\n")
    monkeypatch.setattr("mutants.EQUIVALENT", Path("same.yaml"))
    jobs = [Job("one.py", fault, ("t",), 1.0) for fault in faults_of(Path("one.py").read_bytes())]
    said = report(jobs, dict(zip((job.name for job in jobs), ("killed", "survived", "survived"), strict=True)))
    assert "| one.py | 1 | 1 | 0 | 0 | 1 | 50% |" in said and "| all | 1 | 1 | 0 | 0 | 1 | 50% |" in said
    assert "one.py:2: constant, survived\n  - y = 1\n  + y = 2" in said
    assert "one.py:3: constant, equivalent: nobody reads z" in said and "a < b" not in said


@pytest.mark.skipif(shutil.which("git") is None, reason="the harness needs git")
def test_a_fault_is_killed_by_a_test_that_notices_and_lives_otherwise(tmp_path: Path) -> None:
    """The whole harness, in a project of three functions and two tests."""
    (tmp_path / "tests/tools").mkdir(parents=True)
    for name in ("faults.py", "mutants.py", "times.py"):
        shutil.copy(HERE / name, tmp_path / "tests/tools")
    (tmp_path / "tests/tools/equivalent.yaml").touch()
    for name in ("art", "analysis"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "art/sums.py").write_text(
        "def more(a):\n    return a + 1\n\n\ndef less(a):\n    return a - 1\n\n\ndef unused(a):\n    return a * 2\n"
    )
    (tmp_path / "tests/test_sums.py").write_text(
        "from art.sums import less, more\n\n\ndef test_more():\n    assert more(1) == 2\n\n\n"
        "def test_less():\n    less(1)\n"
    )
    (tmp_path / ".gitignore").write_text(".mutants/\n__pycache__/\n")
    (tmp_path / "pyproject.toml").write_text("[tool.coverage.run]\nrelative_files = true\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    command = [sys.executable, "tests/tools/mutants.py", "--sample", "0", "--jobs", "1"]
    # Without the variables of a coverage run that runs this test.
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYT", "COV", "TEST_"))}
    given: dict[str, Any] = {"cwd": tmp_path, "env": clean, "capture_output": True, "text": True, "check": True}
    done = subprocess.run(command, **given)
    assert "| art/sums.py | 2 | 2 | 2 | 0 | 0 | 33% |" in done.stdout
    again = subprocess.run(command, **given)
    assert again.stdout == done.stdout and "run once" not in again.stderr
