"""One stage of pretraining against values by hand: batches, learning rates, the loss and one update."""

from __future__ import annotations

import functools
import itertools
import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from art.config.registry import GENERATORS, implementation
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.store.problem import Problem, problem_id
from art.tasks.generated.drawn import Drawn
from pretraining import train as module
from pretraining.batches import Batch, collate, encode
from pretraining.corpus import Document
from pretraining.recipe import PretrainConfig, Stage
from pretraining.reference_model import ReferenceShape, build_model
from pretraining.train import ceilings, optimisers, rate, run_stage, stage_digest
from pretraining.writers import CUES


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint: Path):
    return AutoTokenizer.from_pretrained(tiny_checkpoint)


def recipe(*stages: Stage, **settings) -> PretrainConfig:
    return PretrainConfig(name="x", stages=list(stages), **settings)


# -- batches -------------------------------------------------------------------------------------------------------


def test_pictures_are_shown_to_the_model_as_its_processor_would(tiny_policy: Policy, tokenizer) -> None:
    rng = np.random.default_rng(0)
    shown = [Document("hi", "no", rng.integers(0, 256, (64, 64, 3), np.uint8)), Document("ha", "yes")]
    shown.append(Document("ho", "so", rng.integers(0, 256, (64, 64, 3), np.uint8)))
    rows = [encode(tokenizer, one, 0.1, 4) for one in shown]
    batch = collate(rows, [one.pixels for one in shown if one.pixels is not None], tokenizer.pad_token_id)
    with torch.no_grad():
        logits = module.forward(tiny_policy.model, batch)
        assert logits.shape[:2] == (3, batch.ids.shape[1] - 1)
        for index in (0, 2):
            levels = torch.from_numpy(shown[index].pixels).permute(2, 0, 1).float()
            text = shown[index].question
            problem = Problem(id=problem_id(text, "1"), question=text, answer="1")
            prompt = tiny_policy.prompts.encode(problem, Prefix(image=levels))[0]
            assert rows[index][0][: len(prompt)] == prompt
            last = tiny_policy.prefill([problem], Prefix(image=levels)).hidden
            wanted = tiny_policy.model.lm_head(last)[0]
            torch.testing.assert_close(logits[index, len(prompt) - 1], wanted, rtol=0, atol=1e-4)


# -- learning rates and optimisers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "wanted"),
    [
        ({"steps": 10, "warmup": 4, "decay_from": 0.5}, [0.25, 0.5, 0.75, 1, 1, 1, 0.8, 0.6, 0.4, 0.2]),
        ({"steps": 3, "warmup": 1, "decay_from": 1.0}, [1, 1, 1]),
        ({"steps": 4, "warmup": 2, "decay_from": 0.0}, [0.5, 0.75, 0.5, 0.25]),
    ],
)
def test_the_rate_warms_up_stays_and_decays(stage: dict, wanted: list[float]) -> None:
    made = Stage(trains="language", **stage)
    assert [rate(step, made) for step in range(made.steps)] == pytest.approx(wanted)


def test_the_rate_ends_at_a_hundredth() -> None:
    assert rate(999, Stage(trains="language", steps=1000, decay_from=0.0)) == 0.01


# The name of a layer, its matrices, and some of the parameters that are no matrices or outside the layers.
LAYERS = {
    "language": (
        "model.language_model.layers.0.",
        {f"linear_attn.{name}.weight" for name in ("in_proj_qkv", "in_proj_z", "in_proj_b", "in_proj_a", "out_proj")}
        | {f"mlp.{name}.weight" for name in ("gate_proj", "up_proj", "down_proj")},
        {"embed_tokens.weight", "norm.weight", "layers.0.linear_attn.conv1d.weight", "layers.0.linear_attn.A_log"},
    ),
    "vision": (
        "model.visual.",
        {f"blocks.0.{name}.weight" for name in ("attn.qkv", "attn.proj", "mlp.linear_fc1", "mlp.linear_fc2")}
        | {f"merger.linear_fc{number}.weight" for number in (1, 2)},
        {"patch_embed.proj.weight", "pos_embed.weight", "blocks.0.norm1.weight", "merger.norm.weight"},
    ),
}


@pytest.mark.parametrize("part", LAYERS)
def test_matrices_of_the_layers_go_to_muon_all_else_to_adamw(tokenizer, part: str) -> None:
    shape = ReferenceShape(hidden=64, feed_forward=64, vision_hidden=32, vision_depth=1, image_size=64)
    model = build_model(shape, tokenizer, 0)
    stage = Stage(trains=part, steps=1, muon_learning_rate=0.3, adamw_learning_rate=0.2, weight_decay=0.1)
    muon, adamw = optimisers(model, stage)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    sets = [{names[id(one)] for one in group.param_groups[0]["params"]} for group in (muon, adamw)]
    assert {name.startswith("model.visual.") for name in sets[0] | sets[1]} == {part == "vision"}
    moving = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert sets[0] | sets[1] == moving
    layer, matrices, rest = LAYERS[part]
    where = layer.removesuffix("layers.0.")
    assert {name.removeprefix(layer) for name in sets[0] if name.startswith(layer)} == matrices
    assert {where + name for name in rest} <= sets[1]
    assert [group.param_groups[0]["lr"] for group in (muon, adamw)] == [0.3, 0.2]
    assert [group.param_groups[0]["weight_decay"] for group in (muon, adamw)] == [0.1, 0.1]
    assert adamw.param_groups[0]["betas"] == (0.9, 0.95) and isinstance(muon, torch.optim.Muon)


# -- a stage -------------------------------------------------------------------------------------------------------


class Constant(nn.Module):
    """A model with the same four logits everywhere."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))


class Toy:
    """``run_stage`` with a constant model, plain gradient descent and batches of one literal document."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, weights: tuple[float, ...] = (0.0, 0.5, 1.0)) -> None:
        batch = Batch(torch.tensor([[0, 1, 2]]), torch.tensor([weights]), None)
        self.modes: list[bool] = []
        self.rates: list[float] = []
        monkeypatch.setattr(module, "batches", lambda *_: itertools.repeat(batch))
        monkeypatch.setattr(module, "forward", self._forward)
        monkeypatch.setattr(module, "optimisers", self._optimisers)
        monkeypatch.setattr(module, "ceilings", lambda model, tokenizer, count: {"toy": count})

    def _forward(self, model: Constant, batch: Batch) -> Tensor:
        self.modes.append(model.training)
        return model.logits.expand(1, 2, 4)

    def _optimisers(self, model: Constant, stage: Stage) -> list[torch.optim.Optimizer]:
        made = torch.optim.SGD(model.parameters(), lr=2.0)
        made.register_step_pre_hook(lambda *_: self.rates.append(made.param_groups[0]["lr"]))
        return [made]

    def run(self, model: Constant, steps: int | None = None, every: int = 5, **settings) -> list[dict]:
        stage = Stage(trains="language", **{"steps": 6, "warmup": 1, **settings})
        return run_stage(recipe(stage, report_every=every), 0, model, None, steps)


def test_an_update_follows_the_weighted_mean_of_the_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Softmax minus target is (1, -3, 1, 1) / 4 for token 1 and (1, 1, -3, 1) / 4 for token 2; weights 1 : 2."""
    model = Constant(0.0, 0.0, 0.0, 0.0)
    (entry,) = Toy(monkeypatch).run(model, steps=1, warmup=4)
    assert entry == {"stage": 1, "step": 1, "loss": pytest.approx(math.log(4)), "tokens": 2}
    gradient = np.array([3, -1, -5, 3]) / 12
    assert model.logits.tolist() == pytest.approx((-2.0 / 4 * gradient).tolist())  # a quarter of the rate: warm-up


def test_the_log_holds_the_answers_loss_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    (entry,) = Toy(monkeypatch).run(Constant(0.0, 0.0, 2.0, 0.0), steps=1)
    assert entry["loss"] == pytest.approx(math.log(3 + math.exp(2)) - 2)


def test_a_gradient_is_cut_to_length_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Constant(30.0, 0.0, 0.0, 0.0)
    Toy(monkeypatch, (0.0, 0.0, 1.0)).run(model, steps=1)  # gradient (1, 0, -1, 0)
    assert (model.logits.detach() - torch.tensor([30.0, 0, 0, 0])).tolist() == pytest.approx(
        [-math.sqrt(2), 0, math.sqrt(2), 0], abs=1e-4
    )


def test_gradients_do_not_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    model, again = Constant(0.0, 0.0, 0.0, 0.0), Constant(0.0, 0.0, 0.0, 0.0)
    toy = Toy(monkeypatch)
    toy.run(model, steps=2)
    for _ in range(2):
        toy.run(again, steps=1)
    assert torch.equal(model.logits, again.logits) and model.logits.grad is None


def test_the_log_has_the_first_three_steps_then_means_and_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    toy, model = Toy(monkeypatch), Constant(0.0, 0.0, 0.0, 0.0)
    log = toy.run(model, steps=100, decay_from=0.5)  # no more than the stage's six
    assert [entry["step"] for entry in log] == [1, 2, 3, 5, 6]
    assert [entry["tokens"] for entry in log] == [2, 4, 6, 10, 12]
    assert ["ceilings" in entry for entry in log] == [False] * 3 + [True] * 2
    assert log[3]["ceilings"] == {"toy": 100} and "seconds" in log[3]
    assert toy.rates == pytest.approx([2, 2, 2, 2, 4 / 3, 2 / 3])
    assert toy.modes == [True] * 6 and not model.training
    losses = [entry["loss"] for entry in Toy(monkeypatch).run(Constant(0.0, 0.0, 0.0, 0.0), every=1, decay_from=0.5)]
    assert [entry["loss"] for entry in log] == pytest.approx([*losses[:3], sum(losses[3:5]) / 2, losses[5]])
    assert sorted(losses, reverse=True) == losses and len(set(losses)) == 6


def test_the_ceiling_is_the_share_of_careful_answers_without_a_mistake(tokenizer, monkeypatch) -> None:
    splits: list[str] = []
    asked: list[str] = []

    def follow(draw: Callable[..., Drawn], rng: random.Random, split: str) -> Drawn:
        splits.append(split)
        return draw(rng, split)

    for generator in map(implementation, GENERATORS.values()):
        monkeypatch.setattr(generator, "draw", functools.partial(follow, generator.draw))

    def forward(model: None, batch: Batch) -> Tensor:
        """Right everywhere except in the prompts, at the answer's first token in row 0, and at its last in row 1."""
        asked.extend(tokenizer.decode(row) for row in batch.ids)
        predicted = batch.ids.clone()
        predicted[batch.weights == 0] = 0
        for row, place in ((0, 0), (1, -1)):
            predicted[row, batch.weights[row].nonzero().flatten()[place]] = 0
        return nn.functional.one_hot(predicted[:, 1:], len(tokenizer)).float()

    monkeypatch.setattr(module, "forward", forward)
    assert ceilings(None, tokenizer, 8) == dict.fromkeys(GENERATORS, 0.75)
    assert splits == ["validation"] * 24
    assert len(asked) == 24 and all(f"<|im_start|>user\n{CUES['careful'][0]}\n" in text for text in asked)


def changed(path: Path, name: str) -> str:
    """A file's text, with one more line if it is the file ``name``."""
    return path.read_bytes().decode() + "\n#" * str(path).endswith(name)


def test_a_stages_hash_is_of_what_its_weights_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = Stage(trains="language", steps=5), Stage(trains="vision", steps=5)
    base = stage_digest(recipe(one), 0, None)
    assert base == stage_digest(recipe(one), 0, None) == stage_digest(recipe(one, two), 0, None), "later stages"
    others = [
        stage_digest(recipe(one, one), 1, None),
        stage_digest(recipe(one, two), 1, None),
        stage_digest(recipe(two), 0, None),
        stage_digest(recipe(one, batch=3), 0, None),
        stage_digest(recipe(one), 0, 3),
    ]
    assert len({base, *others}) == 6
    for name in ("pretraining/train.py", "pretraining/reference_model.py", "art/tasks/generated/arithmetic.py"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_text", functools.partialmethod(changed, name))
            assert stage_digest(recipe(one), 0, None) != base, name
    monkeypatch.setattr(torch, "__version__", "0.0")
    assert stage_digest(recipe(one), 0, None) != base
