"""The paper's grid, the search of its settings, and the small experiment laid over it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from dag_project import Project
from published import gsm8k_rows, write_lines

from art.config.estimate import sizes
from art.config.reading import load_config, parse_config
from art.errors import ConfigError
from art.files import write_json

ROOT = Path(__file__).parents[2]
TASKS = {"gsm8k", "svamp", "toolmind", "gpqa"}
KINDS = {"no_image", "random_image", "seed_image", "random_string", "soft_prompt", "lora", "art"}


def test_the_paper_is_planned_completely(project: Project) -> None:
    config = load_config(ROOT / "config/paper.yaml")
    assert set(config.tasks) == TASKS and len(config.models) == 2 and len(config.seeds) > 1
    assert {method.kind for method in config.methods.values()} == KINDS
    assert config.image.size == 256 and config.training.steps == 100 and config.analysis.resamples == 10_000
    jobs = project.planned("--configfile", "config/paper.yaml")
    assert sorted(jobs["train"]) == sorted(f"results/paper/{run.folder}/run.json" for run in config.grid())
    assert len(jobs["evaluate"]) == len(jobs["train"]) and len(jobs["published"]) == len(TASKS)


def test_a_dry_run_ends_with_the_effort(project: Project) -> None:
    config = load_config(ROOT / "config/paper.yaml")
    dry_run = ("--dry-run", "--quiet", "rules", "--configfile", "config/paper.yaml")
    said = project.snakemake(*dry_run).stdout
    (runs,) = re.findall(r"^Grid of paper: (\d+) runs, 72 trained runs", said, re.M)
    assert dict(re.findall(r"^(train|evaluate) +(\d+)$", said, re.M)) == {"train": runs, "evaluate": runs}
    assert re.search(r"^hours: unknown: no step time measured for qwen3\.5-0\.8b soft_prompt, ", said, re.M)
    measured = project.root / "benchmarks/results/training_step"
    for model in config.models:
        for kind in ("art", "lora", "soft_prompt"):
            record = {
                "model": model,
                "scale": 1,
                "method": {"kind": kind},
                "sizes": sizes(config),
                "device": "cuda (X)",
            }
            seconds = {"step_seconds": 36.0, "seconds": {"rollout": 9.0}}
            write_json(measured / f"{model}_{kind}.json", record | seconds)
    said = project.snakemake(*dry_run).stdout
    shutil.rmtree(measured)
    assert re.search(r"^cuda \(X\): qwen3\.5-2b art: [\d.]+ h$", said, re.M) and "unknown" not in said
    (total,) = re.findall(r"^cuda \(X\): ([\d.]+) h in total, at most$", said, re.M)
    assert float(total) > 72 * 100 * 36 / 3600


@pytest.mark.parametrize("name", ["search", "paper_search"])
def test_a_search_spends_the_same_effort_on_each_trained_method(name: str) -> None:
    methods = load_config(ROOT / f"config/{name}.yaml").methods.values()
    counts = {kind: sum(method.kind == kind for method in methods) for kind in ("art", "lora", "soft_prompt")}
    assert len(set(counts.values())) == 1 and counts["art"] > 1


def test_the_search_differs_from_the_paper_in_the_settings_in_question_only(project: Project) -> None:
    paper, search = (load_config(ROOT / f"config/{name}.yaml") for name in ("paper", "paper_search"))
    for section in ("image", "objective"):
        assert getattr(paper, section) == getattr(search, section)
    assert search.training.model_copy(update={"validation_problems": 64}) == paper.training
    for section in ("models", "tasks"):
        assert getattr(search, section).items() <= getattr(paper, section).items()
    for kind in ("art", "lora", "soft_prompt"):  # the paper's grid begins with a variant of the search
        assert paper.methods[kind] in search.methods.values()
    lora = [method for method in search.methods.values() if method.kind == "lora"]
    assert len({method.rank for method in lora}) > 1 and len({method.learning_rate for method in lora}) > 1
    jobs = project.planned("search_table", "--configfile", "config/paper_search.yaml")
    assert "evaluate" not in jobs and len(jobs["train"]) == len(search.grid())


def test_the_small_experiment_is_laid_over_the_paper(project: Project) -> None:
    for part in ("train", "test"):
        write_lines(project.root / f"elsewhere/{part}.jsonl", gsm8k_rows(part, 9))
    shutil.copytree(project.root / "checkpoints/tiny-1m", project.root / "results/scaled")
    files = ("--configfile", "config/paper.yaml", "config/overlays/small.yaml")
    jobs = project.planned(*files, "--config", "tasks={gsm8k: {source: {path: elsewhere}}}")
    assert jobs["published"] == ["results/small/tasks/gsm8k/train.jsonl"]
    folder = "results/small/runs/scaled/gsm8k"
    assert sorted(jobs["train"]) == sorted(f"{folder}/{kind}/seed0/run.json" for kind in KINDS)
    assert jobs["typeset"] == ["results/small/paper/paper.pdf"]


def test_an_entry_that_is_null_is_taken_away() -> None:
    data = load_config(ROOT / "config/smoke.yaml").model_dump(mode="json")
    less = parse_config(data | {"methods": data["methods"] | {"art": None}}, "test")
    assert list(less.methods) == [name for name in data["methods"] if name != "art"]
    with pytest.raises(ConfigError, match=r"analysis\.reference: unknown method 'lora'"):
        parse_config(data | {"methods": data["methods"] | {"lora": None}}, "test")
