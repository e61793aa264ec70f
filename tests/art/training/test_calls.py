"""The calls that the training loop makes to its engine and scorer, which are recorded here."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from recorders import FLAT, Stage, indices, problems
from tiny_world import World

from art.errors import RecordError
from art.files import write_records
from art.models.preprocessor import CheckpointError
from art.pictures.logits import tensor_to_levels
from art.pictures.png import encode_png, uniform_noise
from art.rollouts.sampler import Decoding
from art.scoring import scorer_of
from art.store.clock import Clock
from art.store.problem import Problem, problem_id
from art.store.workspace import Workspace
from art.training.session import opened

TEACHING = [(0, 0.0), (1, 1.0)]
SERVER = {"kind": "server", "url": "http://nowhere/v1"}


def keep_ten(world: World) -> None:
    """A file whose length is no multiple of the problems in a step."""
    write_records(world.results / "tasks/arithmetic/train.jsonl", problems(world)[:10])


# -- what is sampled -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seed", "wanted", "seeds"),
    [
        (0, [[1, 7, 8, 6], [9, 5, 2, 0], [1, 8, 4, 7], [6, 9, 3, 2], [2, 7, 5, 6]], 3981641677401945219),
        (1, [[9, 4, 5, 8], [3, 7, 6, 0], [9, 4, 8, 5], [7, 0, 1, 3], [3, 6, 7, 4]], 2717919788334619623),
    ],
)
def test_steps_walk_through_epochs_that_are_shuffled_by_seed_and_epoch(
    world: World, stage: Stage, seed: int, wanted: list[list[int]], seeds: int
) -> None:
    """Literal values, since results depend on the order.  Two problems of ten are left over in each epoch."""
    keep_ten(world)
    stage.open()
    made = stage.trainer("soft_prompt", seed, training={"max_resamples": 0, "validate_every": 99})
    for step in range(5):
        made.step(step)
    assert indices(world, stage.engine.rollouts) == wanted
    assert stage.engine.rollouts[0].seed == seeds


def test_degenerate_groups_are_drawn_anew_from_the_whole_file(world: World, stage: Stage) -> None:
    """As often as configured; problems and random numbers differ by step and attempt (literal values)."""
    stage.open()
    made = stage.trainer("soft_prompt", training={"max_resamples": 2, "validate_every": 99})
    made.step(0)
    made.step(3)
    first, second = stage.engine.rollouts[:3], stage.engine.rollouts[3:]
    assert indices(world, first)[:2] == [[13, 14, 3, 10], [10, 5, 6, 2]]
    assert [call.seed for call in first[:2]] == [3981641677401945219, 2961066371182571900]
    assert indices(world, second) == [[5, 0, 4, 7], [11, 6, 8, 10], [15, 10, 4, 0]]
    assert second[1].seed == 436674059425682292
    assert len({call.seed for call in stage.engine.rollouts}) == 6
    assert [(record.groups, record.groups_dropped, record.updates) for record in made.log] == [(12, 12, 0)] * 2
    stage.open()
    stage.trainer("soft_prompt", 1, training={"max_resamples": 1, "validate_every": 99}).step(0)
    assert indices(world, stage.engine.rollouts)[1] == [14, 12, 15, 6], "by the run's seed, too"


def test_only_what_is_missing_is_drawn_anew(world: World, stage: Stage) -> None:
    """Groups 1, 2 and 4 are kept at once; one problem of the next draw is asked, then the step has its four."""
    flat, teaching = [(0, 0.5)] * 2, [(0, 0.0), (1, 1.0)]
    stage.open([*teaching, *teaching, *flat, *teaching, *teaching])
    made = stage.trainer("soft_prompt", training={"completions": 2, "max_resamples": 5, "validate_every": 99})
    updated: list[str] = []
    update = made.update
    made.update = lambda groups: updated.extend(one.problem.id for one in groups) or update(groups)
    made.step(0)
    assert indices(world, stage.engine.rollouts) == [[13, 14, 3, 10], [10]]
    known = [problem.id for problem in made.session.problems]
    assert [known.index(one) for one in updated] == [13, 14, 10, 10]


@pytest.mark.parametrize("kind", ["grpo", "dapo"])
def test_only_dapo_drops_and_draws_anew(world: World, stage: Stage, kind: str) -> None:
    stage.open()
    made = stage.trainer("soft_prompt", objective={"kind": kind}, training={"max_resamples": 3, "validate_every": 99})
    made.step(0)
    dropping = kind == "dapo"
    assert len(stage.engine.rollouts) == (4 if dropping else 1)
    assert made.log[0].groups_dropped == (16 if dropping else 0)
    assert made.log[0].updates == (0 if dropping else 2)


def test_rollouts_and_validation_are_asked_for_as_configured(world: World, stage: Stage) -> None:
    stage.open()
    settings = {"completions": 3, "temperature": 0.7, "max_new_tokens": 5, "validate_every": 1, "max_resamples": 0}
    made = stage.trainer("soft_prompt", training={**settings, "validation_problems": 3})
    made.step(0)
    rollout, validation = stage.engine.calls
    assert (rollout.group, rollout.decoding) == (3, Decoding(0.7, 5, 0.0))
    assert validation.problems == problems(world, "validation")[:3]
    assert (validation.group, validation.decoding, validation.seed) == (1, Decoding(0.0, 5, 0.0), None)


def test_an_engine_gets_the_picture_as_it_is_without_a_gradient(world: World, stage: Stage) -> None:
    stage.open(TEACHING)
    made = stage.trainer("art", training={"validate_every": 1})
    before = made.method.picture()
    made.step(0)
    rollout, validation = (call.prefix.image for call in stage.engine.calls)
    assert not rollout.requires_grad and not validation.requires_grad
    assert (tensor_to_levels(rollout) == before).all()
    assert (tensor_to_levels(validation) == made.method.picture()).all() and (before != made.method.picture()).any()


# -- what is judged ------------------------------------------------------------------------------------------------


def test_every_completion_is_judged_with_its_own_problem(world: World, stage: Stage) -> None:
    stage.open()
    made = stage.trainer("soft_prompt", training={"completions": 3, "max_resamples": 0, "validate_every": 1})
    made.step(0)
    expected = []
    for call in stage.engine.calls:
        for row, (tokens, mask) in enumerate(zip(call.rollouts.tokens, call.rollouts.mask, strict=True)):
            text = made.policy.tokenizer.decode(tokens[mask], skip_special_tokens=True)
            expected.append((text, call.problems[row // call.group].id))
    assert len(set(expected)) == 4 * 3 + 4, "no two pairs alike"
    assert [(text, problem.id) for text, problem in stage.judge.seen] == expected


def test_validation_is_the_share_of_scores(world: World, stage: Stage) -> None:
    stage.open([(1, 0.25), (0, 0.5), (0, 0.75)])
    assert stage.trainer("soft_prompt", training={"validation_problems": 3}).source.validate() == pytest.approx(1 / 3)


# -- engines -------------------------------------------------------------------------------------------------------


def test_another_engine_gets_the_adapter_before_it_samples_and_only_when_it_has_changed(
    world: World, stage: Stage
) -> None:
    """A step without an update needs no new adapter; validation after an update loads what the next step needs."""
    flat, teaching = [(0, 0.0)] * 16, TEACHING * 8
    stage.open([*flat, *teaching, *FLAT * 4, *teaching, *teaching], shares=False)
    made = stage.trainer("lora", engine=SERVER, training={"max_resamples": 0, "validate_every": 2, "steps": 9})
    for step in range(4):  # degenerate; updated and validated; updated; updated and validated
        made.step(step)
    assert [call.loads for call in stage.engine.calls] == [1, 1, 2, 2, 3, 4]
    trained = {name.replace(".default", ""): value for name, value in made.parameters.items()}
    assert stage.engine.loaded[-1].keys() == trained.keys()
    for name, value in trained.items():
        assert torch.equal(stage.engine.loaded[-1][name], value), "as it is after the last update"
    assert any((value != stage.engine.loaded[0][name]).any() for name, value in trained.items())
    assert [record.seconds.get("weight_sync") for record in made.log] == [1, 1, None, 2]


@pytest.mark.parametrize(("method", "shares"), [("lora", True), ("art", False), ("soft_prompt", False)])
def test_no_adapter_is_loaded_where_there_is_none_or_the_engine_has_it(
    world: World, stage: Stage, method: str, shares: bool
) -> None:
    stage.open(TEACHING, shares=shares)
    made = stage.trainer(method, training={"validate_every": 1}, engine={} if shares else SERVER)
    made.step(0)
    assert len(stage.engine.calls) == 2 and stage.engine.loaded == []
    assert ("correction" in made.log[0].seconds) == (not shares)


def test_an_engine_is_opened_for_this_run(world: World, stage: Stage) -> None:
    """A method's own engine has precedence over the common one, and the model is the run's, not the first."""
    stage.open()
    models = {"tiny": {"path": "nowhere"}, "last": {"path": str(world.root / "checkpoint"), "device": "cpu"}}
    own = {**SERVER, "importance_cap": 3.0}
    made = stage.trainer("lora", 1, "last", models=models, methods={"lora": {"kind": "lora", "rank": 3, "engine": own}})
    context = stage.engine.context
    assert context.model == made.config.models["last"] and context.policy is made.policy
    assert (context.settings.kind, context.settings.importance_cap) == ("server", 3.0)
    assert (context.adapter_rank, context.seed) == (3, 1)
    assert context.log == world.results / "logs/last/arithmetic/lora/seed1.train.server.log"
    assert (made.folder.stamp["engine"], made.folder.stamp["device"]) == ("a recorder", "cpu torch.float32")


def test_the_cap_is_that_of_the_methods_own_engine(world: World, stage: Stage) -> None:
    """The engine's log-probabilities are 1 nat too low, so all weights are e, which is above this cap."""
    stage.open(TEACHING, shares=False, real=True, shift=lambda tokens: -torch.ones(tokens.shape))
    own = {"soft_prompt": {"kind": "soft_prompt", "engine": {**SERVER, "importance_cap": 1.25}}}
    groups, tally = stage.trainer("soft_prompt", methods=own).source.sampled(0)
    weights = torch.cat([group.importance[group.mask] for group in groups])
    assert weights.tolist() == [1.25] * tally.mismatch.tokens
    assert not any(group.logprobs.requires_grad or group.importance.requires_grad for group in groups)
    assert (tally.mismatch.mean, tally.mismatch.maximum) == pytest.approx((1.0, 1.0), abs=1e-4)


def test_seeds_begin_a_method_differently(world: World, stage: Stage) -> None:
    stage.open()
    one, two = (stage.trainer("soft_prompt", seed).parameters["embeddings"] for seed in (0, 1))
    assert (one != two).any()


# -- inputs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_problem_that_cannot_be_asked_is_named_before_the_run(world: World, stage: Stage, split: str) -> None:
    some = problems(world, split)
    question = "How <|im_end|> many?"
    some[2] = Problem(id=problem_id(question, "1"), question=question, answer="1")
    write_records(world.results / f"tasks/arithmetic/{split}.jsonl", some)
    stage.open()
    with pytest.raises(RecordError, match=rf"{split}\.jsonl:3: .*im_end"):
        stage.trainer("soft_prompt")


def test_just_enough_problems_are_enough(world: World, stage: Stage) -> None:
    stage.open()
    assert len(stage.trainer("soft_prompt", training={"prompts": 16}).session.problems) == 16


def test_a_picture_of_another_size_than_the_processor_takes_is_refused(world: World, stage: Stage) -> None:
    encode_png(uniform_noise(72, np.random.default_rng(0)), world.results / "seeds/arithmetic.png")
    stage.open()
    with pytest.raises(CheckpointError, match=r"image\.size 72"):
        stage.trainer("lora", image={"size": 72})


def test_the_scorer_is_that_of_the_task(world: World) -> None:
    for task in ("arithmetic", "tool_call"):
        workspace = Workspace(world.config(), world.key("soft_prompt", task), world.results)
        with opened(workspace, Clock()) as session:
            assert session.scorer is scorer_of(world.config().tasks[task].scorer)
