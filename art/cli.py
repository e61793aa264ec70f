"""The commands, one for each step of the DAG: they only handle arguments and import heavy modules when needed."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from art.config.experiment import Config
from art.config.methods import TrainedSection
from art.config.preflight import own_tasks, preflight
from art.config.reading import load_config, parse_config, run_key
from art.config.registry import GENERATORS, READERS, implementation
from art.config.sections import SPLITS, TaskSection
from art.errors import ConfigError, printed
from art.files import atomic_path

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)

ConfigPath = Annotated[Path, typer.Option("--config", help="configuration, YAML or JSON")]
OutPath = Annotated[Path, typer.Option("--out", help="file or folder to write")]
Results = Annotated[Path, typer.Option("--results", help="results folder")]
Model = Annotated[str, typer.Option("--model", help="a key of models in the configuration")]
Task = Annotated[str, typer.Option("--task", help="a key of tasks")]
Method = Annotated[str, typer.Option("--method", help="a key of methods")]
Seed = Annotated[int, typer.Option("--seed", help="seed, or the number of a random control's draw")]


@contextmanager
def collector_paused() -> Iterator[None]:
    """Run a block that imports torch and transformers without Python's garbage collector.

    The imports make some 340,000 objects, which the collector would go through again and again.  None of them ever
    becomes garbage, so they are frozen: later collections skip them.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@app.callback(help=__doc__)
def begin() -> None: ...


@app.command()
def config(json_text: Annotated[str, typer.Option("--json", help="the mapping as JSON")], out: OutPath) -> None:
    """Check a configuration and the files that it names, and write it with every default filled in."""
    with printed("art"):
        try:
            data = json.loads(json_text)
        except ValueError as error:
            raise ConfigError(f"--json: not JSON: {error}") from None
        resolved = parse_config(data, "--json")
        preflight(resolved, "--json", own_tasks(Path(__file__).parents[1]))
        with atomic_path(out) as partial:  # keys keep their order for figures and tables
            partial.write_text(resolved.model_dump_json(indent=2) + "\n", encoding="utf-8")


@app.command()
def generate(task: str, config: ConfigPath, out: OutPath) -> None:
    """Write the problem files of a procedural task."""
    from art.tasks.generated.problems import problems
    from art.tasks.problem_files import write_problem_files

    with printed("art"):
        section = _task(load_config(config), task)
        if task not in GENERATORS:
            raise ConfigError(f"task {task!r}: no generator of this name; allowed: {', '.join(GENERATORS)}")
        if section.source is not None:
            raise ConfigError(f"tasks.{task}.source: a generated task has no source; leave it out")
        made = {split: problems(task, split, getattr(section, split), section.seed) for split in SPLITS}
        write_problem_files(made, out)


@app.command()
def split(
    task: str,
    source: Annotated[Path, typer.Option("--from", help="JSON lines with question and answer")],
    config: ConfigPath,
    out: OutPath,
) -> None:
    """Write the problem files of a task from a local file."""
    from art.tasks.local import split as run
    from art.tasks.problem_files import write_problem_files

    with printed("art"):
        splits, left_out = run(task, _task(load_config(config), task), source)
        write_problem_files(splits, out, dropped={"question_in_another_split": left_out})


@app.command()
def prepare(task: str, config: ConfigPath, out: OutPath) -> None:
    """Write the problem files of a published data set, from local files, the hub or a package."""
    from art.tasks.published.prepare import prepare as run

    with printed("art"):
        section = _task(load_config(config), task)
        rule = section.rule(task)
        if rule not in READERS:
            names = ", ".join(name for name in READERS if name != "reasoning_gym")
            raise ConfigError(
                f"task {task!r}: no data set of this name; allowed: {names}; "
                "or a data set of reasoning-gym, with the scorer reasoning_gym"
            )
        run(implementation(READERS[rule]), task, section, out)


@app.command()
def draw(task: str, config: ConfigPath, out: OutPath) -> None:
    """Draw a task's seed picture."""
    from art.pictures.png import encode_png, reduce_contrast
    from art.pictures.seeds import draw as draw_picture

    with printed("art"):
        settings = load_config(config)
        _task(settings, task)
        encode_png(reduce_contrast(draw_picture(task, settings.image.size), settings.image.contrast), out)


@app.command()
def train(config: ConfigPath, model: Model, task: Task, method: Method, results: Results, seed: Seed = 0) -> None:
    """Make one run's artifact: train a method, or make a control."""
    with printed("art"):
        settings = load_config(config)
        key = run_key(model, task, method, seed)
        if isinstance(settings.methods.get(method), TrainedSection):
            with collector_paused():
                from art.training.loop import train as run
        else:
            from art.methods.controls import make_control as run
        run(settings, key, results)


@app.command()
def evaluate(config: ConfigPath, model: Model, task: Task, method: Method, results: Results, seed: Seed = 0) -> None:
    """Score one run's artifact on the task's test problems."""
    with printed("art"):
        with collector_paused():
            from art.evaluation.evaluate import evaluate as run

        run(load_config(config), run_key(model, task, method, seed), results)


@app.command("serve-check")
def serve_check(config: ConfigPath, model: Model, task: Task, results: Results) -> None:
    """Serve the artifacts of a model and task with an unmodified vLLM, and compare the results with the evaluation."""
    with printed("art"):
        with collector_paused():
            from art.serving.check import serve_check as run

        run(load_config(config), model, task, results)


@app.command()
def pretrain(
    config: Annotated[Path, typer.Option("--config", help="a recipe, see config/pretrain")],
    out: OutPath,
    steps: Annotated[int | None, typer.Option(help="stop after this many steps (for a trial)")] = None,
) -> None:
    """Train a reference model from scratch."""
    with printed("art"):
        with collector_paused():
            from pretraining.card import write_card
            from pretraining.recipe import load_recipe
            from pretraining.train import pretrain as run

        recipe = load_recipe(config)
        write_card(out, recipe, run(recipe, out, steps))


def _task(settings: Config, task: str) -> TaskSection:
    if task not in settings.tasks:
        raise ConfigError(f"task: unknown {task!r}; allowed: {', '.join(settings.tasks)}")
    return settings.tasks[task]
