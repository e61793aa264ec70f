# The checked configuration, the names of files, and the functions that several rules use.
import atexit
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from analysis.registry import DATA, FIGURES, TABLES
from art.config import digests
from art.config.estimate import report as effort
from art.config.methods import TRAINED_KINDS
from art.config.preflight import own_tasks, preflight
from art.config.reading import parse_config, read_yaml
from art.config.registry import GENERATORS, READERS
from art.config.sections import SPLITS
from art.errors import ConfigError
from art.tasks.source import local_files

# Jobs find the commands of the environment that runs Snakemake, even when it is not activated.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))

SOURCE = ", ".join(map(str, workflow.configfiles))
OWN_TASKS = own_tasks(Path(workflow.basedir))


def with_nulls(value):
    """Snakemake reads the values inside of --config as text: there ``null`` is a word."""
    if isinstance(value, dict):
        return {key: with_nulls(inner) for key, inner in value.items()}
    return None if value == "null" else value


try:
    for file in workflow.configfiles:
        read_yaml(Path(file))  # for keys that are there twice: Snakemake takes the last of them
    CONFIG = parse_config(with_nulls(config), SOURCE)
    preflight(CONFIG, SOURCE, OWN_TASKS)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

RESULTS = CONFIG.results
PAPER = CONFIG.paper
PROBLEM_FILES = (*(f"{split}.jsonl" for split in SPLITS), "report.json")
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

# Tasks by the rule that writes their problems; a task with a rule of its own is in none of these lists.
OTHERS = {name: section.rule(name) for name, section in CONFIG.tasks.items() if name not in OWN_TASKS}
REASONING_GYM = [name for name, kind in OTHERS.items() if kind == "reasoning_gym"]
GENERATED = [name for name, kind in OTHERS.items() if kind in GENERATORS]
PUBLISHED = [name for name, kind in OTHERS.items() if kind in READERS and name not in REASONING_GYM]

PICTURES = [f"{RESULTS}/seeds/{task}.png" for task in CONFIG.tasks]

SERVED = dict.fromkeys(f"{RESULTS}/serving/{run.model}/{run.task}" for run in CONFIG.grid() if CONFIG.serving)
SERVING = [f"{folder}/{name}" for folder in SERVED for name in SERVING_FILES]

FIGURES = [name for name in FIGURES if CONFIG.serving or name != "serving"]
DATA_FILES = [f"{RESULTS}/analysis/{name}.csv" for name in DATA]
TABLE_FILES = [f"{PAPER}/tables/{name}.{end}" for name in TABLES for end in ("csv", "tex", "md")]
FIGURE_FILES = [f"{PAPER}/figures/{name}.{end}" for name in FIGURES for end in ("pdf", "png")]
PAPER_FILE = f"{PAPER}/paper.pdf"


# At exit, because Snakemake calls no hook in a dry run, and here it does not yet know whether this is one.
@atexit.register
def say_effort():
    """Print at the end of a dry run how large the grid is, and how many hours it takes where steps were measured."""
    if workflow.dryrun:
        print(*effort(CONFIG, Path(RESULTS)), sep="\n", file=sys.stderr)


def one_of(names):
    """A wildcard's pattern that matches exactly these names; without names it matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    model=one_of(CONFIG.models),
    task=one_of(CONFIG.tasks),
    method=one_of(CONFIG.methods),
    seed=r"\d+",


def task_settings(wildcards):
    """The settings of a task, as JSON."""
    return CONFIG.tasks[wildcards.task].model_dump_json()


def task_source(wildcards):
    """The local files that a published data set is read from."""
    return local_files(CONFIG.tasks[wildcards.task])


def results_folder(wildcards):
    """The results folder of the configuration."""
    return RESULTS


def run_digest(wildcards):
    """Hash of the settings that this run depends on."""
    return digests.run_digest(CONFIG, wildcards.model, wildcards.task, wildcards.method)


def train_threads(wildcards):
    """All cores for a trained method that vLLM samples for; one thread for every other run."""
    own = CONFIG.engine_of(wildcards.method).kind == "transformers"
    return 1 if own or CONFIG.methods[wildcards.method].kind not in TRAINED_KINDS else workflow.cores


def evaluate_threads(wildcards):
    """All cores where the experiment's engine is vLLM; else one thread."""
    return 1 if CONFIG.engine.kind == "transformers" else workflow.cores


def evaluation_digest(wildcards):
    """Hash of the settings that this run's evaluation depends on."""
    return digests.evaluation_digest(CONFIG, wildcards.model, wildcards.task, wildcards.method)


def served(file):
    """An input function: this file or folder of every run whose artifact is served."""

    def paths(wildcards):
        return [f"{RESULTS}/{run.folder}/{file}" for run in CONFIG.served_runs(wildcards.model, wildcards.task)]

    return paths


def serving_digest(wildcards):
    """Hash of the settings that a serving check depends on."""
    return digests.serving_digest(CONFIG, wildcards.model, wildcards.task)


def model_files(wildcards):
    """Files of the checkpoint of a run's model; none for a commit on the hub, which cannot change."""
    model = CONFIG.models[wildcards.model]
    if model.revision is not None:
        return []
    return sorted(str(path) for path in Path(model.path).glob("*") if path.is_file() and path.suffix != ".md")
