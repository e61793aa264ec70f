"""What makes a run stale: every setting changed in turn, and docs/architecture.md's table of what is done again.

Inputs, parameters and commands are compared job by job, as Snakemake does; test_dag.py shows that it does.
"""

from __future__ import annotations

import copy
import inspect
import itertools
import re
from typing import Any

import pytest
import yaml
from dag_project import ROOT, Job, copy_project

from art.config.experiment import RunKey
from art.config.methods import Method
from art.config.reading import parse_config
from art.config.sections import Section

HUB = {"repository": "some/one", "revision": "0123456789" * 4}
# Trained methods under the experiment's engine and under one of their own; a second model and a second task.
BASE = f"""
name: fields
results: results/fields
paper: results/fields/paper
seeds: [0]
models:
  one: {{path: checkpoints/tiny-1m, device: cpu}}
  two: {{path: checkpoints/tiny-2m, device: cpu}}
tasks:
  arithmetic: {{scorer: numeric}}
  gsm8k: {{scorer: numeric, source: {HUB}}}
methods:
  no_image: {{kind: no_image, tasks: [arithmetic]}}
  random_image: {{kind: random_image, draws: 1, models: [one], tasks: [arithmetic]}}
  soft_prompt: {{kind: soft_prompt, models: [one], tasks: [arithmetic]}}
  lora: {{kind: lora, models: [one]}}
  art: {{kind: art, models: [one], tasks: [arithmetic], engine: {{kind: vllm}}}}
engine: {{kind: server}}
serving: {{problems: 8}}
"""

Plans = dict[str, tuple[dict[str, Job], dict[str, Job]]]
SETTINGS = ("tables", "typeset")  # these print settings
MEASURES = ("measure", "figure_.*", *SETTINGS)
EVALUATIONS = ("evaluate .*", *MEASURES)
CHECKS = ("serve_check .*", *MEASURES)


def runs(which: str) -> tuple[str, ...]:
    """Runs (``MODEL TASK METHOD SEED``) and what follows; a check follows the evaluations of what it serves."""
    return (f"(train|evaluate) {which}", *MEASURES)


def of(method: str) -> tuple[str, ...]:
    """The runs of a method."""
    return runs(f".* {method} 0")


ONE, ARITHMETIC, GSM8K = (
    runs("one .*"),
    ("generated arithmetic", *runs(".* arithmetic .*")),
    ("published gsm8k", *runs(".* gsm8k .*")),
)
TRAINED = of("(soft_prompt|lora|art)")

# A setting, its new value (or a mapping, where more have to change) and the jobs that are done again.
CHANGES: list[tuple[str, Any, tuple[str, ...]]] = [
    ("name", "other", SETTINGS),
    ("results", "results/other", (".*",)),
    ("paper", "results/other", ("figure_.*", *SETTINGS)),
    ("seeds", [0, 1], runs(".* 1")),
    ("models", {"models": {"three": {"path": "checkpoints/tiny-1m"}}}, runs("three .*")),
    ("models.one.family", "qwen3_vl", ONE),
    ("models.one.path", "checkpoints/tiny-2m", ONE),
    ("models.one.revision", {"path": "some/one", "revision": "0" * 40}, ONE),
    ("models.one.device", "auto", ONE),
    ("models.one.dtype", "bfloat16", ONE),
    (
        "tasks",
        {"tasks": {"tool_call": {"scorer": "tool_call"}}},
        ("generated tool_call", "seed_picture tool_call", *runs(".* tool_call .*")),
    ),
    ("tasks.arithmetic.scorer", "multiple_choice", ARITHMETIC),
    ("tasks.arithmetic.train", 91, ARITHMETIC),
    ("tasks.arithmetic.validation", 9, ARITHMETIC),
    ("tasks.arithmetic.test", 9, ARITHMETIC),
    ("tasks.arithmetic.seed", 9, ARITHMETIC),
    ("tasks.gsm8k.source", {"source": {"revision": "1" * 40}}, GSM8K),
    ("tasks.gsm8k.source.path", {"path": "data", "repository": None, "revision": None}, GSM8K),
    ("tasks.gsm8k.source.repository", "some/other", GSM8K),
    ("tasks.gsm8k.source.revision", "1" * 40, GSM8K),
    (
        "methods",
        {"methods": {"lora_more": {"kind": "lora", "models": ["one"], "tasks": ["arithmetic"]}}},
        of("lora_more"),
    ),
    ("methods.no_image.kind", "seed_image", of("no_image")),
    ("methods.no_image.models", ["one"], MEASURES),
    ("methods.no_image.tasks", ["gsm8k"], ("serve_check .*", *of("no_image"))),
    ("methods.random_image.kind", "random_string", of("random_image")),
    ("methods.random_image.draws", 2, runs(".* random_image 1")),
    ("methods.random_image.models", ["two"], ("serve_check one arithmetic", *of("random_image"))),
    ("methods.random_image.tasks", ["gsm8k"], ("serve_check one arithmetic", *of("random_image"))),
    ("methods.soft_prompt.kind", "art", of("soft_prompt")),
    ("methods.soft_prompt.learning_rate", 0.5, of("soft_prompt")),
    ("methods.lora.kind", "soft_prompt", of("lora")),
    ("methods.lora.learning_rate", 0.5, of("lora")),
    ("methods.lora.rank", 4, of("lora")),
    ("methods.lora.alpha", 4, of("lora")),
    ("methods.art.kind", "soft_prompt", of("art")),
    ("methods.art.learning_rate", 0.5, of("art")),
    ("methods.art.betas", [0.5, 0.5], of("art")),
    ("methods.art.engine", {"engine": {"kind": "server"}}, of("art")),
    ("methods.art.engine.importance_cap", 3.0, of("art")),
    ("methods.art.engine.retries", 9, SETTINGS),
    ("methods.art.models", ["two"], ("serve_check one arithmetic", *of("art"))),
    ("methods.art.tasks", ["gsm8k"], ("serve_check one arithmetic", *of("art"))),
    ("methods.art.basis", "pixel", of("art")),
    ("methods.art.start", "grey", of("art")),
    ("methods.art.max_distance", 9, of("art")),
    ("image.size", 64, ("seed_picture .*", *runs(".*"))),
    ("image.contrast", 0.9, ("seed_picture .*", *runs(".*"))),
    ("objective.kind", "supervised", TRAINED),
    ("objective.clip_low", 0.1, TRAINED),
    ("objective.clip_high", 0.1, TRAINED),
    ("objective.kl_weight", 0.1, TRAINED),
    ("objective.std_floor", 0.1, TRAINED),
    ("training.steps", 9, TRAINED),
    ("training.prompts", 9, TRAINED),
    ("training.completions", 9, TRAINED),
    ("training.minibatches", 9, TRAINED),
    ("training.max_resamples", 9, TRAINED),
    ("training.temperature", 0.5, TRAINED),
    ("training.max_new_tokens", 9, TRAINED),
    ("training.max_grad_norm", 9, TRAINED),
    ("training.snapshot_every", 9, TRAINED),
    ("training.validate_every", 9, TRAINED),
    ("training.validation_problems", 9, TRAINED),
    ("engine.kind", "vllm", ("train .* (soft_prompt|lora) 0", *EVALUATIONS)),
    ("engine.importance_cap", 3.0, of("(soft_prompt|lora)")),
    ("engine.url", "http://localhost:8000/v1", SETTINGS),
    ("engine.max_model_len", 99, SETTINGS),
    ("engine.memory", 0.9, SETTINGS),
    ("engine.timeout", 9.0, SETTINGS),
    ("engine.retries", 9, SETTINGS),
    ("evaluation.samples", 9, EVALUATIONS),
    ("evaluation.temperature", 0.5, EVALUATIONS),
    ("evaluation.presence_penalty", 0.5, EVALUATIONS),
    ("evaluation.max_new_tokens", 9, EVALUATIONS),
    ("evaluation.batch_size", 9, EVALUATIONS),
    ("serving", None, MEASURES),
    ("serving.problems", 9, CHECKS),
    ("serving.variants", [1], CHECKS),
    ("serving.requests", 99, CHECKS),
    ("serving.concurrency", 19, CHECKS),
    ("serving.repeats", 9, CHECKS),
    ("analysis.resamples", 999, MEASURES),
    ("analysis.confidence", 0.9, MEASURES),
    ("analysis.seed", 9, MEASURES),
    ("analysis.baseline", "lora", MEASURES),
    ("analysis.reference", "no_image", MEASURES),
]
# Beside BASE, before and after.
GIVEN: dict[str, dict[str, Any]] = {"objective.kl_weight": {"objective": {"kind": "grpo"}}}

# What only a job imports counts as code, which test_dag.py follows; without it a plan takes half the time.
KEPT = {str(path.relative_to(ROOT)) for path in (ROOT / "art/config").glob("*.py")} | {"analysis/registry.py"}
KEPT |= {f"art/{name}.py" for name in ("errors", "files", "store/problem", "models/preprocessor")}
KEPT |= {f"art/tasks/{name}.py" for name in ("source", "candidate", "formats")}


def changed(path: str, value: Any) -> dict[str, Any]:
    """BASE with another value."""
    data = section = base(path)
    *outer, last = path.split(".")
    for key in outer:
        section = section.setdefault(key, {})
    merge(section, value if isinstance(value, dict) else {last: value})
    return data


def base(path: str) -> dict[str, Any]:
    """BASE, and what a change of this setting needs."""
    return yaml.safe_load(BASE) | copy.deepcopy(GIVEN.get(path, {}))


def merge(section: dict[str, Any], values: dict[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(section.get(key), dict):
            merge(section[key], value)
        else:
            section[key] = value


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Plans:
    """All jobs before and after each change."""
    project = copy_project(tmp_path_factory.mktemp("stale") / "project")
    (project.root / "data").mkdir()
    for folder in ("art", "analysis", "pretraining"):
        for path in (project.root / folder).rglob("*.py"):
            if str(path.relative_to(project.root)) not in KEPT:
                path.write_text("")
    files = {
        path: (
            project.write_config(f"before.{path if path in GIVEN else ''}", base(path)),
            project.write_config(f"after.{path}", changed(path, value)),
        )
        for path, value, _ in CHANGES
    }
    all_files = sorted(set(itertools.chain(*files.values())))
    found = dict(zip(all_files, project.dags(*[[file] for file in all_files]), strict=True))
    assert not [plan for plan in found.values() if isinstance(plan, str)]
    return {path: (found[before], found[after]) for path, (before, after) in files.items()}


def stale(before: dict[str, Job], after: dict[str, Job]) -> set[str]:
    """Names of the jobs that are done again."""
    done = {tuple(job.output): job for job in before.values()}

    def same(job: Job) -> bool:
        old = done.get(tuple(job.output))
        return old is not None and all(
            (set(job.params) == set(old.params), set(job.input) == set(old.input), job.command == old.command)
        )

    names: set[str] = set()
    while True:
        made = {path for name in names for path in after[name].output}
        more = {name for name, job in after.items() if not same(job) or made & set(job.input)}
        if more == names:
            return names - {"all"}
        names = more


@pytest.mark.parametrize(
    ("path", "again"), [(path, again) for path, _, again in CHANGES], ids=[path for path, *_ in CHANGES]
)
def test_a_setting_makes_stale_what_the_table_says(plans: Plans, path: str, again: tuple[str, ...]) -> None:
    before, after = plans[path]
    matches = {which: {name for name in after if re.fullmatch(which, name)} for which in again}
    assert all(matches.values()), "a pattern that fits no job"
    wanted = set().union(*matches.values()) - {"all"}
    served = [name.split() for name in wanted if re.fullmatch("evaluate .* 0", name)]
    wanted |= {f"serve_check {model} {task}" for _, model, task, *_ in served}
    assert stale(before, after) == wanted


def test_a_family_is_code_of_what_uses_its_models(plans: Plans) -> None:
    _, jobs = plans["models.one.family"]
    named = {name for name, job in jobs.items() if "art/models/qwen3_vl.py" in job.input}
    uses = "(evaluate|serve_check) one .*|train one .* (soft_prompt|lora|art) 0"
    assert named == {name for name in jobs if re.fullmatch(uses, name)} and len(named) > 10


@pytest.mark.parametrize("rule", ["tables", "typeset"])
def test_tables_and_paper_name_the_settings_that_they_print(plans: Plans, rule: str) -> None:
    """The paper also where the tables were made by themselves and came out as before."""
    same = {path for path, (before, after) in plans.items() if before[rule].params == after[rule].params}
    assert same == {path for path in plans if path.startswith("models")}


def test_every_setting_has_a_row() -> None:
    """Each field of each section of the configuration is the subject of a change, or on the way to it."""
    rows = set().union(*(settings(parse_config(base(path), "test"), path) for path, *_ in CHANGES))
    assert rows == {declared(section, field) for section in sections(Section) for field in section.model_fields}


def sections(of: type[Section]) -> set[type[Section]]:
    """The configuration's types that others do not build upon."""
    parts = {part for part in of.__subclasses__() if part.__module__.startswith("art.config.")} - {RunKey}
    return set().union(*map(sections, parts)) if parts else {of}


def declared(section: type[Section], field: str) -> tuple[str, str]:
    """A setting and the type that declares it; the kind of a method picks the type itself."""
    if field == "kind" and issubclass(section, Method):
        return Method.__name__, field
    return next(part.__name__ for part in section.__mro__ if field in inspect.get_annotations(part)), field


def settings(value: Any, path: str) -> set[tuple[str, str]]:
    """The settings on the way to one."""
    found = set()
    for key in path.split("."):
        if isinstance(value, dict):
            value = value[key]
        else:
            found.add(declared(type(value), key))
            value = getattr(value, key)
    return found
