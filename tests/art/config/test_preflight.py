"""The checks against the disk before any job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_world import World
from typer.testing import CliRunner

from art.cli import app
from art.config.preflight import own_tasks, preflight
from art.errors import ConfigError

HUB = {"path": "some/one", "revision": "0123456789" * 4}


def refused(world: World, own: dict[str, Path] | None = None, **sections: dict[str, Any]) -> str:
    """The error message without the name of its source."""
    with pytest.raises(ConfigError) as caught:
        preflight(world.config(**sections), "my.yaml", own or {})
    assert str(caught.value).startswith("my.yaml: ")
    return str(caught.value).removeprefix("my.yaml: ")


def test_what_is_there_passes(world: World) -> None:
    (world.root / "problems.jsonl").touch()
    tasks = {
        "gsm8k": {"scorer": "numeric", "source": {"path": str(world.root / "problems.jsonl")}},
        "gcd": {"scorer": "reasoning_gym"},
        "riddles": {"scorer": "numeric"},
    }
    preflight(world.config(tasks=tasks, models={"far": HUB}), "my.yaml", {"riddles": Path("riddles.smk")})


def test_an_unknown_task_is_named_with_the_known_ones(world: World) -> None:
    said = refused(world, {"riddles": Path("riddles.smk")}, tasks={"poetry": {"scorer": "numeric"}})
    assert "unknown task 'poetry'" in said and "or a data set of reasoning-gym" in said
    listed = said.split("): ")[1].split(";")[0].split(", ")
    assert listed == [
        "arithmetic",
        "bfcl",
        "gpqa",
        "gsm8k",
        "multiple_choice",
        "riddles",
        "svamp",
        "tool_call",
        "toolmind",
    ]


def test_a_step_needs_its_number_of_problems(world: World) -> None:
    tasks = {"arithmetic": {"scorer": "numeric", "train": 9}}
    preflight(world.config(tasks=tasks, training={"prompts": 9}), "my.yaml", {})
    said = refused(world, tasks=tasks, training={"prompts": 10})
    assert said == "training.prompts: 10 is more than tasks.arithmetic.train, 9: the problems of a step differ"


def test_a_source_that_is_not_there(world: World) -> None:
    said = refused(world, tasks={"gsm8k": {"scorer": "numeric", "source": {"path": "data/none"}}})
    assert said == "tasks.gsm8k.source.path: 'data/none' does not exist; wanted: a file or folder"


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_checkpoint_that_lacks_a_file(world: World, name: str) -> None:
    (world.root / "checkpoint" / name).unlink()
    said = refused(world)
    assert said.startswith(
        f"models.tiny.path: '{world.root}/checkpoint' lacks {name}; wanted: the folder of a checkpoint"
    )


def test_an_image_size_that_a_checkpoint_would_change(world: World) -> None:
    assert refused(world, image={"size": 72}).startswith(
        "models.tiny: image.size 72: this checkpoint's processor would"
    )


def test_the_command_checks_the_same(world: World, tmp_path: Path) -> None:
    data = world.mapping(tasks={"poetry": {"scorer": "numeric"}})
    done = CliRunner().invoke(app, ["config", "--json", json.dumps(data), "--out", str(tmp_path / "out.json")])
    assert done.exit_code == 1 and done.stderr.startswith("art: --json: tasks: unknown task 'poetry'")
    assert not (tmp_path / "out.json").exists()


def test_own_tasks_are_the_files_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "workflow/rules/tasks"
    assert own_tasks(tmp_path) == {}
    folder.mkdir(parents=True)
    for name in ("riddles.smk", "anagrams.smk", "README.md"):
        (folder / name).touch()
    assert list(own_tasks(tmp_path).items()) == [(name, folder / f"{name}.smk") for name in ("anagrams", "riddles")]
