"""Build prompts: prefix and question through the checkpoint's own chat template, as token ids and positions."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from art.errors import RecordError
from art.models.preprocessor import CheckpointError, Preprocessor
from art.store.problem import Problem


@dataclass(frozen=True)
class Prefix:
    """What a method puts before the question: an image, a text, embeddings, or nothing.

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

    def to(self, device: torch.device) -> PromptBatch:
        """The same batch on a device."""
        return PromptBatch(*(getattr(self, field.name).to(device) for field in fields(self)))


class Prompts:
    """Turns problems and a prefix into tokens, for one checkpoint.

    Args:
        folder: the checkpoint's folder, named in error messages.
        tokenizer: has the checkpoint's chat template.
        preprocessor: tells how many visual tokens an image has.
        image_token: id of the placeholder for a visual token.
        rope_index: the model's own function for M-RoPE positions.

    Raises:
        CheckpointError: the tokenizer has no token of this id.
    """

    def __init__(
        self,
        folder: Path,
        tokenizer: PreTrainedTokenizerBase,
        preprocessor: Preprocessor,
        image_token: int,
        rope_index: Callable[..., tuple[Tensor, Tensor]],
    ) -> None:
        self.tokenizer, self._preprocessor, self._rope_index = tokenizer, preprocessor, rope_index
        self.image_token = image_token
        self.image_text = self._image_text(folder)
        self._special_texts = [one.content for one in tokenizer.added_tokens_decoder.values() if one.special]
        self._encoded: dict[tuple[str, str], tuple[list[int], list[bool], Tensor]] = {}

    def _image_text(self, folder: Path) -> str:
        """The placeholder for a visual token as the chat template writes it."""
        text = self.tokenizer.decode([self.image_token])
        if self.tokenizer.convert_tokens_to_ids(text) != self.image_token:
            raise CheckpointError(f"{folder}: the tokenizer has no image_token_id {self.image_token} (config.json)")
        return text

    def grid(self, image: Tensor) -> Tensor:
        """Number of patches of an image along time, height and width, (1, 3)."""
        patch = self._preprocessor.patch_size
        return torch.tensor([[1, image.shape[1] // patch, image.shape[2] // patch]])

    def check(self, problems: Sequence[Problem], path: Path) -> None:
        """Refuse at the start each problem that ``render`` would refuse: training may draw it only after hours.

        Raises:
            RecordError: the text of a problem, a line of the file ``path``, holds a special token (file:line).
        """
        for number, problem in enumerate(problems, start=1):
            try:
                self._refuse_special_tokens(problem)
            except RecordError as error:
                raise RecordError(f"{path}:{number}: {error}") from None

    def _refuse_special_tokens(self, problem: Problem) -> None:
        written = json.dumps([problem.question, problem.messages, problem.tools], ensure_ascii=False)
        for token in self._special_texts:
            if token in written:
                raise RecordError(f"problem {problem.id}: it holds the special token {token!r}")

    def render(self, problem: Problem, prefix: Prefix) -> str:
        """The prompt as text, through the checkpoint's own chat template; one placeholder for an image or embeddings.

        In a conversation the prefix goes into the user's first message, which is the question.
        Embeddings go where a text prefix would go, without the marks that the template puts around an image.

        Raises:
            RecordError: the problem's text holds one of the model's special tokens.
        """
        messages = problem.messages or [{"role": "user", "content": problem.question}]
        self._refuse_special_tokens(problem)
        before = "" if prefix.text is None else f"{prefix.text}\n"
        if prefix.embeddings is not None:
            before = self.image_text
        content = [{"type": "text", "text": before + problem.question}]
        if prefix.image is not None:
            content.insert(0, {"type": "image"})
        first = next(number for number, message in enumerate(messages) if message["role"] == "user")
        return self.tokenizer.apply_chat_template(
            [*messages[:first], {**messages[first], "content": content}, *messages[first + 1 :]],
            tools=problem.tools,
            add_generation_prompt=True,
            tokenize=False,
            enable_thinking=False,
        )

    def slots(self, prefix: Prefix) -> int:
        """Number of vectors that the prefix puts into a prompt's slot: of visual tokens or of embeddings."""
        if prefix.image is not None:
            return self._preprocessor.tokens(prefix.image.shape[-1])
        return 0 if prefix.embeddings is None else len(prefix.embeddings)

    def encode(self, problem: Problem, prefix: Prefix) -> tuple[list[int], list[bool], Tensor]:
        """Token ids with one placeholder for each vector of the slot, a mask of the slot, M-RoPE positions (3, length).

        A problem is encoded once for each shape of prefix, since training changes only the vectors.
        """
        count = self.slots(prefix)
        shape = f"{'image' if prefix.image is not None else 'embeddings'} {count}" if count else f"text {prefix.text}"
        if (problem.id, shape) not in self._encoded:
            text = self.render(problem, prefix).replace(self.image_text, self.image_text * count)
            ids = self.tokenizer(text, add_special_tokens=False).input_ids
            slot = [token == self.image_token for token in ids]
            if sum(slot) != count:
                raise RecordError(f"problem {problem.id}: {sum(slot)} placeholders in its prompt, not {count}")
            if prefix.image is not None:
                positions, _ = self._rope_index(
                    torch.tensor([ids]), torch.tensor([slot]).int(), image_grid_thw=self.grid(prefix.image)
                )
                positions = positions[:, 0]
            else:
                positions = torch.arange(len(ids)).expand(3, -1)
            self._encoded[problem.id, shape] = ids, slot, positions
        return self._encoded[problem.id, shape]

    def batch(self, problems: Sequence[Problem], prefix: Prefix) -> PromptBatch:
        """Encode and left-pad prompts."""
        encoded = [self.encode(problem, prefix) for problem in problems]
        length = max(len(ids) for ids, _, _ in encoded)
        ids = torch.full((len(encoded), length), self.tokenizer.pad_token_id)
        attention = torch.zeros(len(encoded), length, dtype=torch.long)
        slot = torch.zeros(len(encoded), length, dtype=torch.bool)
        positions = torch.zeros(3, len(encoded), length, dtype=torch.long)
        for row, (tokens, in_slot, position) in enumerate(encoded):
            ids[row, -len(tokens) :] = torch.tensor(tokens)
            attention[row, -len(tokens) :] = 1
            slot[row, -len(tokens) :] = torch.tensor(in_slot)
            positions[:, row, -len(tokens) :] = position
        return PromptBatch(ids, attention, slot, positions, positions.amax(dim=(0, 2)) + 1)
