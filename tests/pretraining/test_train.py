"""Pretraining on a small scale: a checkpoint that loads, the same every time, and trained as the stages say."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

from art.errors import ConfigError
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.tasks.generated.problems import problems
from pretraining import train as module
from pretraining.batches import batches as corpus_batches
from pretraining.batches import encode
from pretraining.corpus import Document
from pretraining.recipe import PretrainConfig, Stage, load_recipe
from pretraining.train import forward, pretrain, run_stage

RECIPE = {
    "name": "test",
    "shape": {
        "hidden": 64,
        "feed_forward": 64,
        "vision_hidden": 32,
        "vision_depth": 1,
        "image_size": 64,
        "vocabulary": 600,
    },
    "stages": [
        {"trains": "language", "steps": 2},
        {"trains": "vision", "steps": 3, "mixture": {"task": 0, "skill": 0, "described": False}},
    ],
    "tokenizer_documents": 200,
    "batch": 4,
    "pool": 2,
}


@pytest.fixture(scope="module")
def recipe() -> PretrainConfig:
    return PretrainConfig.model_validate(RECIPE)


@pytest.fixture(scope="module")
def made(recipe: PretrainConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("pretrained") / "test"
    return out, pretrain(recipe, out, steps=2)


def test_the_auto_classes_load_it(made: tuple[Path, list[dict]]) -> None:
    out, log = made
    model = AutoModelForImageTextToText.from_pretrained(out)
    tokenizer = AutoTokenizer.from_pretrained(out)
    processor = AutoImageProcessor.from_pretrained(out, use_fast=False)
    assert type(model).__name__ == "Qwen3_5ForConditionalGeneration"
    assert type(processor).__name__.startswith("Qwen2VLImageProcessor")
    assert model.dtype == torch.bfloat16
    for token in ("<|im_end|>", "<|image_pad|>", "<tool_call>"):
        assert tokenizer.decode(tokenizer(token).input_ids) == token and len(tokenizer(token).input_ids) == 1
    assert model.config.image_token_id == tokenizer.convert_tokens_to_ids("<|image_pad|>")
    assert [(entry["stage"], entry["step"]) for entry in log] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert all(5 < entry["loss"] < 8 for entry in log)


def test_it_is_the_same_every_time(recipe: PretrainConfig, made: tuple[Path, list[dict]], tmp_path: Path) -> None:
    out, log = made
    assert pretrain(recipe, tmp_path / "again", steps=2) == log
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()


def test_finished_stages_are_not_run_again(
    recipe: PretrainConfig, made: tuple[Path, list[dict]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Continuing from a stage's file gives the same bytes as one uninterrupted run."""
    out, log = made
    ran: list[int] = []

    def follow(config: PretrainConfig, number: int, *given: Any) -> list[dict]:
        ran.append(number)
        return run_stage(config, number, *given)

    monkeypatch.setattr(module, "run_stage", follow)
    for folder in ("stage1", "stage2"):
        shutil.copytree(out / folder, tmp_path / folder)
    assert pretrain(recipe, tmp_path, steps=2) == log and ran == []
    (tmp_path / "stage2/log.json").unlink()
    again = pretrain(recipe, tmp_path, steps=2)
    assert again == log and ran == [1]
    assert (tmp_path / "model.safetensors").read_bytes() == (out / "model.safetensors").read_bytes()
    assert len(pretrain(recipe, tmp_path, steps=1)) == 2 and ran == [1, 0, 1], "another limit of steps"


def test_each_stage_moves_its_own_part(made: tuple[Path, list[dict]]) -> None:
    out, _ = made
    stages = [load_file(out / folder / "model.safetensors") for folder in ("stage1", "stage2")]
    moved = {name for name in stages[0] if not torch.equal(stages[0][name], stages[1][name])}
    assert moved and all(".visual." in name for name in moved)
    assert load_file(out / "model.safetensors").keys() == stages[1].keys()


def test_documents_end_like_the_policys_prompts(made: tuple[Path, list[dict]]) -> None:
    """Pretraining shows the same tokens before an answer as the policy before a completion."""
    policy = Policy(made[0])
    for task in ("arithmetic", "tool_call"):
        (problem,) = problems(task, "test", 1, 0)
        ids, weights = encode(policy.tokenizer, Document(problem.question, "yes", None, problem.tools), 0.1, 4)
        prompt = policy.prompts.encode(problem, Prefix())[0]
        assert ids[: len(prompt)] == prompt
        assert ids[len(prompt) :] == policy.tokenizer("yes<|im_end|>").input_ids
        assert weights == [0.1] * len(prompt) + [1.0] * (len(ids) - len(prompt))


def test_padding_is_never_seen(recipe: PretrainConfig, made: tuple[Path, list[dict]]) -> None:
    policy = Policy(made[0])
    batch = next(one for one in corpus_batches(recipe, 0, policy.tokenizer) if one.images is None)
    with torch.no_grad():
        together = forward(policy.model, batch)
        for row in range(len(batch.ids)):
            length = int(batch.weights[row].nonzero().max()) + 1
            alone = policy.model(input_ids=batch.ids[row : row + 1, :length], use_cache=False).logits[0, :-1]
            torch.testing.assert_close(together[row, : length - 1], alone, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stages": []}, "stages"),
        ({"stages": None}, "stages"),
        ({"shape": {"hiden": 3}}, "hiden"),
        ({"shape": {"layers": 6}}, "layers"),
        ({"shape": {"vision_hidden": 48}}, "vision_hidden"),
        ({"shape": {"image_size": 80}}, "image_size"),
        ({"name": None}, "name"),
        ({"seed": -1}, "seed"),
        ({"tokenizer_documents": 0}, "tokenizer_documents"),
        ({"batch": 0}, "batch"),
        ({"pool": 0}, "pool"),
        ({"prompt_weight": -0.1}, "prompt_weight"),
        ({"report_every": 0}, "report_every"),
        ({"stages": [{"trains": "both", "steps": 1}]}, "trains"),
        ({"stages": [{"trains": "language", "steps": 0}]}, "steps"),
        ({"stages": [{"trains": "language", "steps": 1, "warmup": 0}]}, "warmup"),
        ({"stages": [{"trains": "language", "steps": 1, "decay_from": -0.1}]}, "decay_from"),
        ({"stages": [{"trains": "language", "steps": 1, "decay_from": 1.1}]}, "decay_from"),
    ],
)
def test_a_bad_recipe_is_named(tmp_path: Path, change: dict, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**RECIPE, **change}))
    with pytest.raises(ConfigError, match=rf"recipe\.yaml: (.|\n)*{message}\n"):
        load_recipe(path)


def test_a_recipe_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        load_recipe(tmp_path / "none.yaml")
    (tmp_path / "recipe.yaml").write_text("{")
    with pytest.raises(ConfigError, match=r"recipe\.yaml: while parsing"):
        load_recipe(tmp_path / "recipe.yaml")


def test_the_edges_of_the_allowed_are_allowed() -> None:
    edges = {"seed": 0, "batch": 1, "pool": 1, "prompt_weight": 0.0, "report_every": 1, "tokenizer_documents": 1}
    stages = [{"trains": "language", "steps": 1, "warmup": 1, "decay_from": share} for share in (0.0, 1.0)]
    made = PretrainConfig.model_validate({**RECIPE, **edges, "stages": stages})
    assert [stage.decay_from for stage in made.stages] == [0.0, 1.0]
    assert Stage(trains="vision", steps=1).decay_from == 1.0


def test_the_shipped_recipes_validate() -> None:
    folder = Path(__file__).parents[2] / "config/pretrain"
    names = {path.stem: load_recipe(path) for path in folder.glob("*.yaml")}
    assert {recipe.name for recipe in names.values()} == set(names)
    assert all(isinstance(stage, Stage) for recipe in names.values() for stage in recipe.stages)
