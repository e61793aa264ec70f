"""The whole workflow on the shipped models, in seconds a step; and a run that is killed and begun again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from dag_project import ROOT, Project, copy_files

from art.config.digests import run_digest
from art.config.reading import load_config

SMOKE = ("--configfile", "config/smoke.yaml")
RUN = "results/smoke/runs/tiny-1m/arithmetic/art/seed0"


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project in which ``snakemake smoke`` was typed."""
    project = copy_files(tmp_path_factory.mktemp("smoke") / "project", "checkpoints")
    done = project.snakemake("smoke")
    assert done.returncode == 0, done.stdout[-5000:]
    return project


def test_everything_is_there(smoke: Project) -> None:
    results = smoke.root / "results/smoke"
    for run in load_config(ROOT / "config/smoke.yaml").grid():
        names = {path.name for path in (results / run.folder).iterdir()}
        assert {"artifact", "train.jsonl", "run.json", "items.jsonl", "evaluation.json"} <= names
    assert (results / "paper/paper.pdf").read_bytes().startswith(b"%PDF")
    assert all(path.stat().st_size > 0 for path in (results / "paper").rglob("*.*"))
    assert not list(results.rglob("*.partial"))


def test_run_is_recorded(smoke: Project) -> None:
    record = json.loads((smoke.root / RUN / "run.json").read_text())
    config = load_config(smoke.root / "results/smoke/config.json")
    assert record["digest"] == run_digest(config, "tiny-1m", "arithmetic", "art")
    assert record["threads"] == 1 and record["seconds"]["total"] > 0


def test_nothing_is_done_twice_and_the_report_is_written(smoke: Project) -> None:
    assert "Nothing to be done" in smoke.snakemake(*SMOKE).stdout
    assert "Nothing to be done" in smoke.snakemake("figures", *SMOKE).stdout
    done = smoke.snakemake(*SMOKE, "--report", "results/report.html")
    assert done.returncode == 0, done.stdout
    assert (smoke.root / "results/report.html").stat().st_size > 100_000


def test_killed_workflow_ends_with_the_same_bytes(smoke: Project) -> None:
    """Artifact, items and tables (but those of times) of the undisturbed workflow and of one that was killed."""
    folder, tables = smoke.root / RUN, smoke.root / "results/smoke/paper/tables"

    def outcome() -> dict[Path, bytes]:
        paths = [*folder.glob("artifact/*.*"), *folder.glob("snapshots/*.png"), folder / "items.jsonl"]
        paths += [path for path in tables.iterdir() if path.stem != "cost"]
        return {path: path.read_bytes() for path in paths if not path.name.startswith(".")}

    before = outcome()
    shutil.rmtree(folder)
    shutil.rmtree(tables)
    process = smoke.start(*SMOKE)
    wait_for(folder / "progress/state.safetensors")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "run.json").exists() and not tables.exists()
    assert smoke.snakemake("--unlock", *SMOKE).returncode == 0
    done = smoke.snakemake(f"{RUN}/items.jsonl", "results/smoke/paper/tables/accuracy.csv", *SMOKE)
    assert done.returncode == 0, done.stdout
    assert outcome() == before and len(before) > 25


def wait_for(path: Path, seconds: float = 300) -> None:
    """Wait until a file appears."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.005)
