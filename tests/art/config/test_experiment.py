"""A whole experiment: grid, seeds, engines, defaults."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from tiny_world import World

from art.config.methods import TRAINED_KINDS
from art.config.reading import parse_config
from art.config.sections import TaskSection


def test_grid_and_seeds(plain: World) -> None:
    """Models, tasks, methods and seeds in the order of the file; some methods only on some models or tasks."""
    data = plain.mapping()
    data["seeds"], data["tasks"] = [5, 3], {"sums": {"scorer": "numeric"}, "calls": {"scorer": "tool_call"}}
    data["models"] = {"small": {"path": "a"}, "large": {"path": "b"}}
    data["methods"] = {
        "no_image": {"kind": "no_image", "tasks": ["calls"]},
        "noise": {"kind": "random_image", "draws": 2, "models": ["large"], "tasks": ["sums"]},
        "lora": {"kind": "lora", "models": ["small"]},
    }
    config = parse_config(data, "test")
    assert [run.folder for run in config.grid()] == [
        *("runs/small/sums/lora/seed5", "runs/small/sums/lora/seed3"),
        "runs/small/calls/no_image/seed0",
        *("runs/small/calls/lora/seed5", "runs/small/calls/lora/seed3"),
        *("runs/large/sums/noise/seed0", "runs/large/sums/noise/seed1"),
        "runs/large/calls/no_image/seed0",
    ]
    assert [run.folder for run in config.served_runs("small", "calls")] == [
        *("runs/small/calls/no_image/seed0", "runs/small/calls/lora/seed5")
    ]
    assert [run.folder for run in config.served_runs("large", "sums")] == ["runs/large/sums/noise/seed0"]


def test_kinds_that_are_trained() -> None:
    assert TRAINED_KINDS == ("art", "lora", "soft_prompt")


@pytest.mark.parametrize("section", ["models", "tasks", "methods"])
def test_an_entry_that_is_null_is_taken_away(plain: World, section: str) -> None:
    config = parse_config(plain.changed(f"{section}.other", None), "test")
    assert config == plain.config() and "other" not in getattr(config, section)


def test_a_section_and_a_run_are_values_that_nobody_changes(plain: World) -> None:
    assert {plain.key("art"), plain.key("art"), plain.key("lora")} == {plain.key("art"), plain.key("lora")}
    with pytest.raises(ValidationError, match="frozen"):
        plain.config().training.steps = 1


@pytest.mark.parametrize(("scorer", "rule"), [("numeric", "sums"), ("reasoning_gym", "reasoning_gym")])
def test_tasks_of_reasoning_gym_share_a_rule(scorer: str, rule: str) -> None:
    assert TaskSection(scorer=scorer).rule("sums") == rule


def test_grpo_has_one_clip_value(plain: World) -> None:
    for given, clip in (({}, 0.2), ({"clip_low": 0.3}, 0.3), ({"clip_low": 0.1, "clip_high": 0.1}, 0.1)):
        config = plain.config(objective={"kind": "grpo", **given})
        assert (config.objective.clip_low, config.objective.clip_high) == (clip, clip)
        assert parse_config(config.model_dump(mode="json"), "again") == config
    assert plain.config(objective={"kind": "dapo", "clip_low": 0.1}).objective.clip_high == 0.28


def test_a_resolved_configuration_reads_back_the_same(plain: World) -> None:
    config = plain.config()
    assert parse_config(config.model_dump(mode="json"), "again") == config


def test_an_engine_for_each_method(plain: World) -> None:
    assert {plain.config().engine_of(method).kind for method in plain.config().methods} == {"transformers"}
    methods = {"lora": {"kind": "lora", "engine": {"kind": "server", "url": "https://there:1/v1"}}}
    config = plain.config(engine={"kind": "vllm", "memory": 0.3}, methods=methods)
    assert config.engine_of("art") == config.engine and config.engine_of("art").memory == 0.3
    assert config.engine_of("lora").url == "https://there:1/v1"
    assert config.engine_of("lora").memory == 0.5, "the method's own section, not merged with the experiment's"
    assert config.engine_of("no_image") == config.engine


def test_nothing_is_served_unless_asked_for(plain: World) -> None:
    config = plain.config()
    assert config.serving is None and parse_config(plain.mapping() | {"serving": None}, "test") == config
    served = plain.config(serving={})
    assert (served.serving.problems, served.serving.variants) == (200, [1, 4, 16])
