"""How a server is reached: the client, a server that the engine starts, and the messages when a server fails."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from artifacts import write_adapter
from fake_server import MODEL, FakeServer, engine, launched

from art.config.sections import EngineSection, ModelSection
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.rollouts import server_engine
from art.rollouts.engines import EngineContext, EngineError, open_engine
from art.rollouts.sampler import Decoding, Rollouts
from art.rollouts.server_engine import Server, client_of
from art.rollouts.vllm_options import engine_arguments
from art.store.problem import Problem
from art.tasks.generated.problems import problems


@pytest.fixture(scope="module")
def some() -> list[Problem]:
    return problems("arithmetic", "test", 3, 0)


@pytest.fixture
def fake(tiny_policy: Policy) -> Iterator[FakeServer]:
    with closing(FakeServer(tiny_policy, MODEL)) as made:
        yield made


# -- the client ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "environment", "key"), [("own", "theirs", "own"), (None, "theirs", "theirs"), (None, "", "none")]
)
def test_a_client_is_as_configured(
    monkeypatch: pytest.MonkeyPatch, given: str | None, environment: str, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", environment)
    made = client_of("http://127.0.0.1:1/v1", given, EngineSection(timeout=7.0, retries=5))
    assert (made.api_key, made.timeout, made.max_retries) == (key, 7.0, 5)
    assert str(made.base_url) == "http://127.0.0.1:1/v1/"


@pytest.mark.parametrize(
    ("host", "trusts"), [("127.0.0.1", False), ("localhost", False), ("[::1]", False), ("gpu.example", True)]
)
def test_only_what_is_on_this_machine_passes_by_a_proxy(host: str, trusts: bool) -> None:
    assert client_of(f"http://{host}:1/v1", None, EngineSection())._client.trust_env == trusts


# -- a server of its own -------------------------------------------------------------------------------------------


@pytest.fixture
def own(tiny_policy: Policy, tiny_checkpoint: Path) -> EngineContext:
    section = EngineSection(kind="server", retries=1, timeout=77.0)
    return EngineContext(ModelSection(path=str(tiny_checkpoint)), tiny_policy, section, 2, 5, Path("some/log"))


def test_without_an_address_a_server_is_started_and_closed(own: EngineContext, some: list[Problem]) -> None:
    with launched(own.policy, server_engine) as started:
        made = open_engine(own)
        (server,) = started
        assert (server.arguments, server.model) == (engine_arguments(own), own.model.path)
        assert (server.log, server.timeout, server.adapters) == (own.log, 77.0, {})
        made.sample(some, Prefix(), 1, Decoding(1.0, 1))
        assert set(server.keys) == {"secret"} and server.open
        made.close()
    assert not server.open


def test_a_server_that_somebody_else_started_stays_open(own: EngineContext, tmp_path: Path) -> None:
    write_adapter(own.policy, tmp_path)
    with (
        launched(own.policy, server_engine),
        closing(server_engine.LaunchedServer({}, own.model.path, own.log, 1)) as running,
    ):
        made = Server(own, running)
        assert running.started == [running] and str(made.client.base_url) == f"{running.url}/"
        made.load_adapter(tmp_path)
        made.close()
        assert running.open and list(running.names) == [own.model.path]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": {}}, "KeyError: 'version'; it has not stopped"),
        ({"version": []}, "TypeError: .*; it has not stopped"),
        ({"names": None}, r"cannot be reached \(1 retries\); it has not stopped"),
        ({"names": {"other": None}}, "serves 'other'; wanted '.*/checkpoint'"),
    ],
    ids=["no version", "another version", "no answer", "another model"],
)
def test_a_server_of_its_own_that_is_not_right_is_closed(own: EngineContext, change: dict[str, Any], said: str) -> None:
    with launched(own.policy, server_engine, lambda server: vars(server).update(change)) as started:
        with pytest.raises(EngineError, match=said):
            open_engine(own)
        assert not started[0].open


def test_a_failure_tells_how_its_own_server_is(own: EngineContext, some: list[Problem]) -> None:
    def break_down(server: FakeServer) -> None:
        server.faults = itertools.repeat("500")

    with (
        launched(own.policy, server_engine, break_down),
        closing(open_engine(own)) as made,
        pytest.raises(EngineError, match=r"InternalServerError.*\(1 retries\); it has not stopped$"),
    ):
        made.sample(some[:1], Prefix(), 1, Decoding(1.0, 1))


# -- failures ------------------------------------------------------------------------------------------------------


def ask(policy: Policy, fake: FakeServer, **settings: Any) -> Rollouts:
    return engine(policy, fake.url, **settings).sample(
        problems("arithmetic", "test", 1, 0), Prefix(), 1, Decoding(1.0, 2)
    )


def test_a_completion_that_does_not_fit_is_refused(tiny_policy: Policy, fake: FakeServer, some: list[Problem]) -> None:
    """vLLM would cut it short without a message."""
    made = engine(tiny_policy, fake.url, max_model_len=64)
    length = len(tiny_policy.prompts.encode(some[0], Prefix())[0])
    made.sample(some[:1], Prefix(), 1, Decoding(1.0, 64 - length))
    with pytest.raises(EngineError, match=rf"problem {some[0].id}: {length} tokens of prompt and .*; room for 64"):
        made.sample(some[:1], Prefix(), 1, Decoding(1.0, 65 - length))
    assert len(fake.requests) == 1


def test_a_proxy_sees_nothing_of_this_machine(
    tiny_policy: Policy, fake: FakeServer, some: list[Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = engine(tiny_policy, fake.url, retries=0)
    assert made.sample(some, Prefix(), 1, Decoding(1.0, 1)).mask.any()


def test_nothing_listens(tiny_policy: Policy) -> None:
    gone = FakeServer(tiny_policy, MODEL)
    gone.close()
    with pytest.raises(EngineError, match=rf"127\.0\.0\.1:{gone.port}/v1/: cannot be reached \(1 retries\)"):
        engine(tiny_policy, gone.url, retries=1)


def test_another_model(tiny_policy: Policy) -> None:
    with (
        closing(FakeServer(tiny_policy, "other")) as fake,
        pytest.raises(EngineError, match=rf"{fake.port}/v1: serves 'other'; wanted '{MODEL}'.*--served-model-name"),
    ):
        engine(tiny_policy, fake.url)


def test_another_key(tiny_policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    with closing(FakeServer(tiny_policy, MODEL, key="right")) as fake:
        with pytest.raises(EngineError, match=r"AuthenticationError.*401") as caught:
            engine(tiny_policy, fake.url)
        assert "retries" not in str(caught.value)
        assert fake.keys == ["wrong"], "asked once, since another try would not help"


def test_no_answer_in_time(tiny_policy: Policy, fake: FakeServer) -> None:
    fake.faults = itertools.repeat("hang")
    made = engine(tiny_policy, fake.url)
    made.client = made.client.with_options(timeout=1.0, max_retries=1)  # only the answers are late
    made.settings = made.settings.model_copy(update={"timeout": 1.0, "retries": 1})
    with pytest.raises(EngineError, match=r"no answer within 1 s \(1 retries\)"):
        made.sample(problems("arithmetic", "test", 1, 0), Prefix(), 1, Decoding(1.0, 2))
    assert len(fake.requests) == 2


@pytest.mark.parametrize("fault", ["500", "drop"])
def test_a_passing_fault_is_tried_again(tiny_policy: Policy, fake: FakeServer, fault: str) -> None:
    count = 2 if fault == "500" else 1
    fake.faults = iter([fault] * count)
    made = ask(tiny_policy, fake)
    assert len(fake.requests) == count + 1 and made.mask.any()


@pytest.mark.parametrize(("fault", "said"), [("500", "InternalServerError.*500.*died"), ("drop", "cannot be reached")])
def test_a_lasting_fault_ends_after_the_retries(tiny_policy: Policy, fake: FakeServer, fault: str, said: str) -> None:
    fake.faults = itertools.repeat(fault)
    with pytest.raises(EngineError, match=rf"{fake.port}/v1/: .*{said}.*\(1 retries\)"):
        ask(tiny_policy, fake, retries=1)
    assert len(fake.requests) == 2


def without(*path: str | int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A function that removes an entry from an answer, as a server other than vLLM would."""

    def change(answer: dict[str, Any]) -> dict[str, Any]:
        *way, last = path
        place: Any = answer
        for part in way:
            place = place[part]
        del place[last]
        return answer

    return change


def put(value: Any, *path: str | int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(answer: dict[str, Any]) -> dict[str, Any]:
        *way, last = path
        place: Any = answer
        for part in way:
            place = place[part]
        place[last] = value
        return answer

    return change


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without("choices", 0, "token_ids"), "token_ids"),
        (put(None, "choices", 0, "token_ids"), "token_ids"),
        (put(None, "choices", 0, "logprobs"), "logprobs"),
        (without("prompt_token_ids"), "prompt_token_ids"),
        (put(None, "prompt_token_ids"), "prompt_token_ids"),
        (put({"content": None}, "choices", 0, "logprobs"), "logprobs"),
        (put([], "choices"), "0 completions, not 1"),
        (lambda answer: answer | {"choices": 2 * answer["choices"]}, "2 completions, not 1"),
        (put([5], "choices", 0, "token_ids"), "1 token_ids and 2 logprobs"),
        (put([5, 6, 7], "choices", 0, "token_ids"), "3 token_ids and 2 logprobs"),
        (lambda answer: ["no", "answer"], ""),
        (lambda answer: "what?", ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_malformed_answer_names_the_server_and_what_it_lacks(
    tiny_policy: Policy, fake: FakeServer, spoil: Callable, said: str
) -> None:
    fake.spoil = spoil
    with pytest.raises(EngineError, match=rf"{fake.port}/v1/: .*{said}"):
        ask(tiny_policy, fake)
    assert len(fake.requests) == 1


def test_another_prompt_is_refused(tiny_policy: Policy, fake: FakeServer) -> None:
    fake.spoil = put([1, 2, 3], "prompt_token_ids")
    with pytest.raises(EngineError, match=r"the engine's prompt has 3 tokens.*number 0, theirs 1, ours \d"):
        ask(tiny_policy, fake)
