"""The server engine, over HTTP on loopback: its requests, the answers, and adapters."""

from __future__ import annotations

import base64
import copy
import io
import math
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from artifacts import write_adapter
from fake_server import MODEL, VERSION, FakeServer, engine

from art.models.artifact_loader import overlay_adapter
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.pictures.logits import levels_to_tensor
from art.pictures.png import encode_png, uniform_noise
from art.rollouts.engines import EngineError
from art.rollouts.sampler import Decoding, Rollouts, sample
from art.rollouts.server_engine import CONCURRENCY, asked, content_of
from art.store.problem import Problem, problem_id
from art.tasks.generated.problems import problems

IMAGE = Prefix(image=levels_to_tensor(uniform_noise(64, np.random.default_rng(3))))
EMBEDDINGS = Prefix(embeddings=torch.randn(3, 64, generator=torch.Generator().manual_seed(0)).bfloat16().float())
PREFIXES = {"none": Prefix(), "text": Prefix(text="a red coin"), "image": IMAGE, "embeddings": EMBEDDINGS}
TALK = [
    {"role": "user", "content": "Which room is dark?"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": {"name": "look", "arguments": {"rooms": ["attic", "hall"]}}}],
    },
    {"role": "tool", "content": "attic"},
    {"role": "user", "content": "Light it."},
]


def conversation() -> Problem:
    tools = problems("tool_call", "test", 1, 0)[0].tools
    name = problem_id(TALK[0]["content"], "1", tools, TALK)
    return Problem(id=name, question=TALK[0]["content"], answer="1", tools=tools, messages=TALK)


@pytest.fixture(scope="module")
def some() -> list[Problem]:
    """A plain problem, one with tools, and a conversation in which a tool was called."""
    return [*(problems(task, "test", 1, 0)[0] for task in ("arithmetic", "tool_call")), conversation()]


@pytest.fixture
def fake(tiny_policy: Policy) -> Iterator[FakeServer]:
    with closing(FakeServer(tiny_policy, MODEL)) as made:
        yield made


def own_logprobs(policy: Policy, some: list[Problem], prefix: Prefix, made: Rollouts, temperature: float):
    group = len(made.tokens) // len(some)
    with torch.no_grad():
        state = policy.prefill(some, prefix).rows(torch.arange(len(some)).repeat_interleave(group))
        return policy.logprobs(state, made.tokens, made.mask, temperature)


# -- what comes back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probabilities_are_the_policys(
    tiny_policy: Policy, fake: FakeServer, some: list[Problem], prefix: Prefix, temperature: float
) -> None:
    made = engine(tiny_policy, fake.url).sample(some, prefix, 2, Decoding(temperature, 6))
    assert made.tokens.shape == (6, 6) and made.mask.any(dim=1).all()
    ours = own_logprobs(tiny_policy, some, prefix, made, temperature)
    torch.testing.assert_close(made.logprobs, ours, rtol=0, atol=1e-4)
    # A wrong order of answers, or another prefix, would not agree.
    other = own_logprobs(tiny_policy, some, Prefix(text="another one"), made, temperature)
    assert (made.logprobs - other).abs().max() > 1e-3


def test_greedy_answers_are_the_policys(tiny_policy: Policy, fake: FakeServer, some: list[Problem]) -> None:
    decoding = Decoding(0.0, 6, presence_penalty=1.0)
    made = engine(tiny_policy, fake.url).sample(some, IMAGE, 1, decoding)
    wanted = sample(tiny_policy, some, IMAGE, 1, decoding)
    assert torch.equal(made.tokens, wanted.tokens) and made.prompt_tokens == wanted.prompt_tokens


def test_its_name_has_the_servers_version(tiny_policy: Policy, fake: FakeServer) -> None:
    assert engine(tiny_policy, fake.url).name == f"server, vllm {VERSION}"


# -- what is asked -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PREFIXES)
def test_a_request_says_everything_that_sampling_depends_on(
    tiny_policy: Policy, fake: FakeServer, some: list[Problem], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny_policy, "end_tokens", [tiny_policy.end_token, 70])
    engine(tiny_policy, fake.url).sample(some[:2], PREFIXES[name], 3, Decoding(0.7, 5, presence_penalty=0.5))
    plain, with_tools = sorted(fake.requests, key=lambda body: "tools" in body)
    for body in (plain, with_tools):
        assert {key: value for key, value in body.items() if key not in ("messages", "tools", "tool_choice")} == {
            "model": MODEL,
            "n": 3,
            "temperature": 0.7,
            "max_completion_tokens": 5,
            "presence_penalty": 0.5,
            "repetition_penalty": 1.0,
            "top_p": 1.0,
            "top_k": 0,
            "min_p": 0.0,
            "logprobs": True,
            "top_logprobs": 0,
            "return_token_ids": True,
            "stop_token_ids": [tiny_policy.end_token, 70],
            "logit_bias": {
                str(token): -100 for token, bias in enumerate(tiny_policy.forbidden.tolist()) if bias == -math.inf
            },
            "chat_template_kwargs": {"enable_thinking": False},
        }
    assert with_tools["tools"] == some[1].tools and with_tools["tool_choice"] == "none"
    assert "tools" not in plain and "tool_choice" not in plain
    (message,) = plain["messages"]
    kinds = {"none": [], "text": [], "image": ["image_url"], "embeddings": ["prompt_embeds"]}
    assert [part["type"] for part in message["content"]] == [*kinds[name], "text"]
    before = "a red coin\n" if name == "text" else ""
    assert message["content"][-1]["text"] == before + some[0].question
    assert tiny_policy.prompts.image_text not in str(body), "the server puts an image's tokens in itself"


def test_the_picture_of_a_request_is_the_artifacts(
    tiny_policy: Policy, fake: FakeServer, some: list[Problem], tmp_path: Path
) -> None:
    engine(tiny_policy, fake.url).sample(some, IMAGE, 1, Decoding(1.0, 1))
    encode_png(uniform_noise(64, np.random.default_rng(3)), tmp_path / "artifact.png")
    urls = [body["messages"][0]["content"][0]["image_url"]["url"] for body in fake.requests]
    assert [base64.b64decode(url.split(",")[1]) for url in urls] == [(tmp_path / "artifact.png").read_bytes()] * 3


def test_embeddings_go_as_bfloat16() -> None:
    (part,) = content_of(Prefix(embeddings=torch.full((2, 4), 1 + 2**-12, requires_grad=True)))
    sent = torch.load(io.BytesIO(base64.b64decode(part["data"])), weights_only=True)
    assert (
        part["type"] == "prompt_embeds"
        and sent.dtype == torch.bfloat16
        and torch.equal(sent, torch.ones(2, 4).bfloat16())
    )


def test_the_prefix_stands_in_the_users_first_message() -> None:
    talk = [{"role": "system", "content": "Be brief."}, *TALK]
    before = [{"type": "image_url", "image_url": {"url": "x"}}]
    messages = asked(conversation().model_copy(update={"messages": talk}), before)["messages"]
    assert messages[0] == talk[0] and messages[-1] == TALK[-1]
    assert messages[1] == {"role": "user", "content": [*before, {"type": "text", "text": TALK[0]["content"]}]}


def test_arguments_of_calls_go_as_text(tiny_policy: Policy, fake: FakeServer) -> None:
    engine(tiny_policy, fake.url).sample([conversation()], IMAGE, 1, Decoding(1.0, 1))
    (body,) = fake.requests
    first, call, result, last = body["messages"]
    assert [part["type"] for part in first["content"]] == ["image_url", "text"]
    assert first["content"][1]["text"] == TALK[0]["content"]
    (said,) = call["tool_calls"]
    assert said["id"] and said["function"] == {"name": "look", "arguments": '{"rooms": ["attic", "hall"]}'}
    assert (result, last) == (TALK[2], TALK[3])
    assert TALK[1]["tool_calls"][0]["function"]["arguments"] == {"rooms": ["attic", "hall"]}, "left as it was"


def test_arguments_that_are_text_stay_it_and_each_call_has_its_own_name() -> None:
    calls = [{"type": "function", "function": {"name": "look", "arguments": given}} for given in ('{"a": 1}', {"a": 1})]
    talk = [TALK[0], {"role": "assistant", "content": "", "tool_calls": calls}]
    sent = asked(conversation().model_copy(update={"messages": talk}), [])["messages"][1]["tool_calls"]
    assert [call["function"] for call in sent] == [{"name": "look", "arguments": '{"a": 1}'}] * 2
    assert len({call["id"] for call in sent}) == 2 and {call["type"] for call in sent} == {"function"}


def test_the_key_is_the_environments(tiny_policy: Policy, some: list[Problem], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "right")
    with closing(FakeServer(tiny_policy, MODEL, key="right")) as fake:
        engine(tiny_policy, fake.url).sample(some, Prefix(), 1, Decoding(1.0, 1))
        assert set(fake.keys) == {"right"}


def test_requests_are_under_way_together(
    tiny_policy: Policy, fake: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All allowed requests are sent at once: each waits until all have arrived."""
    made, meeting = engine(tiny_policy, fake.url), threading.Barrier(CONCURRENCY)
    create = made.client.chat.completions.create
    monkeypatch.setattr(made.client.chat.completions, "create", lambda **body: (meeting.wait(20), create(**body))[1])
    many = problems("arithmetic", "test", CONCURRENCY, 0)
    assert len(made.sample(many, Prefix(), 1, Decoding(0.0, 1)).tokens) == CONCURRENCY == 32


# -- adapters ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def adapter(tiny_policy: Policy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    write_adapter(tiny_policy, folder)
    return folder


def test_an_adapter_is_loaded_and_asked_for(
    tiny_policy: Policy, fake: FakeServer, some: list[Problem], adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(adapter.parent)
    loaded = engine(tiny_policy, fake.url)
    loaded.load_adapter(Path(adapter.name))  # the server may have been started elsewhere
    made = loaded.sample(some, Prefix(), 1, Decoding(1.0, 6))
    ((name, path),) = [load.values() for load in fake.loaded]
    assert path == str(adapter) and {body["model"] for body in fake.requests} == {name}
    adapted = copy.deepcopy(tiny_policy)
    overlay_adapter(adapted, adapter)
    ours = own_logprobs(adapted, some, Prefix(), made, 1.0)
    torch.testing.assert_close(made.logprobs, ours, rtol=0, atol=1e-4)
    assert (made.logprobs - own_logprobs(tiny_policy, some, Prefix(), made, 1.0)).abs().max() > 1e-3


def test_each_adapter_has_a_new_name_and_the_last_one_goes(
    tiny_policy: Policy, fake: FakeServer, some: list[Problem], adapter: Path
) -> None:
    """A prompt that is cached under a name must not be used for the next adapter."""
    loaded = engine(tiny_policy, fake.url)
    for _ in range(3):
        loaded.load_adapter(adapter)
        loaded.sample(some[:1], Prefix(), 1, Decoding(1.0, 1))
    names = [load["lora_name"] for load in fake.loaded]
    assert len(set(names)) == 3 and [body["model"] for body in fake.requests] == names
    assert list(fake.names) == [MODEL, names[-1]]
    loaded.close()
    assert list(fake.names) == [MODEL], "a server that runs on keeps no adapter of ours"


@pytest.mark.parametrize("lost", ["load", "unload"])
def test_an_answer_that_was_lost_does_not_matter(
    tiny_policy: Policy, fake: FakeServer, adapter: Path, lost: str
) -> None:
    """The request is sent again, and the server says that it was already done."""
    loaded = engine(tiny_policy, fake.url)
    loaded.load_adapter(adapter)
    fake.adapter_faults = iter([None, "drop"] if lost == "unload" else ["drop"])
    loaded.load_adapter(adapter)
    first, second = (load["lora_name"] for load in fake.loaded)
    assert list(fake.names) == [MODEL, second] and first != second


def test_a_server_without_adapters_is_told_what_it_needs(
    tiny_policy: Policy, fake: FakeServer, monkeypatch: pytest.MonkeyPatch, adapter: Path
) -> None:
    made = engine(tiny_policy, fake.url)
    monkeypatch.setattr(made.client, "base_url", f"{fake.url}/none/")  # such a server has no such path
    with pytest.raises(EngineError, match=r"NotFoundError.*--enable-lora.*VLLM_ALLOW_RUNTIME_LORA_UPDATING=1"):
        made.load_adapter(adapter)


def test_an_adapter_that_is_refused_is_not_asked_for(tiny_policy: Policy, fake: FakeServer, adapter: Path) -> None:
    made = engine(tiny_policy, fake.url)
    fake.load = lambda body: (400, {"error": "its rank is too high"})
    with pytest.raises(EngineError, match=r"BadRequestError: .*400; an adapter needs --enable-lora"):
        made.load_adapter(adapter)


def test_a_server_that_is_gone_at_the_end_does_not_matter(tiny_policy: Policy, adapter: Path) -> None:
    with closing(FakeServer(tiny_policy, MODEL)) as fake:
        made = engine(tiny_policy, fake.url, retries=0)
        made.load_adapter(adapter)
    made.close()
