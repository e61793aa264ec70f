"""Each job names as inputs the source files that its command imports, as Python's own finder sees it."""

from __future__ import annotations

from modulefinder import ModuleFinder
from pathlib import Path

import pytest
from dag_project import copy_files

ROOT = Path(__file__).parents[2]
SMOKE = ("--configfile", "config/smoke.yaml")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Source files that each job of the smoke configuration names, by its first output."""
    project = copy_files(tmp_path_factory.mktemp("inputs") / "project", "checkpoints")
    jobs = project.jobs("all", "pretrain", "search_table", *SMOKE)
    return {output[0]: {path for path in files if path.endswith(".py")} for _, files, output in jobs if output}


def loaded(*files: str) -> set[str]:
    """Files of the project that Python's own finder sees imported, but packages, which hold no more than tables."""
    finder = ModuleFinder(path=[str(ROOT)])
    for file in files:
        finder.run_script(str(ROOT / file))
    found = {Path(module.__file__).relative_to(ROOT) for module in finder.modules.values() if module.__file__}
    return {*files, *(str(path) for path in found if path.name != "__init__.py")}


# The configuration, whose values count one by one.
SETTINGS = {str(path.relative_to(ROOT)) for path in (ROOT / "art/config").glob("*.py")}
RUNS = "results/smoke/runs/tiny-1m"


@pytest.mark.parametrize(
    ("output", "commands"),
    [
        (
            f"{RUNS}/arithmetic/art/seed0/run.json",
            ["training/loop", "methods/image", "models/policy", "scoring/numeric", "rollouts/engines"],
        ),
        (
            f"{RUNS}/tool_call/lora/seed0/run.json",
            ["training/loop", "methods/lora", "models/policy", "scoring/tool_call"],
        ),
        (f"{RUNS}/arithmetic/soft_prompt/seed0/run.json", ["training/loop", "methods/soft_prompt", "scoring/numeric"]),
        (f"{RUNS}/arithmetic/random_string/seed0/run.json", ["methods/controls"]),
        (f"{RUNS}/tool_call/lora/seed0/items.jsonl", ["evaluation/evaluate", "models/policy", "scoring/tool_call"]),
        (
            f"{RUNS}/multiple_choice/no_image/seed0/items.jsonl",
            ["evaluation/evaluate", "scoring/multiple_choice"],
        ),
        ("results/smoke/seeds/arithmetic.png", ["pictures/seeds/__init__", "pictures/seeds/arithmetic"]),
        (
            "results/smoke/tasks/arithmetic/train.jsonl",
            ["tasks/generated/problems", "tasks/problem_files", "tasks/generated/arithmetic"],
        ),
        (
            "results/smoke/tasks/tool_call/train.jsonl",
            ["tasks/generated/problems", "tasks/problem_files", "tasks/generated/tool_call"],
        ),
        (
            "results/smoke/tasks/multiple_choice/train.jsonl",
            ["tasks/generated/problems", "tasks/problem_files", "tasks/generated/multiple_choice"],
        ),
    ],
)
def test_rules_name_the_code_that_they_run(inputs: dict[str, set[str]], output: str, commands: list[str]) -> None:
    files = {f"art/{command}.py" for command in commands}
    named = {path for path in inputs[output] if not path.endswith("__init__.py")}
    assert named == {path for path in loaded(*files) - SETTINGS if not path.endswith("__init__.py")}


@pytest.mark.parametrize(
    ("output", "commands"),
    [
        ("results/pretrain/tiny-1m/model.safetensors", ["pretraining/train.py", "pretraining/card.py"]),
        (
            "results/smoke/analysis/accuracy.csv",
            ["analysis/measures.py", "analysis/pictures.py", "analysis/serving.py"],
        ),
        ("results/smoke/analysis/search.csv", ["analysis/search.py"]),
        ("results/smoke/paper/tables/accuracy.csv", ["analysis/tables/format.py", "analysis/tables/accuracy.py"]),
        ("results/smoke/paper/figures/images.pdf", ["analysis/figures/__init__.py", "analysis/figures/images.py"]),
        ("results/smoke/paper/figures/cost.pdf", ["analysis/figures/__init__.py", "analysis/figures/cost.py"]),
        ("results/smoke/paper/paper.pdf", ["analysis/paper.py"]),
    ],
)
def test_rules_without_a_choice_name_all_code(inputs: dict[str, set[str]], output: str, commands: list[str]) -> None:
    assert loaded(*commands) - SETTINGS <= inputs[output]
