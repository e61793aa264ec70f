"""Rules of published data sets: what a job reads and which code it names."""

from __future__ import annotations

import pytest
from dag_project import Project

SCORERS = {
    "gsm8k": "numeric",
    "svamp": "numeric",
    "gpqa": "multiple_choice",
    "toolmind": "tool_call",
    "bfcl": "tool_call",
}
GENERATED = {name: name for name in ("tool_call", "multiple_choice")} | {"arithmetic": "numeric"}


@pytest.fixture
def config(project: Project) -> dict:
    """An experiment on every published data set, in local files."""
    config = project.config("smoke")
    for method in config["methods"].values():
        method.pop("tasks", None)
    config["tasks"] = {name: {"scorer": scorer, "source": {"path": f"data/{name}"}} for name, scorer in SCORERS.items()}
    for name in SCORERS:
        (project.root / f"data/{name}/more").mkdir(parents=True)
        for file in ("one.jsonl", "more/two.jsonl"):
            (project.root / f"data/{name}" / file).touch()
    return config


def test_data_sets_of_reasoning_gym_share_a_rule(project: Project, config: dict) -> None:
    config["tasks"] |= {name: {"scorer": "reasoning_gym"} for name in ("gcd", "leg_counting")}
    path = project.write_config("published", config)
    found = {
        outputs[0]: set(inputs)
        for rule, inputs, outputs in project.jobs("--configfile", path)
        if rule == "reasoning_gym"
    }
    assert set(found) == {f"results/smoke/tasks/{name}/train.jsonl" for name in ("gcd", "leg_counting")}
    code = {f"art/tasks/{name}.py" for name in ("published/prepare", "published/reasoning_gym", "problem_files")}
    assert all(code <= inputs for inputs in found.values())


def test_each_data_set_names_its_files_and_its_reader(project: Project, config: dict) -> None:
    path = project.write_config("published", config)
    jobs = {
        outputs[0]: (inputs, outputs)
        for rule, inputs, outputs in project.jobs("--configfile", path)
        if rule == "published"
    }
    for name in config["tasks"]:
        inputs, outputs = jobs[f"results/smoke/tasks/{name}/train.jsonl"]
        assert outputs[3].endswith("/report.json")
        code = {f"art/tasks/{module}.py" for module in ("candidate", "splits", "source", "formats", "problem_files")}
        code |= {"art/errors.py", "art/files.py", "art/store/problem.py", "art/tasks/published/prepare.py"}
        readers = {
            name,
            *{"svamp": ["gsm8k"], "toolmind": ["tool_definitions"], "bfcl": ["tool_definitions"]}.get(name, []),
        }
        named = {path for path in inputs if path.endswith(".py") and not path.endswith("__init__.py")}
        assert named == code | {f"art/tasks/published/{reader}.py" for reader in readers}
        data = [path for path in inputs if path.startswith("data/")]
        assert data == [f"data/{name}/more/two.jsonl", f"data/{name}/one.jsonl"]


def test_problems_are_made_again_when_settings_of_their_task_change(project: Project, config: dict) -> None:
    config["tasks"] |= {name: {"scorer": scorer} for name, scorer in GENERATED.items()}
    config["tasks"] |= {name: {"scorer": "reasoning_gym"} for name in ("gcd", "leg_counting")}
    targets = [f"results/smoke/tasks/{name}/train.jsonl" for name in config["tasks"]]
    files = [project.write_config("base", config)]
    for name, section in config["tasks"].items():
        tasks = config["tasks"] | {name: section | {"seed": 1}}
        files.append(project.write_config(f"seed_{name}", config | {"tasks": tasks}))
    before, *plans = project.dags(*[(file, *targets) for file in files])
    assert len(before) == 10
    for task, after in zip(config["tasks"], plans, strict=True):
        again = [name for name, job in after.items() if job.params != before[name].params]
        assert [name.split()[1] for name in again] == [task]
