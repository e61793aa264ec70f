"""The serving check with a stand-in for vLLM's server: its requests, its files, its failures."""

from __future__ import annotations

import base64
import io
import itertools
import math
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from artifacts import lively, make_lively, write_artifact
from fake_server import VERSION, FakeServer, Launched, launched
from PIL import Image
from tiny_world import World

from analysis import serving as measures
from analysis.load import Experiment
from art.config.digests import serving_digest
from art.config.experiment import Config
from art.config.reading import parse_config
from art.errors import ConfigError, RecordError
from art.evaluation.evaluate import evaluate
from art.files import read_json, read_records, write_records
from art.methods.controls import make_control
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.rollouts.engines import EngineError
from art.rollouts.vllm_options import command_line
from art.scoring import Judgement, numeric
from art.serving import answers, load
from art.serving import check as module
from art.serving.check import ServeCheck, serve_check
from art.store.artifact import read_artifact
from art.store.problem import Problem
from art.store.records import GapRecord, Item, LoadRecord, ServedItem, ServingRecord
from art.store.run_record import processor, versions
from art.tasks.generated.problems import problems

CONTROLS = {"no_image": {"kind": "no_image"}, "random_image": {"kind": "random_image", "draws": 2}}
# Kind of the artifact, section and rank.  The adapters have two ranks, and ART's image is not the first image.
ARTIFACTS = {
    "random_string": ("text", {"kind": "random_string", "draws": 2}, 0),
    "art": ("image", {"kind": "art"}, 0),
    "lora": ("adapter", {"kind": "lora", "rank": 2}, 2),
    "lora_wide": ("adapter", {"kind": "lora", "rank": 9}, 9),
    "soft_prompt": ("embeddings", {"kind": "soft_prompt"}, 0),
}
METHODS = CONTROLS | {method: section for method, (_, section, _) in ARTIFACTS.items()}
VARIANTS, REQUESTS, REPEATS, PROBLEMS, LENGTH = [1, 3], 6, 2, 8, 6
SHIFT = 0.5
BARE = {"reference": "no_image"}


def settings(world: World, **sections: Any) -> Config:
    serving = {"problems": PROBLEMS, "variants": VARIANTS, "requests": REQUESTS, "concurrency": 3, "repeats": REPEATS}
    data = world.mapping() | {"seeds": [0], "methods": METHODS, "serving": serving}
    data["tasks"] = {task: data["tasks"][task] | {"test": PROBLEMS + 2} for task in ("tool_call", "arithmetic")}
    data["evaluation"] = {"samples": 0, "max_new_tokens": LENGTH, "presence_penalty": 0.5}
    return parse_config(data | {"engine": {"retries": 1, "timeout": 77.0}} | sections, "test")


class Letters:
    """A scorer that extracts an answer from what random weights write."""

    @staticmethod
    def judge(completion: str, problem: Problem) -> Judgement:
        return Judgement(completion[:2], len(completion) % 2, 0.0)


@pytest.fixture(scope="module")
def policy(tiny_policy: Policy) -> Policy:
    return lively(tiny_policy)


@pytest.fixture(scope="module")
def finished(tiny_inputs: Path, policy: Policy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Artifacts and evaluations of all methods; more problems than the check asks, one of them veiled."""
    root = shutil.copytree(tiny_inputs, tmp_path_factory.mktemp("served") / "world")
    make_lively(root / "checkpoint")
    some = problems("arithmetic", "test", PROBLEMS + 2, 0)
    some[3] = some[3].model_copy(update={"veiled": True})
    write_records(root / "results/tasks/arithmetic/test.jsonl", some)
    world = World(root)
    config = settings(world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numeric, "judge", Letters.judge)
        for method in METHODS:
            if method in CONTROLS:
                make_control(config, world.key(method), world.results)
            else:
                kind, _, rank = ARTIFACTS[method]
                write_artifact(world, config, kind, len(method) % 2, policy, method=method, rank=rank)
            evaluate(config, world.key(method), world.results)
        yield world


def shift_scores(server: FakeServer) -> None:
    """Make the server's log-probabilities of every third token id too low."""
    server.twist = lambda tokens, scores: scores - SHIFT * (tokens % 3 == 0)


@pytest.fixture
def servers(policy: Policy) -> Iterator[list[Launched]]:
    with launched(policy, module) as started:
        yield started


@pytest.fixture(scope="module")
def server(finished: World, policy: Policy) -> Launched:
    """The server of a check of all methods, after the check."""
    with launched(policy, module, shift_scores) as started:
        serve_check(settings(finished), "tiny", "arithmetic", finished.results)
    return started[0]


@pytest.fixture
def results(finished: World, tmp_path: Path) -> Path:
    """A copy of the results, for a check whose files other tests must not see."""
    return shutil.copytree(finished.results, tmp_path / "results", ignore=shutil.ignore_patterns("serving"))


def folder(results: Path) -> Path:
    return results / "serving/tiny/arithmetic"


def asked(world: World) -> list[Problem]:
    return read_records(world.results / "tasks/arithmetic/test.jsonl", Problem)[:PROBLEMS]


def picture(body: dict[str, Any]) -> bytes:
    return base64.b64decode(body["messages"][0]["content"][0]["image_url"]["url"].split(",")[1])


# -- answers -------------------------------------------------------------------------------------------------------


def test_answers_of_the_server_are_the_evaluations(finished: World, server: Launched) -> None:
    """Model and arithmetic are the same, so each artifact must answer as in its evaluation, and as no other one."""
    assert not server.open
    items = read_records(folder(finished.results) / "served.jsonl", ServedItem)
    answers = set()
    for method in METHODS:
        evaluated = read_records(finished.folder(method) / "items.jsonl", Item)
        served = [Item(**item.model_dump(exclude={"method"})) for item in items if item.method == method]
        assert served == evaluated[:PROBLEMS], method
        assert len({item.score for item in served}) == 2 and [item.veiled for item in served].index(True) == 3
        answers.add(tuple(item.completion for item in served))
    assert len(answers) == len(METHODS)
    config = settings(finished)
    checked = config.model_copy(update={"tasks": {"arithmetic": config.tasks["arithmetic"]}})
    table = measures.served(Experiment(checked, finished.results))
    assert list(table["method"]) == list(METHODS) and not table[["score_differs", "text_differs"]].any(axis=None)


def test_each_artifact_is_what_was_asked(finished: World, server: Launched) -> None:
    bodies = [body for body in server.requests if not body.get("stream") and not body.get("logprobs")]
    base = str(finished.root / "checkpoint")
    kinds = {"art": ["image_url", "text"], "random_image": ["image_url", "text"]}
    kinds["soft_prompt"] = ["prompt_embeds", "text"]
    for number, method in enumerate(METHODS):
        own = bodies[PROBLEMS * number : PROBLEMS * (number + 1)]
        assert {body["model"] for body in own} == {method if "lora" in method else base}
        text = read_artifact(finished.folder(method) / "artifact").text
        before = "" if text is None else f"{text}\n"
        questions = [before + problem.question for problem in asked(finished)]
        assert sorted(body["messages"][0]["content"][-1]["text"] for body in own) == sorted(questions)
        for body in own:
            (message,) = body["messages"]
            assert [part["type"] for part in message["content"]] == kinds.get(method, ["text"])
            assert {name: value for name, value in body.items() if name not in ("messages", "model")} == {
                "temperature": 0.0,
                "max_completion_tokens": LENGTH,
                "presence_penalty": 0.5,
                "chat_template_kwargs": {"enable_thinking": False},
            }
        if kinds.get(method, ["text"])[0] == "image_url":
            assert {picture(body) for body in own} == {(finished.folder(method) / "artifact/image.png").read_bytes()}
    assert len(bodies) == PROBLEMS * len(METHODS)


def test_the_gap_is_measured_with_each_artifact(finished: World, server: Launched) -> None:
    """Without its adapter, or with another prefix, the mismatch would be larger than what the server adds."""
    gaps = read_records(folder(finished.results) / "gap.jsonl", GapRecord)
    assert [gap.method for gap in gaps] == list(METHODS)
    for gap in gaps:
        share = gap.mean / SHIFT  # of shifted tokens: their weight is e^SHIFT, that of others 1
        assert 0.1 < share < 0.7 and gap.maximum == pytest.approx(SHIFT, abs=1e-3)
        sums = 1 + share * (math.exp(SHIFT) - 1), 1 + share * (math.exp(2 * SHIFT) - 1)
        assert gap.effective == pytest.approx(sums[0] ** 2 / sums[1], abs=1e-3)
        assert PROBLEMS * 4 < gap.tokens <= PROBLEMS * 4 * LENGTH
    bodies = [body for body in server.requests if body.get("logprobs")]
    assert len(bodies) == PROBLEMS * len(METHODS)
    for body in bodies:
        assert (body["n"], body["temperature"], body["max_completion_tokens"]) == (4, 1.0, LENGTH)
        assert body["presence_penalty"] == 0, "the policy scores without a penalty"


# -- cost ----------------------------------------------------------------------------------------------------------


def test_what_is_measured(finished: World, server: Launched, policy: Policy) -> None:
    conditions = [("no_image", 0), *(("image", count) for count in VARIANTS), *(("adapter", n) for n in VARIANTS)]
    records = read_records(folder(finished.results) / "load.jsonl", LoadRecord)
    found = [(record.repeat, record.kind, record.variants) for record in records]
    wanted = [
        (repeat, *condition) for repeat in range(REPEATS) for condition in conditions[repeat:] + conditions[:repeat]
    ]
    assert found == wanted, "in turn, each round with another one first"
    bare = sum(len(policy.prompts.encode(problem, Prefix())[0]) for problem in asked(finished)[:REQUESTS])
    for record in records:
        assert record.requests == REQUESTS and 0 < record.first_token_seconds <= record.seconds
        seen = REQUESTS * (4 + 2) if record.kind == "image" else 0  # 4 visual tokens and two marks a request
        assert (record.prompt_tokens, record.completion_tokens) == (bare + seen, REQUESTS * LENGTH)


def test_what_the_measurements_ask(finished: World, server: Launched) -> None:
    """In each condition, requests use in turn the questions, and the copies of the first adapter or of the image."""
    timed = [body for body in server.requests if body.get("stream")]
    rounds, conditions = REPEATS + 1, 1 + 2 * len(VARIANTS)  # one more round, which is not recorded
    for body in timed:
        assert {name: value for name, value in body.items() if name not in ("messages", "model")} == {
            "temperature": 0.0,
            "max_completion_tokens": LENGTH,
            "stream": True,
            "stream_options": {"include_usage": True},
            "ignore_eos": True,
            "return_token_ids": True,
            "chat_template_kwargs": {"enable_thinking": False},
        }
    questions = Counter(body["messages"][0]["content"][-1]["text"] for body in timed)
    assert questions == {problem.question: rounds * conditions for problem in asked(finished)[:REQUESTS]}
    turns = [REQUESTS + REQUESTS // 3, REQUESTS // 3, REQUESTS // 3]  # as the only copy, and as one of three
    models = Counter(body["model"] for body in timed)
    assert [models.pop(f"copy-{number}") for number in range(3)] == [rounds * count for count in turns]
    assert models == {str(finished.root / "checkpoint"): rounds * REQUESTS * (1 + len(VARIANTS))}
    pictures = Counter(picture(body) for body in timed if len(body["messages"][0]["content"]) == 2)
    trained = (finished.folder("art") / "artifact/image.png").read_bytes()
    assert sorted(pictures.values()) == sorted(rounds * count for count in turns)
    assert pictures[trained] == max(pictures.values()), "the image of ART, not the first one"
    levels = [np.asarray(Image.open(io.BytesIO(png))).astype(int) for png in pictures]
    for one, other in itertools.combinations(levels, 2):
        assert 1 <= np.abs(one - other).sum() == (one != other).sum() <= 2, "a copy differs in one level of one pixel"


def test_times_by_a_clock_of_our_own(
    finished: World, servers: list[Launched], results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is read at the start, at start and first token of each of three requests (1, 2 and 7 seconds), and at
    the end.
    """
    script = itertools.cycle([10, *(20, 21), *(30, 32), *(40, 47), 60])
    clock = SimpleNamespace(perf_counter=lambda: next(script), monotonic=itertools.count(5).__next__)
    monkeypatch.setattr(load, "time", clock)
    monkeypatch.setattr(module, "time", clock)
    serving = {"problems": PROBLEMS, "variants": [1], "requests": 3, "concurrency": 1, "repeats": 1}
    config = settings(finished, methods={"no_image": METHODS["no_image"]}, serving=serving, analysis=BARE)
    serve_check(config, "tiny", "arithmetic", results)
    (record,) = read_records(folder(results) / "load.jsonl", LoadRecord)
    assert (record.seconds, record.first_token_seconds) == (50, 2)
    assert ServingRecord.model_validate(read_json(folder(results) / "serving.json")).start_seconds == 1


def test_requests_are_under_way_together(
    finished: World, servers: list[Launched], results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def pool(size: int) -> ThreadPoolExecutor:
        sizes.append(size)
        return ThreadPoolExecutor(size)

    for asking in (answers, load):
        monkeypatch.setattr(asking, "ThreadPoolExecutor", pool)
    config = settings(finished, methods={"no_image": METHODS["no_image"]}, analysis=BARE)
    serve_check(config, "tiny", "arithmetic", results)
    assert sizes == [3] * (1 + REPEATS + 1), "for the answers, and for each measurement"


# -- the server ----------------------------------------------------------------------------------------------------


def test_the_server_has_room_for_the_adapters(finished: World, server: Launched) -> None:
    base, first = str(finished.root / "checkpoint"), finished.folder("lora") / "artifact/adapter"
    assert server.model == base and list(server.names) == [base, "lora", "lora_wide", "copy-0", "copy-1", "copy-2"]
    wide = finished.folder("lora_wide") / "artifact/adapter"
    assert list(server.adapters.values()) == [first, wide, first, first, first]
    wanted = {"max_loras": 3, "max_cpu_loras": 5, "max_lora_rank": 16, "enable_lora": True, "seed": 0}
    assert wanted.items() <= server.arguments.items()
    assert "--max-cpu-loras" in command_line(server.arguments)
    assert set(server.keys) == {"secret"} and server.timeout == 77
    assert server.log == finished.results / "logs/serving/tiny/arithmetic.server.log"


def test_the_record_says_what_served(finished: World, server: Launched) -> None:
    record = ServingRecord.model_validate(read_json(folder(finished.results) / "serving.json"))
    assert (record.model, record.task, record.server) == ("tiny", "arithmetic", f"vllm {VERSION}")
    assert record.digest == serving_digest(settings(finished), "tiny", "arithmetic")
    assert (record.device, record.versions) == (processor(), versions())
    assert record.cached == {"prefix": 0.2, "image": 0.75}, "summed over all engine cores"


def test_without_adapters_and_images_the_rest_is_measured(finished: World, policy: Policy, results: Path) -> None:
    def forget_pictures(server: FakeServer) -> None:
        server.metrics = "".join(line + "\n" for line in server.metrics.splitlines() if "mm_cache" not in line)
        server.metrics += 'vllm:mm_cache_queries_total{engine="0"} 0.0\nvllm:mm_cache_hits_total{engine="0"} 0.0\n'

    few = {name: METHODS[name] for name in ("no_image", "random_string")}
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(False)
    with launched(policy, module, forget_pictures) as servers:
        serve_check(settings(finished, methods=few, analysis=BARE), "tiny", "arithmetic", results)
    assert torch.get_num_threads() == 1 and torch.are_deterministic_algorithms_enabled()
    records = read_records(folder(results) / "load.jsonl", LoadRecord)
    assert {record.kind for record in records} == {"no_image"} and "enable_lora" not in servers[0].arguments
    assert ServingRecord.model_validate(read_json(folder(results) / "serving.json")).cached == {"prefix": 0.2}


def test_a_control_shows_what_an_image_costs(finished: World, servers: list[Launched], results: Path) -> None:
    config = settings(finished, methods=CONTROLS, analysis=BARE)
    serve_check(config, "tiny", "arithmetic", results)
    timed = [body for body in servers[0].requests if body.get("stream") and len(body["messages"][0]["content"]) == 2]
    noise = (finished.folder("random_image") / "artifact/image.png").read_bytes()
    assert noise in map(picture, timed) and len(set(map(picture, timed))) == 3


# -- failures ------------------------------------------------------------------------------------------------------


def test_a_server_that_fails_is_closed_and_nothing_is_written(
    finished: World, servers: list[Launched], results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeServer, "completion", lambda *_: 1 / 0)  # every connection ends without an answer
    with pytest.raises(EngineError, match=r"http://127\.0\.0\.1:\d+/v1: APIConnectionError.*it has not stopped"):
        serve_check(settings(finished), "tiny", "arithmetic", results)
    assert not servers[0].open and not folder(results).exists()
    tries = Counter(body["messages"][0]["content"][0]["text"] for body in servers[0].requests)
    assert max(tries.values()) == 2, "tried again once, as configured"


def no_ids(answer: dict[str, Any]) -> dict[str, Any]:
    answer["choices"][0]["token_ids"] = None
    return answer


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": {}}, "EngineError: .*KeyError: 'version'"),
        ({"spoil": lambda answer: answer | {"choices": None}}, "TypeError: "),
        ({"spoil": no_ids}, "EngineError: a streamed answer without token_ids or usage.*too old"),
    ],
    ids=["no version", "no choices", "no ids"],
)
def test_another_server_than_vllms_is_named(
    finished: World, policy: Policy, results: Path, change: dict[str, Any], said: str
) -> None:
    def prepare(server: FakeServer) -> None:
        vars(server).update(change)

    config = settings(finished, methods={"no_image": METHODS["no_image"]}, analysis=BARE)
    with (
        launched(policy, module, prepare) as servers,
        pytest.raises(EngineError, match=rf"http://127\.0\.0\.1:\d+/v1: {said}.*; it has not stopped"),
    ):
        serve_check(config, "tiny", "arithmetic", results)
    assert not servers[0].open and not folder(results).exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("other", "arithmetic"), "model: unknown 'other'; allowed: tiny$"),
        (("tiny", "other"), "task: unknown 'other'; allowed: tool_call, arithmetic$"),
    ],
)
def test_unknown_names(finished: World, servers: list[Launched], arguments: tuple[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        serve_check(settings(finished), *arguments, finished.results)
    assert not servers


def test_not_asked_for(finished: World, servers: list[Launched]) -> None:
    with pytest.raises(ConfigError, match="serving: not in the configuration"):
        serve_check(settings(finished, serving=None), "tiny", "arithmetic", finished.results)
    assert not servers


def test_nothing_runs_there(finished: World, servers: list[Launched]) -> None:
    elsewhere = {name: section | {"tasks": ["arithmetic"]} for name, section in METHODS.items()}
    config = settings(finished, methods=elsewhere, tasks=finished.mapping()["tasks"])
    with pytest.raises(ConfigError, match="tiny, tool_call: no method"):
        serve_check(config, "tiny", "tool_call", finished.results)


def test_what_the_server_would_cut_short_is_refused_before_it_starts(
    finished: World, servers: list[Launched], policy: Policy
) -> None:
    """The longest prompts are those with an image, and the first method has none."""
    longest = max(len(policy.prompts.encode(problem, Prefix())[0]) for problem in asked(finished)) + 4 + 2
    room = longest + LENGTH
    ServeCheck(settings(finished, engine={"max_model_len": room}), "tiny", "arithmetic", finished.results)
    with pytest.raises(EngineError, match=rf"room for {room - 1} \(engine\.max_model_len"):
        serve_check(settings(finished, engine={"max_model_len": room - 1}), "tiny", "arithmetic", finished.results)
    assert not servers


def test_a_measurement_is_not_tried_again(
    finished: World, servers: list[Launched], results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second try would be part of the recorded time."""
    made, lost = FakeServer.completion, []

    def lose_one(self: FakeServer, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("stream") and not lost:
            lost.append(body)
            raise ConnectionResetError
        return made(self, body)

    monkeypatch.setattr(FakeServer, "completion", lose_one)
    config = settings(finished, methods={"no_image": METHODS["no_image"]}, analysis=BARE)
    with pytest.raises(EngineError, match="APIConnectionError"):
        serve_check(config, "tiny", "arithmetic", results)
    assert len(lost) == 1 and not folder(results).exists()


def test_a_missing_artifact_is_named_before_a_server_starts(world: World, servers: list[Launched]) -> None:
    with pytest.raises(RecordError, match=r"no_image/seed0/run\.json"):
        serve_check(settings(world), "tiny", "arithmetic", world.results)
    assert not servers
