"""A frozen checkpoint as a policy: it takes a prefix and problems, and gives log-probabilities of completions.

Each method reduces to a ``Prefix``: an image, a text or embeddings before the question, or nothing (LoRA puts an
adapter over the weights instead).  A prompt runs once, with gradients; its completions continue from its state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import AutoModelForImageTextToText, AutoTokenizer, DynamicCache
from transformers.utils import logging

from art.models.cache import new_cache, take_rows
from art.models.preprocessor import CheckpointError, read_preprocessor
from art.models.prompt import Prefix, Prompts
from art.models.vision import patchify
from art.store.problem import Problem

# Tokens in a chunk of the delta rule.  The default of the model classes, 64, pads our short completions to twice their
# length; the result is the same up to rounding (benchmarks/chunk_size.py prints both times).
CHUNK = 32
# Logits held at once when completions are scored (128 MiB in float32).  With a vocabulary of 248,320, the logits of all
# tokens of a minibatch would take tens of gigabytes.
LOGITS_AT_ONCE = 2**25


@dataclass(frozen=True)
class Vectors:
    """The vectors that a prefix puts into the slot of a prompt.

    Attributes:
        tokens: (tokens, hidden), in place of token embeddings.
        deeper: each (tokens, hidden), added to the hidden states after the first, second, ... layer (DeepStack).
    """

    tokens: Tensor
    deeper: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Prefilled:
    """The state of prompts that have run: last hidden state (prompts, hidden), cache, attention mask, positions."""

    hidden: Tensor
    cache: DynamicCache
    attention: Tensor
    next_position: Tensor

    def rows(self, rows: Tensor) -> Prefilled:
        """The state of the given rows (repeats allowed)."""
        rows = rows.to(self.hidden.device)
        return Prefilled(
            self.hidden.index_select(0, rows),
            take_rows(self.cache, rows),
            self.attention.index_select(0, rows),
            self.next_position.index_select(0, rows),
        )


class Policy:
    """A frozen multimodal language model of the Qwen3.5 family.

    Prefixes, tokens and masks may be on any device; they are moved to the model's.

    Args:
        folder: the checkpoint; only its own files are read, and none of its code is run.
        device: where the model runs.
        dtype: dtype of the frozen weights.

    Raises:
        CheckpointError: the folder or one of its files is missing, cannot be read, or is of another family.
    """

    model_type: ClassVar[str] = "qwen3_5"

    def __init__(self, folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        self.device = torch.device(device)
        self._load(folder, dtype)
        self.model.requires_grad_(False).eval().to(self.device)
        self.preprocessor = read_preprocessor(folder)
        self.language_model = self.model.model.language_model
        self.prompts = Prompts(
            folder,
            self.tokenizer,
            self.preprocessor,
            self.model.config.image_token_id,
            self.model.model.get_rope_index,
        )
        self.end_tokens = self._end_tokens(folder)
        self.forbidden = self._forbidden_tokens().to(self.device)

    def _load(self, folder: Path, dtype: torch.dtype) -> None:
        if not (folder / "config.json").is_file():
            raise CheckpointError(f"{folder}: no checkpoint here (config.json is missing)")
        # No progress bar and no advice about GPU kernels: standard error is for errors.
        logging.disable_progress_bar()
        logging.set_verbosity_error()
        here = {"local_files_only": True, "trust_remote_code": False}
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder, **here)
            self.model, report = AutoModelForImageTextToText.from_pretrained(
                folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **here
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise CheckpointError(f"{folder}: checkpoint cannot be loaded: {error}") from None
        found = self.model.config.model_type
        if found != self.model_type:
            raise CheckpointError(f"{folder / 'config.json'}: model_type {found!r}; wanted {self.model_type!r}")
        if report["missing_keys"]:  # transformers would leave them random
            raise CheckpointError(f"{folder}: weights are missing: {', '.join(sorted(report['missing_keys']))}")

    def _end_tokens(self, folder: Path) -> list[int]:
        """Tokens that end a completion: first the tokenizer's, which ends a turn, then those of generation_config."""
        listed = self.model.generation_config.eos_token_id
        listed = listed if isinstance(listed, list) else [listed]
        found = [token for token in dict.fromkeys([self.tokenizer.eos_token_id, *listed]) if token is not None]
        if not found:
            raise CheckpointError(f"{folder}: no end token in tokenizer_config.json or generation_config.json")
        return found

    @property
    def end_token(self) -> int:
        """The token that ends a turn."""
        return self.end_tokens[0]

    def ends(self, tokens: Tensor) -> Tensor:
        """True where a token (any shape) ends a completion."""
        return torch.isin(tokens, torch.tensor(self.end_tokens, device=tokens.device))

    @property
    def patch_embedding(self) -> Tensor:
        """Weight of the vision tower's patch embedding, (hidden, 3, frames, patch, patch)."""
        return self.model.model.visual.patch_embed.proj.weight

    @property
    def token_embeddings(self) -> Tensor:
        """Token embeddings, (vocabulary, hidden)."""
        return self.language_model.embed_tokens.weight

    @property
    def forbidden_tokens(self) -> list[int]:
        """Ids of the tokens that a completion may not contain."""
        return self.forbidden.isneginf().nonzero().squeeze(1).tolist()

    def _forbidden_tokens(self) -> Tensor:
        """(vocabulary,), -inf at forbidden tokens (special tokens except the ends, and padding rows), else 0."""
        bias = torch.zeros(self.token_embeddings.shape[0])
        bias[len(self.tokenizer) :] = -torch.inf
        added = self.tokenizer.added_tokens_decoder.items()
        special = {*self.tokenizer.all_special_ids, *(token for token, entry in added if entry.special)}
        bias[sorted(special - set(self.end_tokens))] = -torch.inf
        return bias

    def prefix_vectors(self, prefix: Prefix) -> Vectors | None:
        """The vectors for the prompts' slot, from one vision pass for the whole batch; None if the slot is empty."""
        if prefix.image is not None:
            return self._see(prefix.image)
        return None if prefix.embeddings is None else Vectors(prefix.embeddings)

    def _see(self, image: Tensor) -> Vectors:
        return Vectors(self._features(image).pooler_output[0])

    def _features(self, image: Tensor) -> Any:
        """The vision tower's output for one picture."""
        own = self.preprocessor
        rows = patchify(
            image.to(self.device).unsqueeze(0) / own.full_level,
            own.patch_size,
            own.merge_size,
            own.temporal_patch_size,
            own.image_mean,
            own.image_std,
        )
        return self.model.model.get_image_features(rows, self.prompts.grid(image).to(self.device), return_dict=True)

    # -- passes ----------------------------------------------------------------------------------------------------

    def prefill(self, problems: Sequence[Problem], prefix: Prefix) -> Prefilled:
        """Run the prompts once; gradients reach the prefix (and an adapter on the weights)."""
        vectors = self.prefix_vectors(prefix)
        batch = self.prompts.batch(problems, prefix).to(self.device)
        embeddings = self.language_model.embed_tokens(batch.ids)
        beside: dict[str, Any] = {}
        if vectors is not None:
            repeated = vectors.tokens.to(embeddings).repeat(len(problems), 1)
            embeddings = embeddings.masked_scatter(batch.slot.unsqueeze(-1), repeated)
            beside = self._beside(vectors, batch.slot)
        cache = new_cache(self.language_model.config)
        hidden = self._run(embeddings, batch.attention, batch.positions, cache, **beside)
        return Prefilled(hidden[:, -1], cache, batch.attention, batch.next_position)

    def _beside(self, vectors: Vectors, slot: Tensor) -> dict[str, Any]:
        """Further arguments of the language model for this prefix; ``slot`` is (prompts, length)."""
        return {}

    def _run(
        self, embeddings: Tensor, attention: Tensor, positions: Tensor, cache: DynamicCache, **beside: Any
    ) -> Tensor:
        return self.language_model(
            inputs_embeds=embeddings,
            attention_mask=attention,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            chunk_size=CHUNK,
            **beside,
        ).last_hidden_state

    def advance(self, state: Prefilled, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Prefilled]:
        """Continue from a state by (rows, length) tokens; ``mask`` is False at padding on the right.

        Returns:
            Hidden states (rows, length, hidden), and the state after them.
        """
        tokens, mask = tokens.to(self.device), mask.to(self.device)
        attention = torch.cat([state.attention, mask.long()], dim=1)
        offsets = torch.arange(tokens.shape[1], device=self.device)
        positions = (state.next_position.unsqueeze(1) + offsets).expand(3, -1, -1)
        every = torch.arange(len(tokens), device=self.device)
        cache = take_rows(state.cache, every) if torch.is_grad_enabled() else state.cache
        hidden = self._run(self.language_model.embed_tokens(tokens), attention, positions, cache)
        return hidden, Prefilled(hidden[:, -1], cache, attention, state.next_position + tokens.shape[1])

    def log_distribution(self, hidden: Tensor, temperature: float) -> Tensor:
        """Log-probabilities at a temperature, -inf at forbidden tokens: (rows, hidden) -> (rows, vocabulary)."""
        logits = self.model.lm_head(hidden).float() + self.forbidden
        return torch.log_softmax(logits / temperature, dim=-1)

    def logprobs(self, state: Prefilled, tokens: Tensor, mask: Tensor, temperature: float) -> Tensor:
        """Log-probabilities of completion tokens under the policy.

        Args:
            state: the prompts, one row for each completion.
            tokens, mask: (rows, length).
            temperature: the sampling temperature.

        Returns:
            (rows, length) in nats, 0 where masked, on the device of ``tokens``.
        """
        hidden = state.hidden.unsqueeze(1)
        if tokens.shape[1] > 1:
            following, _ = self.advance(state, tokens[:, :-1], mask[:, :-1])
            hidden = torch.cat([hidden, following], dim=1)
        chosen = self._chosen(hidden[mask.to(self.device)], tokens[mask].to(self.device), temperature)
        return chosen.new_zeros(tokens.shape, device=tokens.device).masked_scatter(mask, chosen.to(tokens.device))

    def _chosen(self, hidden: Tensor, tokens: Tensor, temperature: float) -> Tensor:
        """Log-probabilities (rows,) of tokens (rows,) after hidden states (rows, hidden), in chunks of rows."""

        def score(hidden: Tensor, tokens: Tensor) -> Tensor:
            return self.log_distribution(hidden, temperature).gather(1, tokens.unsqueeze(1)).squeeze(1)

        size = max(1, LOGITS_AT_ONCE // len(self.token_embeddings))
        if len(tokens) <= size:
            return score(hidden, tokens)
        # The logits of a chunk are not kept for the backward pass, but computed again there.
        chunks = zip(hidden.split(size), tokens.split(size), strict=True)
        return torch.cat([checkpoint(score, *chunk, use_reentrant=False, preserve_rng_state=False) for chunk in chunks])
