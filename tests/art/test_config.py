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
    ("engine.kind", "tgi", ["engine.kind", "tgi", "'transformers', 'vllm' or 'server'"]),
    ("engine.kin", "vllm", ["engine.kin", "allowed keys: kind, url"]),
    ("engine", {"url": "http://here/v1"}, ["engine", "url 'http://here/v1' needs kind 'server', not 'transformers'"]),
    ("engine", {"kind": "vllm", "url": "http://here/v1"}, ["engine", "needs kind 'server', not 'vllm'"]),
    ("engine", {"kind": "server", "url": "http://here"}, ["engine.url", "'http://here'", "/v1"]),
    ("engine.importance_cap", 0, ["engine.importance_cap", "0", "greater than 0"]),
    ("engine", {"importance_cap": 1.5}, ["engine", "importance_cap needs kind 'vllm' or 'server'"]),
    ("engine", {"importance_cap": None}, ["engine", "importance_cap needs kind 'vllm' or 'server'"]),
    ("engine", {"kind": "server", "url": "http://me:secret@here/v1"}, ["engine.url"]),
    ("methods.lora.engine", {"kin": "vllm"}, ["methods.lora.", "engine.kin", "allowed keys: kind, url"]),
    ("methods.lora.rank", 513, ["methods.lora", "rank", "513", "512"]),
    ("methods.lora.engine", {"kind": "vllm", "url": "http://here/v1"}, ["methods.lora", "engine", "kind 'server'"]),
    ("methods.no_image.engine", {"kind": "vllm"}, ["methods.no_image", "engine", "allowed keys"]),
    ("serving.problem", 9, ["serving.problem", "allowed keys: problems, variants"]),
    ("serving.variants", [], ["serving.variants"]),
    ("serving.variants", [0, 1], ["serving.variants", "0", "greater than or equal to 1"]),
    ("serving.variants", [1, 4, 4], ["serving", "[1, 4, 4]", "each once"]),
    ("serving", {"variants": [1, 8], "requests": 7}, ["serving", "[1, 8]", "none above requests", "(7)"]),
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


# -- engines and serving -------------------------------------------------------------------------------------------


def test_an_engine_for_each_method(plain: World) -> None:
    assert {plain.config().engine_of(method).kind for method in plain.config().methods} == {"transformers"}
    methods = {"lora": {"kind": "lora", "engine": {"kind": "server", "url": "https://there:1/v1"}}}
    config = plain.config(engine={"kind": "vllm", "memory": 0.3}, methods=methods)
    assert config.engine_of("art") == config.engine and config.engine_of("art").memory == 0.3
    assert config.engine_of("lora").url == "https://there:1/v1"
    assert config.engine_of("lora").memory == 0.5, "its own section, not laid over the experiment's"
    assert config.engine_of("no_image") == config.engine


def test_digests_follow_what_an_engine_changes(plain: World) -> None:
    def digests(method: str, **engine: Any) -> tuple[str, str]:
        config = plain.config(engine=engine)
        return config.run_digest("tiny", "arithmetic", method), config.evaluation_digest("tiny", "arithmetic", method)

    server = {"kind": "server", "url": "http://here/v1"}
    for method in ("art", "lora", "no_image", "random_string"):
        for way in ({"url": "http://there/v1"}, {"timeout": 9.0}, {"retries": 0}, {"memory": 0.1}, {"url": None}):
            assert digests(method, **server | way) == digests(method, **server), way
    for method in ("art", "lora", "soft_prompt"):
        runs = [
            digests(method, **engine)[0] for engine in ({}, server, {"kind": "vllm"}, server | {"importance_cap": None})
        ]
        assert len(set(runs)) == 4, method
    for method in ("no_image", "seed_image", "random_string"):
        others = [digests(method, **engine) for engine in ({}, server, server | {"importance_cap": None})]
        assert len({run for run, _ in others}) == 1, "a control is drawn, not sampled for"
        assert others[0][1] != others[1][1] == others[2][1], "its evaluation is sampled"


def test_a_methods_own_engine_trains_it_and_the_experiments_evaluates(plain: World) -> None:
    own = plain.config(methods={"art": {"kind": "art", "engine": {"kind": "vllm"}}})
    shared, neither = plain.config(engine={"kind": "vllm"}), plain.config()
    key = ("tiny", "arithmetic", "art")
    runs = [config.run_digest(*key) for config in (own, shared, neither)]
    assert runs[0] == runs[1] != runs[2]
    evaluations = [config.evaluation_digest(*key) for config in (own, shared, neither)]
    assert len(set(evaluations)) == 3
    assert own.run_digest("tiny", "arithmetic", "lora") == neither.run_digest("tiny", "arithmetic", "lora")
    assert own.evaluation_digest("tiny", "arithmetic", "lora") == neither.evaluation_digest(
        "tiny", "arithmetic", "lora"
    )


def test_nothing_is_served_unless_asked_for(plain: World) -> None:
    config = plain.config()
    assert config.serving is None and parse_config(plain.mapping() | {"serving": None}, "test") == config
    served = plain.config(serving={})
    assert (served.serving.problems, served.serving.variants) == (200, [1, 4, 16])
    for run in config.grid():
        key = (run.model, run.task, run.method)
        assert config.evaluation_digest(*key) == served.evaluation_digest(*key)
        assert config.run_digest(*key) == served.run_digest(*key)


def test_the_first_seed_or_draw_of_each_method_is_served(plain: World) -> None:
    methods = {"lora": {"kind": "lora", "tasks": ["tool_call"]}}
    config = parse_config(plain.mapping(methods=methods) | {"seeds": [5, 3]}, "test")
    runs = config.served_runs("tiny", "arithmetic")
    assert [run.method for run in runs] == [method for method in config.methods if method != "lora"]
    assert {run.task for run in runs} == {"arithmetic"}
    seeds = {run.method: run.seed for run in runs}
    assert (seeds["art"], seeds["random_image"], seeds["no_image"]) == (5, 0, 0)


def test_the_serving_digest_follows_the_check_and_its_runs(plain: World) -> None:
    def digest(serving: dict[str, Any], **sections: Any) -> str:
        return plain.config(serving=serving, **sections).serving_digest("tiny", "arithmetic")

    assert digest({}) == digest({"problems": 200}) == digest({}, engine={"timeout": 9.0, "memory": 0.1})
    for other in (
        digest({"repeats": 3}),
        digest({}, evaluation={"max_new_tokens": 7}),
        digest({}, methods={"lora": {"kind": "lora", "rank": 3}}),
        digest({}, engine={"kind": "vllm"}),
    ):
        assert other != digest({})
