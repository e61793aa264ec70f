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


def test_data_sets_of_reasoning_gym_share_a_file(project: Project, config: dict) -> None:
    config["tasks"] |= {name: {"scorer": "reasoning_gym"} for name in ("gcd", "leg_counting")}
    path = project.write_config("published", config)
    jobs = {rule: (inputs, outputs) for rule, inputs, outputs in project.jobs("--configfile", path)}
    code = {f"art/{name}.py" for name in ("tasks/prepare", "tasks/reasoning_gym", "scoring/reasoning_gym", "records")}
    for name in ("gcd", "leg_counting"):
        inputs, outputs = jobs[f"reasoning_gym_{name}"]
        assert outputs[0] == f"results/smoke/tasks/{name}/train.jsonl" and code <= set(inputs)


def test_each_data_set_is_a_rule(project: Project, config: dict) -> None:
    path = project.write_config("published", config)
    jobs = {rule: (inputs, outputs) for rule, inputs, outputs in project.jobs("--configfile", path)}
    for name in config["tasks"]:
        inputs, outputs = jobs[name]
        assert outputs[0] == f"results/smoke/tasks/{name}/train.jsonl" and outputs[3].endswith("/report.json")
        common = {f"art/tasks/{module}.py" for module in ("prepare", "candidate", "parts", "source", "tables", name)}
        tools = {"art/tasks/tool_definitions.py"} if name in ("toolmind", "bfcl") else set()
        named = {path for path in inputs if path.endswith(".py")}
        assert named == common | tools | {"art/records.py"} | ({"art/tasks/gsm8k.py"} if name == "svamp" else set())
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
        assert [name.removeprefix("reasoning_gym_") for name in again] == [task]
