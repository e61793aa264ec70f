# Which source files a job runs: Snakemake does not see what a command imports.  So a change of a file repeats the jobs
# that run it, and no others.
import ast
from functools import cache
from glob import glob


def sources(*patterns):
    """Files by pattern."""
    return sorted(path for pattern in patterns for path in glob(pattern))


def table(file, name):
    """A literal of a module that is read, not imported: torch would come with it."""
    nodes = ast.parse(Path(file).read_text()).body
    return next(ast.literal_eval(node.value) for node in nodes if ast.unparse(node).startswith(f"{name} = "))


METHODS = table("art/methods/trained.py", "TRAINED")
FAMILIES = table("art/models/families.py", "FAMILIES")
ENGINES = table("art/rollouts/engines.py", "ENGINES")

# Modules that a name in the configuration picks, and the tables of these names.  They count where they are picked, so
# that a new method, family, scorer or generator repeats nothing.
PICKED = {
    *sources("art/methods/*.py", "art/scoring/*.py"),
    "art/models/families.py",
    *(f"art/synthetic/{task}.py" for task in TASK_RULES),
}


def module_file(module):
    """The project's file of a module, or None."""
    path = Path(*module.split("."))
    return next((str(file) for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()), None)


@cache
def imports(file):
    """Files of the project that a file imports, also inside of a function."""
    nodes = [node for node in ast.walk(ast.parse(Path(file).read_text())) if isinstance(node, ast.ImportFrom)]
    modules = {name for node in nodes for name in (node.module, *(f"{node.module}.{part.name}" for part in node.names))}
    # The text of art/config.py does not count: its values do, through params, each rule naming its own.
    return {module_file(module) for module in modules} - {None, "art/config.py"}


def code(*files):
    """These files and what they import, directly or not; a picked module only when it is named here or imported by one
    that is."""
    found, waiting = set(), set(files)
    while waiting:
        file = waiting.pop()
        found.add(file)
        waiting |= {other for other in imports(file) if file in PICKED or other not in PICKED} - found
    return sorted(found)


def picked(wildcards):
    """What a run's model, method and task pick."""
    family, _ = FAMILIES[CONFIG.models[wildcards.model].family]
    method, _ = METHODS.get(CONFIG.methods[wildcards.method].kind, ("art.methods.controls", None))
    return [module_file(family), module_file(method), f"art/scoring/{CONFIG.tasks[wildcards.task].scorer}.py"]


def engine_file(engine):
    """The module of a section ``engine``."""
    return module_file(ENGINES[engine.kind][0])


def train_code(wildcards):
    """A control is drawn without the training loop."""
    trained = CONFIG.methods[wildcards.method].kind in METHODS
    if not trained:
        return code("art/methods/controls.py")
    return code("art/train.py", engine_file(CONFIG.engine_of(wildcards.method)), *picked(wildcards))


def evaluate_code(wildcards):
    """An artifact is scored by the same code as every other, and by what its run picks."""
    return code("art/evaluate.py", engine_file(CONFIG.engine), *picked(wildcards))


def serving_code(wildcards):
    """What a check runs, and what its runs pick."""
    runs = CONFIG.served_runs(wildcards.model, wildcards.task)
    files = {file for run in runs for file in picked(run)}
    return code("art/serve_check.py", *sorted(files))
