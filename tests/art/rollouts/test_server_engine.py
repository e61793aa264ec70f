"""The engine that asks a server, through HTTP on loopback: what is asked, what comes back and what fails."""

from __future__ import annotations

import base64
import copy
import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_server import VERSION, FakeServer
from peft import LoraConfig, get_peft_model

from art.config import EngineSection, ModelSection
from art.images import encode_png, random_image
from art.methods.lora import TARGETS, overlay_adapter
from art.models.policy import Policy, Prefix
from art.pixels import levels_to_tensor
from art.records import Problem, problem_id
from art.rollouts.engines import EngineError, Place, open_engine
from art.rollouts.sampler import Decoding, Rollouts, sample
from art.rollouts.server_engine import Server
from art.synthetic.tasks import problems

MODEL = "some/where"
IMAGE = Prefix(image=levels_to_tensor(random_image(64, np.random.default_rng(3))))
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
    """A plain one, one with tools, and a conversation in which a tool was called."""
    return [*(problems(task, "test", 1, 0)[0] for task in ("arithmetic", "tool_call")), conversation()]


@pytest.fixture
def fake(tiny_policy: Policy) -> Iterator[FakeServer]:
    with closing(FakeServer(tiny_policy, MODEL)) as made:
        yield made


def engine(policy: Policy, url: str, **settings: Any) -> Server:
    section = EngineSection(kind="server", url=url, **{"retries": 2, "timeout": 60.0, **settings})
    made = open_engine(Place(ModelSection(path=MODEL), policy, section, None, 0, Path("nowhere")))
    assert isinstance(made, Server)
    return made


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
    # A shuffled answer, or another prefix, would not agree.
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
    tiny_policy: Policy, fake: FakeServer, some: list[Problem], name: str
) -> None:
    engine(tiny_policy, fake.url).sample(some[:2], PREFIXES[name], 3, Decoding(0.7, 5, presence_penalty=0.5))
    plain, with_tools = sorted(fake.requests, key=lambda body: "tools" in body)
    for body in (plain, with_tools):
        wanted = {
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
            "stop_token_ids": tiny_policy.end_tokens,
            "chat_template_kwargs": {"enable_thinking": False},
        }
        assert {key: body.get(key) for key in wanted} == wanted
        assert {int(token) for token in body["logit_bias"]} == set(tiny_policy.forbidden_tokens)
        assert set(body["logit_bias"].values()) == {-100}
        assert not set(tiny_policy.end_tokens) & {int(token) for token in body["logit_bias"]}
    assert with_tools["tools"] == some[1].tools and with_tools["tool_choice"] == "none"
    assert "tools" not in plain and "tool_choice" not in plain
    (message,) = plain["messages"]
    kinds = {"none": [], "text": [], "image": ["image_url"], "embeddings": ["prompt_embeds"]}
    assert [part["type"] for part in message["content"]] == [*kinds[name], "text"]
    before = "a red coin\n" if name == "text" else ""
    assert message["content"][-1]["text"] == before + some[0].question
    assert tiny_policy.image_text not in str(body), "the server puts an image's tokens in itself"


def test_the_picture_of_a_request_is_the_artefacts(
    tiny_policy: Policy, fake: FakeServer, some: list[Problem], tmp_path: Path
) -> None:
    engine(tiny_policy, fake.url).sample(some, IMAGE, 1, Decoding(1.0, 1))
    encode_png(random_image(64, np.random.default_rng(3)), tmp_path / "artefact.png")
    for body in fake.requests:
        url = body["messages"][0]["content"][0]["image_url"]["url"]
        assert base64.b64decode(url.split(",")[1]) == (tmp_path / "artefact.png").read_bytes()


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


def test_the_key_is_the_environments(tiny_policy: Policy, some: list[Problem], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "right")
    with closing(FakeServer(tiny_policy, MODEL, key="right")) as fake:
        engine(tiny_policy, fake.url).sample(some, Prefix(), 1, Decoding(1.0, 1))
        assert set(fake.keys) == {"right"}


# -- adapters ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def adapter(tiny_policy: Policy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    settings = LoraConfig(r=2, target_modules=TARGETS, init_lora_weights=False)
    folder = tmp_path_factory.mktemp("adapter")
    get_peft_model(copy.deepcopy(tiny_policy).model, settings).save_pretrained(folder)
    return folder


def test_an_adapter_is_loaded_and_asked_for(
    tiny_policy: Policy, fake: FakeServer, some: list[Problem], adapter: Path
) -> None:
    asked = engine(tiny_policy, fake.url)
    asked.load_adapter(adapter)
    made = asked.sample(some, Prefix(), 1, Decoding(1.0, 6))
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
    """A prompt that is cached under a name must not serve the next adapter."""
    asked = engine(tiny_policy, fake.url)
    for _ in range(3):
        asked.load_adapter(adapter)
        asked.sample(some[:1], Prefix(), 1, Decoding(1.0, 1))
    names = [load["lora_name"] for load in fake.loaded]
    assert len(set(names)) == 3 and [body["model"] for body in fake.requests] == names
    assert list(fake.names) == [MODEL, names[-1]]
    asked.close()
    assert list(fake.names) == [MODEL], "somebody else's server is left as it was"


@pytest.mark.parametrize("lost", ["load", "unload"])
def test_an_answer_that_was_lost_does_not_matter(
    tiny_policy: Policy, fake: FakeServer, adapter: Path, lost: str
) -> None:
    """The request is sent again, and the server says that it has been done."""
    asked = engine(tiny_policy, fake.url)
    asked.load_adapter(adapter)
    fake.adapter_faults = iter([None, "drop"] if lost == "unload" else ["drop"])
    asked.load_adapter(adapter)
    first, second = (load["lora_name"] for load in fake.loaded)
    assert list(fake.names) == [MODEL, second] and first != second


def test_a_server_without_adapters_is_told_what_it_needs(
    tiny_policy: Policy, fake: FakeServer, monkeypatch: pytest.MonkeyPatch, adapter: Path
) -> None:
    made = engine(tiny_policy, fake.url)
    monkeypatch.setattr(made.client, "base_url", f"{fake.url}/none/")  # such a server has no such path
    with pytest.raises(EngineError, match=r"NotFoundError.*--enable-lora.*VLLM_ALLOW_RUNTIME_LORA_UPDATING=1"):
        made.load_adapter(adapter)


# -- failures ------------------------------------------------------------------------------------------------------


def ask(policy: Policy, fake: FakeServer, **settings: Any) -> Rollouts:
    return engine(policy, fake.url, **settings).sample(
        problems("arithmetic", "test", 1, 0), Prefix(), 1, Decoding(1.0, 2)
    )


def test_a_completion_that_does_not_fit_is_refused(tiny_policy: Policy, fake: FakeServer, some: list[Problem]) -> None:
    """vLLM would cut it short without a word."""
    made = engine(tiny_policy, fake.url, max_model_len=64)
    length = len(tiny_policy.encode(some[0], Prefix())[0])
    made.sample(some[:1], Prefix(), 1, Decoding(1.0, 64 - length))
    with pytest.raises(EngineError, match=rf"problem {some[0].id}: {length} tokens of prompt and .*; room for 64"):
        made.sample(some[:1], Prefix(), 1, Decoding(1.0, 65 - length))
    assert len(fake.requests) == 1


def test_a_proxy_sees_nothing_of_this_machine(
    tiny_policy: Policy, fake: FakeServer, some: list[Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
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
        with pytest.raises(EngineError, match=r"AuthenticationError.*401"):
            engine(tiny_policy, fake.url)
        assert fake.keys == ["wrong"], "asked once: another try would not help"


def test_no_answer_in_time(tiny_policy: Policy, fake: FakeServer) -> None:
    fake.faults = itertools.repeat("hang")
    made = engine(tiny_policy, fake.url)
    made.client = made.client.with_options(timeout=0.1, max_retries=1)  # only the answers are late
    made.settings = made.settings.model_copy(update={"timeout": 0.1, "retries": 1})
    with pytest.raises(EngineError, match=r"no answer within 0\.1 s \(1 retries\)"):
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
    """What takes an entry out of an answer, as a server that is no vLLM leaves it out."""

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
        (put([], "choices"), "0 completions, not 1"),
        (put([5], "choices", 0, "token_ids"), "1 token_ids and 2 logprobs"),
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
    with pytest.raises(EngineError, match=r"the engine's prompt has 3 tokens.*number 0, 1 and"):
        ask(tiny_policy, fake)
