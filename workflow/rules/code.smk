# Which source files are inputs of which jobs, see workflow/source_files.py.
import sys

sys.path.insert(0, str(Path(workflow.basedir, "workflow")))
from source_files import module_file, source_files

from art.config.registry import ENGINES, FAMILIES, OTHER_SEED_PICTURE, SCORERS, SEED_PICTURES


def selected(wildcards):
    """The modules of a run's family, method and scorer."""
    method = CONFIG.methods[wildcards.method]
    family, scorer = CONFIG.models[wildcards.model].family, CONFIG.tasks[wildcards.task].scorer
    return [module_file(entry) for entry in (FAMILIES[family], method.implementation, SCORERS[scorer])]


def engine_file(engine):
    """The module of the engine in a section ``engine``."""
    return module_file(ENGINES[engine.kind])


def train_code(wildcards):
    """The training loop and what the run selects; for a control only the module that draws it."""
    if CONFIG.methods[wildcards.method].kind not in TRAINED_KINDS:
        return source_files("art/methods/controls.py")
    engine = CONFIG.engine_of(wildcards.method)
    return source_files("art/training/loop.py", engine_file(engine), *selected(wildcards))


def evaluate_code(wildcards):
    """The evaluation, which is the same for all artifacts, and what the run selects."""
    return source_files("art/evaluation/evaluate.py", engine_file(CONFIG.engine), *selected(wildcards))


def serving_code(wildcards):
    """The serving check, and what the runs that it serves select."""
    runs = CONFIG.served_runs(wildcards.model, wildcards.task)
    files = {file for run in runs for file in selected(run)}
    return source_files("art/serving/check.py", *sorted(files))


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
