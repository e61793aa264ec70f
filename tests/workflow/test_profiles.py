"""The profiles: well-formed, one job per GPU, going on after failures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from dag_project import Project

ROOT = Path(__file__).parents[2]
SMOKE = ("--configfile", "config/smoke.yaml")


def test_the_profile_of_a_cluster_is_well_formed(project: Project) -> None:
    """But for its own options, which are known only where the plugin is installed."""
    path = project.root / "profiles/slurm/config.yaml"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith("slurm-")))
    arguments = ("--workflow-profile", "profiles/slurm", "--executor", "local", "--cores", "1")
    assert "train" in project.planned(*SMOKE, *arguments)


def test_one_job_at_a_time_has_the_gpu(project: Project) -> None:
    done = project.snakemake("--dry-run", "all", "pretrain", *SMOKE, "--workflow-profile", "profiles/gpu")
    blocks = re.split(r"^(?:local)?rule ", done.stdout, flags=re.M)[1:]
    having = {block.split(":")[0] for block in blocks if re.search(r"^ +resources:.*\bgpu=1\b", block, re.M)}
    assert having == {"train", "evaluate", "reference_model"}
    assert yaml.safe_load((ROOT / "profiles/gpu/config.yaml").read_text())["resources"] == {"gpu": 1}


@pytest.mark.parametrize("name", ["default", "gpu", "slurm"])
def test_every_profile_goes_on_after_a_failure_and_after_a_kill(name: str) -> None:
    profile = yaml.safe_load((ROOT / f"profiles/{name}/config.yaml").read_text())
    assert profile["keep-going"] is profile["rerun-incomplete"] is profile["show-failed-logs"] is True
    assert profile.get("cores") == (None if name == "slurm" else "all")
