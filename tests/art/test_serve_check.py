"""The serving check with a stand-in for vLLM's server: what is asked, what is written, what fails."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_server import VERSION, FakeServer
from tiny_world import World

from analysis import serving as measures
from art import serve_check as module
from art.artifact import read_artifact
from art.config import Config, ConfigError, parse_config
from art.evaluate import evaluate
from art.methods.controls import make_control
from art.models.policy import Policy
from art.records import GapRecord, Item, LoadRecord, RecordError, ServedItem, ServingRecord, read_json, read_records
from art.rollouts.engines import EngineError
from art.rollouts.vllm_options import command_line
from art.serve_check import serve_check
from art.train import train

METHODS = {name: {"kind": name} for name in ("no_image", "random_string", "art", "lora", "soft_prompt")}
METHODS["random_string"]["draws"] = METHODS["lora"]["rank"] = 2
VARIANTS, REQUESTS, REPEATS = [1, 3], 6, 2


def settings(world: World, **sections: Any) -> Config:
    serving = {"problems": 8, "variants": VARIANTS, "requests": REQUESTS, "concurrency": 3, "repeats": REPEATS}
    data = world.mapping(training={"steps": 1}) | {"seeds": [0], "methods": METHODS, "serving": serving}
    data["tasks"] = {"arithmetic": data["tasks"]["arithmetic"]}
    return parse_config(data | {"engine": {"retries": 1}} | sections, "test")


@pytest.fixture(scope="module")
def finished(tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Artefacts and evaluations of all methods."""
    root = tmp_path_factory.mktemp("served") / "world"
    shutil.copytree(tiny_inputs, root)
    world = World(root)
    config = settings(world)
    for method in METHODS:
        make = make_control if method in ("no_image", "random_string") else train
        make(config, world.key(method), world.results)
        evaluate(config, world.key(method), world.results)
    return world


@contextmanager
def launched(policy: Policy) -> Iterator[list[FakeServer]]:
    """The servers that checks start."""
    started: list[FakeServer] = []

    class Launched(FakeServer):
        def __init__(self, arguments: dict, model: str, log: Path, timeout: float, adapters: dict[str, Path]) -> None:
            super().__init__(policy, model, key="secret")
            self.arguments, self.open = arguments, True
            for name, folder in adapters.items():
                self.load({"lora_name": name, "lora_path": str(folder)})
            started.append(self)

        def last_words(self) -> str:
            return "it has not stopped"

        def close(self) -> None:
            super().close()
            self.open = False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LaunchedServer", Launched)
        yield started


@pytest.fixture
def servers(tiny_policy: Policy) -> Iterator[list[FakeServer]]:
    with launched(tiny_policy) as started:
        yield started


@pytest.fixture(scope="module")
def server(finished: World, tiny_policy: Policy) -> FakeServer:
    """That of a check of everything, after its end."""
    with launched(tiny_policy) as started:
        serve_check(settings(finished), "tiny", "arithmetic", finished.results)
    return started[0]


@pytest.fixture
def results(finished: World, tmp_path: Path) -> Path:
    """A copy, for a check that others must not see."""
    return shutil.copytree(finished.results, tmp_path / "results", ignore=shutil.ignore_patterns("serving"))


def folder(results: Path) -> Path:
    return results / "serving/tiny/arithmetic"


def test_answers_of_the_server_are_the_evaluations(finished: World, server: FakeServer) -> None:
    """Same model, same arithmetic: then each artefact has to answer as it did."""
    assert not server.open
    items = read_records(folder(finished.results) / "served.jsonl", ServedItem)
    for method in METHODS:
        evaluated = read_records(finished.folder(method) / "items.jsonl", Item)
        wanted = [item for item in evaluated if item.decoding == "greedy"]
        served = [Item(**item.model_dump(exclude={"method"})) for item in items if item.method == method]
        assert served == wanted, method
    table = measures.served(settings(finished), finished.results)
    assert list(table["method"]) == list(METHODS) and not table[["score_differs", "text_differs"]].any(axis=None)
    for gap in read_records(folder(finished.results) / "gap.jsonl", GapRecord):
        rounding = 1e-2 if gap.method == "soft_prompt" else 1e-4  # embeddings go in bfloat16
        assert 0 <= gap.mean <= gap.maximum < rounding and gap.effective == pytest.approx(1, abs=1e-3)
        assert gap.tokens > 20
    record = ServingRecord.model_validate(read_json(folder(finished.results) / "serving.json"))
    assert (record.server, record.cached) == (f"vllm {VERSION}", {"prefix": 0.25, "image": 0.75})


def test_each_artefact_is_what_was_asked(finished: World, server: FakeServer) -> None:
    bodies = [body for body in server.requests if not body.get("stream") and not body.get("logprobs")]
    base = str(finished.root / "checkpoint")
    kinds = {"art": ["image_url", "text"], "soft_prompt": ["prompt_embeds", "text"]}
    for number, method in enumerate(METHODS):
        for body in bodies[8 * number : 8 * number + 8]:
            (message,) = body["messages"]
            assert [part["type"] for part in message["content"]] == kinds.get(method, ["text"])
            assert body["model"] == ("lora" if method == "lora" else base) and body["temperature"] == 0
            said = message["content"][-1]["text"]
            written = read_artifact(finished.folder(method) / "artifact").text
            assert (written is not None and said.startswith(f"{written}\n")) == (method == "random_string")
            if method == "art":
                png = base64.b64decode(message["content"][0]["image_url"]["url"].split(",")[1])
                assert png == (finished.folder("art") / "artifact/image.png").read_bytes()
    assert len(bodies) == 8 * len(METHODS)


def test_what_is_measured(finished: World, server: FakeServer) -> None:
    conditions = [("no_image", 0), *(("image", count) for count in VARIANTS), *(("adapter", n) for n in VARIANTS)]
    records = read_records(folder(finished.results) / "load.jsonl", LoadRecord)
    found = [(record.repeat, record.kind, record.variants) for record in records]
    wanted = [
        (repeat, *condition) for repeat in range(REPEATS) for condition in conditions[repeat:] + conditions[:repeat]
    ]
    assert found == wanted, "in turn, each time another one first"
    for record in records:
        assert record.requests == REQUESTS and 0 < record.first_token_seconds <= record.seconds
    cost = {kind: {one.prompt_tokens for one in records if one.kind == kind} for kind in ("no_image", "image")}
    (bare,), (pictured,) = cost.values()
    assert pictured == bare + REQUESTS * (4 + 2), "4 visual tokens and two marks a request"
    timed = [body for body in server.requests if body.get("stream")]
    assert len(timed) == REQUESTS * (REPEATS + 1) * len(conditions), "one repeat more, which does not count"
    assert all(body["ignore_eos"] and body["stream_options"] == {"include_usage": True} for body in timed)
    pictures = {body["messages"][0]["content"][0]["image_url"]["url"] for body in timed if "image" in str(body)}
    assert len(pictures) == max(VARIANTS)
    assert {body["model"] for body in timed} == {str(finished.root / "checkpoint"), "copy-0", "copy-1", "copy-2"}


def test_the_server_has_room_for_the_adapters(finished: World, server: FakeServer) -> None:
    assert list(server.names) == [str(finished.root / "checkpoint"), "lora", "copy-0", "copy-1", "copy-2"]
    wanted = {"max_loras": 3, "max_cpu_loras": 4, "max_lora_rank": 8, "enable_lora": True}
    assert wanted.items() <= server.arguments.items()
    assert "--max-cpu-loras" in command_line(server.arguments)
    assert set(server.keys) == {"secret"}


def test_without_adapters_and_images_the_rest_is_measured(
    finished: World, servers: list[FakeServer], results: Path
) -> None:
    few = {name: METHODS[name] for name in ("no_image", "random_string")}
    config = settings(finished, methods=few, analysis={"reference": "no_image"})
    serve_check(config, "tiny", "arithmetic", results)
    records = read_records(folder(results) / "load.jsonl", LoadRecord)
    assert {record.kind for record in records} == {"no_image"} and "enable_lora" not in servers[0].arguments


def test_a_server_that_fails_is_closed_and_nothing_is_written(
    finished: World, servers: list[FakeServer], results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeServer, "completion", lambda *_: 1 / 0)  # every connection ends without an answer
    with pytest.raises(EngineError, match=r"http://127\.0\.0\.1:\d+/v1: APIConnectionError.*it has not stopped"):
        serve_check(settings(finished), "tiny", "arithmetic", results)
    assert not servers[0].open and not folder(results).exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("other", "arithmetic"), "model: unknown 'other'; allowed: tiny"),
        (("tiny", "other"), "task: unknown 'other'; allowed: arithmetic"),
    ],
)
def test_unknown_names(finished: World, servers: list[FakeServer], arguments: tuple[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        serve_check(settings(finished), *arguments, finished.results)
    assert not servers


def test_not_asked_for(finished: World, servers: list[FakeServer]) -> None:
    with pytest.raises(ConfigError, match="serving: not in the configuration"):
        serve_check(settings(finished, serving=None), "tiny", "arithmetic", finished.results)
    assert not servers


def test_nothing_runs_there(finished: World, servers: list[FakeServer]) -> None:
    elsewhere = {name: section | {"tasks": ["arithmetic"]} for name, section in METHODS.items()}
    config = settings(finished, methods=elsewhere, tasks=finished.mapping()["tasks"])
    with pytest.raises(ConfigError, match="tiny, tool_call: no method"):
        serve_check(config, "tiny", "tool_call", finished.results)


def test_what_the_server_would_cut_short_is_refused_before_it_starts(
    finished: World, servers: list[FakeServer]
) -> None:
    with pytest.raises(EngineError, match=r"room for 64 \(engine\.max_model_len"):
        serve_check(settings(finished, engine={"max_model_len": 64}), "tiny", "arithmetic", finished.results)
    assert not servers


def test_a_measurement_is_not_tried_again(
    finished: World, servers: list[FakeServer], results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second try would be a part of the time that is written down."""
    made, lost = FakeServer.completion, []

    def lose_one(self: FakeServer, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("stream") and not lost:
            lost.append(body)
            raise ConnectionResetError
        return made(self, body)

    monkeypatch.setattr(FakeServer, "completion", lose_one)
    with pytest.raises(EngineError, match="APIConnectionError"):
        serve_check(settings(finished), "tiny", "arithmetic", results)
    assert len(lost) == 1 and not folder(results).exists()


def test_a_missing_artefact_is_named_before_a_server_starts(world: World, servers: list[FakeServer]) -> None:
    with pytest.raises(RecordError, match=r"no_image/seed0/run\.json"):
        serve_check(settings(world), "tiny", "arithmetic", world.results)
    assert not servers
