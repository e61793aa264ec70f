"""Write the card of a shipped reference model: its recipe, its origin, and its accuracy before any training.

``pretraining.json`` beside the weights holds the recipe with its hash, a hash of the corpus that the code makes, the
log, and the evaluation below; ``README.md`` is the model card made from it.  A test compares the hashes and the first
losses with today's code, so it fails if the code would now make other weights.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from pathlib import Path
from typing import Any

from art.config.digests import digest
from art.files import write_json
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.rollouts.sampler import Decoding, sample
from art.scoring import scorer_of
from art.store.problem import problem_id
from art.tasks.generated.drawn import WRITERS
from art.tasks.generated.problems import problems
from pretraining.corpus import documents
from pretraining.recipe import PretrainConfig
from pretraining.train import Entry
from pretraining.writers import cue

CORPUS_SAMPLE = 500
SCORER_OF = {"arithmetic": "numeric", "tool_call": "tool_call", "multiple_choice": "multiple_choice"}


def corpus_digest(recipe: PretrainConfig) -> str:
    """Hash of the first documents of every stage, without pixels: text in pictures depends on the font renderer."""
    found = hashlib.sha256()
    for number, stage in enumerate(recipe.stages):
        stream = documents(recipe.seed + number, recipe.shape.image_size, stage.mixture)
        for document in itertools.islice(stream, CORPUS_SAMPLE):
            shown = document.pixels is not None
            found.update(repr((document.question, document.completion, document.tools, shown)).encode())
    return found.hexdigest()[:16]


def evaluate_reference(folder: Path, count: int = 200) -> dict[str, dict[str, float]]:
    """Greedy accuracy on validation problems for each task: without a prefix, and after three cues of each writer.

    ``ceiling`` is the best accuracy with cues: what the model can do when words tell it how to answer.
    """
    policy = Policy(folder)
    found = {}
    for task, scorer in SCORER_OF.items():
        plain = problems(task, "validation", count, seed=0)
        scores = {"no_image": plain}
        for writer in WRITERS:
            rng = random.Random(f"card/{task}/{writer}")
            cued = []
            for problem in plain:
                question = cue(rng, writer, 3) + problem.question
                changed = {"question": question, "id": problem_id(question, problem.answer, problem.tools)}
                cued.append(problem.model_copy(update=changed))
            scores[f"cue_{writer}"] = cued
        row = {}
        for name, asked in scores.items():
            texts = sample(policy, asked, Prefix(), 1, Decoding(0.0, 48)).texts(policy)
            judged = [scorer_of(scorer).judge(text, problem).score for text, problem in zip(texts, asked, strict=True)]
            row[name] = sum(judged) / count
        found[task] = {**row, "ceiling": max(row[f"cue_{writer}"] for writer in WRITERS)}
    return found


def write_card(folder: Path, recipe: PretrainConfig, log: list[Entry], count: int = 200) -> None:
    """Write ``pretraining.json`` and ``README.md`` into a checkpoint folder."""
    numbers = sum(parameter.numel() for parameter in Policy(folder).model.parameters())
    facts: dict[str, Any] = {
        "recipe": recipe.model_dump(mode="json"),
        "recipe_digest": digest(recipe.model_dump(mode="json")),
        "corpus_digest": corpus_digest(recipe),
        "parameters": numbers,
        "log": log,
        "evaluation": {"problems": count, "split": "validation", "greedy_accuracy": evaluate_reference(folder, count)},
    }
    write_json(folder / "pretraining.json", facts)
    (folder / "README.md").write_text(_card(recipe.name, facts))


def _card(name: str, facts: dict[str, Any]) -> str:
    evaluation = facts["evaluation"]
    rows = "\n".join(
        f"| {task} | {row['no_image']:.3f} | "
        + " | ".join(f"{row[f'cue_{writer}']:.3f}" for writer in WRITERS)
        + f" | {row['ceiling']:.3f} |"
        for task, row in evaluation["greedy_accuracy"].items()
    )
    ends = [
        entry
        for entry, following in zip(facts["log"], [*facts["log"][1:], {"step": 0}], strict=True)
        if following["step"] < entry["step"]
    ]
    tokens, steps = sum(entry["tokens"] for entry in ends), sum(entry["step"] for entry in ends)
    return f"""# {name}

A reference model of the project: the architecture classes of Qwen3.5 (`Qwen3_5ForConditionalGeneration`) with
{facts["parameters"]:,} parameters, trained from scratch on the project's own synthetic corpus
({tokens:,} tokens, {steps:,} steps). It exists to run the whole suite on a laptop and is of no other use.

Recipe: `config/pretrain/{name}.yaml` (hash {facts["recipe_digest"]}), corpus hash {facts["corpus_digest"]}. Made by
`snakemake pretrain`; how and why: `docs/reference-models.md`. Licence: that of the project.

Greedy accuracy on {evaluation["problems"]} validation problems a task, with nothing before the question and after
three sentences of cues of each of the corpus's four writers; the ceiling is the best writer's.

| task | no image | {" | ".join(f"cue: {writer}" for writer in WRITERS)} | ceiling |
|---|---|{"---|" * len(WRITERS)}---|
{rows}
"""
