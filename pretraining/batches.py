"""Turn the corpus into batches of tokens, weights and pictures."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from pretraining.corpus import Document, documents
from pretraining.recipe import PretrainConfig


@dataclass(frozen=True)
class Batch:
    """Right-padded documents (causal layers never see the padding)."""

    ids: Tensor  # (documents, length)
    weights: Tensor  # (documents, length), weight of each token's loss
    images: Tensor | None  # (pictures, 3, size, size) in [0, 1]


def encode(
    tokenizer: PreTrainedTokenizerBase, document: Document, prompt_weight: float, visual_tokens: int
) -> tuple[list[int], list[float]]:
    """Token ids and weights of one document, with the image placeholder expanded to ``visual_tokens``."""
    content = [{"type": "text", "text": document.question}]
    if document.pixels is not None:
        content.insert(0, {"type": "image"})
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], tools=document.tools, add_generation_prompt=True, tokenize=False
    ).replace("<|image_pad|>", "<|image_pad|>" * visual_tokens)
    head = tokenizer(prompt).input_ids
    tail = tokenizer(document.completion + "<|im_end|>").input_ids
    pads = set(tokenizer.convert_tokens_to_ids(["<|image_pad|>", "<|vision_start|>"]))
    weights = [0.0 if token in pads else prompt_weight for token in head] + [1.0] * len(tail)
    return head + tail, weights


def collate(rows: list[tuple[list[int], list[float]]], pictures: list[np.ndarray], pad: int) -> Batch:
    """Pad rows to the longest one."""
    length = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), length), pad)
    weights = torch.zeros(len(rows), length)
    for index, (row, weight) in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        weights[index, : len(row)] = torch.tensor(weight)
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255 if pictures else None
    return Batch(ids, weights, images)


def batches(config: PretrainConfig, number: int, tokenizer: PreTrainedTokenizerBase) -> Iterator[Batch]:
    """A stage's corpus as batches: documents are sorted by length in pools, and a pool's batches shuffled."""
    seed = config.seed + number
    stream = documents(seed, config.shape.image_size, config.stages[number].mixture)
    visual = (config.shape.image_size // 32) ** 2
    for draw in itertools.count():
        pool = []
        for document in itertools.islice(stream, config.pool * config.batch):
            pool.append((*encode(tokenizer, document, config.prompt_weight, visual), document.pixels))
        pool.sort(key=lambda row: len(row[0]))
        starts = list(range(0, len(pool), config.batch))
        random.Random(f"order/{seed}/{draw}").shuffle(starts)
        for start in starts:
            part = pool[start : start + config.batch]
            pictures = [pixels for _, _, pixels in part if pixels is not None]
            yield collate([(ids, weights) for ids, weights, _ in part], pictures, tokenizer.pad_token_id)
