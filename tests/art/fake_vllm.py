"""A stand-in for the part of the ``vllm`` package that we use: it records what it gets, and answers by a hash of it.

tests/serving uses the real package.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from art.models.policy import Policy

VERSION = "0.0.fake"


class FakeLLM:
    """``vllm.LLM`` with a core, a process that does nothing.

    Attributes:
        calls: prompts, parameters and adapter of each ``generate``.
        loaded: the adapters.
        core: the process.
        down: whether the core was shut down.
        fault: what ``generate`` and ``add_lora`` raise.
    """

    policy: Policy  # expands images
    opened: list[FakeLLM]
    refuse: Exception | None = None

    def __init__(self, **arguments: Any) -> None:
        if self.refuse:
            raise self.refuse
        self.arguments, self.environment = arguments, dict(os.environ)
        self.calls: list[tuple[list[dict[str, Any]], Any, Any]] = []
        self.loaded: list[Any] = []
        self.down, self.fault = False, None
        self.core = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
        self.core.start()
        engine_core = SimpleNamespace(shutdown=self._shut_down)
        self.llm_engine = SimpleNamespace(add_lora=self._add_lora, engine_core=engine_core)
        self.opened.append(self)

    def _shut_down(self) -> None:
        self.down = True

    def _add_lora(self, adapter: Any) -> None:
        if self.fault:
            raise self.fault
        self.loaded.append(adapter)

    def generate(
        self, prompts: list[dict[str, Any]], parameters: Any, *, lora_request: Any, use_tqdm: bool
    ) -> list[Any]:
        if self.fault:
            raise self.fault
        assert not use_tqdm
        self.calls.append((prompts, parameters, lora_request))
        return [self._answer(prompt, parameters, lora_request) for prompt in prompts]

    def _answer(self, prompt: dict[str, Any], parameters: Any, adapter: Any) -> Any:
        picture, vectors = prompt.get("multi_modal_data", {}).get("image"), prompt.get("prompt_embeds")
        told = [repr(prompt["prompt_token_ids"]).encode()]
        told += [] if picture is None else [picture.tobytes()]
        told += [] if vectors is None else [vectors.float().numpy().tobytes()]
        told += [] if adapter is None else [(Path(adapter.path) / "adapter_model.safetensors").read_bytes()]
        seed = hashlib.sha256(b"|".join(told)).digest()
        rng = np.random.default_rng(int.from_bytes(seed[:7]))
        count = 1 if picture is None else self.policy.preprocessor.tokens(picture.width)
        expanded = [
            token
            for one in prompt["prompt_token_ids"]
            for token in [one] * (count if one == self.policy.prompts.image_token else 1)
        ]
        outputs = [self._completion(rng, parameters.max_tokens) for _ in range(parameters.n)]
        return SimpleNamespace(prompt_token_ids=expanded, outputs=outputs)

    @staticmethod
    def _completion(rng: np.random.Generator, most: int) -> Any:
        """Up to ``most`` ordinary tokens, each with its log-probability, -token / 1000, and the likeliest token's."""
        tokens = rng.integers(100, 400, rng.integers(1, most + 1)).tolist()
        logprobs = [{9: SimpleNamespace(logprob=-0.01), one: SimpleNamespace(logprob=-one / 1000)} for one in tokens]
        return SimpleNamespace(token_ids=tuple(tokens), logprobs=logprobs)


@contextmanager
def fake_vllm(policy: Policy) -> Iterator[list[FakeLLM]]:
    """Replace the package; yields the instances that are opened.  The environment is restored at the end."""
    opened: list[FakeLLM] = []
    package, lora, request = ModuleType("vllm"), ModuleType("vllm.lora"), ModuleType("vllm.lora.request")
    package.__version__ = VERSION
    package.SamplingParams = lambda **given: SimpleNamespace(**given)
    package.LLM = type("LLM", (FakeLLM,), {"policy": policy, "opened": opened})
    request.LoRARequest = lambda name, number, path: SimpleNamespace(name=name, number=number, path=path)
    before = dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        for module in (package, lora, request):
            patch.setitem(sys.modules, module.__name__, module)
        try:
            yield opened
        finally:
            os.environ.clear()
            os.environ.update(before)
            for one in opened:
                one.core.kill()
                one.core.join()
