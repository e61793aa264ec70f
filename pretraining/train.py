"""Pretrain the tiny reference models on the project's own corpus, by next-token prediction.

Tokens of the answer have weight 1, tokens of the prompt ``prompt_weight``, since prompts hold random names and numbers
that cannot be predicted.  Muon trains the matrices inside the layers, AdamW all else; the learning rate warms up, stays
constant, and decays linearly.

First the language model is trained on words alone, with pictures described in words.  Then the vision tower is trained
to produce vectors that the frozen language model understands in the place of these words.  If both were trained
together, the language model would learn to tell pictures from words and would respond to pictures less and less, so
that no image could say what a sentence can.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedTokenizerBase, Qwen3_5ForConditionalGeneration

from art.config.digests import digest
from art.config.registry import GENERATORS, implementation
from art.files import read_json, write_json
from art.models.vision import patchify
from art.tasks import generated
from pretraining.batches import Batch, batches, collate, encode
from pretraining.corpus import Document, documents
from pretraining.recipe import PretrainConfig, Stage
from pretraining.reference_model import build_model, save_checkpoint, train_tokenizer
from pretraining.writers import CUES

Entry = dict[str, Any]


def forward(model: Qwen3_5ForConditionalGeneration, batch: Batch) -> Tensor:
    """Logits (documents, length - 1, vocabulary) that predict tokens 1..length."""
    extra = {}
    if batch.images is not None:
        size = batch.images.shape[-1]
        extra = {
            "pixel_values": patchify(batch.images, 16, 2, 2, [0.5] * 3, [0.5] * 3),
            "image_grid_thw": torch.tensor([[1, size // 16, size // 16]] * len(batch.images)),
            "mm_token_type_ids": (batch.ids == model.config.image_token_id).int(),
        }
    return model(input_ids=batch.ids, use_cache=False, **extra).logits[:, :-1]


def optimisers(model: Qwen3_5ForConditionalGeneration, stage: Stage) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for embeddings, norms, convolutions and decays; freezes the part of
    the model that the stage does not train.
    """
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        parameter.requires_grad_((".visual." in name) == (stage.trains == "vision"))
        if not parameter.requires_grad:
            continue
        inside = ".layers." in name or ".blocks." in name or ".merger." in name
        (matrices if inside and parameter.ndim == 2 else rest).append(parameter)
    return [
        torch.optim.Muon(matrices, lr=stage.muon_learning_rate, weight_decay=stage.weight_decay),
        torch.optim.AdamW(rest, lr=stage.adamw_learning_rate, betas=(0.9, 0.95), weight_decay=stage.weight_decay),
    ]


def rate(step: int, stage: Stage) -> float:
    """Factor of the learning rates at a step: linear warm-up, constant, linear decay to 1 %."""
    decay_start = stage.decay_from * stage.steps
    decay = min(1.0, (stage.steps - step) / max(1.0, stage.steps - decay_start))
    return min(1.0, (step + 1) / stage.warmup) * max(decay, 0.01)


@torch.no_grad()
def ceilings(
    model: Qwen3_5ForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, count: int
) -> dict[str, float]:
    """For each task, the share of validation problems that the model solves after the careful cue.

    The careful text follows from the problem, so greedy decoding reproduces it if and only if each of its tokens is
    the most likely one under teacher forcing.  So one forward pass is enough, without sampling.
    """
    found = {}
    for task, entry in GENERATORS.items():
        generator = implementation(entry)
        rng = random.Random(f"ceiling/{task}")
        rows = []
        for _ in range(count):
            drawn = generator.draw(rng, "validation")
            document = Document(
                f"{CUES['careful'][0]}\n{drawn.question}", drawn.completions["careful"], None, drawn.tools
            )
            rows.append(encode(tokenizer, document, 0.0, 0))
        batch = collate(rows, [], tokenizer.pad_token_id)
        right = forward(model, batch).argmax(-1) == batch.ids[:, 1:]
        found[task] = (right | (batch.weights[:, 1:] == 0)).all(dim=1).float().mean().item()
    return found


def pretrain(config: PretrainConfig, out: Path, steps: int | None = None) -> list[Entry]:
    """Train through all stages and write the checkpoint folder; the stages' own checkpoints stay in ``stageN``.

    A stage is not run again if its checkpoint was made by the same code and the same recipe up to this stage.  Weights
    are rounded to bfloat16 between stages, so starting from a stage's checkpoint gives the same as one run of all.

    Args:
        steps: stop each stage after this many steps; None runs the whole recipe.

    Returns:
        The log: stage, step, mean loss of the answers' tokens since the last entry, tokens seen, ceilings.
    """
    torch.manual_seed(config.seed)
    sample = documents(config.seed, config.shape.image_size, config.stages[0].mixture)
    sample = itertools.islice(sample, config.tokenizer_documents)
    texts = (text for document in sample for text in (document.question, document.completion))
    tokenizer = train_tokenizer(texts, config.shape.vocabulary)
    model = build_model(config.shape, tokenizer, config.seed)
    log: list[Entry] = []
    for number in range(len(config.stages)):
        folder = out / f"stage{number + 1}"
        origin = stage_digest(config, number, steps)
        done = read_json(folder / "log.json") if (folder / "log.json").is_file() else {}
        if done.get("digest") != origin:
            done = {"digest": origin, "log": run_stage(config, number, model, tokenizer, steps)}
            save_checkpoint(folder, model, tokenizer, config.shape)
            write_json(folder / "log.json", done)
        log += done["log"]
        model = Qwen3_5ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    save_checkpoint(out, model, tokenizer, config.shape)
    return log


def stage_digest(config: PretrainConfig, number: int, steps: int | None) -> str:
    """Hash of what a stage's weights depend on: the code, torch, the recipe up to this stage, and ``steps``."""
    recipe = config.model_dump(mode="json")
    folders = Path(__file__).parent, Path(generated.__file__).parent
    sources = [path for folder in folders for path in sorted(folder.glob("*.py")) if path.name != "card.py"]
    texts = [path.read_text() for path in sources]
    return digest([{**recipe, "stages": recipe["stages"][: number + 1]}, steps, torch.__version__, texts])


def run_stage(
    config: PretrainConfig,
    number: int,
    model: Qwen3_5ForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    steps: int | None = None,
) -> list[Entry]:
    """Train the model in place through one stage; returns its log."""
    stage = config.stages[number]
    model.train()
    groups = optimisers(model, stage)
    base = [group.param_groups[0]["lr"] for group in groups]
    log: list[Entry] = []
    losses: list[float] = []
    tokens, start = 0, time.time()
    stop = stage.steps if steps is None else min(steps, stage.steps)
    for step, batch in enumerate(itertools.islice(batches(config, number, tokenizer), stop)):
        for group, learning_rate in zip(groups, base, strict=True):
            group.param_groups[0]["lr"] = learning_rate * rate(step, stage)
        weights = batch.weights[:, 1:]
        each = functional.cross_entropy(
            forward(model, batch).flatten(0, 1), batch.ids[:, 1:].flatten(), reduction="none"
        )
        loss = (each * weights.flatten()).sum() / weights.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in groups:
            group.step()
            group.zero_grad()
        losses.append(each[weights.flatten() == 1].mean().item())
        tokens += int((batch.weights > 0).sum())
        # The first three losses are the fingerprint that a test compares with today's code.
        if step < 3 or (step + 1) % config.report_every == 0 or step + 1 == stop:
            entry: Entry = {"stage": number + 1, "step": step + 1, "loss": float(np.mean(losses)), "tokens": tokens}
            if step >= 3:
                entry |= {"seconds": round(time.time() - start), "ceilings": ceilings(model, tokenizer, 100)}
            log.append(entry)
            print(json.dumps(entry), flush=True)
            losses = []
    model.eval()
    return log
