"""The command that prepares a published data set."""

from __future__ import annotations

from pathlib import Path

from published import gsm8k_rows, write_lines
from tiny_world import World
from typer.testing import CliRunner

from art.cli import app
from art.files import read_records
from art.store.problem import Problem

NUMBERS = {"train": 8, "validation": 8, "test": 8}


def run(root: Path, command: str, task: str, section: dict) -> tuple[int, str]:
    """Exit status and standard error."""
    config = World(root).write_config(tasks={task: section})
    done = CliRunner().invoke(app, [command, task, "--config", str(config), "--out", str(root / "out")])
    return done.exit_code, done.stderr


def test_prepare_writes_problem_files(tmp_path: Path) -> None:
    write_lines(tmp_path / "data/train.jsonl", gsm8k_rows("train", 16))
    write_lines(tmp_path / "data/test.jsonl", gsm8k_rows("test", 8))
    section = {"scorer": "numeric", "source": {"path": str(tmp_path / "data")}, **NUMBERS}
    assert run(tmp_path, "prepare", "gsm8k", section) == (0, "")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "train.jsonl", "validation.jsonl", "test.jsonl", "report.json"
    }  # fmt: skip
    assert len(read_records(tmp_path / "out/train.jsonl", Problem)) == 8


def test_a_task_of_another_kind_is_refused(tmp_path: Path) -> None:
    source = {"path": str(tmp_path)}
    status, said = run(tmp_path, "prepare", "riddles", {"scorer": "numeric", "source": source})
    assert status == 1 and "'riddles'" in said and "gsm8k, svamp, gpqa, toolmind, bfcl" in said
    status, said = run(tmp_path, "generate", "arithmetic", {"scorer": "numeric", "source": source})
    assert status == 1 and "tasks.arithmetic.source" in said and "leave it out" in said
