"""The shipped reference models are what today's code and recipes make, and leave the headroom that they claim."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

from art.config import digest
from art.models.reference import build_model, train_tokenizer
from art.pretrain import load_recipe, run_stage
from art.records import read_json
from art.reference_card import SCORER_OF, corpus_digest, evaluate_reference
from art.synthetic.corpus import documents

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (ROOT / "config/pretrain").glob("*.yaml"))


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_recipe_and_corpus_are_those_of_the_weights(name: str) -> None:
    facts = read_json(ROOT / "checkpoints" / name / "pretraining.json")
    recipe = load_recipe(ROOT / f"config/pretrain/{name}.yaml")
    assert facts["recipe_digest"] == digest(recipe.model_dump(mode="json"))
    assert facts["corpus_digest"] == corpus_digest(recipe)


def test_first_steps_repeat_the_recorded_losses(name: str) -> None:
    """Tokenizer, initial weights, batches, objective and optimiser: any change in one of them moves these losses."""
    torch.set_num_threads(1)
    folder = ROOT / "checkpoints" / name
    recipe = load_recipe(ROOT / f"config/pretrain/{name}.yaml")
    stream = documents(recipe.seed, recipe.shape.image_size, recipe.stages[0].mixture)
    sample = itertools.islice(stream, recipe.tokenizer_documents)
    tokenizer = train_tokenizer((text for d in sample for text in (d.question, d.completion)), recipe.shape.vocabulary)
    assert tokenizer.get_vocab() == AutoTokenizer.from_pretrained(folder).get_vocab()
    torch.manual_seed(recipe.seed)
    log = run_stage(recipe, 0, build_model(recipe.shape, tokenizer, recipe.seed), tokenizer, steps=3)
    recorded = read_json(folder / "pretraining.json")["log"][:3]
    assert [entry["loss"] for entry in log] == pytest.approx([entry["loss"] for entry in recorded], rel=1e-3)
    assert [entry["tokens"] for entry in log] == [entry["tokens"] for entry in recorded]


def test_loads_like_any_checkpoint(name: str) -> None:
    folder = ROOT / "checkpoints" / name
    model = AutoModelForImageTextToText.from_pretrained(folder)
    assert type(model).__name__ == "Qwen3_5ForConditionalGeneration"
    assert model.dtype == torch.bfloat16
    assert AutoTokenizer.from_pretrained(folder).chat_template
    assert AutoImageProcessor.from_pretrained(folder).patch_size == 16


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
    """The base lies well between 0 and 1, and a cue in words shows that the model can do much better."""
    facts = read_json(ROOT / "checkpoints" / model / "pretraining.json")
    row = facts["evaluation"]["greedy_accuracy"][task]
    assert 0.15 <= row["no_image"] <= 0.60
    assert row["ceiling"] >= 0.85
