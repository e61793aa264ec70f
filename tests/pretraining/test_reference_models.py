"""Today's code and recipes make the shipped reference models, and these have the headroom that their cards say."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from transformers import AutoModelForImageTextToText, AutoTokenizer, Qwen3_5ForConditionalGeneration

from art.files import read_json
from art.models.policy import Policy
from pretraining.card import SCORER_OF, evaluate_reference
from pretraining.corpus import documents
from pretraining.recipe import load_recipe
from pretraining.reference_model import ReferenceShape, build_model, save_checkpoint, train_tokenizer
from pretraining.train import run_stage

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (ROOT / "config/pretrain").glob("*.yaml"))


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_first_steps_repeat_the_recorded_losses(name: str, tmp_path: Path) -> None:
    """Any change in tokenizer, initial weights, batches, objective or optimiser would change these losses."""
    torch.set_num_threads(1)
    folder = ROOT / "checkpoints" / name
    recipe = load_recipe(ROOT / f"config/pretrain/{name}.yaml")
    stream = documents(recipe.seed, recipe.shape.image_size, recipe.stages[0].mixture)
    sample = itertools.islice(stream, recipe.tokenizer_documents)
    tokenizer = train_tokenizer((text for d in sample for text in (d.question, d.completion)), recipe.shape.vocabulary)
    tokenizer.save_pretrained(tmp_path)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (tmp_path / file).read_text() == (folder / file).read_text(), file
    torch.manual_seed(recipe.seed)
    log = run_stage(recipe, 0, build_model(recipe.shape, tokenizer, recipe.seed), tokenizer, steps=3)
    recorded = read_json(folder / "pretraining.json")["log"][:3]
    assert [entry["loss"] for entry in log] == pytest.approx([entry["loss"] for entry in recorded], rel=1e-3)
    assert [entry["tokens"] for entry in log] == [entry["tokens"] for entry in recorded]


def test_configuration_and_files_are_those_that_are_made_today(name: str, tmp_path: Path) -> None:
    """Sizes and settings of architecture and processor are equal, and the checkpoint loads like any other."""
    folder = ROOT / "checkpoints" / name
    shape = load_recipe(ROOT / f"config/pretrain/{name}.yaml").shape
    model = AutoModelForImageTextToText.from_pretrained(folder)
    assert type(model).__name__ == "Qwen3_5ForConditionalGeneration" and model.dtype == torch.bfloat16
    tokenizer = AutoTokenizer.from_pretrained(folder)
    save_checkpoint(tmp_path, build_model(shape, tokenizer, 0), tokenizer, shape)
    again = Qwen3_5ForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32)  # as after every stage
    save_checkpoint(tmp_path, again, tokenizer, shape)
    for file in ("config.json", "generation_config.json", "preprocessor_config.json"):
        made, shipped = ({**read_json(where / file), "transformers_version": None} for where in (tmp_path, folder))
        assert made == shipped, file
    assert AutoTokenizer.from_pretrained(tmp_path).get_vocab() == tokenizer.get_vocab()


def test_the_default_shape_is_the_smaller_models() -> None:
    assert load_recipe(ROOT / "config/pretrain/tiny-1m.yaml").shape == ReferenceShape()


def test_linear_attention_starts_with_a_memory_of_ten_to_a_thousand_tokens(tiny_policy: Policy) -> None:
    """Time steps softplus(dt_bias) spread by equal factors over [0.001, 0.1]; decays exp(A_log) evenly over [1, 4]."""
    shape = ReferenceShape(hidden=64, feed_forward=64, linear_heads=3, vision_hidden=32, vision_depth=1, image_size=64)
    layers = build_model(shape, tiny_policy.tokenizer, 0).model.language_model.layers
    linear = [layer.linear_attn for layer in layers if hasattr(layer, "linear_attn")]
    assert len(linear) == 3
    for layer in linear:
        assert functional.softplus(layer.dt_bias).tolist() == pytest.approx([0.001, 0.01, 0.1], rel=1e-3)
        assert layer.A_log.exp().tolist() == pytest.approx([1.0, 2.5, 4.0])


def test_initial_weights_depend_on_the_seed_alone(tiny_policy: Policy) -> None:
    shape = ReferenceShape(hidden=64, feed_forward=64, vision_hidden=32, vision_depth=1, image_size=64)
    first, again, other = (
        build_model(shape, tiny_policy.tokenizer, seed).model.visual.patch_embed.proj.weight for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_saving_leaves_the_model_in_float32(tiny_policy: Policy, tmp_path: Path) -> None:
    shape = ReferenceShape(hidden=64, feed_forward=64, vision_hidden=32, vision_depth=1, image_size=64)
    model = build_model(shape, tiny_policy.tokenizer, 0)
    save_checkpoint(tmp_path, model, tiny_policy.tokenizer, shape)
    assert model.dtype == torch.float32
    assert {tensor.dtype for tensor in load_file(tmp_path / "model.safetensors").values()} == {torch.bfloat16}


def test_recorded_accuracy_is_real(name: str) -> None:
    """A fresh evaluation of fewer problems agrees with the card, within four standard errors."""
    recorded = read_json(ROOT / "checkpoints" / name / "pretraining.json")["evaluation"]["greedy_accuracy"]
    fresh = evaluate_reference(ROOT / "checkpoints" / name, count=60)
    for task, row in recorded.items():
        for condition in ("no_image", "cue_careful"):
            assert fresh[task][condition] == pytest.approx(row[condition], abs=0.26), (task, condition)


@pytest.mark.parametrize("model", NAMES)
@pytest.mark.parametrize("task", SCORER_OF)
def test_headroom(model: str, task: str) -> None:
    """The base model's accuracy is well between 0 and 1, and a cue shows that the model can do much better."""
    facts = read_json(ROOT / "checkpoints" / model / "pretraining.json")
    row = facts["evaluation"]["greedy_accuracy"][task]
    assert 0.15 <= row["no_image"] <= 0.60
    assert row["ceiling"] >= 0.85
