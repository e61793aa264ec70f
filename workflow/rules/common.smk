# The checked configuration, the names of files, and the few functions that rules share.
import atexit
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from art.config import TRAINED_KINDS, ConfigError, parse_config
from art.estimate import report as effort
from art.models.preprocessor import CheckpointError, read_preprocessor

# The commands of the environment that runs Snakemake, also when it was not activated.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))

TASK_RULES = {path.stem: str(path) for path in sorted(Path(workflow.basedir, "workflow/rules/tasks").glob("*.smk"))}
CHECKPOINT = ("config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json")
SOURCE = ", ".join(map(str, workflow.configfiles))
try:
    CONFIG = parse_config(config, SOURCE)
    for name, section in CONFIG.tasks.items():
        if section.rule(name) not in TASK_RULES:
            known = ", ".join(rule for rule in TASK_RULES if rule != "reasoning_gym")
            raise ConfigError(
                f"{SOURCE}: tasks: unknown task {name!r}; allowed (workflow/rules/tasks): {known}; "
                "or a data set of reasoning-gym, with the scorer reasoning_gym"
            )
        path = section.source and section.source.path
        if path and not Path(path).exists():
            raise ConfigError(f"{SOURCE}: tasks.{name}.source.path: {path!r} does not exist; wanted: a file or folder")
    for name, section in CONFIG.models.items():
        if section.revision is not None:
            continue  # its jobs look at it, when they have fetched it
        lacking = [file for file in CHECKPOINT if not Path(section.path, file).is_file()]
        if lacking:
            raise ConfigError(
                f"{SOURCE}: models.{name}.path: {section.path!r} lacks {', '.join(lacking)}; wanted: the folder of a "
                "checkpoint; a repository on the hub needs a revision beside its path"
            )
        try:
            read_preprocessor(Path(section.path)).tokens(CONFIG.image.size)
        except CheckpointError as error:
            raise ConfigError(f"{SOURCE}: models.{name}: {error}") from None
except ConfigError as error:
    raise WorkflowError(str(error)) from None

RESULTS = CONFIG.results
PAPER = CONFIG.paper
SERVING_FILES = ("served.jsonl", "load.jsonl", "gap.jsonl", "serving.json")
CONFIG_FILE = f"{RESULTS}/config.json"
CONFIG_JSON = CONFIG.model_dump_json()
RUN = f"{RESULTS}/runs/{{model}}/{{task}}/{{method}}/seed{{seed}}"
RUN_LOG = f"{RESULTS}/logs/{{model}}/{{task}}/{{method}}/seed{{seed}}"

RUNS = [f"{RESULTS}/{run.folder}" for run in CONFIG.grid()]
TRAINED = [f"{folder}/{name}" for folder in RUNS for name in ("run.json", "train.jsonl")]
ITEMS = [f"{folder}/items.jsonl" for folder in RUNS]
EVALUATIONS = [f"{folder}/evaluation.json" for folder in RUNS]
STORED = [f"{folder}/{name}" for folder in RUNS for name in ("artifact", "snapshots")]

PICTURES = [f"{RESULTS}/seeds/{task}.png" for task in CONFIG.tasks]

SERVED = dict.fromkeys(f"{RESULTS}/serving/{run.model}/{run.task}" for run in CONFIG.grid() if CONFIG.serving)
SERVING = [f"{folder}/{name}" for folder in SERVED for name in SERVING_FILES]

DATA = [
    "accuracy",
    "comparisons",
    "png",
    "png_steps",
    "learning",
    "cost",
    "distance",
    "versions",
    "served",
    "serving_load",
    "gap",
]
TABLES = [
    "accuracy",
    "accuracy_sampled",
    "published",
    "comparisons_baseline",
    "comparisons_reference",
    "png",
    "budget",
    "cost",
    "served",
    "serving_load",
    "gap",
    "hyperparameters",
    "settings",
    "versions",
]
FIGURES = [
    path.stem for path in sorted(Path("analysis/figures").glob("*.py")) if path.stem not in ("__init__", "style")
]
if not CONFIG.serving:
    FIGURES.remove("serving")
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


def train_threads(wildcards):
    """vLLM takes all cores that there are; everything else has one thread."""
    own = CONFIG.engine_of(wildcards.method).kind == "transformers"
    return 1 if own or CONFIG.methods[wildcards.method].kind not in TRAINED_KINDS else workflow.cores


def evaluate_threads(wildcards):
    """The same for the experiment's engine."""
    return 1 if CONFIG.engine.kind == "transformers" else workflow.cores


def evaluation_digest(wildcards):
    """Hash of the settings that this run's evaluation depends on."""
    return CONFIG.evaluation_digest(wildcards.model, wildcards.task, wildcards.method)


def served(file):
    """A file, or folder, of every run whose artifact is served."""

    def paths(wildcards):
        return [f"{RESULTS}/{run.folder}/{file}" for run in CONFIG.served_runs(wildcards.model, wildcards.task)]

    return paths


def serving_digest(wildcards):
    """Hash of the settings that a check depends on."""
    return CONFIG.serving_digest(wildcards.model, wildcards.task)


def model_files(wildcards):
    """The checkpoint of a run's model; a commit on the hub cannot change, so it has no files to watch."""
    model = CONFIG.models[wildcards.model]
    if model.revision is not None:
        return []
    return sorted(str(path) for path in Path(model.path).glob("*") if path.is_file() and path.suffix != ".md")
