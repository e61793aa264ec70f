"""Sample through an OpenAI-compatible vLLM server: one started here on loopback, or one that runs anywhere.

Prompts are sent as chat messages, so the server's own template and tokenizer make the tokens; it returns their ids,
which we compare with ours.  It also returns the sampled ids and their log-probabilities, so no text is tokenised again.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import torch

from art.config.sections import EngineSection
from art.models.prompt import Prefix
from art.pictures.logits import tensor_to_levels
from art.pictures.png import png_bytes
from art.rollouts.engines import Engine, EngineContext, EngineError
from art.rollouts.launch import LaunchedServer
from art.rollouts.replies import Reply, refuse_long, rollouts_of
from art.rollouts.sampler import Decoding, Rollouts
from art.rollouts.vllm_options import engine_arguments
from art.store.problem import Problem

# Requests sent at the same time; the server batches them.
CONCURRENCY = 32


class Server(Engine):
    """Chat completions of a vLLM server.

    Args:
        context: see ``EngineContext``.
        running: a server that the caller started and will close; None: the server at ``settings.url``, or without an
            address, a server that is started and closed here.
    """

    def __init__(self, context: EngineContext, running: LaunchedServer | None = None) -> None:
        super().__init__(context)
        self._model = context.model.path
        self._child: LaunchedServer | None = None
        self._loaded: str | None = None
        url, key = context.settings.url, None
        if running is None and url is None:
            running = self._child = LaunchedServer(
                engine_arguments(context), context.model.path, context.log, context.settings.timeout
            )
        if running is not None:
            url, key = running.url, running.key
        self.client = client_of(str(url), key, context.settings)
        try:
            served = self._served()
            if self._model not in served:
                raise EngineError(
                    f"{url}: serves {', '.join(map(repr, served))}; wanted {self._model!r} (start vLLM with "
                    f"--served-model-name {self._model})"
                )
            self._version = version_of(self.client)
        except (openai.OpenAIError, KeyError, TypeError) as error:
            failure = self._failure(error)  # before closing, so that it tells the server's state
            self.close()
            raise failure from None
        except EngineError:
            self.close()
            raise
        self._bias = {str(token): -100 for token in context.policy.forbidden_tokens}

    @property
    def name(self) -> str:
        return f"server, vllm {self._version}"

    def _served(self) -> list[str]:
        """Names of the base model and of the adapters that the server has."""
        return [model.id for model in self.client.models.list()]

    def ask_for(self, name: str) -> None:
        """Send requests to the base model or adapter that the server has under this name."""
        self._model = name
        self.adapter_outdated = False

    def _load_adapter(self, folder: Path) -> None:
        # A new name each time: the server must not reuse prompts that it cached under the last adapter.
        name = f"trained-{secrets.token_hex(8)}"
        body = {"lora_name": name, "lora_path": str(folder.resolve())}
        try:
            try:
                self.client.post("/load_lora_adapter", cast_to=str, body=body)
            except openai.BadRequestError:
                if name not in self._served():  # loaded, but its answer was lost and the request sent again
                    raise
            if self._loaded:
                self._unload()
        except openai.OpenAIError as error:
            hint = "an adapter needs --enable-lora, VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 and this machine's files"
            raise self._failure(error, hint) from None
        self._loaded = name
        self.ask_for(name)

    def _unload(self) -> None:
        with contextlib.suppress(openai.NotFoundError):  # unloaded already, but the answer was lost
            self.client.post("/unload_lora_adapter", cast_to=str, body={"lora_name": self._loaded})

    def sample(
        self,
        problems: Sequence[Problem],
        prefix: Prefix,
        group: int,
        decoding: Decoding,
        generator: torch.Generator | None = None,
    ) -> Rollouts:
        refuse_long(problems, prefix, self.policy, self.settings, decoding)
        before = content_of(prefix)
        body: dict[str, Any] = {
            "model": self._model,
            "n": group,
            "temperature": decoding.temperature,
            "max_completion_tokens": decoding.max_new_tokens,
            "presence_penalty": decoding.presence_penalty,
            "top_p": 1.0,
            "logprobs": True,
            "top_logprobs": 0,
            "logit_bias": self._bias,
        }
        extra: dict[str, Any] = {
            "top_k": 0,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "stop_token_ids": self.policy.end_tokens,
            "return_token_ids": True,
        }

        def ask(problem: Problem) -> Reply:
            answer = self.client.chat.completions.create(**body, **asked(problem, before, extra))
            return _reply(answer, group)

        try:
            with ThreadPoolExecutor(CONCURRENCY) as pool:
                replies = list(pool.map(ask, problems))
        except (openai.OpenAIError, ValueError) as error:
            raise self._failure(error) from None
        return rollouts_of(replies, problems, self.policy, prefix)

    def _failure(self, error: Exception, hint: str = "") -> EngineError:
        """The error as a message, with the state of the server if we started it."""
        what = {
            openai.APITimeoutError: f"no answer within {self.settings.timeout:g} s",
            openai.APIConnectionError: "cannot be reached",
            ValueError: str(error),
        }.get(type(error), f"{type(error).__name__}: {error}")
        again = isinstance(error, openai.APIConnectionError | openai.InternalServerError)
        tries = f" ({self.settings.retries} retries)" if again else ""
        told = f"; {self._child.last_words()}" if self._child else ""
        return EngineError(f"{self.client.base_url}: {what}{tries}{'; ' + hint if hint else ''}{told}")

    def close(self) -> None:
        if self._child:
            self._child.close()
        elif self._loaded:  # the server keeps running, without our adapter
            with contextlib.suppress(openai.OpenAIError):
                self._unload()


def client_of(url: str, key: str | None, settings: EngineSection) -> openai.OpenAI:
    """A client that waits and retries as configured; ``key`` None: the key in OPENAI_API_KEY, if any."""
    key = key or os.environ.get("OPENAI_API_KEY") or "none"
    # Requests to this machine must not go through a proxy from the environment.
    local = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    http = openai.DefaultHttpxClient(trust_env=False) if local else None
    return openai.OpenAI(
        base_url=url, api_key=key, timeout=settings.timeout, max_retries=settings.retries, http_client=http
    )


def version_of(client: openai.OpenAI) -> str:
    """vLLM's version, asked from the server.

    Raises:
        openai.OpenAIError: the server gives no answer, or an error.
        KeyError, TypeError: the answer is not vLLM's.
    """
    said: Any = client.get("../version", cast_to=object)
    return said["version"]


def content_of(prefix: Prefix) -> list[dict[str, Any]]:
    """The prefix as parts of a chat message."""
    if prefix.image is not None:
        return [picture_part(png_bytes(tensor_to_levels(prefix.image)))]
    if prefix.embeddings is not None:
        # vLLM's protocol: a tensor in torch's file format, which vLLM reads with weights_only.
        stream = io.BytesIO()
        torch.save(prefix.embeddings.detach().cpu().to(torch.bfloat16), stream)
        return [{"type": "prompt_embeds", "data": base64.b64encode(stream.getvalue()).decode()}]
    return [] if prefix.text is None else [{"type": "text", "text": f"{prefix.text}\n"}]


def picture_part(png: bytes) -> dict[str, Any]:
    """A PNG as a part of a chat message."""
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(png).decode()}"}}


def asked(problem: Problem, before: list[dict[str, Any]], extra: dict[str, Any] | None = None) -> dict[str, Any]:
    """Messages and tools of a request, with thinking switched off; ``extra`` are further parameters of vLLM."""
    messages = [_wire(message) for message in problem.messages or [{"role": "user", "content": problem.question}]]
    first = next(number for number, message in enumerate(messages) if message["role"] == "user")
    parts = [*before, {"type": "text", "text": problem.question}]
    if before and before[0]["type"] == "text":  # joined to one text, as the policy renders it
        parts = [{"type": "text", "text": before[0]["text"] + problem.question}]
    messages[first] = {**messages[first], "content": parts}
    request: dict[str, Any] = {"messages": messages}
    if problem.tools:
        # The template shows the tools, but the server must not parse calls: our scorer reads the answer's text.
        request |= {"tools": problem.tools, "tool_choice": "none"}
    return request | {"extra_body": {**(extra or {}), "chat_template_kwargs": {"enable_thinking": False}}}


def _wire(message: dict[str, Any]) -> dict[str, Any]:
    """A problem's message in OpenAI's form, where the arguments of a tool call are a JSON string."""
    if not message.get("tool_calls"):
        return message
    calls = []
    for number, call in enumerate(message["tool_calls"]):
        function = call["function"]
        given = function["arguments"]
        arguments = given if isinstance(given, str) else json.dumps(given)
        calls.append({"id": f"call_{number}", "type": "function", "function": {**function, "arguments": arguments}})
    return {**message, "tool_calls": calls}


def _reply(answer: Any, group: int) -> Reply:
    """A server's answer as a reply.

    Raises:
        ValueError: vLLM does not answer such a request like this.
    """
    prompt, choices = getattr(answer, "prompt_token_ids", None), getattr(answer, "choices", None) or []
    if prompt is None:
        raise ValueError("an answer without prompt_token_ids, which vLLM returns: another server, or too old")
    if len(choices) != group:
        raise ValueError(f"an answer with {len(choices)} completions, not {group}")
    return Reply(prompt, [_completion(choice) for choice in choices])


def _completion(choice: Any) -> tuple[list[int], list[float]]:
    tokens, logprobs = getattr(choice, "token_ids", None), getattr(choice, "logprobs", None)
    if tokens is None or logprobs is None or logprobs.content is None:
        raise ValueError("a completion without token_ids or logprobs, which vLLM returns: another server, or too old")
    if len(tokens) != len(logprobs.content):
        raise ValueError(f"a completion with {len(tokens)} token_ids and {len(logprobs.content)} logprobs")
    return tokens, [entry.logprob for entry in logprobs.content]
