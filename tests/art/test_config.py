"""The configuration: what is refused, and how it is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_world import World

from art.config import TRAINED_KINDS, Config, ConfigError, load_config, parse_config, run_key


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("plain"))


def changed(world: World, key: str, value: Any) -> dict[str, Any]:
    """The mapping with the dotted key set."""
    data = Config.model_validate(world.mapping()).model_dump(mode="json", exclude_defaults=True)
    *path, last = key.split(".")
    place = data
    for part in path:
        place = place.setdefault(part, {})
    place[last] = value
    return data


BAD = [
    ("imag", {"size": 64}, ["imag", "{'size': 64}", "allowed keys", "image"]),
    ("image.sise", 64, ["image.sise", "64", "allowed keys: size, contrast"]),
    ("training.promts", 4, ["training.promts", "allowed keys", "prompts"]),
    ("methods.art.rank", 4, ["methods.art", "rank", "allowed keys", "learning_rate"]),
    ("methods.art.kind", "lorra", ["methods.art", "lorra", "'soft_prompt'"]),
    ("methods.art.basis", "wavelet", ["methods.art", "basis", "wavelet", "'pixel' or 'patch'"]),
    ("methods.art.max_distance", 300, ["max_distance", "300", "255"]),
    ("tasks.arithmetic.scorer", "exact", ["tasks.arithmetic.scorer", "exact", "'numeric', 'tool_call'"]),
    ("tasks.arithmetic.test", "many", ["tasks.arithmetic.test", "many", "integer"]),
    ("tasks.arithmetic.source", {}, ["tasks.arithmetic.source", "either path", "repository and revision"]),
    ("tasks.arithmetic.source", {"path": "a", "repository": "a/b"}, ["tasks.arithmetic.source", "either path"]),
    ("tasks.arithmetic.source", {"repository": "a/b"}, ["tasks.arithmetic.source", "full commit", "40 hex digits"]),
    (
        "tasks.arithmetic.source",
        {"repository": "a/b", "revision": "main"},
        ["tasks.arithmetic.source.revision", "[0-9a-f]{40}", "'main'"],
    ),
    ("tasks.arithmetic.source", {"pth": "a"}, ["tasks.arithmetic.source.pth", "allowed keys: path, repository"]),
    ("models.tiny.family", "llama", ["models.tiny.family", "llama", "'qwen3_5'"]),
    ("training.steps", "ten", ["training.steps", "ten", "integer"]),
    ("training.steps", 0, ["training.steps", "0", "greater than or equal to 1"]),
    ("training.steps", 2.5, ["training.steps", "2.5"]),
    ("training.temperature", float("inf"), ["training.temperature", "inf", "finite"]),
    ("training.temperature", float("nan"), ["training.temperature", "nan"]),
    ("training.minibatches", 5, ["training.minibatches", "5", "prompts, 4"]),
    ("image.size", 16, ["image.size", "16", "32"]),
    ("objective.kind", "ppo", ["objective.kind", "ppo", "'dapo', 'grpo' or 'supervised'"]),
    ("objective", {"kind": "grpo", "clip_high": 0.3}, ["objective.clip_high: 0.3", "clip_low 0.2", "grpo"]),
    ("objective.kl_weight", 0.1, ["objective.kl_weight", "0.1", "grpo"]),
    ("analysis.baseline", "nothing", ["analysis.baseline", "nothing", "allowed: no_image"]),
    ("methods.art.models", ["tiny", "huge"], ["methods.art.models", "huge", "allowed: tiny"]),
    ("methods.art.tasks", ["sums"], ["methods.art.tasks", "sums", "allowed: arithmetic"]),
    ("seeds", [], ["seeds"]),
    ("name", "a/b", ["name", "a/b"]),
]


@pytest.mark.parametrize(("key", "value", "parts"), BAD, ids=[f"{key}={value}" for key, value, _ in BAD])
def test_a_bad_entry_is_named_with_its_value_and_what_is_allowed(
    plain: World, key: str, value: Any, parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(changed(plain, key, value), "some.yaml")
    message = str(caught.value)
    assert message.startswith("some.yaml: ")
    assert [part for part in parts if part not in message] == []
    assert "\n" not in message


def test_all_faults_are_reported_at_once(plain: World) -> None:
    data = changed(plain, "image.size", "x")
    data["training"]["steps"] = -1
    with pytest.raises(ConfigError) as caught:
        parse_config(data, "some.yaml")
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\x00", b"- a list", b"", b"name: 3"])
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"some\.yaml"):
        load_config(path)
    with pytest.raises(ConfigError, match=r"other\.yaml: cannot be read"):
        load_config(tmp_path / "other.yaml")


@pytest.mark.parametrize(("part", "value"), [("model", "../up"), ("task", ""), ("seed", -1)])
def test_coordinates_of_the_wrong_form_are_refused(part: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=part):
        run_key(**{"model": "tiny", "task": "arithmetic", "method": "art", "seed": 0, part: value})


def test_grid_and_seeds(plain: World) -> None:
    config = plain.config(methods={"art": {"kind": "art", "tasks": ["arithmetic"]}})
    assert config.method_seeds("art") == [0, 1]
    assert config.method_seeds("random_string") == [0, 1, 2]
    assert config.method_seeds("no_image") == [0]
    grid = config.grid()
    assert {key.task for key in grid if key.method == "art"} == {"arithmetic"}
    assert {key.task for key in grid if key.method == "lora"} == set(config.tasks)
    assert len({key.folder for key in grid}) == len(grid)


def test_the_digest_follows_what_the_artefact_depends_on(plain: World) -> None:
    def digest(method: str, **sections: dict) -> str:
        return plain.config(**sections).run_digest("tiny", "arithmetic", method)

    assert digest("art") != digest("art_pixel") != digest("lora")
    for section in ({"training": {"temperature": 0.9}}, {"objective": {"kind": "grpo"}}, {"image": {"size": 96}}):
        assert digest("art", **section) != digest("art")
    for section in ({"evaluation": {"samples": 7}}, {"analysis": {"resamples": 500}}):
        assert digest("art", **section) == digest("art")
    assert digest("random_string", training={"temperature": 0.9}) == digest("random_string")
    assert TRAINED_KINDS == ("art", "lora", "soft_prompt")


def test_grpo_has_one_clip_value(plain: World) -> None:
    for given, clip in (({}, 0.2), ({"clip_low": 0.3}, 0.3), ({"clip_low": 0.1, "clip_high": 0.1}, 0.1)):
        config = plain.config(objective={"kind": "grpo", **given})
        assert (config.objective.clip_low, config.objective.clip_high) == (clip, clip)
        assert parse_config(config.model_dump(mode="json"), "again") == config
    assert plain.config(objective={"kind": "dapo", "clip_low": 0.1}).objective.clip_high == 0.28


def test_a_resolved_configuration_reads_back_the_same(plain: World) -> None:
    config = plain.config()
    assert parse_config(config.model_dump(mode="json"), "again") == config
