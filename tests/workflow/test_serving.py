"""Engines and the serving check in the DAG."""

from __future__ import annotations

from pathlib import Path

import pytest
from dag_project import Project, copy_project

from art.config.reading import load_config

ROOT = Path(__file__).parents[2]
VLLM = "art/rollouts/vllm_engine.py"
CHECKS = ("served.jsonl", "load.jsonl", "gap.jsonl", "serving.json")


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, list[str], list[str]]]:
    """Rule, inputs and outputs of each job of config/vllm.yaml."""
    return copy_project(tmp_path_factory.mktemp("vllm") / "project").jobs("--configfile", "config/vllm.yaml")


def inputs_of(jobs: list[tuple[str, list[str], list[str]]], output: str) -> set[str]:
    (found,) = [set(inputs) for _, inputs, outputs in jobs if output in outputs]
    return found


def test_the_experiment_with_vllm_is_planned_completely(jobs: list[tuple[str, list[str], list[str]]]) -> None:
    config = load_config(ROOT / "config/vllm.yaml")
    assert config.engine_of("art_vllm").kind == "vllm" and config.engine.kind == "transformers"
    for rule in ("train", "evaluate"):
        assert sum(name == rule for name, _, _ in jobs) == len(config.grid())
    (check,) = [job for job in jobs if job[0] == "serve_check"]
    assert check[2] == [f"results/vllm/serving/tiny-1m/arithmetic/{name}" for name in CHECKS]
    runs = [f"results/vllm/{run.folder}" for run in config.served_runs("tiny-1m", "arithmetic")]
    assert len(runs) == len(config.methods)
    wanted = {f"{run}/{name}" for run in runs for name in ("run.json", "artifact")}
    assert {path for path in check[1] if "/runs/" in path} == wanted
    assert {"results/vllm/tasks/arithmetic/test.jsonl", "checkpoints/tiny-1m/config.json"} <= set(check[1])
    (measure,) = [inputs for rule, inputs, _ in jobs if rule == "measure"]
    assert set(check[2]) <= set(measure)
    assert [outputs[0] for rule, _, outputs in jobs if rule == "figure_serving"] == [
        "results/vllm/paper/figures/serving.pdf"
    ]


def test_a_run_names_the_code_of_its_engine(jobs: list[tuple[str, list[str], list[str]]]) -> None:
    for method, name, engine in (
        ("art", "run.json", False),
        ("art_vllm", "run.json", True),
        ("art_vllm", "items.jsonl", False),  # one engine evaluates all
        ("lora", "run.json", False),
        ("no_image", "run.json", False),
    ):
        inputs = inputs_of(jobs, f"results/vllm/runs/tiny-1m/arithmetic/{method}/seed0/{name}")
        assert (VLLM in inputs) == engine, (method, name)
        assert "art/rollouts/server_engine.py" not in inputs
    check = inputs_of(jobs, "results/vllm/serving/tiny-1m/arithmetic/serving.json")
    assert {"art/serving/check.py", "art/rollouts/server_engine.py", "art/rollouts/launch.py"} <= check
    assert {"art/models/policy.py", "art/scoring/numeric.py"} <= check
    assert not any(path.startswith(("art/methods/", "art/training/")) for path in check), "artifacts, not methods"


def test_the_experiments_engine_evaluates(project: Project) -> None:
    config = project.config("smoke")
    name = project.write_config("smoke", config | {"engine": {"kind": "vllm"}})
    jobs = project.jobs("--configfile", name)
    runs = {rule: [set(inputs) for found, inputs, _ in jobs if found == rule] for rule in ("train", "evaluate")}
    assert runs["evaluate"] and all(VLLM in inputs for inputs in runs["evaluate"])
    trained = [VLLM in inputs for inputs in runs["train"] if "art/training/loop.py" in inputs]
    drawn = [VLLM in inputs for inputs in runs["train"] if "art/training/loop.py" not in inputs]
    assert trained and all(trained) and drawn and not any(drawn)


def test_nothing_is_served_by_default(project: Project) -> None:
    jobs = project.planned()
    assert "serve_check" not in jobs and "figure_serving" not in jobs


def test_a_check_is_of_models_and_tasks_with_runs(project: Project) -> None:
    """Methods may be limited to some of them."""
    config = project.config("smoke")
    model, task = next(iter(config["models"])), next(iter(config["tasks"]))
    for method in config["methods"].values():
        method["tasks"] = [task]
    name = project.write_config("smoke", config | {"serving": {}})
    assert project.planned("--configfile", name)["serve_check"] == [
        f"{config['results']}/serving/{model}/{task}/served.jsonl"
    ]
