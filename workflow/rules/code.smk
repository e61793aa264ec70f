# Which source files are inputs of which jobs, see workflow/source_files.py.
import sys

sys.path.insert(0, str(Path(workflow.basedir, "workflow")))
from source_files import module_file, source_files

from art.config.registry import ENGINES, FAMILIES, OTHER_SEED_PICTURE, SCORERS, SEED_PICTURES


def selected(wildcards):
    """The modules of a run's family and scorer, which training and evaluation share."""
    family, scorer = CONFIG.models[wildcards.model].family, CONFIG.tasks[wildcards.task].scorer
    return [module_file(FAMILIES[family]), module_file(SCORERS[scorer])]


def train_code(wildcards):
    """The training loop and what the run selects; a control is drawn without them."""
    method = module_file(CONFIG.methods[wildcards.method].implementation)
    if CONFIG.methods[wildcards.method].kind not in TRAINED_KINDS:
        return source_files("art/methods/controls.py", method)
    engine = module_file(ENGINES[CONFIG.engine_of(wildcards.method).kind])
    return source_files("art/training/loop.py", method, engine, *selected(wildcards))


def evaluate_code(wildcards):
    """The evaluation, which is the same for all artifacts, whichever method they are of."""
    return source_files("art/evaluation/evaluate.py", module_file(ENGINES[CONFIG.engine.kind]), *selected(wildcards))


def serving_code(wildcards):
    """The serving check; its engine is always the server."""
    return source_files("art/serving/check.py", *selected(wildcards))


def picture_code(wildcards):
    """The module of a task's seed picture, and what all seed pictures share."""
    drawing = SEED_PICTURES.get(wildcards.task, OTHER_SEED_PICTURE)
    return source_files("art/pictures/seeds/__init__.py", module_file(drawing))


def generator_code(wildcards):
    """The module of a task's generator, and what all generators share."""
    return source_files(
        "art/tasks/generated/problems.py", "art/tasks/problem_files.py", module_file(GENERATORS[wildcards.task])
    )


def reader_code(wildcards):
    """The module that reads a task's data set, and what all readers share."""
    reader = READERS[CONFIG.tasks[wildcards.task].rule(wildcards.task)]
    return source_files("art/tasks/published/prepare.py", module_file(reader))
