"""The training loop: determinism, objectives, failures."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_world import Undisturbed, World, contents, log, run

from art.errors import RecordError
from art.files import read_json, read_records, write_records
from art.pictures.png import decode_png
from art.scoring import numeric
from art.store.problem import Problem
from art.store.records import RunRecord
from art.training.loop import Trainer, TrainingError

# -- what a run leaves ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["art", "art_pixel", "art_bound5", "lora", "soft_prompt"])
def test_a_run_twice_gives_the_same_bytes(world: World, undisturbed: Undisturbed, method: str) -> None:
    one = run(world, method)
    assert contents(one) == undisturbed(method)
    records = log(one)
    assert [record.step for record in records] == [0, 1, 2, 3]
    assert any(record.gradient_norm for record in records), "something was learned from"
    images = method.startswith("art")
    snapshots = [path.name for path in sorted((one / "snapshots").iterdir())] if images else []
    assert snapshots == ([f"step{number:04d}.png" for number in range(4)] if images else [])
    assert sorted(path.name for path in one.iterdir()) == sorted(
        ["artifact", "run.json", "train.jsonl", *(["snapshots"] if images else [])]
    )
    record = RunRecord.model_validate(read_json(one / "run.json"))
    assert record.steps == 3 and record.trained_numbers > 0
    assert record.completion_tokens == sum(step.completion_tokens or 0 for step in records)
    assert {"start_up", "rollout", "forward", "backward", "optimiser", "total"} <= set(record.seconds)


def test_phases_wait_for_the_device(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[None] = []
    monkeypatch.setattr("art.training.loop.wait_for_gpu", lambda: waits.append(None))
    run(world, "soft_prompt", training={"steps": 1, "minibatches": 1})
    phases = ["validation", "checkpoint", "rollout", "reward", "forward", "backward", "optimiser"]
    assert len(waits) >= 2 * len(phases)


def test_the_last_snapshot_is_the_artifact_and_the_first_the_seed(world: World) -> None:
    folder = run(world, "art")
    assert (folder / "snapshots/step0003.png").read_bytes() == (folder / "artifact/image.png").read_bytes()
    assert (folder / "snapshots/step0000.png").read_bytes() == (world.results / "seeds/arithmetic.png").read_bytes()
    moved = decode_png(folder / "artifact/image.png", 64) != decode_png(world.results / "seeds/arithmetic.png", 64)
    assert moved.mean() > 0.5


# -- objectives ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["art", "lora"])
@pytest.mark.parametrize(
    "objective", [{"kind": "dapo"}, {"kind": "grpo"}, {"kind": "grpo", "kl_weight": 0.1}, {"kind": "supervised"}]
)
def test_every_objective_trains_every_kind(world: World, objective: dict, method: str) -> None:
    folder = run(world, method, objective=objective, training={"steps": 2})
    losses = [record.loss for record in log(folder)[1:]]
    assert len(losses) == 2 and any(loss is not None for loss in losses)
    if objective["kind"] == "supervised":
        assert all(5 < loss < 8 for loss in losses), "about ln(vocabulary) at random weights"
        assert all(record.reward is None for record in log(folder))


@pytest.mark.parametrize(
    ("method", "rate", "fall"), [("art", 4.0, 0.01), ("lora", 0.02, 0.1), ("soft_prompt", 0.5, 0.01)]
)
def test_supervised_training_on_one_batch_reduces_the_loss(world: World, method: str, rate: float, fall: float) -> None:
    """Training changes the output of random weights only a little (tied embeddings of 0.02), but it does."""
    path = world.results / "tasks/arithmetic/train.jsonl"
    write_records(path, read_records(path, Problem)[:4])
    folder = run(
        world,
        method,
        training={"steps": 6, "minibatches": 1, "validate_every": 100, "snapshot_every": 100},
        objective={"kind": "supervised"},
        methods={method: {"kind": method, "learning_rate": rate}},
    )
    losses = [record.loss for record in log(folder)[1:]]
    assert losses[-1] < losses[0] - fall


@pytest.mark.parametrize("objective", ["dapo", "grpo"])
def test_an_easy_reward_is_learned(world: World, monkeypatch: pytest.MonkeyPatch, objective: str) -> None:
    """The reward is 1 for one token that has a vowel, as about a quarter of the tokens have."""
    from art.scoring import Judgement

    class Vowel:
        @staticmethod
        def judge(completion: str, problem: Problem) -> Judgement:
            return Judgement(None, 0, float(any(letter in completion for letter in "aeiou")))

    monkeypatch.setattr(numeric, "judge", Vowel.judge)
    weights = world.root / "checkpoint/model.safetensors"
    larger = {name: value * (6 if "embed_tokens" in name else 1) for name, value in load_file(weights).items()}
    save_file(larger, weights, {"format": "pt"})  # so that training can change the output
    steps = {"steps": 10, "validate_every": 100, "snapshot_every": 100}
    folder = run(
        world,
        "lora",
        objective={"kind": objective},
        methods={"lora": {"kind": "lora", "learning_rate": 0.01}},
        training={**steps, "completions": 16, "minibatches": 1, "max_new_tokens": 1, "max_resamples": 0},
    )
    rewards = [record.reward for record in log(folder)[1:]]
    assert sum(rewards[-2:]) > 1.5 * sum(rewards[:2])


# -- failures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_non_finite_number_names_the_step_and_keeps_the_checkpoint(
    world: World, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    original = Trainer.loss

    def spoilt(self: Trainer, groups: list) -> tuple:
        loss, clipped = original(self, groups)
        if len(self.log) == 3:
            poison = torch.nan if where == "loss" else 0.0
            (free,) = self.parameters.values()
            # sqrt has an infinite slope at 0: the loss is finite, but not its gradient
            loss = loss * poison if where == "loss" else loss + (free * 0).abs().sum().sqrt()
        return loss, clipped

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "loss", spoilt)
        with pytest.raises(TrainingError, match=r"step 3.*progress/state\.safetensors"):
            run(world, "art", objective={"kind": "supervised"})
    assert (world.folder("art") / "progress/state.safetensors").is_file()
    assert not (world.folder("art") / "run.json").exists()
    assert len(log(run(world, "art", objective={"kind": "supervised"}))) == 4, "a later run resumes from there"


def test_numbers_that_run_away_are_a_training_error(world: World) -> None:
    """The step is so large that the next rollout has no finite probabilities."""
    with pytest.raises(TrainingError, match=r"step \d.*state\.safetensors"):
        run(world, "lora", methods={"lora": {"kind": "lora", "learning_rate": 1e30}})


def test_too_few_problems_and_missing_solutions(world: World) -> None:
    path = world.results / "tasks/arithmetic/train.jsonl"
    problems = read_records(path, Problem)
    write_records(path, problems[:3])
    with pytest.raises(RecordError, match=r"train\.jsonl: 3 problems.*4"):
        run(world, "art")
    write_records(path, [problem.model_copy(update={"solution": None}) for problem in problems])
    with pytest.raises(RecordError, match="no solution"):
        run(world, "art", objective={"kind": "supervised"})


def test_a_reference_that_the_scorer_cannot_read_is_named_with_its_line(world: World) -> None:
    from art.store.problem import problem_id

    path = world.results / "tasks/arithmetic/train.jsonl"
    lines = path.read_text().splitlines()
    wrong = {"id": problem_id("How many?", "some"), "question": "How many?", "answer": "some"}
    path.write_text("\n".join([*lines[:6], json.dumps(wrong), *lines[7:]]) + "\n")
    with pytest.raises(RecordError, match=r"train\.jsonl:7: .*'some'"):
        run(world, "art")
