"""Batches of the corpus: weights, padding, pools cut by length."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from pretraining import train as module
from pretraining.batches import collate, encode
from pretraining.corpus import Document, Mixture, documents
from pretraining.recipe import PretrainConfig, Stage
from pretraining.reference_model import ReferenceShape


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint: Path):
    return AutoTokenizer.from_pretrained(tiny_checkpoint)


def recipe(*stages: Stage, **settings) -> PretrainConfig:
    return PretrainConfig(name="x", stages=list(stages), **settings)


def test_a_document_weighs_its_answer_and_a_little_its_words(tokenizer) -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    ids, weights = encode(tokenizer, Document("hi", "no", picture), 0.25, 2)
    text = "<|im_start|>user\n<|vision_start|><|image_pad|><|image_pad|><|vision_end|>hi<|im_end|>\n"
    text += "<|im_start|>assistant\n<think>\n\n</think>\n\nno<|im_end|>"
    assert tokenizer.decode(ids) == text
    answer = len(tokenizer("no<|im_end|>").input_ids)
    seen = [tokenizer.decode([token]) for token in ids[:-answer]]
    marks = [0.0 if token in ("<|vision_start|>", "<|image_pad|>") else 0.25 for token in seen]
    assert marks.count(0.0) == 3 and weights == marks + [1.0] * answer


def test_rows_are_padded_on_the_right_and_pictures_scaled() -> None:
    picture = np.zeros((1, 2, 3), np.uint8)
    picture[0, 1] = (255, 51, 0)
    batch = collate([([5, 6], [0.1, 1.0]), ([7, 8, 9], [0.1, 0.1, 1.0])], [picture, picture], 3)
    assert batch.ids.tolist() == [[5, 6, 3], [7, 8, 9]]
    assert batch.weights.tolist() == torch.tensor([[0.1, 1.0, 0.0], [0.1, 0.1, 1.0]]).tolist()
    assert batch.images is not None and batch.images.shape == (2, 3, 1, 2)
    assert batch.images[1].flatten().tolist() == pytest.approx([0, 1, 0, 0.2, 0, 0])
    assert collate([([5], [1.0])], [], 3).images is None


def test_a_pool_is_the_next_documents_of_the_stages_corpus_cut_by_length(tokenizer) -> None:
    mixture = Mixture(described=False)
    stages = [Stage(trains="vision", steps=1), Stage(trains="vision", steps=1, mixture=mixture)]
    config = recipe(*stages, seed=7, batch=4, pool=3, shape=ReferenceShape(image_size=64))
    made = list(itertools.islice(module.batches(config, 1, tokenizer), 9))
    stream = documents(7 + 1, 64, mixture)
    orders = []
    for pool in (made[:3], made[3:6], made[6:]):
        part = list(itertools.islice(stream, 12))
        wanted = sorted(encode(tokenizer, one, 0.1, 4)[0] for one in part)
        lengths = [[int(weights.nonzero().max()) + 1 for weights in one.weights] for one in pool]
        found = sorted(
            row[:length].tolist()
            for one, ends in zip(pool, lengths, strict=True)
            for row, length in zip(one.ids, ends, strict=True)
        )
        assert found == wanted
        assert all(ends == sorted(ends) for ends in lengths)
        ranked = sorted(lengths)
        assert all(one[-1] <= two[0] for one, two in itertools.pairwise(ranked)), "no batch mixes long with short"
        orders.append([ranked.index(ends) for ends in lengths])
        pictures = sum(len(one.images) for one in pool if one.images is not None)
        assert pictures == sum(one.pixels is not None for one in part)
    assert any(order != [0, 1, 2] for order in orders) and len({tuple(order) for order in orders}) > 1
