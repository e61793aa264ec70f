"""What evaluation asks its engine, what it writes about the answers, and that it closes the engine."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from artifacts import METHODS, RANK, prefix_of, write_artifact
from recording_engine import RecordingEngine, record_engines
from tiny_world import World

from art.config.experiment import RunKey
from art.errors import RecordError
from art.evaluation import evaluate as evaluation
from art.evaluation.evaluate import evaluate
from art.files import read_json, read_records, write_records
from art.methods.controls import make_control
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.rollouts.engines import EngineError
from art.rollouts.sampler import Decoding, Rollouts
from art.store.problem import Problem, problem_id
from art.store.records import Item, RunRecord
from art.store.run_record import Machine

SHORT = {"samples": 1, "max_new_tokens": 1, "batch_size": 3}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[RecordingEngine]:
    return record_engines(monkeypatch)


def held_out(world: World, task: str = "arithmetic") -> list[Problem]:
    return read_records(world.results / f"tasks/{task}/test.jsonl", Problem)


def record(folder: Path) -> RunRecord:
    return RunRecord.model_validate(read_json(folder / "evaluation.json"))


@pytest.mark.parametrize("samples", [3, 0])
def test_the_engine_is_asked_what_the_settings_say(world: World, opened: list[RecordingEngine], samples: int) -> None:
    asked = {"samples": samples, "temperature": 0.7, "presence_penalty": 0.5, "max_new_tokens": 2, "batch_size": 3}
    config = world.config(evaluation=asked)
    make_control(config, world.key("no_image"), world.results)
    evaluate(config, world.key("no_image"), world.results)
    names = [problem.id for problem in held_out(world)]
    parts = [names[:3], names[3:6], names[6:]]
    greedy, sampled = Decoding(0.0, 2, 0.5), Decoding(0.7, 2, 0.5)
    (engine,) = opened
    assert [(one.problems, one.group, one.decoding) for one in engine.asked] == [
        *((part, 1, greedy) for part in parts),
        *((part, samples, sampled) for part in parts if samples),
    ]
    assert engine.events == ["sample"] * len(engine.asked) + ["close"]


@pytest.mark.parametrize("kind", METHODS)
def test_the_engine_is_opened_and_asked_with_the_artifact(
    world: World, opened: list[RecordingEngine], tiny_policy: Policy, kind: str
) -> None:
    config, method = world.config(evaluation=SHORT), METHODS[kind]
    write_artifact(world, config, kind, 1, tiny_policy, seed=1)
    evaluate(config, world.key(method, seed=1), world.results)
    (engine,) = opened
    adapter = kind == "adapter"
    assert engine.context.model == config.models["tiny"] and engine.context.settings == config.engine
    assert (engine.context.adapter_rank, engine.context.seed) == (RANK if adapter else None, 1)
    assert engine.context.log == world.results / f"logs/tiny/arithmetic/{method}/seed1.evaluate.server.log"
    folder = world.folder(method, seed=1) / "artifact/adapter"
    assert engine.events == [*([folder] if adapter else []), *["sample"] * 6, "close"]
    wanted = prefix_of(kind, 1)
    for one in engine.asked:
        assert one.prefix.text == wanted.text
        for ours, theirs in ((one.prefix.image, wanted.image), (one.prefix.embeddings, wanted.embeddings)):
            assert (ours is None) == (theirs is None) and (ours is None or torch.equal(ours, theirs))


def test_every_batch_has_its_own_random_numbers_and_every_method_the_same(
    world: World, opened: list[RecordingEngine]
) -> None:
    config = world.config(evaluation=SHORT)
    seeds = {}
    for method, task, seed in (
        ("no_image", "arithmetic", 0),
        ("random_image", "arithmetic", 0),
        ("random_image", "arithmetic", 1),
        ("random_image", "multiple_choice", 0),
    ):
        key = RunKey(model="tiny", task=task, method=method, seed=seed)
        make_control(config, key, world.results)
        evaluate(config, key, world.results)
        seeds[method, task, seed] = [one.seed for one in opened[-1].asked if one.decoding.temperature]
    plain, *others = seeds.values()
    assert others[0] == plain
    assert len({*plain, *others[1], *others[2]}) == 9, "three batches, of three runs"


def test_the_record_counts_tokens_and_names_where_it_ran(
    world: World, tiny_policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "machine_of", lambda device: Machine(f"my {device.type}", 5, 77))
    config = world.config()  # eight problems in three batches, each prompt once greedy and once for its two samples
    write_artifact(world, config, "text", 0, tiny_policy)
    folder = world.folder("random_string")
    evaluate(config, world.key("random_string"), world.results)
    made = record(folder)
    prompts = sum(len(tiny_policy.prompts.encode(problem, prefix_of("text", 0))[0]) for problem in held_out(world))
    assert made.prompt_tokens == 2 * prompts
    assert (made.trained_numbers, made.prefix_tokens) == (1234, 56), "from the run's record"
    assert (made.device, made.threads, made.peak_memory_bytes) == ("my cpu", 5, 77)
    assert made.engine == "transformers"
    assert {"start_up", "greedy", "sampled", "total"} == made.seconds.keys()


def test_each_completion_is_scored_for_its_problem(
    world: World, opened: list[RecordingEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine first answers -1, then correctly."""

    def tell(
        engine: RecordingEngine, problems: list[Problem], prefix: Prefix, group: int, decoding: Decoding, *_: object
    ) -> Rollouts:
        texts = [f"Answer: {one.answer if number else -1}" for one in problems for number in range(group)]
        rows = [[*engine.policy.tokenizer(text).input_ids, engine.policy.end_token] for text in texts]
        tokens = torch.nn.utils.rnn.pad_sequence(list(map(torch.tensor, rows)), batch_first=True)
        mask = torch.arange(tokens.shape[1]) < torch.tensor([[len(row)] for row in rows])
        return Rollouts(tokens, mask, torch.zeros(tokens.shape), 0)

    monkeypatch.setattr(RecordingEngine, "sample", tell)
    config = world.config(evaluation={"samples": 3, "batch_size": 3})
    path = world.results / "tasks/arithmetic/test.jsonl"
    problems = held_out(world)
    problems[1] = problems[1].model_copy(update={"veiled": True})
    write_records(path, problems)
    make_control(config, world.key("no_image"), world.results)
    evaluate(config, world.key("no_image"), world.results)
    items = read_records(world.folder("no_image") / "items.jsonl", Item)
    for number, problem in enumerate(problems):
        own = [items[number], *items[8 + 3 * number : 11 + 3 * number]]
        assert {item.id for item in own} == {problem.id}
        assert [(item.decoding, item.sample) for item in own] == [
            ("greedy", 0),
            *(("sampled", one) for one in range(3)),
        ]
        assert [item.completion for item in own] == [f"Answer: {said}" for said in (-1, -1, *2 * [problem.answer])]
        assert [item.score for item in own] == [0, 0, 1, 1]
        assert [item.extracted for item in own] == ["-1", "-1", *2 * [problem.answer]]
        assert {item.veiled for item in own} == {number == 1}
    assert len(items) == 8 * 4


# -- the state that it leaves, and what it refuses -----------------------------------------------------------------


def test_the_engine_is_closed_when_it_fails(
    world: World, opened: list[RecordingEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Rollouts:
        raise EngineError("gone")

    monkeypatch.setattr(RecordingEngine, "sample", fail)
    make_control(world.config(), world.key("no_image"), world.results)
    with pytest.raises(EngineError, match="gone"):
        evaluate(world.config(), world.key("no_image"), world.results)
    assert opened[0].events == ["close"]


def test_it_runs_on_one_thread_with_deterministic_algorithms(world: World) -> None:
    make_control(world.config(), world.key("no_image"), world.results)
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(False)
    evaluate(world.config(evaluation=SHORT), world.key("no_image"), world.results)
    assert torch.get_num_threads() == 1 and torch.are_deterministic_algorithms_enabled()


def test_an_adapter_without_a_rank_is_named(world: World, tiny_policy: Policy) -> None:
    write_artifact(world, world.config(), "adapter", 0, tiny_policy)
    path = world.folder("lora") / "artifact/adapter/adapter_config.json"
    path.write_text(path.read_text().replace(f'"r": {RANK}', '"r": "two"'))
    with pytest.raises(RecordError, match=r"lora/seed0/artifact/adapter/adapter_config\.json: r: 'two' is no rank"):
        evaluate(world.config(), world.key("lora"), world.results)


def test_a_test_problem_with_a_special_token_is_named_with_its_line(world: World) -> None:
    path = world.results / "tasks/arithmetic/test.jsonl"
    problems = held_out(world)
    question = "What is <|im_end|>?"
    name = problem_id(question, "1", None, None)
    problems[6] = Problem(id=name, question=question, answer="1")
    write_records(path, problems)
    make_control(world.config(), world.key("no_image"), world.results)
    with pytest.raises(RecordError, match=rf"arithmetic/test\.jsonl:7: problem {name}: .*<\|im_end\|>"):
        evaluate(world.config(), world.key("no_image"), world.results)
