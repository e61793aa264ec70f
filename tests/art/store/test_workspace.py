"""The paths of a run, and the names and seeds that a configuration has."""

from __future__ import annotations

import re

import pytest
from tiny_world import World

from art.config.experiment import RunKey
from art.errors import ConfigError
from art.store.workspace import Workspace


def test_logs_stand_beside_those_of_the_steps(world: World) -> None:
    workspace = Workspace(world.config(), world.key("art", seed=1), world.results)
    assert workspace.log("server.log") == world.results / "logs/tiny/arithmetic/art/seed1.server.log"


def test_a_run_has_its_sections_and_its_files(world: World) -> None:
    config = world.config()
    run = Workspace(config, world.key("art_bound5", "tool_call", seed=1), world.results)
    assert (run.model, run.task) == (config.models["tiny"], config.tasks["tool_call"])
    assert run.section == config.methods["art_bound5"]
    folder = world.results / "runs/tiny/tool_call/art_bound5/seed1"
    assert (run.folder, run.artifact, run.progress) == (folder, folder / "artifact", folder / "progress")
    assert run.problem_file("test") == world.results / "tasks/tool_call/test.jsonl"
    assert run.seed_picture == world.results / "seeds/tool_call.png"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "huge"}, "model: unknown 'huge'; allowed: tiny"),
        ({"task": "chess"}, "task: unknown 'chess'; allowed: arithmetic, tool_call, multiple_choice"),
        ({"method": "magic"}, "method: unknown 'magic'; allowed: no_image, "),
        ({"seed": 7}, "seed: unknown 7 for method art; allowed: 0, 1"),
        ({"method": "no_image", "seed": 1}, "seed: unknown 1 for method no_image; allowed: 0"),
    ],
)
def test_what_the_configuration_lacks_is_named_with_what_it_has(world: World, change: dict, said: str) -> None:
    key = RunKey(**{"model": "tiny", "task": "arithmetic", "method": "art", "seed": 0} | change)
    with pytest.raises(ConfigError, match=f"^{re.escape(said)}"):
        Workspace(world.config(), key, world.results)
