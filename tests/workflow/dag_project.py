"""A copy of the project whose commands only write their files, so that the DAG itself is what is tested."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from analysis.registry import DATA, TABLES

ROOT = Path(__file__).parents[2]
COPIED = (
    "Snakefile",
    "workflow",
    "profiles",
    "config",
    "art",
    "analysis",
    "pretraining",
    "paper/paper.typ",
    "paper/references.bib",
    "environment.yml",
)

# Stands in for art/cli.py: writes what each command promises, with the arguments inside.
FAKE_ART = """
import os, sys
from pathlib import Path

def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(" ".join(sys.argv[1:]) + " threads " + os.environ["OMP_NUM_THREADS"] + "\\n")

def app():
    command, *rest = sys.argv[1:]
    options = dict(zip(sys.argv, sys.argv[1:]))
    if command in os.environ.get("FAKE_FAILURE", "").split(","):
        print("the message of a failure")
        return 1
    out = Path(options.get("--out", ""))
    if command in ("config", "draw"):
        write(out)
    elif command == "generate":
        for name in ("train.jsonl", "validation.jsonl", "test.jsonl", "report.json"):
            write(out / name)
    elif command == "pretrain":
        write(out / "model.safetensors")
    elif command == "serve-check":
        folder = Path(options["--results"], "serving", options["--model"], options["--task"])
        for name in ("served.jsonl", "load.jsonl", "gap.jsonl", "serving.json"):
            write(folder / name)
    else:
        keys = [options["--" + key] for key in ("model", "task", "method")]
        folder = Path(options["--results"], "runs", *keys, "seed" + options["--seed"])
        names = ("run.json", "train.jsonl", "artifact/artifact.json")
        for name in names if command == "train" else ("items.jsonl", "evaluation.json"):
            write(folder / name)
"""

# Stands in for analysis/__main__.py and analysis/paper.py.
FAKE_ANALYSIS = """
import sys
from pathlib import Path

names = {names!r}
out = Path(sys.argv[sys.argv.index("--out") + 1])
command = sys.argv[1]
files = {{
    "measure": [out / (name + ".csv") for name in names],
    "tables": [out / (name + end) for name in names for end in (".csv", ".tex", ".md")],
    "figure": [out / (sys.argv[2] + end) for end in (".pdf", ".png")],
}}.get(command, [out])
for path in files:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("made\\n")
"""


@dataclass(frozen=True)
class Job:
    """A job with what decides whether it is stale, and how it is run (see dag_jobs.py)."""

    rule: str
    wildcards: dict[str, str]
    input: list[str]
    output: list[str]
    params: list[str]
    command: str | None
    log: list[str]
    threads: int
    priority: int
    local: bool
    environment: str | None
    report: dict[str, tuple[str, str, dict[str, str]]]

    @property
    def name(self) -> str:
        """Rule and wildcards, as ``train tiny-1m arithmetic art 0``."""
        return " ".join((self.rule, *self.wildcards.values()))

    @property
    def files(self) -> set[str]:
        """Inputs, but source files."""
        return {path for path in self.input if not path.endswith(".py")}


class Project:
    """A project folder, and Snakemake in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start Snakemake in a process group of its own, in no environment; standard output and error together."""
        programs = [path for path in os.get_exec_path() if Path(path) != Path(sys.executable).parent]
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("SNAKEMAKE", "PYTEST"))}
        settings = {"PATH": os.pathsep.join(programs), "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=self.root,
            env=clean | settings | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def snakemake(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake to its end."""
        process = self.start(*arguments, **environment)
        output, _ = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, output)

    def planned(self, *arguments: str) -> dict[str, list[str]]:
        """Jobs of a dry run: rule -> first output (or the target's name) of each."""
        jobs: dict[str, list[str]] = {}
        for rule, _, output in self.jobs(*arguments):
            jobs.setdefault(rule, []).append(output[0] if output else rule)
        return jobs

    def jobs(self, *arguments: str) -> list[tuple[str, list[str], list[str]]]:
        """Jobs of a dry run: rule, inputs, outputs."""
        done = self.snakemake("--dry-run", *arguments)
        assert done.returncode == 0, done.stdout
        blocks = re.split(r"^(?:local)?rule ", done.stdout, flags=re.MULTILINE)[1:]
        return [(block.split(":", 1)[0], _files("input", block), _files("output", block)) for block in blocks]

    def dags(self, *requests: Sequence[str]) -> list[dict[str, Job] | str]:
        """All jobs, by name, of each configuration file (with targets behind it), or what Snakemake says instead."""
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("dag_jobs.py"))],
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"},
            input=json.dumps(requests),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        plans = json.loads(done.stdout)
        found = [plan if isinstance(plan, str) else [Job(**job) for job in plan] for plan in plans]
        return [plan if isinstance(plan, str) else {job.name: job for job in plan} for plan in found]

    def config(self, name: str) -> dict:
        """Content of config/NAME.yaml."""
        return yaml.safe_load((self.root / "config" / f"{name}.yaml").read_text())

    def write_config(self, name: str, content: dict) -> str:
        """Write config/NAME.yaml and return its path."""
        (self.root / "config" / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        return f"config/{name}.yaml"


def _files(key: str, block: str) -> list[str]:
    line = re.search(rf"^\s+{key}: (.+)", block, flags=re.MULTILINE)
    return line[1].split(", ") if line else []


def copy_files(target: Path, *more: str) -> Project:
    """The files that the DAG needs, as they are."""
    for name in (*COPIED, *more):
        source, copy = ROOT / name, target / name
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)
    return Project(target)


def copy_project(target: Path) -> Project:
    """The files that the DAG needs, with stand-ins for checkpoints and commands."""
    copy_files(target)
    for model in ("tiny-1m", "tiny-2m"):
        folder = target / "checkpoints" / model
        folder.mkdir(parents=True)
        for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
            (folder / name).write_text("{}")
        shutil.copy(ROOT / "checkpoints" / model / "preprocessor_config.json", folder)  # says which images it takes
    (target / "art/cli.py").write_text(FAKE_ART)
    fake = FAKE_ANALYSIS.format(names=sorted({*DATA, *TABLES}))
    (target / "analysis/__main__.py").write_text(fake)
    (target / "analysis/paper.py").write_text(fake)
    return Project(target)
