"""The paper is typeset from a run's files, and from nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fake_results import mapping, write_results

ROOT = Path(__file__).parents[2]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def typeset(folder: Path) -> subprocess.CompletedProcess[str]:
    arguments = ("--source", "paper/paper.typ", "--config", "results/config.json", "--out", "paper/paper.pdf")
    return run(folder, "analysis.paper", *arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with results, tables and figures of an invented run."""
    root = tmp_path_factory.mktemp("paper")
    shutil.copytree(ROOT / "paper", root / "paper", ignore=shutil.ignore_patterns("tables", "figures", "*.pdf"))
    write_results(root / "results", mapping())
    names = [path.stem for path in (ROOT / "analysis/figures").glob("[!_]*.py") if path.stem != "style"]
    for arguments in (("measure",), ("tables",), *(("figure", name) for name in names)):
        done = run(root, "analysis", *arguments)
        assert done.returncode == 0, done.stderr
    return root


def test_same_inputs_same_bytes_and_other_data_another_paper(folder: Path) -> None:
    pdf, data = folder / "paper/paper.pdf", folder / "results/analysis/accuracy.csv"
    assert typeset(folder).returncode == 0
    first = pdf.read_bytes()
    assert typeset(folder).returncode == 0
    assert pdf.read_bytes() == first and first.startswith(b"%PDF")
    original = data.read_text()
    header, row, *rest = original.splitlines()
    cells = row.split(",")
    cells[header.split(",").index("accuracy")] = "0.123456"
    data.write_text("\n".join([header, ",".join(cells), *rest]) + "\n")
    assert typeset(folder).returncode == 0
    data.write_text(original)
    assert pdf.read_bytes() != first


def test_missing_data_is_named(folder: Path) -> None:
    data = folder / "results/analysis/cost.csv"
    kept = data.read_text()
    data.unlink()
    done = typeset(folder)
    data.write_text(kept)
    assert done.returncode == 1 and "cost.csv" in done.stderr and "Traceback" not in done.stderr


def test_no_result_is_typed_by_hand() -> None:
    text = (ROOT / "paper/paper.typ").read_text()
    results = text[text.index("\n= Results") : text.index("\n= Statistics")]
    prose = [line for line in results.splitlines() if not re.match(r"\s*(#|let |else|if |for |\})", line)]
    assert prose and not re.search(r"(?<![\w-])\d+(\.\d+)?\s*%|\d\.\d", "\n".join(prose))
