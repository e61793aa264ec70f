"""The configuration: which ones are refused, and with which message."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_world import World

from art.config.reading import load_config, parse_config, read_yaml, run_key
from art.errors import ConfigError

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
    ("tasks.arithmetic.source", {"path": "a", "revision": "0" * 40}, ["tasks.arithmetic.source", "go together"]),
    ("tasks.arithmetic.sorcer", 1, ["tasks.arithmetic.sorcer", "allowed keys: scorer, source, train"]),
    ("models.tiny.pth", "a", ["models.tiny.pth", "allowed keys: family, path, revision"]),
    (
        "models.tiny",
        {"path": "a", "revision": "0" * 40},
        ["models.tiny", "'a': with a revision it must be", "OWNER/NAME"],
    ),
    ("models.tiny", {"path": "a/b/c", "revision": "0" * 40}, ["models.tiny", "'a/b/c'", "OWNER/NAME"]),
    ("models.tiny", {"path": "a/b", "revision": "main"}, ["models.tiny.revision", "[0-9a-f]{40}", "'main'"]),
    ("models.tiny.family", "llama", ["models.tiny.family", "llama", "'qwen3_5'"]),
    ("training.steps", "ten", ["training.steps", "ten", "integer"]),
    ("training.steps", 0, ["training.steps", "0", "greater than or equal to 1"]),
    ("training.steps", 2.5, ["training.steps", "2.5"]),
    ("training.temperature", float("inf"), ["training.temperature", "inf", "finite"]),
    ("training.temperature", float("nan"), ["training.temperature", "nan"]),
    ("training.minibatches", 5, ["training.minibatches", "5", "prompts, 4"]),
    ("image.size", 16, ["image.size", "16", "32"]),
    ("objective.clip", 0.1, ["objective.clip", "allowed keys: kind, clip_low, clip_high"]),
    ("evaluation.sample", 1, ["evaluation.sample", "allowed keys: samples, temperature, presence_penalty"]),
    ("analysis.resample", 1, ["analysis.resample", "allowed keys: resamples, confidence, seed"]),
    ("objective.kind", "ppo", ["objective.kind", "ppo", "'dapo', 'grpo' or 'supervised'"]),
    ("objective", {"kind": "grpo", "clip_high": 0.3}, ["objective.clip_high: 0.3", "clip_low 0.2", "grpo"]),
    ("objective.kl_weight", 0.1, ["objective.kl_weight", "0.1", "grpo"]),
    ("analysis.baseline", "nothing", ["analysis.baseline", "nothing", "allowed: no_image"]),
    ("analysis.reference", "nothing", ["analysis.reference", "nothing", "allowed: no_image"]),
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
    ("methods.no_image.engine", {"kind": "vllm"}, ["methods.no_image", "engine", "allowed keys: kind, models, tasks"]),
    ("serving.problem", 9, ["serving.problem", "allowed keys: problems, variants"]),
    ("serving.variants", [], ["serving.variants"]),
    ("serving.variants", [0, 1], ["serving.variants", "0", "greater than or equal to 1"]),
    ("serving.variants", [1, 4, 4], ["serving", "[1, 4, 4]", "no number twice"]),
    ("serving", {"variants": [1, 8], "requests": 7}, ["serving", "[1, 8]", "none above requests", "(7)"]),
    ("serving", {"variants": [1, 8], "concurrency": 7}, ["serving", "[1, 8]", "none above requests", "(7)"]),
    ("seeds", [], ["seeds"]),
    ("seeds", [0, 1, 0], ["seeds: 0 is in the list twice"]),
    ("seeds", [-1], ["seeds.0", "greater than or equal to 0", "-1"]),
    ("seeds", [2**63], ["seeds.0", "less than 9223372036854775808", "9223372036854775808"]),
    ("methods.art.models", [], ["methods.art", "models", "at least 1"]),
    ("methods.art.tasks", ["arithmetic", "arithmetic"], ["methods.art.tasks: 'arithmetic' is in the list twice"]),
    ("results", "my results", ["results", "'my results'"]),
    ("name", "a/b", ["name", "a/b"]),
]


@pytest.mark.parametrize(("key", "value", "parts"), BAD, ids=[f"{key}={value}" for key, value, _ in BAD])
def test_a_bad_entry_is_named_with_its_value_and_what_is_allowed(
    plain: World, key: str, value: Any, parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(plain.changed(key, value), "some.yaml")
    message = str(caught.value)
    assert message.startswith("some.yaml: ")
    assert [part for part in parts if part not in message] == []
    assert "\n" not in message


# Folders that a shell, Snakemake or typst would read as something else.
UNFIT_FOLDERS = [
    "a b",
    "a'b",
    'a"b',
    "a&b",
    "a;b",
    "$(touch f)",
    "`f`",
    "~/a",
    "-a",
    "{a}",
    "a*",
    "a\n",
    "a\\b",
    "a|b",
    "#a",
]

# key: values at its bounds, and values just beyond
BOUNDS: dict[str, tuple[list[Any], list[Any]]] = {
    "name": (["a", "9", "A.b_c-2"], ["", ".a", "-a", "a b", "a\n"]),
    "results": (["r", "/a/b.c", "../r-1_2", "é/@a+b=c%"], ["", *UNFIT_FOLDERS]),
    "paper": (["p", "/a/b.c", "../p"], ["", *UNFIT_FOLDERS]),
    "models": ([{"a": {"path": "p"}}], [{}]),
    "tasks": ([{"a": {"scorer": "numeric"}}], [{}, {"a/b": {"scorer": "numeric"}}]),
    "models.tiny": ([{"path": "a/b", "revision": "0" * 40}], [{"path": "a/b", "revision": "0" * 39}]),
    "tasks.arithmetic.source": (
        [{"path": "p"}, {"repository": "a.b/c-d", "revision": "f" * 40}],
        [
            {"path": ""},
            {"repository": "a", "revision": "f" * 40},
            {"repository": "a/b/c", "revision": "f" * 40},
            {"repository": "a/b", "revision": "f" * 41},
            {"repository": "a/b", "revision": "F" * 40},
        ],
    ),
    "tasks.arithmetic.train": ([8], [7]),
    "tasks.arithmetic.validation": ([8], [7]),
    "tasks.arithmetic.test": ([8], [7]),
    "tasks.arithmetic.seed": ([0], [-1]),
    "image.size": ([32], [31]),
    "image.contrast": ([1e-9, 1.0], [0.0, 1.01]),
    "engine": (
        [{"kind": "server", "url": "https://a:1/x/v1"}, {"kind": "vllm", "importance_cap": 1e-9}],
        [{"kind": "server", "url": one} for one in ("ftp://a/v1", "http://a/v1/", "http://a b/v1", "http://k@a/v1")]
        + [{"kind": "vllm", "importance_cap": 0.0}],
    ),
    "engine.max_model_len": ([64], [63]),
    "engine.memory": ([1e-9, 0.999], [0.0, 1.0]),
    "engine.timeout": ([1e-9], [0.0]),
    "engine.retries": ([0], [-1]),
    "methods.random_image.draws": ([1], [0]),
    "methods.art.learning_rate": ([1e-9], [0.0]),
    "methods.art.betas": ([[0.0, 1.0]], [[-0.1, 0.9], [0.9, 1.1], [0.9]]),
    "methods.art.max_distance": ([1, 255], [0, 256]),
    "methods.lora.learning_rate": ([1e-9], [0.0]),
    "methods.lora.rank": ([1, 512], [0, 513]),
    "methods.lora.alpha": ([1], [0]),
    "methods.soft_prompt.learning_rate": ([1e-9], [0.0]),
    "objective.clip_low": ([1e-9, 0.999], [0.0, 1.0]),
    "objective.clip_high": ([1e-9, 5.0], [0.0]),
    "objective.std_floor": ([1e-9], [0.0]),
    "objective": ([{"kind": "grpo", "kl_weight": 0.0}, {"kind": "grpo", "kl_weight": 2.0}], [{"kl_weight": -0.1}]),
    "training.steps": ([1], [0]),
    "training.prompts": ([2], [0, 1]),  # the tiny world has two minibatches
    "training.completions": ([2], [1]),  # the standard deviation of one sample is not a number
    "training.minibatches": ([1, 4], [0, 5]),
    "training.max_resamples": ([0], [-1]),
    "training.temperature": ([1e-9], [0.0]),
    "training.max_new_tokens": ([1], [0]),
    "training.max_grad_norm": ([None, 1e-9], [0.0]),
    "training.snapshot_every": ([1], [0]),
    "training.validate_every": ([1], [0]),
    "training.validation_problems": ([1], [0]),
    "evaluation.samples": ([0], [-1]),
    "evaluation.temperature": ([1e-9], [0.0]),
    "evaluation.presence_penalty": ([0.0], [-0.1]),
    "evaluation.max_new_tokens": ([1], [0]),
    "evaluation.batch_size": ([1], [0]),
    "serving.problems": ([8], [7]),
    "serving.requests": ([16], [0, 15]),
    "serving.concurrency": ([16], [0, 15]),
    "serving.repeats": ([1], [0]),
    "serving.variants": ([[1], [16, 1]], [[], [0], [17], [2, 2]]),
    "analysis.resamples": ([100], [99]),
    "analysis.confidence": ([0.501, 0.999], [0.5, 1.0]),
    "analysis.seed": ([0], [-1]),
    "seeds": ([[0]], [[]]),
}


@pytest.mark.parametrize("key", BOUNDS)
def test_a_value_at_its_bound_is_taken_and_one_beyond_is_not(plain: World, key: str) -> None:
    allowed, refused = BOUNDS[key]
    for value in allowed:
        data = plain.changed(key, value)
        if key in ("models", "tasks"):
            data["methods"] = {name: {"kind": name} for name in ("no_image", "lora")}
        assert parse_config(data, "test").grid()
    for value in refused:
        with pytest.raises(ConfigError):
            parse_config(plain.changed(key, value), "test")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("training.steps", 0, "training.steps: Input should be greater than or equal to 1 (given: 0)"),
        ("engine", {"url": "http://a/v1"}, "engine: url 'http://a/v1' needs kind 'server', not 'transformers'"),
        ("objective.kl_weight", 0.1, "objective.kl_weight: 0.1 needs objective.kind grpo; else it must be 0"),
        ("tasks.arithmetic", {}, "tasks.arithmetic.scorer: Field required"),
        ("image.sise", 64, "image.sise: Extra inputs are not permitted (given: 64); allowed keys: size, contrast"),
    ],
)
def test_a_message_has_key_fault_and_value(plain: World, key: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(plain.changed(key, value), "some.yaml")
    assert str(caught.value) == f"some.yaml: {message}"


def test_all_faults_are_reported_at_once(plain: World) -> None:
    data = plain.changed("image.size", "x")
    data["training"]["steps"] = -1
    with pytest.raises(ConfigError) as caught:
        parse_config(data, "some.yaml")
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [", "not YAML: while parsing"),
        (b"\xff\xfe\x00", "not YAML: "),
        (b"- a list", "configuration: Input should be a valid dictionary"),
        (b"", "configuration: Input should be a valid dictionary"),
        (b"name: 3", "name: Input should be a valid string"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "some.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize(("part", "value"), [("model", "../up"), ("task", ""), ("seed", -1)])
def test_coordinates_of_the_wrong_form_are_refused(part: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{part}: .*given: {value!r}"):
        run_key(**{"model": "tiny", "task": "arithmetic", "method": "art", "seed": 0, part: value})


@pytest.mark.parametrize(
    ("entry", "keys", "others"),
    [
        ({"methods": {"image": {"kind": "art", "foo": 1}}}, {"basis", "max_distance"}, {"size", "contrast"}),
        ({"methods": {"engine": {"kind": "art", "foo": 1}}}, {"basis"}, {"url"}),
        ({"methods": {"lora": {"kind": "soft_prompt", "foo": 1}}}, {"learning_rate"}, {"rank"}),
        ({"methods": {"image": {"kind": "art", "engine": {"foo": 1}}}}, {"url", "retries"}, {"contrast", "basis"}),
        ({"tasks": {"source": {"scorer": "numeric", "foo": 1}}}, {"scorer", "seed"}, {"repository"}),
        ({"tasks": {"seed": {"scorer": "numeric", "source": {"foo": 1}}}}, {"repository", "path"}, {"scorer"}),
        ({"models": {"path": {"path": "x", "foo": 1}}}, {"family", "dtype"}, {"seeds"}),
    ],
)
def test_a_name_that_is_a_key_elsewhere_confuses_no_message(
    plain: World, entry: dict[str, Any], keys: set[str], others: set[str]
) -> None:
    (section,) = entry
    data = plain.mapping()
    with pytest.raises(ConfigError, match="allowed keys: ") as caught:
        parse_config(data | {section: data[section] | entry[section]}, "a file")
    (line,) = [line for line in str(caught.value).splitlines() if "allowed keys" in line]
    listed = set(line.split("allowed keys: ")[1].split(", "))
    assert keys <= listed and not others & listed


@pytest.mark.parametrize("section", ["seeds", "seed of a run"])
def test_every_seed_of_the_configuration_is_one_of_a_run(plain: World, section: str) -> None:
    for seed, fits in ((0, True), (2**63 - 1, True), (-1, False), (2**63, False)):
        try:
            if section == "seeds":
                parse_config(plain.changed("seeds", [seed]), "some.yaml").grid()
            else:
                run_key("tiny", "arithmetic", "art", seed)
        except ConfigError:
            assert not fits
        else:
            assert fits


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: {c: 1}\na: 2\n", "the key 'a' is there twice.*line 3, column 1"),
        ("methods:\n  art: {kind: art}\n  art: {kind: art}\n", "the key 'art' is there twice.*line 3, column 3"),
        ('{"a": 1, "a": 2}', "the key 'a' is there twice.*line 1"),
        ("a: [{b: {c: 1, 'c': 2}}]", "the key 'c' is there twice"),
        ("a: " + "9" * 5000, "not YAML: .*digits"),
        ("a: !!int x", "not YAML: .*'x'"),
        ("a: " + "[" * 3000, "nested too deep"),
        ("a: 2020-13-45", "not YAML: month"),
        ("a: {[b]: 1}", "not YAML: .*unhashable"),
        ("a: !!python/object:os.system {}", "not YAML: .*python"),
        ("a: [", "not YAML"),
        ('a: !!int ""', "not YAML"),
        ("a: !!bool q", "not YAML"),
        ("a: !!timestamp q", "not YAML"),
        ("!!map [a]", "not YAML"),
    ],
)
def test_yaml_that_cannot_be_read_or_has_a_key_twice_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"(?s)^{re.escape(str(path))}: .*{message}") as caught:
        load_config(path)
    assert len(str(caught.value)) < 7000


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_bytes(b"name: \xff")
    with pytest.raises(ConfigError, match=f"^{re.escape(str(path))}: not YAML: .*utf-8"):
        load_config(path)


def test_a_message_quotes_a_large_value_in_short(plain: World) -> None:
    large = ["x" * 10_000]
    for _ in range(12):
        large = [large] * 9  # a few lists that show themselves as many gigabytes
    with pytest.raises(ConfigError, match=r"\.\.\.") as caught:
        parse_config(plain.changed("name", large), "some.yaml")
    assert len(str(caught.value)) < 10_000


def test_merged_keys_may_be_written_over(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb: &b {<<: *a, x: 3}\nc: {<<: [*a, *b], x: 4}\n")
    deep = tmp_path / "deep.yaml"
    deep.write_text("b: &b {k: 1}\nd:\n  x: &x\n    <<: *b\n    k: 2\ny:\n  <<: *x\n")
    assert read_yaml(deep) == yaml.safe_load(deep.read_text())
    assert read_yaml(path) == {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}, "c": {"x": 4, "y": 2}}
