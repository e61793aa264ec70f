"""A frozen checkpoint as a policy: what stands before the question goes in, log-probabilities come out.

Everything that the methods compare reduces to a ``Prefix``: an image, a text or free embeddings before the question,
or nothing (LoRA overlays the weights instead).  A prompt runs once, differentiably; its completions continue from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoTokenizer, DynamicCache
from transformers.utils import logging

from art.models.cache import new_cache, take_rows
from art.models.preprocessor import CheckpointError, read_preprocessor
from art.models.vision import patchify
from art.records import Problem, RecordError

IMAGE_SLOT = "<|vision_start|><|image_pad|><|vision_end|>"
IMAGE_TOKEN = "<|image_pad|>"
# Tokens that the delta rule takes at once.  The classes' default, 64, pads our short completions to twice their length;
# the result is the same up to rounding (benchmarks/chunk_size.py prints both times).
CHUNK = 32


@dataclass(frozen=True)
class Prefix:
    """What stands before the question; at most one of the three.

    Attributes:
        image: (3, height, width) levels in [0, 255]; may require grad.
        text: ordinary text, followed by a line break.
        embeddings: (tokens, hidden); may require grad.
    """

    image: Tensor | None = None
    text: str | None = None
    embeddings: Tensor | None = None


@dataclass(frozen=True)
class PromptBatch:
    """Left-padded prompts.

    Attributes:
        ids: (prompts, length) token ids.
        attention: (prompts, length), 1 at tokens, 0 at padding.
        slot: (prompts, length) boolean, True where the prefix's vectors go.
        positions: (3, prompts, length) M-RoPE positions: time, height, width.
        next_position: (prompts,) position of the first completion token.
    """

    ids: Tensor
    attention: Tensor
    slot: Tensor
    positions: Tensor
    next_position: Tensor


@dataclass(frozen=True)
class Prefilled:
    """Prompts that have run: last hidden state (prompts, hidden), cache, and what continuing needs."""

    hidden: Tensor
    cache: DynamicCache
    attention: Tensor
    next_position: Tensor

    def rows(self, rows: Tensor) -> Prefilled:
        """The same for the given rows (repeats allowed)."""
        return Prefilled(
            self.hidden.index_select(0, rows),
            take_rows(self.cache, rows),
            self.attention.index_select(0, rows),
            self.next_position.index_select(0, rows),
        )


class Policy:
    """A frozen multimodal language model of the Qwen3.5 family, in float32 on the CPU.

    Raises:
        CheckpointError: the folder or one of its files is missing or cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / "config.json").is_file():
            raise CheckpointError(f"{folder}: no checkpoint here (config.json is missing)")
        # Neither a bar for a second's work nor advice about GPU kernels: standard error is for what went wrong.
        logging.disable_progress_bar()
        logging.set_verbosity_error()
        try:
            self.model = AutoModelForImageTextToText.from_pretrained(
                folder, dtype=torch.float32, use_safetensors=True, local_files_only=True
            )
            self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise CheckpointError(f"{folder}: checkpoint cannot be loaded: {error}") from None
        self.model.requires_grad_(False).eval()
        self.preprocessor = read_preprocessor(folder)
        self.language_model = self.model.model.language_model
        self.image_token = self.tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
        self.end_token = self.tokenizer.convert_tokens_to_ids("<|im_end|>")
        self.forbidden = self._forbidden_tokens()
        self._encoded: dict[tuple[str, str], tuple[list[int], list[bool], Tensor]] = {}

    @property
    def patch_embedding(self) -> Tensor:
        """Weight of the vision tower's patch embedding, (hidden, 3, frames, patch, patch)."""
        return self.model.model.visual.patch_embed.proj.weight

    @property
    def token_embeddings(self) -> Tensor:
        """(vocabulary, hidden)."""
        return self.language_model.embed_tokens.weight

    def _forbidden_tokens(self) -> Tensor:
        """(vocabulary,) -inf at tokens that a completion may not hold: special ones but the end, and padding rows."""
        bias = torch.zeros(self.token_embeddings.shape[0])
        bias[len(self.tokenizer) :] = -torch.inf
        bias[[token for token in self.tokenizer.all_special_ids if token != self.end_token]] = -torch.inf
        for token, added in self.tokenizer.added_tokens_decoder.items():
            if added.special and token != self.end_token:
                bias[token] = -torch.inf
        return bias

    # -- prompts ---------------------------------------------------------------------------------------------------

    def prefix_vectors(self, prefix: Prefix) -> Tensor | None:
        """Vectors that stand in the prompt's slot, (tokens, hidden): one vision pass serves the whole batch."""
        if prefix.image is not None:
            return self._see(prefix.image)
        return prefix.embeddings

    def _see(self, image: Tensor) -> Tensor:
        rows = patchify(
            image.unsqueeze(0) / 255,
            self.preprocessor.patch_size,
            self.preprocessor.merge_size,
            self.preprocessor.temporal_patch_size,
            self.preprocessor.image_mean,
            self.preprocessor.image_std,
        )
        return self.model.model.get_image_features(rows, self._grid(image), return_dict=True).pooler_output[0]

    def _grid(self, image: Tensor) -> Tensor:
        patch = self.preprocessor.patch_size
        return torch.tensor([[1, image.shape[1] // patch, image.shape[2] // patch]])

    def render(self, problem: Problem, prefix: Prefix) -> str:
        """The prompt as text, through the checkpoint's own chat template, one placeholder for an image.

        Raises:
            RecordError: the problem's text holds one of the model's special tokens.
        """
        for token in self.tokenizer.added_tokens_decoder.values():
            if token.special and token.content in problem.question:
                raise RecordError(f"problem {problem.id}: the question holds the special token {token.content!r}")
        content = [{"type": "text", "text": problem.question}]
        if prefix.text is not None:
            content[0]["text"] = f"{prefix.text}\n{problem.question}"
        elif prefix != Prefix():
            content.insert(0, {"type": "image"})
        return self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}],
            tools=problem.tools,
            add_generation_prompt=True,
            tokenize=False,
            enable_thinking=False,
        )

    def encode(self, problem: Problem, prefix: Prefix, vectors: Tensor | None) -> tuple[list[int], list[bool], Tensor]:
        """Token ids with the slot filled up, a mask of the slot, and M-RoPE positions (3, length).

        Encoded once a problem and a prefix shape: only the vectors change in training.
        """
        count = 0 if vectors is None else len(vectors)
        shape = f"{'image' if prefix.image is not None else 'embeddings'} {count}" if count else f"text {prefix.text}"
        if (problem.id, shape) not in self._encoded:
            text = self.render(problem, prefix)
            if prefix.embeddings is not None:
                text = text.replace(IMAGE_SLOT, IMAGE_TOKEN * count)
            elif prefix.image is not None:
                text = text.replace(IMAGE_TOKEN, IMAGE_TOKEN * count)
            ids = self.tokenizer(text, add_special_tokens=False).input_ids
            slot = [token == self.image_token for token in ids]
            if sum(slot) != count:
                raise RecordError(f"problem {problem.id}: {sum(slot)} places for {count} prefix vectors in the prompt")
            if prefix.image is not None:
                positions, _ = self.model.model.get_rope_index(
                    torch.tensor([ids]), torch.tensor([slot]).int(), image_grid_thw=self._grid(prefix.image)
                )
                positions = positions[:, 0]
            else:
                positions = torch.arange(len(ids)).expand(3, -1)
            self._encoded[problem.id, shape] = ids, slot, positions
        return self._encoded[problem.id, shape]

    def batch(self, problems: Sequence[Problem], prefix: Prefix, vectors: Tensor | None) -> PromptBatch:
        """Encode and left-pad prompts."""
        encoded = [self.encode(problem, prefix, vectors) for problem in problems]
        length = max(len(ids) for ids, _, _ in encoded)
        ids = torch.full((len(encoded), length), self.tokenizer.pad_token_id)
        attention = torch.zeros(len(encoded), length, dtype=torch.long)
        slot = torch.zeros(len(encoded), length, dtype=torch.bool)
        positions = torch.zeros(3, len(encoded), length, dtype=torch.long)
        for row, (tokens, where, place) in enumerate(encoded):
            ids[row, -len(tokens) :] = torch.tensor(tokens)
            attention[row, -len(tokens) :] = 1
            slot[row, -len(tokens) :] = torch.tensor(where)
            positions[:, row, -len(tokens) :] = place
        return PromptBatch(ids, attention, slot, positions, positions.amax(dim=(0, 2)) + 1)

    # -- passes ----------------------------------------------------------------------------------------------------

    def prefill(self, problems: Sequence[Problem], prefix: Prefix) -> Prefilled:
        """Run the prompts once; gradients reach the prefix (and an adapter on the weights)."""
        vectors = self.prefix_vectors(prefix)
        batch = self.batch(problems, prefix, vectors)
        embeddings = self.language_model.embed_tokens(batch.ids)
        if vectors is not None:
            repeated = vectors.to(embeddings.dtype).repeat(len(problems), 1)
            embeddings = embeddings.masked_scatter(batch.slot.unsqueeze(-1), repeated)
        cache = new_cache(self.language_model.config)
        hidden = self._run(embeddings, batch.attention, batch.positions, cache)
        return Prefilled(hidden[:, -1], cache, batch.attention, batch.next_position)

    def _run(self, embeddings: Tensor, attention: Tensor, positions: Tensor, cache: DynamicCache) -> Tensor:
        return self.language_model(
            inputs_embeds=embeddings,
            attention_mask=attention,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            chunk_size=CHUNK,
        ).last_hidden_state

    def advance(self, state: Prefilled, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Prefilled]:
        """Continue from a state by (rows, length) tokens; ``mask`` is False at padding on the right.

        Returns:
            Hidden states (rows, length, hidden), and the state after them.
        """
        attention = torch.cat([state.attention, mask.long()], dim=1)
        positions = (state.next_position.unsqueeze(1) + torch.arange(tokens.shape[1])).expand(3, -1, -1)
        cache = take_rows(state.cache, torch.arange(len(tokens))) if torch.is_grad_enabled() else state.cache
        hidden = self._run(self.language_model.embed_tokens(tokens), attention, positions, cache)
        return hidden, Prefilled(hidden[:, -1], cache, attention, state.next_position + tokens.shape[1])

    def log_distribution(self, hidden: Tensor, temperature: float) -> Tensor:
        """(rows, hidden) -> (rows, vocabulary) log-probabilities at a sampling temperature, forbidden tokens out."""
        logits = self.model.lm_head(hidden).float() + self.forbidden
        return torch.log_softmax(logits / temperature, dim=-1)

    def logprobs(self, state: Prefilled, tokens: Tensor, mask: Tensor, temperature: float) -> Tensor:
        """Log-probabilities (rows, length) in nats of completion tokens under the policy; 0 where masked."""
        hidden = state.hidden.unsqueeze(1)
        if tokens.shape[1] > 1:
            following, _ = self.advance(state, tokens[:, :-1], mask[:, :-1])
            hidden = torch.cat([hidden, following], dim=1)
        chosen = self.log_distribution(hidden[mask], temperature).gather(1, tokens[mask].unsqueeze(1)).squeeze(1)
        return torch.zeros(tokens.shape).masked_scatter(mask, chosen)
