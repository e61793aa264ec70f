"""Checks a configuration against the disk before any job: tasks and sources, checkpoints, the image's size."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from art.config.experiment import Config
from art.config.registry import GENERATORS, READERS
from art.config.sections import ModelSection, TaskSection
from art.errors import ConfigError
from art.models.preprocessor import CheckpointError, read_preprocessor

CHECKPOINT = ("config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json")
RULES = Path("workflow/rules/tasks")


def preflight(config: Config, source: str, own: Collection[str]) -> None:
    """Check what would make a job fail later: names of tasks, files, the image's size.

    Args:
        config: paths in it are relative to the working directory.
        source: where the configuration came from, for the message.
        own: names of the tasks that have a rule of their own.

    Raises:
        ConfigError: the message gives the key, what was found and what is wanted.
    """
    try:
        for name, task in config.tasks.items():
            _check_task(name, task, own)
            if config.training.prompts > task.train:
                raise ConfigError(
                    f"training.prompts: {config.training.prompts} is more than tasks.{name}.train, {task.train}: "
                    "the problems of a step differ"
                )
        for name, model in config.models.items():
            _check_model(name, model, config.image.size)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None


def own_tasks(root: Path) -> dict[str, Path]:
    """Tasks that have a rule file of their own below ``root``, the project's folder: name -> file."""
    return {path.stem: path for path in sorted((root / RULES).glob("*.smk"))}


def _check_task(name: str, task: TaskSection, own: Collection[str]) -> None:
    known = [*GENERATORS, *READERS, *own]
    if task.rule(name) not in known:
        named = ", ".join(sorted(rule for rule in known if rule != "reasoning_gym"))
        raise ConfigError(
            f"tasks: unknown task {name!r}; allowed ({RULES} and art/config/registry.py): {named}; "
            "or a data set of reasoning-gym, with the scorer reasoning_gym"
        )
    path = task.source and task.source.path
    if path and not Path(path).exists():
        raise ConfigError(f"tasks.{name}.source.path: {path!r} does not exist; wanted: a file or folder")


def _check_model(name: str, model: ModelSection, image_size: int) -> None:
    if model.revision is not None:
        return  # on the hub: the jobs check it when they have fetched it
    lacking = [file for file in CHECKPOINT if not Path(model.path, file).is_file()]
    if lacking:
        raise ConfigError(
            f"models.{name}.path: {model.path!r} lacks {', '.join(lacking)}; wanted: the folder of a "
            "checkpoint; a repository on the hub needs a revision beside its path"
        )
    try:
        read_preprocessor(Path(model.path)).tokens(image_size)
    except CheckpointError as error:
        raise ConfigError(f"models.{name}: {error}") from None
