"""The DAG: what is planned, what a change repeats, what stops it.  Settings: test_stale.py; rules: test_rules.py."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path

import pytest
from dag_project import Project

from analysis.registry import FIGURES, TABLES
from art.config.reading import load_config

ROOT = Path(__file__).parents[2]
SMOKE = ("--configfile", "config/smoke.yaml")
LACKING = "lacks config.json, preprocessor_config.json, tokenizer.json, tokenizer_config.json;"


def newer(path: Path, text: str | None = None) -> None:
    """Edit a file: other content, and a time after everything that was made."""
    path.write_text(path.read_text() + "\n# edited\n" if text is None else text)
    later = time.time() + 5
    os.utime(path, (later, later))


def test_default_plans_the_whole_grid(project: Project) -> None:
    grid = load_config(ROOT / "config/default.yaml").grid()
    jobs = project.planned()
    assert sorted(jobs["train"]) == sorted(f"results/{run.folder}/run.json" for run in grid)
    assert len(jobs["evaluate"]) == len(grid)
    assert len(jobs["seed_picture"]) == 3
    assert {"measure", "tables", "typeset"} <= set(jobs) and len(jobs["generated"]) == 3
    assert jobs["typeset"] == ["paper/paper.pdf"]


def test_more_seeds_by_command_line_add_runs_only(project: Project) -> None:
    one, three = project.planned(), project.planned("--config", "seeds=[0,1,2]")
    assert set(one["train"]) < set(three["train"])
    assert {path for path in three["train"] if "no_image" in path} <= set(one["train"])


def test_a_model_by_command_line_is_laid_over_the_default(project: Project) -> None:
    """It comes beside the default's models; null takes one of them away."""
    before = project.planned()
    shutil.copytree(project.root / "checkpoints/tiny-1m", project.root / "checkpoints/mine")
    more = project.planned("--config", "models={mine: {path: checkpoints/mine}}")
    assert set(before["train"]) < set(more["train"])
    assert {path.split("/")[2] for path in set(more["train"]) - set(before["train"])} == {"mine"}
    other = project.planned("--config", "models={mine: {path: checkpoints/mine}, tiny-2m: null}")
    assert {path.split("/")[2] for path in other["train"]} == {"mine", "tiny-1m"}


def test_a_configuration_file_stands_in_for_the_default(project: Project) -> None:
    """Nothing of the default is in it, and every file is below its own folder."""
    jobs = project.planned(*SMOKE)
    assert len(jobs["train"]) == len(load_config(ROOT / "config/smoke.yaml").grid())
    outputs = [path for paths in jobs.values() for path in paths if "/" in path]
    assert outputs and all(path.startswith("results/smoke/") for path in outputs)


def test_finished_run_is_left_alone(finished: Project) -> None:
    done = finished.snakemake(*SMOKE)
    assert done.returncode == 0 and "Nothing to be done" in done.stdout
    assert "Grid of" not in done.stdout  # which a dry run says
    assert "Nothing to be done" in finished.snakemake("figures", *SMOKE).stdout


def test_the_report_begins_with_what_was_run(finished: Project) -> None:
    done = finished.snakemake(*SMOKE, "--report", "report.html")
    assert done.returncode == 0, done.stdout
    (begin,) = re.findall(r"var workflow_desc = (.*);", (finished.root / "report.html").read_text())
    assert "<em>smoke</em>: models tiny-1m; tasks arithmetic, tool_call, multiple_choice; methods no_image, " in begin


def test_commands_get_the_resolved_configuration(finished: Project) -> None:
    said = (finished.root / "results/smoke/config.json").read_text()
    (given,) = re.findall(r"config --json (.*) --out results/smoke/config\.json", said)
    assert json.loads(given) == load_config(ROOT / "config/smoke.yaml").model_dump(mode="json")


def test_commands_run_with_one_thread(finished: Project) -> None:
    runs = list(finished.root.glob("results/smoke/runs/**/*.json*"))
    assert len(runs) > 20
    assert all(path.read_text().endswith("threads 1\n") for path in runs)


def test_setting_of_a_method_repeats_its_runs_only(finished: Project) -> None:
    config = finished.config("smoke")
    config["methods"]["lora"]["rank"] = 4
    jobs = finished.planned("--configfile", finished.write_config("smoke", config))
    assert len(jobs["train"]) == 3 and all("/lora/" in path for path in jobs["train"])
    assert len(jobs["evaluate"]) == 3 and {"measure", "typeset"} <= set(jobs)
    assert "generated" not in jobs and "seed_picture" not in jobs


def test_a_serving_check_repeats_no_run(finished: Project) -> None:
    config = finished.config("smoke")
    name = finished.write_config("smoke", config | {"serving": {"problems": 8}})
    jobs = finished.planned("--configfile", name)
    grid = load_config(finished.root / name).grid()
    places = sorted({f"{config['results']}/serving/{run.model}/{run.task}/served.jsonl" for run in grid})
    assert sorted(jobs["serve_check"]) == places
    assert "train" not in jobs and "evaluate" not in jobs and {"measure", "figure_serving", "typeset"} <= set(jobs)


def test_default_of_a_setting_counts_as_a_setting(finished: Project) -> None:
    path = finished.root / "art/config/methods.py"
    path.write_text(path.read_text().replace("rank: int = Field(8,", "rank: int = Field(6,"))
    jobs = finished.planned(*SMOKE)
    assert len(jobs["train"]) == 3 and all("/lora/" in path for path in jobs["train"])


@pytest.mark.parametrize(
    ("edited", "repeated", "left"),
    [
        ("art/training/loop.py", {"train", "evaluate", "measure"}, {"generated", "seed_picture"}),
        ("art/evaluation/evaluate.py", {"evaluate", "measure", "typeset"}, {"train"}),
        (
            "analysis/figures/accuracy.py",
            {"figure_accuracy", "typeset"},
            {"train", "evaluate", "measure", "figure_cost"},
        ),
        ("paper/paper.typ", {"typeset"}, {"train", "evaluate", "measure", "tables"}),
        ("README.md", set(), {"train"}),
    ],
)
def test_edited_source_repeats_what_depends_on_it(
    finished: Project, edited: str, repeated: set[str], left: set[str]
) -> None:
    (finished.root / edited).touch()
    newer(finished.root / edited)
    jobs = finished.planned(*SMOKE)
    assert repeated <= set(jobs)
    assert not left & set(jobs)


@pytest.mark.parametrize(
    ("edited", "repeated"),
    [
        ("art/methods/lora.py", "/lora/"),
        ("art/methods/controls.py", "/(no_image|seed_image|random_image|random_string)/"),
        ("art/training/objectives.py", "/(art|art_bound16|lora|soft_prompt)/"),
        ("art/scoring/numeric.py", "/arithmetic/"),
        ("art/tasks/generated/tool_call.py", "/tool_call/"),
    ],
)
def test_edited_source_repeats_the_runs_that_use_it_only(finished: Project, edited: str, repeated: str) -> None:
    newer(finished.root / edited)
    jobs = finished.planned(*SMOKE)
    assert jobs["train"] and all(re.search(repeated, path) for path in jobs["train"] + jobs["evaluate"])


def test_new_method_and_scorer_repeat_nothing(finished: Project) -> None:
    for name in (
        "art/methods/frame.py",
        "art/scoring/words.py",
        "art/models/other.py",
        "art/tasks/generated/riddles.py",
    ):
        (finished.root / name).write_text("import torch\n")
    for table in ("art/config/registry.py", "art/config/methods.py"):
        newer(finished.root / table)
    assert finished.planned(*SMOKE) == {}


def test_a_control_in_a_file_of_its_own_is_code_of_its_runs(finished: Project) -> None:
    methods = finished.root / "art/config/methods.py"
    methods.write_text(methods.read_text().replace("art.methods.controls:no_image", "art.methods.bare:no_image"))
    newer(finished.root / "art/methods/bare.py", "")
    jobs = finished.planned(*SMOKE)
    assert jobs["train"] and all("/no_image/" in path for path in jobs["train"])


def test_what_is_lost_is_made_again(finished: Project) -> None:
    run = finished.root / "results/smoke/runs/tiny-1m/arithmetic/art/seed0"
    (run / "items.jsonl").unlink()
    jobs = finished.planned(*SMOKE)
    assert "train" not in jobs and len(jobs["evaluate"]) == 1
    shutil.rmtree(run / "snapshots")
    (run.parents[1] / "lora/seed0/train.jsonl").unlink()
    assert len(finished.planned(*SMOKE)["train"]) == 2


def test_failure_shows_its_log_and_others_go_on(project: Project) -> None:
    done = project.snakemake(*SMOKE, FAKE_FAILURE="generate,pretrain")
    assert done.returncode != 0
    assert "the message of a failure" in done.stdout
    assert (project.root / "results/smoke/seeds/arithmetic.png").exists()


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("imag",), {"size": 64}, ("imag", "allowed keys", "image")),
        (("seeds",), "two", ("seeds", "'two'", "list")),
        (("tasks", "poetry"), {"scorer": "numeric"}, ("poetry", "arithmetic, bfcl", "multiple_choice, svamp")),
        (("methods", "lora", "tasks"), ["chess"], ("methods.lora.tasks", "'chess'", "allowed: arithmetic")),
        (("methods", "lora", "models"), ["huge"], ("methods.lora.models", "'huge'", "allowed: tiny-1m")),
        (("methods", "magic"), {"kind": "magic"}, ("methods.magic", "'magic'", "'soft_prompt'")),
        (("image", "size"), 100, ("models.tiny-1m: image.size 100", "multiples of 32", "96 and 128")),
        (("models", "tiny-1m", "path"), "checkpoints/tiny", ("models.tiny-1m.path: 'checkpoints/tiny'", LACKING)),
        (("models", "tiny-1m", "path"), "tiny/1m", ("models.tiny-1m.path: 'tiny/1m'", "the hub needs a revision")),
        (
            ("tasks", "gsm8k"),
            {"scorer": "numeric", "source": {"path": "data/none"}},
            ("tasks.gsm8k.source.path: 'data/none'", "file or folder"),
        ),
        (("methods", "lora", "rnk"), 4, ("methods.lora", "rnk", "allowed keys", "rank")),
        (("analysis", "baseline"), "nothing", ("analysis.baseline", "'nothing'", "no_image")),
        (("seeds",), [-1], ("seeds.0", "greater than or equal to 0", "given: -1")),
        (("seeds",), [0, 0], ("seeds: 0 is in the list twice",)),
        (("results",), "x$(touch touched)", ("results", "x$(touch touched)")),
        (("paper",), "my paper", ("paper", "'my paper'")),
    ],
)
def test_invalid_config_stops_before_any_job(
    project: Project, keys: tuple[str, ...], value: object, said: tuple[str, ...]
) -> None:
    config = section = project.config("smoke")
    for key in keys[:-1]:
        section = section[key]
    section[keys[-1]] = value
    done = project.snakemake("--configfile", project.write_config("broken", config))
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert all(word in done.stdout for word in (*said, "config/broken.yaml")), done.stdout
    assert not (project.root / "results").exists()


def test_a_key_that_is_twice_in_a_file_stops_before_any_job(project: Project) -> None:
    path = project.root / project.write_config("twice", project.config("smoke"))
    path.write_text("name: first\n" + path.read_text())
    done = project.snakemake("--configfile", "config/twice.yaml")
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert re.search(r"config/twice.yaml: .*'name' is there twice", done.stdout, re.DOTALL), done.stdout


def test_a_new_task_is_a_rule_file_and_an_entry(project: Project) -> None:
    text = (project.root / "workflow/rules/generated.smk").read_text().replace("rule generated:", "rule riddles:")
    rules = project.root / "workflow/rules/tasks/riddles.smk"
    rules.parent.mkdir(exist_ok=True)
    rules.write_text(
        text.replace("../../environment.yml", "../../../environment.yml")
        .replace("one_of(GENERATED)", '"riddles"')
        .replace("generator_code", "source_files('art/files.py')")
    )
    config = project.config("smoke")
    config["tasks"]["riddles"] = {"scorer": "numeric", "train": 8, "validation": 8, "test": 8}
    path = project.write_config("more", config)
    jobs = project.planned("--configfile", path)
    assert jobs["riddles"] == ["results/smoke/tasks/riddles/train.jsonl"]
    assert sum("/riddles/" in run for run in jobs["train"]) == 3
    done = project.snakemake("results/smoke/runs/tiny-1m/riddles/art/seed0/evaluation.json", "--configfile", path)
    assert done.returncode == 0, done.stdout


def test_a_new_figure_is_a_file_and_a_caption(project: Project) -> None:
    (project.root / "analysis/figures/extra.py").touch()
    (project.root / "workflow/report/figure_extra.rst").write_text("More.\n")
    assert "figure_extra" in project.planned(*SMOKE)


def test_targets(project: Project) -> None:
    smoke, search, pretrain, table = (
        {job.rule for job in plan.values()}
        for plan in project.dags(
            *(("config/search.yaml", name) for name in ("smoke", "search", "pretrain", "search_table"))
        )
    )
    assert (smoke, search, pretrain) == ({"smoke"}, {"search"}, {"pretrain", "reference_model"})
    assert table == {"search_table", "train", "seed_picture", "generated"}


def test_smoke_has_every_kind_and_task_of_the_default() -> None:
    default, smoke = (load_config(ROOT / f"config/{name}.yaml") for name in ("default", "smoke"))
    assert {m.kind for m in default.methods.values()} == {m.kind for m in smoke.methods.values()}
    assert set(default.tasks) == set(smoke.tasks)


def test_every_figure_and_table_has_a_caption() -> None:
    captions = {path.stem for path in (ROOT / "workflow/report").glob("*.rst")}
    shown = {f"figure_{name}" for name in FIGURES} | {f"table_{name}" for name in TABLES}
    assert captions == shown | {"paper", "workflow"}


def test_snakefile_stays_a_table_of_contents() -> None:
    lines = (ROOT / "Snakefile").read_text().splitlines()
    assert len(lines) <= 60
    assert not any(word in line for line in lines for word in ("lambda", "def "))
