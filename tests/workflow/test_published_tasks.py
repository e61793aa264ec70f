"""Rules of published data sets: what a job reads and which code it names."""

from __future__ import annotations

import pytest
from dag_project import Project
from published import gsm8k_rows, write_lines

HUB = {"repository": "some/one", "revision": "0123456789" * 4}
SCORERS = {"gsm8k": "numeric", "svamp": "numeric", "gpqa": "multiple_choice", "toolmind": "tool_call"}


@pytest.fixture
def config(project: Project) -> dict:
    """An experiment on every published data set, one of them in local files."""
    for part in ("train", "test"):
        write_lines(project.root / f"data/gsm8k/{part}.jsonl", gsm8k_rows(part, 9))
    config = project.config("smoke")
    for method in config["methods"].values():
        method.pop("tasks", None)
    config["tasks"] = {name: {"scorer": scorer, "source": HUB} for name, scorer in SCORERS.items()}
    config["tasks"]["gsm8k"]["source"] = {"path": "data/gsm8k"}
    config["tasks"]["bfcl"] = {"scorer": "tool_call"}
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
    data = [path for path in jobs["gsm8k"][0] if path.startswith("data/")]
    assert data == ["data/gsm8k/test.jsonl", "data/gsm8k/train.jsonl"]
