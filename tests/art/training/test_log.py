"""What the training loop logs and writes, against values by hand: engine and scorer are stand-ins."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from recorders import Counting, Stage, indices
from safetensors import safe_open
from tiny_world import World, log

import art.training.loop as loop
from art.files import read_json
from art.methods.soft_prompt import SoftPrompt
from art.pictures.png import Levels, decode_png
from art.rollouts.engines import EngineError
from art.rollouts.sampler import NonFiniteError
from art.store.artifact import Artifact
from art.store.records import RunRecord
from art.store.run_record import Machine
from art.training import run_folder, session

# -- the log -------------------------------------------------------------------------------------------------------


def test_a_step_in_the_log_by_hand(world: World, stage: Stage) -> None:
    """Three groups of the first draw are degenerate, and two of the three of the second.

    The recorder's completions have 3, 1, 2, 3, ... tokens of 1/2 nat each and 10 prompt tokens a problem.
    """
    flat, teaching = [(0, 0.5)] * 2, [(0, 0.0), (1, 0.75)]
    stage.open([*flat, *teaching, *flat, *flat, *flat, *teaching, *flat])
    settings = {"completions": 2, "max_resamples": 1, "validate_every": 2, "minibatches": 2}
    made = stage.trainer("art", training=settings)
    made.step(0)
    record = made.log[0]
    assert record.step == 1
    assert record.reward == pytest.approx((5 * 2 * 0.5 + 2 * 0.75) / 14)
    assert record.accuracy == pytest.approx(2 / 14)
    assert (record.groups, record.groups_dropped, record.updates) == (7, 5, 2)
    assert record.prompt_tokens == 70
    assert record.completion_tokens == (3 + 1 + 2) * 2 + 3 + 1 + (3 + 1 + 2) * 2
    assert record.entropy == pytest.approx(0.5)
    assert record.gap_mean is record.gap_max is record.gap_tokens is record.effective_share is None
    assert record.validation_accuracy is None
    assert record.detail == made.method.detail() and record.detail["distance_max"] > 0
    assert record.seconds == {"rollout": 2, "reward": 2, "forward": 2, "backward": 2, "optimiser": 2}
    made.step(1)
    assert made.log[1].seconds["rollout"] <= 2, "of this step alone"
    assert made.log[1].seconds["validation"] == 1 and made.log[1].validation_accuracy is not None


def test_a_method_without_details_logs_none(world: World, stage: Stage) -> None:
    stage.open()
    made = stage.trainer("soft_prompt")
    made.step(0)
    assert made.log[0].detail is None and made.log[0].loss is made.log[0].gradient_norm is None


def test_snapshots_and_validation_come_as_often_as_configured_and_at_the_end(world: World, stage: Stage) -> None:
    stage.open()
    folder = stage.train("art", training={"steps": 7, "snapshot_every": 2, "validate_every": 3})
    assert [path.name for path in sorted((folder / "snapshots").iterdir())] == [
        f"step{number:04d}.png" for number in (0, 2, 4, 6, 7)
    ]
    records = log(folder)
    assert [record.step for record in records] == list(range(8))
    assert [one.step for one in records if one.validation_accuracy is not None] == [0, 3, 6, 7]
    assert records[0].detail["distance_max"] == 0
    learned = decode_png(folder / "artifact/image.png", 64) != decode_png(world.results / "seeds/arithmetic.png", 64)
    assert not learned.any(), "all groups were degenerate, so there was nothing to learn from"


def test_the_record_of_a_run_by_hand(world: World, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "machine_of", lambda device: Machine("a device of its own", 7, 12345))
    stage.open()
    folder = stage.train("soft_prompt", training={"steps": 2, "completions": 2, "max_resamples": 1})
    record = RunRecord.model_validate(read_json(folder / "run.json"))
    assert (record.command, record.steps, record.engine) == ("run", 2, "a recorder")
    assert (record.device, record.threads, record.peak_memory_bytes) == ("a device of its own", 7, 12345)
    assert (record.prefix_tokens, record.trained_numbers) == (4, 4 * 64), "64 pixels are 4 visual tokens"
    # two steps with two draws each: 4 problems of 10 tokens, 8 completions of 3, 1, 2, 3, 1, 2, 3, 1 tokens
    assert (record.prompt_tokens, record.completion_tokens) == (160, 64)
    assert record.prefix_tokens == Artifact.model_validate(read_json(folder / "artifact/artifact.json")).prefix_tokens
    assert not (folder / "progress").exists()


# -- the whole run -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [EngineError("no answer"), NonFiniteError("not finite")])
def test_a_failure_names_its_step_and_closes_the_engine(world: World, stage: Stage, fault: Exception) -> None:
    stage.open()
    opened = session.open_engine

    def failing(context: Any) -> Any:
        engine = opened(context)
        engine.fault = fault
        return engine

    stage.monkeypatch.setattr(session, "open_engine", failing)
    with pytest.raises(loop.TrainingError) as caught:
        stage.train("soft_prompt")
    assert str(caught.value) == f"{world.key('soft_prompt').folder}: validation before step 1: {fault}"
    assert stage.engine.closed == 1


def test_a_run_computes_on_one_thread_deterministically_and_closes_the_engine(world: World, stage: Stage) -> None:
    stage.open()
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(False)
    stage.train("soft_prompt", training={"steps": 1})
    assert torch.get_num_threads() == 1 and torch.are_deterministic_algorithms_enabled()
    assert stage.engine.closed == 1


def die_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Stop training when it begins the step (counted from 0)."""
    step_of = loop.Trainer.step

    def step_or_die(self: loop.Trainer, number: int) -> None:
        if number == step:
            raise KeyboardInterrupt
        step_of(self, number)

    monkeypatch.setattr(loop.Trainer, "step", step_or_die)


def test_a_resumed_run_goes_on_with_the_problems_and_random_numbers_of_its_steps(world: World, stage: Stage) -> None:
    """Literal values, beside the comparisons of test_resume.py, in which both sides could change together."""
    settings = {"training": {"steps": 4, "max_resamples": 1, "snapshot_every": 2, "validate_every": 99}}
    stage.open()
    stage.monkeypatch.setattr(loop, "Clock", Counting)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        die_at(patch, 3)
        stage.train("soft_prompt", **settings)
    assert len(stage.engine.rollouts) == 3 * 2
    folder = stage.train("soft_prompt", **settings)
    assert indices(world, stage.engine.rollouts)[2:] == [[5, 0, 4, 7], [11, 6, 8, 10]], "step 3 again, then step 4"
    assert len(stage.engine.rollouts) == 4 and stage.engine.rollouts[3].seed == 436674059425682292
    assert [record.step for record in log(folder)] == [0, 1, 2, 3, 4]
    seconds = read_json(folder / "run.json")["seconds"]
    assert (seconds["rollout"], seconds["validation"]) == (8, 2), "two draws a step; the lost step is not counted"


def test_a_checkpoint_is_written_after_its_snapshot(world: World, stage: Stage) -> None:
    stage.open()
    encode = run_folder.encode_png

    def encode_or_die(picture: Levels, path: Path) -> None:
        if path.name == "step0001.png":
            raise KeyboardInterrupt
        encode(picture, path)

    stage.monkeypatch.setattr(run_folder, "encode_png", encode_or_die)
    with pytest.raises(KeyboardInterrupt):
        stage.train("art")
    with safe_open(world.folder("art") / "progress/state.safetensors", framework="pt") as stream:
        assert stream.metadata()["step"] == "0"


def test_a_finished_runs_checkpoint_goes_before_its_snapshots(world: World, stage: Stage) -> None:
    stage.open()
    remove, found = shutil.rmtree, []

    def removing(path: Path, **how: bool) -> None:
        if path.name == "progress" and path.exists():
            found.extend(sorted(one.name for one in path.iterdir()))
        remove(path, **how)

    stage.monkeypatch.setattr(shutil, "rmtree", removing)
    stage.train("art", training={"steps": 1})
    assert found == ["snapshots"]


def test_leftovers_of_an_older_run_do_not_vouch_for_a_new_one(world: World, stage: Stage) -> None:
    """The old record is removed before the first new file is written, the old snapshots at the end."""
    stage.open()
    folder = world.folder("soft_prompt")
    (folder / "snapshots").mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    seen: list[bool] = []
    save = SoftPrompt.save

    def saving(self: Any, out: Path) -> Artifact:
        seen.append((folder / "run.json").exists())
        return save(self, out)

    stage.monkeypatch.setattr(SoftPrompt, "save", saving)
    stage.train("soft_prompt", training={"steps": 1})
    assert seen == [False]
    assert not (folder / "snapshots").exists()
