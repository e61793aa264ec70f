"""Each rule: what it reads and writes, the command that it runs, and how Snakemake may run it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main
from dag_jobs import CORES
from dag_project import Job, Project, copy_project

import analysis.cli
import analysis.paper
import art.cli

# Local and on the hub; generated, published and of reasoning-gym; trained in this process, by vLLM, or not at all.
CONFIG: dict[str, Any] = {
    "name": "rules",
    "results": "out",
    "paper": "out/paper",
    "seeds": [0],
    "models": {"tiny": {"path": "checkpoints/tiny-1m"}, "m.b": {"path": "some/one", "revision": "0123456789" * 4}},
    "tasks": {
        "arithmetic": {"scorer": "numeric"},
        "bfcl": {"scorer": "tool_call"},
        "gpqa": {"scorer": "multiple_choice", "source": {"path": "data"}},
        "gcd": {"scorer": "reasoning_gym"},
    },
    "methods": {
        "no_image": {"kind": "no_image", "tasks": ["arithmetic"]},
        "random_string": {"kind": "random_string", "draws": 2, "tasks": ["arithmetic"], "models": ["tiny"]},
        "lora": {"kind": "lora", "models": ["tiny"]},
        "lora_vllm": {"kind": "lora", "models": ["tiny"], "tasks": ["arithmetic"], "engine": {"kind": "vllm"}},
    },
    "serving": {},
}
SPLITS = ("train", "validation", "test")
CHECKPOINT = {
    f"checkpoints/tiny-1m/{name}" for name in ("config.json", "model.safetensors", "preprocessor_config.json")
}
CHECKPOINT |= {f"checkpoints/tiny-1m/{name}" for name in ("tokenizer.json", "tokenizer_config.json")}
RUN, HUB_RUN = "out/runs/tiny/arithmetic/lora/seed0", "out/runs/m.b/arithmetic/no_image/seed0"
RUNS = {f"out/runs/tiny/arithmetic/{name}" for name in ("no_image/seed0", "lora/seed0", "lora_vllm/seed0")}
DRAWS = {f"out/runs/tiny/arithmetic/random_string/seed{draw}" for draw in (0, 1)}
ALL_RUNS = RUNS | DRAWS | {HUB_RUN} | {f"out/runs/tiny/{task}/lora/seed0" for task in ("bfcl", "gpqa", "gcd")}
PAIRS = {"tiny/arithmetic", "m.b/arithmetic", "tiny/bfcl", "tiny/gpqa", "tiny/gcd"}
DATA = {"accuracy", "comparisons", "png", "png_steps", "learning", "cost", "distance", "versions", "served"}
DATA = {f"out/analysis/{name}.csv" for name in DATA | {"serving_load", "gap"}}
FIGURES = ("accuracy", "cost", "distance", "images", "learning", "png_growth", "serving")
TABLES = ("accuracy", "accuracy_sampled", "published", "comparisons_baseline", "comparisons_reference", "png", "budget")
TABLES += ("cost", "served", "serving_load", "gap", "hyperparameters", "settings", "versions")
FIGURE_FILES = {f"out/paper/figures/{name}.{end}" for name in FIGURES for end in ("pdf", "png")}
TABLE_FILES = {f"out/paper/tables/{name}.{end}" for name in TABLES for end in ("csv", "tex", "md")}


def below(folders: set[str], *names: str) -> set[str]:
    return {f"{folder}/{name}" for folder in folders for name in names}


SERVING = below({f"out/serving/{pair}" for pair in PAIRS}, "served.jsonl", "load.jsonl", "gap.jsonl", "serving.json")
TRAINED = ("run.json", "train.jsonl", "artifact", "snapshots")
EVALUATED = ("items.jsonl", "evaluation.json")
PICTURES = below({"out/seeds"}, *(f"{task}.png" for task in CONFIG["tasks"]))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = copy_project(tmp_path_factory.mktemp("rules") / "project")
    (project.root / "checkpoints/tiny-1m/README.md").touch()
    (project.root / "checkpoints/tiny-1m/more").mkdir()
    for path in ("data/gpqa_main.csv", "data/more/notes.txt"):
        (project.root / path).parent.mkdir(parents=True, exist_ok=True)
        (project.root / path).touch()
    project.write_config("rules", CONFIG)
    return project


@pytest.fixture(scope="module")
def jobs(project: Project) -> dict[str, Job]:
    """All jobs by name."""
    targets = ("all", "figures", "paper", "pretrain", "smoke", "search", "search_table")
    (plan,) = project.dags(("config/rules.yaml", *targets))
    assert isinstance(plan, dict), plan
    return plan


@pytest.mark.parametrize(
    ("name", "reads"),
    [
        ("generated arithmetic", set()),
        ("published bfcl", set()),
        ("published gpqa", {"data/gpqa_main.csv", "data/more/notes.txt"}),
        ("reasoning_gym gcd", set()),
        ("seed_picture gcd", set()),
        (
            "train tiny arithmetic lora 0",
            CHECKPOINT
            | {"out/tasks/arithmetic/train.jsonl", "out/tasks/arithmetic/validation.jsonl", "out/seeds/arithmetic.png"},
        ),
        (
            "train m.b arithmetic no_image 0",
            {"out/tasks/arithmetic/train.jsonl", "out/tasks/arithmetic/validation.jsonl", "out/seeds/arithmetic.png"},
        ),
        (
            "evaluate tiny arithmetic lora 0",
            CHECKPOINT | {f"{RUN}/run.json", f"{RUN}/artifact", "out/tasks/arithmetic/test.jsonl"},
        ),
        (
            "evaluate m.b arithmetic no_image 0",
            {f"{HUB_RUN}/run.json", f"{HUB_RUN}/artifact", "out/tasks/arithmetic/test.jsonl"},
        ),
        (
            "serve_check tiny arithmetic",
            CHECKPOINT
            | below(RUNS | {"out/runs/tiny/arithmetic/random_string/seed0"}, "run.json", "artifact")
            | {"out/tasks/arithmetic/test.jsonl"},
        ),
        ("measure", below(ALL_RUNS, *TRAINED, *EVALUATED) | PICTURES | SERVING),
        ("tables", DATA | {"analysis/published.csv"}),
        ("figure_images", DATA | below(ALL_RUNS, "artifact", "snapshots")),
        ("typeset", DATA | TABLE_FILES | FIGURE_FILES | {"paper/paper.typ", "paper/references.bib"}),
        ("search_table", below(ALL_RUNS, "run.json", "train.jsonl")),
        ("reference_model tiny-2m", {"config/pretrain/tiny-2m.yaml"}),
        ("smoke", {"config/smoke.yaml"}),
        ("search", {"config/search.yaml"}),
        ("pretrain", {f"results/pretrain/{name}/model.safetensors" for name in ("tiny-1m", "tiny-2m")}),
        ("figures", FIGURE_FILES),
        ("paper", {"out/paper/paper.pdf"}),
        (
            "all",
            below(ALL_RUNS, *TRAINED, *EVALUATED)
            | SERVING
            | DATA
            | TABLE_FILES
            | FIGURE_FILES
            | {"out/paper/paper.pdf"},
        ),
    ],
)
def test_a_rule_names_what_it_reads(jobs: dict[str, Job], name: str, reads: set[str]) -> None:
    assert jobs[name].files == reads


@pytest.mark.parametrize(
    ("name", "writes"),
    [
        ("seed_picture gcd", {"out/seeds/gcd.png"}),
        ("train tiny arithmetic lora 0", below({RUN}, *TRAINED)),
        ("evaluate tiny arithmetic lora 0", below({RUN}, *EVALUATED)),
        ("serve_check tiny gcd", {path for path in SERVING if "/tiny/gcd/" in path}),
        ("measure", DATA),
        ("tables", TABLE_FILES),
        ("figure_cost", {"out/paper/figures/cost.pdf", "out/paper/figures/cost.png"}),
        ("typeset", {"out/paper/paper.pdf"}),
        ("search_table", {"out/analysis/search.csv"}),
        ("reference_model tiny-2m", {"results/pretrain/tiny-2m/model.safetensors"}),
        *(
            (
                rule,
                below({f"out/tasks/{rule.split()[1]}"}, "report.json", *map("{}.jsonl".format, SPLITS)),
            )
            for rule in ("generated arithmetic", "published bfcl", "published gpqa", "reasoning_gym gcd")
        ),
    ],
)
def test_a_rule_names_what_it_writes(jobs: dict[str, Job], name: str, writes: set[str]) -> None:
    assert set(jobs[name].output) == writes


# A command that says what it was asked to do.
STUB = """#!/bin/sh
echo "${0##*/} hash seed ${PYTHONHASHSEED-random}"
printf '%s\\n' "$@"
echo trouble >&2
exit $STATUS
"""


def execute(job: Job, folder: Path, status: int) -> subprocess.CompletedProcess[str]:
    """Run a job's command as Snakemake does, with stubs that end with this exit status."""
    for name in ("art", "python", "snakemake"):
        (folder / name).write_text(STUB)
        (folder / name).chmod(0o755)
    for path in job.log + job.output:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        ["bash", "-c", f"set -euo pipefail; {job.command}"],
        cwd=folder,
        env={"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "STATUS": str(status)},
        capture_output=True,
        text=True,
        check=False,
    )


def one_of_each(jobs: dict[str, Job]) -> list[Job]:
    """A job of each rule that runs a command, the last one."""
    return list({job.rule: job for job in jobs.values() if job.command}.values())


def test_output_goes_to_the_log_and_the_exit_status_is_not_lost(jobs: dict[str, Job], tmp_path: Path) -> None:
    rules = one_of_each(jobs)
    assert len(rules) == 4 + 3 + 2 + len(FIGURES) + 2 + 3
    for job in rules:
        (folder := tmp_path / job.rule).mkdir()
        done = execute(job, folder, 7)
        assert done.returncode == 7, job.rule
        (log,) = job.log
        lines = (folder / log).read_text().splitlines()
        assert "trouble" in lines and "hash seed" in lines[0] + lines[1], job.rule
        assert done.stdout.splitlines() == (lines if job.rule in ("smoke", "search") else []), job.rule
        assert done.stderr == ""


def asked(job: Job, folder: Path) -> tuple[str, dict[str, str]]:
    """The command that a job runs, and its parameters as the command itself reads them."""
    assert execute(job, folder, 0).returncode == 0
    said = (folder / job.log[0]).read_text().splitlines()
    program, *arguments = [line for line in said if line != "trouble"]
    paper = typer.Typer()
    paper.command("typeset")(analysis.paper.main)
    apps = {"art": art.cli.app, "-m analysis": analysis.cli.app, "-m analysis.paper": paper}
    module = " ".join(arguments[:2]) if program.startswith("python") else "art"
    command = typer.main.get_command(apps[module])
    arguments = arguments if module == "art" else arguments[2:]
    name = "typeset"
    if module != "-m analysis.paper":
        name, *arguments = arguments
        command = command.commands[name]
    given = command.make_context(name, arguments).params
    return name, {key: str(value) for key, value in given.items() if value not in (None, ())}


RESULTS = {"config": "out/config.json", "results": "out"}
PREPARED = {"config": "out/config.json"}


@pytest.mark.parametrize(
    ("name", "command", "parameters"),
    [
        ("generated arithmetic", "generate", PREPARED | {"task": "arithmetic", "out": "out/tasks/arithmetic"}),
        ("published bfcl", "prepare", PREPARED | {"task": "bfcl", "out": "out/tasks/bfcl"}),
        ("published gpqa", "prepare", PREPARED | {"task": "gpqa", "out": "out/tasks/gpqa"}),
        ("reasoning_gym gcd", "prepare", PREPARED | {"task": "gcd", "out": "out/tasks/gcd"}),
        ("seed_picture gcd", "draw", PREPARED | {"task": "gcd", "out": "out/seeds/gcd.png"}),
        *(
            (
                f"{command} tiny arithmetic random_string 1",
                command,
                RESULTS | {"model": "tiny", "task": "arithmetic", "method": "random_string", "seed": "1"},
            )
            for command in ("train", "evaluate")
        ),
        ("serve_check m.b arithmetic", "serve-check", RESULTS | {"model": "m.b", "task": "arithmetic"}),
        ("measure", "measure", RESULTS | {"out": "out/analysis"}),
        ("tables", "tables", RESULTS | {"out": "out/paper/tables"}),
        ("figure_cost", "figure", RESULTS | {"name": "cost", "out": "out/paper/figures"}),
        ("search_table", "search", RESULTS | {"out": "out/analysis/search.csv"}),
        ("typeset", "typeset", PREPARED | {"source": "paper/paper.typ", "out": "out/paper/paper.pdf"}),
        (
            "reference_model tiny-2m",
            "pretrain",
            {"config": "config/pretrain/tiny-2m.yaml", "out": "results/pretrain/tiny-2m"},
        ),
    ],
)
def test_a_command_gets_the_files_and_names_of_its_job(
    jobs: dict[str, Job], tmp_path: Path, name: str, command: str, parameters: dict[str, str]
) -> None:
    assert asked(jobs[name], tmp_path) == (command, parameters)


def test_another_configuration_is_run_by_snakemake_itself(jobs: dict[str, Job]) -> None:
    for name, target in (("smoke", ""), ("search", " search_table")):
        command = (
            f"snakemake --configfile config/{name}.yaml --cores {CORES}{target} 2>&1 | tee results/logs/{name}.log"
        )
        assert jobs[name].command == command and jobs[name].threads == CORES


def test_generators_of_reasoning_gym_have_a_seed_of_hashes(jobs: dict[str, Job], tmp_path: Path) -> None:
    execute(jobs["reasoning_gym gcd"], tmp_path, 0)
    assert "art hash seed 0" in (tmp_path / "out/logs/tasks/gcd.log").read_text().splitlines()


def test_a_method_without_pictures_has_an_empty_folder_of_snapshots(jobs: dict[str, Job], tmp_path: Path) -> None:
    job = jobs["train tiny arithmetic lora 0"]
    execute(job, tmp_path, 0)
    assert (tmp_path / RUN / "snapshots").is_dir()


def test_engines_take_all_cores_and_everything_else_one(jobs: dict[str, Job], project: Project) -> None:
    many = {name for name, job in jobs.items() if job.threads == CORES}
    checks = {f"serve_check {pair.replace('/', ' ')}" for pair in PAIRS}
    assert many == checks | {"train tiny arithmetic lora_vllm 0", "smoke", "search"}
    assert {job.threads for name, job in jobs.items() if name not in many} == {1}
    (plan,) = project.dags([project.write_config("vllm_all", CONFIG | {"engine": {"kind": "vllm"}})])
    assert isinstance(plan, dict)
    many = {name for name, job in plan.items() if job.threads == CORES}
    trained = {name for name, job in plan.items() if job.rule == "train" and "lora" in job.wildcards["method"]}
    assert many == checks | trained | {name for name, job in plan.items() if job.rule == "evaluate"}


def test_a_job_goes_to_the_cluster_with_the_environment(jobs: dict[str, Job], project: Project) -> None:
    """But a Snakemake inside a job would ask for jobs of its own."""
    assert {job.rule for job in jobs.values() if job.local} == {
        "all",
        "figures",
        "paper",
        "pretrain",
        "smoke",
        "search",
    }
    places = [Path(job.environment or "") for job in jobs.values() if job.command]
    assert len(places) > 20 and {place.resolve() for place in places} == {project.root / "environment.yml"}


def test_training_goes_first(jobs: dict[str, Job]) -> None:
    """Evaluations fill the gaps at its end; the reference models take longest."""
    assert jobs["reference_model tiny-1m"].priority > jobs["train tiny gcd lora 0"].priority > 0
    assert {job.priority for job in jobs.values() if job.rule not in ("train", "reference_model")} == {0}


def test_the_report_shows_tables_figures_and_paper(jobs: dict[str, Job]) -> None:
    shown = {path: tuple(entry) for job in jobs.values() for path, entry in job.report.items()}
    assert shown == {
        **{f"out/paper/tables/{name}.csv": (f"table_{name}.rst", "Tables", {"table": name}) for name in TABLES},
        **{f"out/paper/figures/{name}.png": (f"figure_{name}.rst", "Figures", {"figure": name}) for name in FIGURES},
        "out/paper/paper.pdf": ("paper.rst", "Paper", None),
    }


def test_a_file_of_no_job_is_refused(project: Project) -> None:
    targets = [
        "out/runs/huge/arithmetic/lora/seed0/run.json",
        "out/runs/mxb/arithmetic/no_image/seed0/run.json",
        "out/runs/tiny/chess/lora/seed0/run.json",
        "out/runs/tiny/arithmetic/magic/seed0/run.json",
        "out/runs/tiny/arithmetic/lora/seedone/run.json",
        "out/seeds/chess.png",
        "results/pretrain/huge/model.safetensors",
    ]
    said = project.dags(*[("config/rules.yaml", target) for target in targets])
    assert all(f"No rule to produce {target}" in words for target, words in zip(targets, said, strict=True)), said
