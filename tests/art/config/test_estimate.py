"""Estimates for a grid: its counts, and its hours from measured steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from art.config.digests import evaluation_digest, run_digest
from art.config.estimate import counts, hours, load_measured, report, sizes
from art.config.experiment import Config, RunKey
from art.config.reading import load_config, parse_config
from art.files import write_json

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def paper() -> Config:
    return load_config(ROOT / "config/paper.yaml")


def measured(config: Config, model: str, kind: str, **changes: Any) -> dict[str, Any]:
    """A benchmark record: a step of 36 seconds, 9 of them for sampling."""
    record = {"model": model, "scale": 1, "method": {"kind": kind}, "sizes": sizes(config), "device": "some GPU"}
    return record | {"step_seconds": 36.0, "seconds": {"rollout": 9.0}} | changes


def test_hours_are_unknown_until_steps_were_measured(paper: Config, tmp_path: Path) -> None:
    lines = report(paper, tmp_path / "none", tmp_path)
    assert "136 runs" in lines[0] and counts(paper)["training steps"] == 7200
    assert (
        "unknown: no step time measured for qwen3.5-0.8b soft_prompt, qwen3.5-0.8b lora, qwen3.5-0.8b art, " in lines[1]
    )
    write_json(tmp_path / "scaled.json", measured(paper, "qwen3.5-0.8b", "art", scale=8))
    write_json(tmp_path / "shorter.json", measured(paper, "qwen3.5-0.8b", "art", sizes={"image": 64}))
    assert load_measured(paper, tmp_path) == {}


def test_hours_are_steps_and_rollouts(paper: Config, tmp_path: Path) -> None:
    data = paper.model_dump(mode="json")
    model = {"qwen3.5-0.8b": data["models"]["qwen3.5-0.8b"]}
    task = {"gsm8k": data["tasks"]["gsm8k"]}
    config = parse_config(data | {"models": model, "tasks": task}, "test")
    for kind in ("art", "lora"):
        write_json(tmp_path / f"{kind}.json", measured(config, "qwen3.5-0.8b", kind))
    spent, missing = hours(config, load_measured(config, tmp_path)["some GPU"])
    assert missing == ["qwen3.5-0.8b soft_prompt"]
    # per seed: 100 steps, 6 validation checks, 14 batches of test problems
    assert spent["qwen3.5-0.8b", "art"] == pytest.approx(3 * (100 * 36 + (6 + 14) * 9) / 3600)
    assert spent["qwen3.5-0.8b", "no_image"] == pytest.approx(14 * 9 / 3600)


SMALL = {
    "name": "small",
    "seeds": [0, 1],
    "models": {"m": {"path": "a"}},
    "tasks": {"a": {"scorer": "numeric", "test": 10}, "b": {"scorer": "numeric", "test": 25}},
    "methods": {
        "no_image": {"kind": "no_image"},
        "noise": {"kind": "random_image", "draws": 2},
        "image": {"kind": "art"},
    },
    "training": {"steps": 7, "prompts": 5, "completions": 3, "minibatches": 2, "max_new_tokens": 11}
    | {"validate_every": 3},
    "evaluation": {"samples": 2, "max_new_tokens": 22, "batch_size": 10},
    "image": {"size": 96},
    "analysis": {"reference": "image"},
}


def test_a_small_grid_by_hand(tmp_path: Path) -> None:
    config = parse_config(SMALL, "test")
    assert sizes(config) == {"image": 96, "prompts": 5, "completions": 3, "minibatches": 2, "max_new_tokens": 11}
    assert counts(config) == {
        "runs": 10,
        "trained runs": 4,
        "training steps": 28,
        "completions in training": 28 * 15,
        "answers to test problems": (5 * 10 + 5 * 25) * 3,
    }
    write_json(tmp_path / "b.json", measured(config, "m", "art", device="B", step_seconds=72.0))
    write_json(tmp_path / "a.json", measured(config, "m", "art", device="A"))
    write_json(tmp_path / "c.json", measured(config, "other", "art", device="C"))
    # 1 or 3 batches, each sampled three times at twice the length of a step's rollout; 1 + 3 validation checks
    evaluations = (1 + 3) * 3 * 2 * 9 / 3600
    spent, missing = hours(config, load_measured(config, tmp_path)["A"])
    assert missing == []
    assert spent == pytest.approx(
        {
            ("m", "no_image"): evaluations,
            ("m", "noise"): 2 * evaluations,
            ("m", "image"): 2 * (2 * (7 * 36 + 4 * 9) / 3600 + evaluations),
        }
    )
    assert report(config, tmp_path / "none", tmp_path) == [
        "Grid of small: 10 runs, 4 trained runs, 28 training steps, 420 completions in training, "
        "525 answers to test problems",
        *("A: m no_image: 0.1 h", "A: m noise: 0.1 h", "A: m image: 0.4 h", "A: 0.6 h in total, at most"),
        *("B: m no_image: 0.1 h", "B: m noise: 0.1 h", "B: m image: 0.7 h", "B: 0.9 h in total, at most"),
        "C: unknown: no step time measured for m art at these sizes",
        "  (python -m benchmarks.training_step MODEL METHOD, on that machine)",
    ]


def finish(results: Path, config: Config, run: RunKey, seconds: float, **changes: Any) -> None:
    """Write the records of a finished run; its evaluation takes half the time of its training."""
    digests = {"run": run_digest, "evaluation": evaluation_digest}
    for name, share in (("run", 1.0), ("evaluation", 0.5)):
        record = {"digest": digests[name](config, run.model, run.task, run.method), "device": "my cpu"}
        write_json(results / run.folder / f"{name}.json", record | {"seconds": {"total": share * seconds}} | changes)


def test_runs_that_are_there_say_what_they_took(tmp_path: Path) -> None:
    config = parse_config(SMALL | {"models": {"m": {"path": "a", "device": "cpu"}}}, "test")
    first, second, third, *others = config.grid()
    finish(tmp_path, config, first, 60.0)
    finish(tmp_path, config, second, 120.0, device="another")
    finish(tmp_path, config, third, 1000.0, digest="of other settings")
    assert report(config, tmp_path, tmp_path)[1:] == [
        "2 of 10 runs are done: 3.0 min of training and 1.5 min of evaluation, one process at a time (another, my cpu)",
        "hours: unknown until all runs are done",
    ]
    for run in (third, *others):
        finish(tmp_path, config, run, 4000.0)
    assert report(config, tmp_path, tmp_path)[1:] == [
        "10 of 10 runs are done: 8.9 h of training and 4.5 h of evaluation, one process at a time (another, my cpu)"
    ], "nothing is left to be estimated"
    (tmp_path / first.folder / "run.json").write_text("{")
    (tmp_path / second.folder / "evaluation.json").write_text("[]")
    assert report(config, tmp_path, tmp_path)[1].startswith("8 of 10 runs are done"), "damaged records do not count"
