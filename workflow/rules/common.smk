# The checked configuration, the names of files, and the few functions that rules share.
import atexit
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from art.config import ConfigError, parse_config
from art.estimate import report as effort

# The commands of the environment that runs Snakemake, also when it was not activated.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))

TASK_RULES = {path.stem: str(path) for path in sorted(Path(workflow.basedir, "workflow/rules/tasks").glob("*.smk"))}
SOURCE = ", ".join(map(str, workflow.configfiles))
try:
    CONFIG = parse_config(config, SOURCE)
    for name, section in CONFIG.tasks.items():
        if section.rule(name) not in TASK_RULES:
            raise ConfigError(
                f"{SOURCE}: tasks: unknown task {name!r}; allowed (workflow/rules/tasks): {', '.join(TASK_RULES)}"
            )
except ConfigError as error:
    raise WorkflowError(str(error)) from None

RESULTS = CONFIG.results
PAPER = CONFIG.paper
CONFIG_FILE = f"{RESULTS}/config.json"
CONFIG_JSON = CONFIG.model_dump_json()
RUN = f"{RESULTS}/runs/{{model}}/{{task}}/{{method}}/seed{{seed}}"
RUN_LOG = f"{RESULTS}/logs/{{model}}/{{task}}/{{method}}/seed{{seed}}"

RUNS = [f"{RESULTS}/{run.folder}" for run in CONFIG.grid()]
TRAINED = [f"{folder}/run.json" for folder in RUNS]
ITEMS = [f"{folder}/items.jsonl" for folder in RUNS]
EVALUATIONS = [f"{folder}/evaluation.json" for folder in RUNS]
STORED = [f"{folder}/{name}" for folder in RUNS for name in ("artifact", "snapshots")]

DATA = ["accuracy", "comparisons", "png", "png_steps", "learning", "cost", "distance", "versions"]
TABLES = [
    "accuracy",
    "accuracy_sampled",
    "published",
    "comparisons_baseline",
    "comparisons_reference",
    "png",
    "budget",
    "cost",
    "hyperparameters",
    "settings",
    "versions",
]
FIGURES = [
    path.stem for path in sorted(Path("analysis/figures").glob("*.py")) if path.stem not in ("__init__", "style")
]
DATA_FILES = [f"{RESULTS}/analysis/{name}.csv" for name in DATA]
TABLE_FILES = [f"{PAPER}/tables/{name}.{end}" for name in TABLES for end in ("csv", "tex", "md")]
FIGURE_FILES = [f"{PAPER}/figures/{name}.{end}" for name in FIGURES for end in ("pdf", "png")]
PAPER_FILE = f"{PAPER}/paper.pdf"


wildcard_constraints:
    model="|".join(map(re.escape, CONFIG.models)),
    task="|".join(map(re.escape, CONFIG.tasks)),
    method="|".join(map(re.escape, CONFIG.methods)),
    seed=r"\d+",


# Snakemake calls no hook in a dry run, and whether this is one is not known yet.
@atexit.register
def say_effort():
    """The last lines of a dry run: what the grid takes, in hours as far as steps were measured."""
    if workflow.dryrun:
        print(*effort(CONFIG), sep="\n", file=sys.stderr)


def results_folder(wildcards):
    """The results folder of the configuration."""
    return RESULTS


def run_digest(wildcards):
    """Hash of the settings that this run depends on: another value means another run."""
    return CONFIG.run_digest(wildcards.model, wildcards.task, wildcards.method)


def model_files(wildcards):
    """The checkpoint of a run's model; a commit on the hub cannot change, so it has no files to watch."""
    model = CONFIG.models[wildcards.model]
    if model.revision is not None:
        return []
    needed = ("config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json")
    there = [path.name for path in Path(model.path).glob("*") if path.is_file() and path.suffix != ".md"]
    return [f"{model.path}/{name}" for name in sorted({*needed, *there})]
