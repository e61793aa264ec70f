"""Writes a small results tree with the files that the commands of training, evaluation and serving would write."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from art.config.digests import evaluation_digest, run_digest, serving_digest
from art.config.experiment import Config, RunKey
from art.config.methods import TRAINED_KINDS
from art.config.reading import parse_config
from art.files import atomic_path, read_records, write_json, write_records
from art.store.artifact import Artifact
from art.store.records import GapRecord, Item, LoadRecord, RunRecord, ServedItem, ServingRecord, StepRecord

SKILL = {"art": 0.8, "lora": 0.85, "soft_prompt": 0.75, "seed_image": 0.32, "random_image": 0.28, "random_string": 0.25}
PACE = {"art": 0.6, "soft_prompt": 0.8}  # seconds per step; LoRA has 1
# Seconds of a serving check's repeats, and to their first tokens, by kind and number of variants.
LOAD = {
    ("no_image", 0): ([2.0, 3.0, 4.0], [0.1, 0.2, 0.3]),
    ("image", 1): ([2.5, 3.0, 5.0], [0.2, 0.3, 0.6]),
    ("image", 4): ([4.0, 3.0, 8.0], [0.4, 0.8, 0.9]),
    ("adapter", 1): ([4.0, 6.0, 8.0], [0.2, 0.2, 0.4]),
    ("adapter", 4): ([6.0, 9.0, 12.0], [0.5, 0.7, 0.6]),
}
NUMBERS = {"art": 49_152, "lora": 120_000, "soft_prompt": 2_048}


def mapping(**changes: Any) -> dict[str, Any]:
    """An experiment with one model, one task and all seven kinds of methods; ``changes`` replace sections."""
    return {
        "name": "fake",
        "seeds": [0],
        "models": {"tiny-1m": {"path": "nowhere"}},
        "tasks": {"arithmetic": {"scorer": "numeric"}},
        "methods": {
            "art": {"kind": "art"},
            "art_bound32": {"kind": "art", "max_distance": 32},
            "lora": {"kind": "lora"},
            "soft_prompt": {"kind": "soft_prompt"},
            "no_image": {"kind": "no_image"},
            "random_image": {"kind": "random_image", "draws": 3},
            "seed_image": {"kind": "seed_image"},
            "random_string": {"kind": "random_string", "draws": 3},
        },
        "image": {"size": 32},
        "training": {"steps": 12, "validate_every": 3, "snapshot_every": 3},
        "analysis": {"resamples": 500},
    } | changes


def write_results(root: Path, data: dict[str, Any], items: int = 60) -> tuple[Config, Path]:
    """Write config.json, seed pictures and the files of every run below ``root``."""
    config = parse_config(data, "fake")
    root.mkdir(parents=True, exist_ok=True)
    (root / "config.json").write_text(config.model_dump_json())  # keeps the order of the sections
    for number, task in enumerate(config.tasks):
        _save(_seed_picture(config.image.size, number), root / "seeds" / f"{task}.png")
    for run in config.grid():
        _write_run(root, config, run, items)
    return config, root


def _write_run(root: Path, config: Config, run: RunKey, items: int) -> None:
    folder, section = root / run.folder, config.methods[run.method]
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(run.folder.encode()).digest()[:8]))
    skill = SKILL.get(section.kind, 0.25) - 0.1 * (run.method == "art_bound32") + 0.03 * rng.normal()
    task_number = list(config.tasks).index(run.task)
    ease = np.random.default_rng(task_number).uniform(-0.2, 0.2, items)
    chances = np.clip(skill + ease - 0.07 * task_number, 0.02, 0.98)
    records = []
    for decoding, samples in (("greedy", 1), ("sampled", config.evaluation.samples)):
        for sample in range(samples):
            scores = rng.random(items) < chances * (1 if decoding == "greedy" else 0.85)
            records += [
                Item(id=f"{run.task}-{i}", decoding=decoding, sample=sample, completion="x", score=int(s), tokens=5)
                for i, s in enumerate(scores)
            ]
    write_records(folder / "items.jsonl", records)
    trained = section.kind in TRAINED_KINDS
    steps = config.training.steps if trained else 0
    pace = PACE.get(section.kind, 1.0)
    log = [_step(config, step, steps, skill, pace, rng) for step in range(steps + 1)]
    if trained and config.engine_of(run.method).kind != "transformers":
        log = [record.model_copy(update=_gap_of(record.step)) if record.step else record for record in log]
    write_records(folder / "train.jsonl", log)
    write_record(root, config, run)
    scored_digest = evaluation_digest(config, run.model, run.task, run.method)
    write_record(root, config, run, command="evaluation", digest=scored_digest, steps=0)
    _write_pictures(folder, config, run, steps, task_number, rng)


def _step(config: Config, step: int, steps: int, skill: float, pace: float, rng: np.random.Generator) -> StepRecord:
    reached = 0.25 + (skill - 0.25) * (1 - np.exp(-4 * step / max(1, steps)))
    checked = step % config.training.validate_every == 0 or step == steps
    return StepRecord(
        step=step,
        reward=float(0.8 * reached + 0.04 * rng.normal()) if step else None,
        updates=4 if step else None,
        groups=16 if step else None,
        validation_accuracy=float(np.clip(reached + 0.02 * rng.normal(), 0, 1)) if checked else None,
        seconds={"rollout": 0.3 * pace, "forward": 0.2 * pace, "backward": 0.5 * pace, "validation": 2.0}
        if step
        else None,
        detail={"distance_max": 3.0 * step} if step else None,
    )


def _gap_of(step: int) -> dict[str, float]:
    return {
        "gap_mean": 0.01 * step,
        "gap_max": 0.5 + 0.1 * (5 * step % 13),  # the largest of steps 1 to 12 is that of step 5
        "gap_tokens": 100 * step,
        "effective_share": 1 - 0.01 * step,
    }


def write_serving(root: Path, config: Config) -> None:
    """Write the files of the serving checks: each run's first answer has another score, the first two another text."""
    for model, task in dict.fromkeys((run.model, run.task) for run in config.grid()):
        folder, runs = root / "serving" / model / task, config.served_runs(model, task)
        answers = []
        for run in runs:
            items = read_records(root / run.folder / "items.jsonl", Item)
            greedy = [item for item in items if item.decoding == "greedy"][: config.serving.problems]
            for number, item in enumerate(greedy):
                fields = {**item.model_dump(), "method": run.method}
                fields["score"] = 1 - item.score if number == 0 else item.score
                fields["completion"] = "y" if number < 2 else item.completion
                answers.append(ServedItem(**fields))
        write_records(folder / "served.jsonl", answers)
        write_records(
            folder / "load.jsonl",
            [
                LoadRecord(
                    kind=kind,
                    variants=variants,
                    repeat=repeat,
                    requests=8,
                    prompt_tokens=8 * (25 + 16 * (kind == "image")),
                    completion_tokens=600,
                    seconds=seconds[repeat],
                    first_token_seconds=first[repeat],
                )
                for repeat in range(3)
                for (kind, variants), (seconds, first) in LOAD.items()
            ],
        )
        gaps = [
            GapRecord(method=run.method, tokens=1000 + number, mean=0.002, maximum=0.25, effective=0.999)
            for number, run in enumerate(runs)
        ]
        write_records(folder / "gap.jsonl", gaps)
        write_check(root, config, model, task)


def write_check(root: Path, config: Config, model: str, task: str) -> None:
    """Write ``serving.json``."""
    record = ServingRecord(
        model=model,
        task=task,
        digest=serving_digest(config, model, task),
        server="vllm 0.0",
        versions={"python": "3.11"},
        device="cpu",
        start_seconds=20.0,
        cached={"prefix": 0.5},
    )
    write_json(root / "serving" / model / task / "serving.json", record.model_dump())


def write_record(root: Path, config: Config, run: RunKey, **changes: Any) -> None:
    """Write ``run.json`` (``evaluation.json`` for that command), with ``changes`` on top, and ``artifact.json``."""
    kind = config.methods[run.method].kind
    steps = config.training.steps if kind in TRAINED_KINDS else 0
    fields = {
        "command": "run",
        **run.model_dump(),
        "kind": kind,
        "digest": run_digest(config, run.model, run.task, run.method),
        "config": config.model_dump(mode="json"),
        "versions": {"python": "3.11", "torch": "2.13.0"},
        "revision": "abc",
        "device": "cpu",
        "engine": "transformers",
        "threads": 1,
        "seconds": {"start_up": 4.0, "total": 4.0 + steps * (PACE.get(kind, 1.0) + 2.0)},
        "peak_memory_bytes": 2**29,
        "trained_numbers": NUMBERS.get(kind, 0) * (1 + list(config.models).index(run.model)),
        "prefix_tokens": 16,
        "prompt_tokens": 1000 * steps,
        "completion_tokens": 400 * steps,
        "steps": steps,
    }
    record = RunRecord.model_validate(fields | changes)
    write_json(root / run.folder / f"{record.command}.json", record.model_dump(mode="json"))
    image = config.image.size if kind in ("art", "seed_image", "random_image") else None
    artifact = Artifact(kind=kind, image_size=image, trained_numbers=NUMBERS.get(kind, 0))
    write_json(root / run.folder / "artifact/artifact.json", artifact.model_dump(exclude_none=True))


def _write_pictures(
    folder: Path, config: Config, run: RunKey, steps: int, task_number: int, rng: np.random.Generator
) -> None:
    section, size = config.methods[run.method], config.image.size
    if section.kind == "random_image":
        noise = np.random.default_rng(run.seed).integers(0, 256, (size, size, 3))
        _save(noise.astype(np.uint8), folder / "artifact" / "image.png")
    if section.kind != "art":
        return
    start = _seed_picture(size, task_number).astype(float)
    bound = section.max_distance or 60
    change = rng.normal(size=start.shape)
    for step in range(0, steps + 1, config.training.snapshot_every):
        moved = np.clip(change * bound / 3 * step / steps, -bound, bound)
        pixels = np.clip(start + np.rint(moved), 0, 255).astype(np.uint8)
        _save(pixels, folder / "snapshots" / f"step{step:04d}.png")
    _save(pixels, folder / "artifact" / "image.png")


def _seed_picture(size: int, number: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    pixels = np.full((size, size, 3), 230, np.uint8)
    pixels[(x - size / 2) ** 2 + (y - size / 2) ** 2 < (size / 3) ** 2] = (40 + 60 * number, 90, 200 - 50 * number)
    pixels[size // 4 : size // 3, size // 5 : 4 * size // 5] = (250, 200, 20)
    return (128 + 0.5 * (pixels - 128.0)).astype(np.uint8)


def _save(pixels: np.ndarray, path: Path) -> None:
    with atomic_path(path) as partial:
        Image.fromarray(pixels).save(partial, format="PNG")
