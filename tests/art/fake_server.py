"""A stand-in for the part of vLLM's server that we use: it runs in the test's own process and asks a tiny policy.

It renders requests with the checkpoint's chat template, as vLLM does, and not with ``Prompts.render``.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from art.config.sections import EngineSection, ModelSection
from art.models.artifact_loader import overlay_adapter
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.pictures.logits import levels_to_tensor
from art.rollouts.engines import EngineContext, open_engine
from art.rollouts.sampler import Decoding, Rollouts, sample
from art.rollouts.server_engine import Server
from art.store.problem import Problem, problem_id

CHAT = "/v1/chat/completions"
PLACEHOLDER = 0  # vLLM's own token in the place of embeddings
MODEL = "some/where"
VERSION = "0.0.fake"
METRICS = """\
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 200.0
vllm:prefix_cache_queries_total{engine="1",model_name="m"} 100.0
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 50.0
vllm:prefix_cache_hits_total{engine="1",model_name="m"} 10.0
vllm:mm_cache_queries_total{engine="0",model_name="m"} 40.0
vllm:mm_cache_hits_total{engine="0",model_name="m"} 30.0
"""


class FakeServer:
    """A server that the constructor starts; after ``close``, nothing listens at its port.

    Attributes:
        requests: bodies of all chat requests, also of those that failed.
        keys: the API keys that it received.
        faults: the faults of the next chat requests, in turn: "500", "drop" (the connection ends in the middle of the
            answer), "hang" (no answer while the server is open); later requests have none.
        adapter_faults: the same for requests that load and unload adapters; they are done before the answer is lost.
        spoil: changes an answer before it is sent.
        version, metrics: its answers about its version and its caches.
        twist: changes the log-probabilities of a completion's tokens, both (tokens,), before they are sent.
    """

    def __init__(self, policy: Policy, model: str, *, port: int = 0, key: str | None = None) -> None:
        self.base, self.model, self.key = policy, model, key
        self.names = {model: policy}
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.loaded: list[dict[str, Any]] = []
        self.faults: Iterator[str | None] = iter(())
        self.adapter_faults: Iterator[str | None] = iter(())
        self.spoil: Callable[[dict[str, Any]], Any] = lambda answer: answer
        self.twist: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = lambda tokens, scores: scores
        self.version: Any = {"version": VERSION}
        self.metrics = METRICS
        self.lock, self.ending = threading.Lock(), threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"fake": self}))
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # -- what it answers -------------------------------------------------------------------------------------------

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        policy = self.names[body["model"]]
        problem, prefix = _read(body["messages"], body.get("tools"), policy)
        prompt = _prompt_ids(body, policy, prefix)
        decoding = Decoding(body["temperature"], body["max_completion_tokens"], body.get("presence_penalty", 0.0))
        # Not from the model's name, which may be a temporary path, or drawn for an adapter.
        told = {name: value for name, value in body.items() if name != "model"}
        seed = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(seed[:7]))
        made = sample(policy, [problem], prefix, body.get("n", 1), decoding, generator)
        return {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [self._choice(number, made, policy, body) for number in range(len(made.tokens))],
            "usage": {"prompt_tokens": len(prompt), "completion_tokens": int(made.mask.sum()), "total_tokens": 0},
            "prompt_token_ids": prompt if body.get("return_token_ids") else None,
        }

    def _choice(self, number: int, made: Rollouts, policy: Policy, body: dict[str, Any]) -> dict[str, Any]:
        kept = made.mask[number]
        tokens = made.tokens[number][kept]
        scores = self.twist(tokens, made.logprobs[number][kept])
        said = [
            {"token": policy.tokenizer.decode([token]), "logprob": score, "bytes": None, "top_logprobs": []}
            for token, score in zip(tokens.tolist(), scores.tolist(), strict=True)
        ]
        return {
            "index": number,
            "message": {"role": "assistant", "content": made.texts(policy)[number]},
            "finish_reason": "stop",
            "logprobs": {"content": said} if body.get("logprobs") else None,
            "token_ids": tokens.tolist() if body.get("return_token_ids") else None,
        }

    def load(self, body: dict[str, Any]) -> tuple[int, Any]:
        name = body["lora_name"]
        if name in self.names:
            return 400, {"error": f"The lora adapter '{name}' has already been loaded."}
        policy = copy.deepcopy(self.base)
        overlay_adapter(policy, Path(body["lora_path"]))
        self.names[name] = policy
        self.loaded.append(body)
        return 200, f"Success: LoRA adapter '{name}' added successfully."

    def unload(self, body: dict[str, Any]) -> tuple[int, Any]:
        name = body["lora_name"]
        if self.names.pop(name, None) is None:
            return 404, {"error": f"The lora adapter '{name}' cannot be found."}
        return 200, f"Success: LoRA adapter '{name}' removed successfully."


class Launched(FakeServer):
    """Replaces ``LaunchedServer``; knows the arguments that it was started with, and whether it is open."""

    policy: Policy
    started: list[Launched]
    prepare: Callable[[Launched], None]

    def __init__(
        self, arguments: dict, model: str, log: Path, timeout: float, adapters: dict[str, Path] | None = None
    ) -> None:
        super().__init__(self.policy, model, key="secret")
        self.arguments, self.log, self.timeout, self.adapters = arguments, log, timeout, adapters or {}
        self.open = True
        for name, folder in self.adapters.items():
            self.load({"lora_name": name, "lora_path": str(folder)})
        self.started.append(self)
        type(self).prepare(self)

    def last_words(self) -> str:
        return "it has not stopped" if self.open else "it was closed"

    def close(self) -> None:
        super().close()
        self.open = False


@contextmanager
def launched(
    policy: Policy, module: ModuleType, prepare: Callable[[Launched], None] = lambda server: None
) -> Iterator[list[Launched]]:
    """Replace the servers that a module of ours starts; each is prepared before its first request."""
    more = {"policy": policy, "started": [], "prepare": staticmethod(prepare)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LaunchedServer", type("Launched", (Launched,), more))
        yield more["started"]


def engine(policy: Policy, url: str, model: str = MODEL, **settings: Any) -> Server:
    """The engine that asks the server at ``url``."""
    section = EngineSection(kind="server", url=url, **{"retries": 2, "timeout": 60.0, **settings})
    made = open_engine(EngineContext(ModelSection(path=model), policy, section, None, 0, Path("nowhere")))
    assert isinstance(made, Server)
    return made


class _Handler(BaseHTTPRequestHandler):
    fake: FakeServer

    def log_message(self, *_: Any) -> None:
        pass

    def _send(self, status: int, content: Any) -> None:
        data = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(content, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status >= 500:
            self.send_header("retry-after-ms", "1")  # tests need not wait long
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, answer: dict[str, Any]) -> None:
        """The streamed parts: the role, the text in two parts, then the usage."""
        text, ids = answer["choices"][0]["message"]["content"], answer["choices"][0]["token_ids"]
        head = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": answer["model"]}
        deltas = [{"role": "assistant", "content": ""}, {"content": text}, {"content": ""}]
        tokens = [{}, {"token_ids": ids and ids[:1]}, {"token_ids": ids and ids[1:]}]
        parts: list[dict[str, Any]] = [
            {"choices": [{"index": 0, "delta": delta, **ids}]} for delta, ids in zip(deltas, tokens, strict=True)
        ]
        parts.append({"choices": [], "usage": answer["usage"]})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for part in parts:
            self.wfile.write(f"data: {json.dumps(head | part)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def _allowed(self) -> bool:
        said = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.fake.keys.append(said)
        if self.fake.key not in (None, said):
            self._send(401, {"error": "Unauthorized"})
            return False
        return True

    def do_GET(self) -> None:
        if self.path == "/version":
            self._send(200, self.fake.version)
        elif self.path == "/metrics":
            self._send(200, self.fake.metrics)
        elif self.path == "/v1/models":
            if self._allowed():
                self._send(
                    200, {"object": "list", "data": [{"id": name, "object": "model"} for name in self.fake.names]}
                )
        else:
            self._send(404, {"error": f"nothing at {self.path}"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._allowed():
            return
        fake = self.fake
        if self.path in ("/v1/load_lora_adapter", "/v1/unload_lora_adapter"):
            with fake.lock:
                status, said = (fake.load if self.path == "/v1/load_lora_adapter" else fake.unload)(body)
                fault = next(fake.adapter_faults, None)
            self._break(fault) if fault else self._send(status, said)
        elif self.path == CHAT:
            with fake.lock:
                fake.requests.append(body)
                fault = next(fake.faults, None)
                answer = None if fault else fake.spoil(fake.completion(body))
            if fault:
                self._break(fault)
            elif body.get("stream"):
                self._stream(answer)
            else:
                self._send(200, answer)
        else:
            self._send(404, {"error": f"nothing at {self.path}"})

    def _break(self, fault: str) -> None:
        if fault == "500":
            self._send(500, {"error": {"message": "the engine has died", "type": "InternalServerError", "code": 500}})
        elif fault == "drop":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"id": "x", "choi')
        else:
            self.fake.ending.wait(60)


def _read(messages: list[dict[str, Any]], tools: Any, policy: Policy) -> tuple[Problem, Prefix]:
    """The problem and prefix in a request's messages, from which the policy samples."""
    first = next(number for number, message in enumerate(messages) if message["role"] == "user")
    *before, question = messages[first]["content"]
    prefix = Prefix()
    if before and before[0]["type"] == "image_url":
        head, data = before[0]["image_url"]["url"].split(",", 1)
        assert head == "data:image/png;base64"
        picture = Image.open(io.BytesIO(base64.b64decode(data)))
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        prefix = Prefix(image=levels_to_tensor(np.asarray(picture)))
    elif before:
        assert before[0]["type"] == "prompt_embeds"
        tensor = torch.load(io.BytesIO(base64.b64decode(before[0]["data"])), weights_only=True)
        prefix = Prefix(embeddings=tensor.float())
    text = question["text"]
    talk = [*messages[:first], {"role": "user", "content": text}, *_parsed(messages[first + 1 :])]
    whole = talk if len(talk) > 1 else None
    return Problem(
        id=problem_id(text, "1", tools, whole), question=text, answer="1", tools=tools, messages=whole
    ), prefix


def _prompt_ids(body: dict[str, Any], policy: Policy, prefix: Prefix) -> list[int]:
    """The prompt as vLLM makes it, with the tokens of an image or placeholders for embeddings."""
    messages = []
    for message in _parsed(body["messages"]):
        parts = message["content"] if isinstance(message["content"], list) else [message["content"]]
        kinds = {"image_url": {"type": "image"}, "prompt_embeds": {"type": "text", "text": policy.prompts.image_text}}
        content = [kinds.get(part["type"], part) if isinstance(part, dict) else part for part in parts]
        messages.append({**message, "content": content if isinstance(message["content"], list) else content[0]})
    text = policy.tokenizer.apply_chat_template(
        messages, tools=body.get("tools"), add_generation_prompt=True, tokenize=False, **body["chat_template_kwargs"]
    )
    count = policy.prompts.slots(prefix)
    found: list[int] = []
    for token in policy.tokenizer(text, add_special_tokens=False).input_ids:
        slot = PLACEHOLDER if prefix.embeddings is not None else policy.prompts.image_token
        found += [slot] * count if token == policy.prompts.image_token else [token]
    return found


def _parsed(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages with the arguments of tool calls as mappings, as vLLM gives them to the template."""
    return [
        {**message, "tool_calls": [_call(call) for call in message["tool_calls"]]}
        if "tool_calls" in message
        else message
        for message in messages
    ]


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    assert isinstance(function["arguments"], str) and call["id"]
    return {"type": call["type"], "function": {**function, "arguments": json.loads(function["arguments"])}}
