"""Digests: each setting changes the digests of the results that depend on it, and no others."""

from __future__ import annotations

from typing import Any

import pytest

from art.config.digests import digest, evaluation_digest, run_digest, serving_digest
from art.config.experiment import Config
from art.config.methods import METHOD_SECTIONS
from art.config.reading import parse_config
from art.config.sections import ModelSection, TaskSection

CONTROLS, TRAINED = {"no_image", "random_image"}, {"art", "lora", "soft_prompt"}
ALL = CONTROLS | TRAINED
SERVER = {"kind": "server", "url": "http://here/v1"}
DATA: dict[str, Any] = {
    "name": "some",
    "seeds": [0, 1],
    "models": {"small": {"path": "own/er"}},
    "tasks": {"sums": {"scorer": "numeric", "source": {"path": "a"}}},
    "methods": {name: {"kind": name} for name in sorted(ALL)},
    "engine": SERVER,
    "serving": {},
}

# What a change makes stale: the runs of these methods, all evaluations or not, the serving check or not.
NOTHING, SERVED, SCORED = (set(), False, False), (set(), False, True), (set(), True, True)
EVERYTHING, TRAINING = (ALL, True, True), (TRAINED, False, True)
ENGINE = (TRAINED, True, True)

CHANGES: dict[str, tuple[Any, tuple[set[str], bool, bool]]] = {
    **{"name": ("other", NOTHING), "results": ("there", NOTHING), "paper": ("there", NOTHING)},
    "seeds": ([0, 1, 2], NOTHING),
    "models.small.family": ("qwen3_vl", EVERYTHING),
    "models.small.path": ("other", EVERYTHING),
    "models.small.revision": ("0" * 40, EVERYTHING),
    "models.small.device": ("cpu", EVERYTHING),
    "models.small.dtype": ("bfloat16", EVERYTHING),
    "tasks.sums.scorer": ("tool_call", EVERYTHING),
    "tasks.sums.source": ({"path": "b"}, EVERYTHING),
    **{f"tasks.sums.{name}": (9, EVERYTHING) for name in ("train", "validation", "test", "seed")},
    "image.size": (96, EVERYTHING),
    "image.contrast": (0.6, EVERYTHING),
    "methods.random_image.draws": (4, NOTHING),
    **{f"methods.{name}.models": (["small"], NOTHING) for name in sorted(ALL)},
    **{f"methods.{name}.tasks": (["sums"], NOTHING) for name in sorted(ALL)},
    **{f"methods.{name}.learning_rate": (0.3, ({name}, False, True)) for name in sorted(TRAINED)},
    **{f"methods.{name}.betas": ([0.8, 0.9], ({name}, False, True)) for name in sorted(TRAINED)},
    **{f"methods.{name}.engine": ({"kind": "vllm"}, ({name}, False, True)) for name in sorted(TRAINED)},
    "methods.art.basis": ("pixel", ({"art"}, False, True)),
    "methods.art.start": ("grey", ({"art"}, False, True)),
    "methods.art.max_distance": (9, ({"art"}, False, True)),
    "methods.lora.rank": (9, ({"lora"}, False, True)),
    "methods.lora.alpha": (9, ({"lora"}, False, True)),
    "objective.kind": ("supervised", TRAINING),
    **{f"objective.{name}": (0.3, TRAINING) for name in ("clip_low", "clip_high", "std_floor")},
    "objective": ({"kind": "grpo", "kl_weight": 0.1}, TRAINING),
    **{f"training.{name}": (9, TRAINING) for name in ("steps", "prompts", "completions", "minibatches")},
    **{f"training.{name}": (9, TRAINING) for name in ("max_resamples", "max_new_tokens", "validation_problems")},
    **{f"training.{name}": (9, TRAINING) for name in ("snapshot_every", "validate_every")},
    **{f"training.{name}": (0.9, TRAINING) for name in ("temperature", "max_grad_norm")},
    "engine.kind": ("vllm", ENGINE),
    "engine.url": ("http://there/v1", NOTHING),
    "engine.importance_cap": (1.5, TRAINING),
    **{f"engine.{name}": (99, NOTHING) for name in ("max_model_len", "timeout", "retries")},
    "engine.memory": (0.1, NOTHING),
    **{f"evaluation.{name}": (9, SCORED) for name in ("samples", "max_new_tokens", "batch_size")},
    **{f"evaluation.{name}": (0.9, SCORED) for name in ("temperature", "presence_penalty")},
    "serving": (None, SERVED),
    **{f"serving.{name}": (99, SERVED) for name in ("problems", "requests", "concurrency", "repeats")},
    "serving.variants": ([1, 2], SERVED),
    **{f"analysis.{name}": (999, NOTHING) for name in ("resamples", "seed")},
    "analysis.confidence": (0.9, NOTHING),
    **{f"analysis.{name}": ("art", NOTHING) for name in ("baseline", "reference")},
}


def changed(key: str, value: Any) -> Config:
    """The configuration with the dotted key set; the URL is removed where the engine is not a server."""
    data = parse_config(DATA, "test").model_dump(mode="json", exclude_unset=True)
    *path, last = key.split(".")
    place = data
    for part in path:
        place = place.setdefault(part, {})
    place[last] = value
    if data["engine"]["kind"] != "server":
        data["engine"].pop("url")
    return parse_config(data, "test")


def digests(config: Config, method: str) -> tuple[str, str]:
    return run_digest(config, "small", "sums", method), evaluation_digest(config, "small", "sums", method)


@pytest.mark.parametrize("key", CHANGES)
def test_a_setting_makes_stale_what_depends_on_it_and_nothing_else(key: str) -> None:
    value, (runs, evaluations, serving) = CHANGES[key]
    before, after = parse_config(DATA, "test"), changed(key, value)
    assert after != before
    stale = [{name for name in ALL if digests(before, name)[i] != digests(after, name)[i]} for i in (0, 1)]
    assert stale == [runs, ALL if evaluations else runs]
    assert (serving_digest(before, "small", "sums") != serving_digest(after, "small", "sums")) == serving


def test_every_setting_is_in_the_list_above() -> None:
    sections: dict[str, Any] = {"models.small": ModelSection, "tasks.sums": TaskSection}
    sections |= {f"methods.{name}": METHOD_SECTIONS[name] for name in ALL}
    sections |= {name: type(one) for name, one in parse_config(DATA, "test") if hasattr(one, "model_fields_set")}
    fields = {f"{name}.{field}" for name, section in sections.items() for field in section.model_fields}
    discriminators = {f"methods.{name}.kind" for name in ALL}
    plain = {name for name in Config.model_fields if name not in sections} - {"models", "tasks", "methods"}
    # kl_weight needs another kind of objective, so CHANGES sets the whole section
    assert (fields | plain) - discriminators - {"objective.kl_weight"} == set(CHANGES) - {"objective", "serving"}


def test_kinds_of_a_method_differ() -> None:
    config = parse_config(DATA, "test")
    assert len({one for name in ALL for one in digests(config, name)}) == 2 * len(ALL)


def test_the_serving_digest_is_of_one_model_and_task() -> None:
    more = {"models": DATA["models"] | {"large": {"path": "b"}}, "tasks": DATA["tasks"] | {"b": {"scorer": "numeric"}}}
    before, after = parse_config(DATA, "test"), parse_config(DATA | more, "test")
    assert serving_digest(before, "small", "sums") == serving_digest(after, "small", "sums")


def test_the_serving_digest_knows_which_seed_is_served() -> None:
    first, other = (parse_config(DATA | {"seeds": seeds}, "test") for seeds in ([0, 1], [1, 0]))
    assert serving_digest(first, "small", "sums") != serving_digest(other, "small", "sums")


def test_the_importance_weight_counts_where_an_engine_samples_for_a_policy() -> None:
    def runs(engine: dict[str, Any]) -> str:
        return run_digest(parse_config(DATA | {"engine": engine}, "test"), "small", "sums", "art")

    assert len({runs(engine) for engine in ({}, SERVER, {"kind": "vllm"}, SERVER | {"importance_cap": None})}) == 4


def test_a_digest_is_the_start_of_the_hash_of_canonical_json() -> None:
    """``printf '{"a":[null,1.5],"b":"x"}' | sha256sum``"""
    assert digest({"b": "x", "a": [None, 1.5]}) == "51295f2378c7c529"


def test_a_methods_own_engine_trains_it_and_the_experiments_evaluates() -> None:
    data = DATA | {"engine": {}}
    own = data | {"methods": DATA["methods"] | {"art": {"kind": "art", "engine": {"kind": "vllm"}}}}
    configs = [parse_config(one, "test") for one in (own, data | {"engine": {"kind": "vllm"}}, data)]
    runs, evaluations = zip(*(digests(config, "art") for config in configs), strict=True)
    assert runs[0] == runs[1] != runs[2]
    assert len(set(evaluations)) == 3
    assert digests(configs[0], "lora") == digests(configs[2], "lora")
