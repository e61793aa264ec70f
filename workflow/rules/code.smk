# Source files as inputs, see workflow/source_files.py.
import sys

sys.path.insert(0, str(Path(workflow.basedir, "workflow")))
from source_files import module_file, source_files

from art.config.registry import ENGINES, FAMILIES, OTHER_SEED_PICTURE, SCORERS, SEED_PICTURES


def picked(wildcards):
    """Modules that a run's model, method and task pick by name."""
    method = CONFIG.methods[wildcards.method]
    family, scorer = CONFIG.models[wildcards.model].family, CONFIG.tasks[wildcards.task].scorer
    return [module_file(entry) for entry in (FAMILIES[family], method.implementation, SCORERS[scorer])]


def engine_file(engine):
    """The module of a section ``engine``."""
    return module_file(ENGINES[engine.kind])


def train_code(wildcards):
    """A control is drawn without the training loop."""
    if CONFIG.methods[wildcards.method].kind not in TRAINED_KINDS:
        return source_files("art/methods/controls.py")
    engine = CONFIG.engine_of(wildcards.method)
    return source_files("art/training/loop.py", engine_file(engine), *picked(wildcards))


def evaluate_code(wildcards):
    """An artifact is scored by the same code as every other, and by what its run picks."""
    return source_files("art/evaluation/evaluate.py", engine_file(CONFIG.engine), *picked(wildcards))


def serving_code(wildcards):
    """What a check runs, and what its runs pick."""
    runs = CONFIG.served_runs(wildcards.model, wildcards.task)
    files = {file for run in runs for file in picked(run)}
    return source_files("art/serving/check.py", *sorted(files))


def picture_code(wildcards):
    """The drawing of a task's seed picture, and what all of them share."""
    drawing = SEED_PICTURES.get(wildcards.task, OTHER_SEED_PICTURE)
    return source_files("art/pictures/seeds/__init__.py", module_file(drawing))


def generator_code(wildcards):
    """The generator of a task."""
    return source_files(
        "art/tasks/generated/problems.py", "art/tasks/problem_files.py", module_file(GENERATORS[wildcards.task])
    )


def reader_code(wildcards):
    """The reader of a task's data set."""
    reader = READERS[CONFIG.tasks[wildcards.task].rule(wildcards.task)]
    return source_files("art/tasks/published/prepare.py", module_file(reader))
