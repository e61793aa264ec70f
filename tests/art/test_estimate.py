"""What a grid takes: counted, and in hours from measured steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from art.config import Config, load_config, parse_config
from art.estimate import counts, hours, load_measured, report, sizes
from art.records import write_json

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def paper() -> Config:
    return load_config(ROOT / "config/paper.yaml")


def measured(config: Config, model: str, kind: str, **changes: Any) -> dict[str, Any]:
    """A record of a step of 36 seconds, 9 of them sampling."""
    record = {"model": model, "scale": 1, "method": {"kind": kind}, "sizes": sizes(config), "device": "some GPU"}
    return record | {"step_seconds": 36.0, "seconds": {"rollout": 9.0}} | changes


def test_hours_are_unknown_until_steps_were_measured(paper: Config, tmp_path: Path) -> None:
    lines = report(paper, tmp_path)
    assert "136 runs" in lines[0] and counts(paper)["training steps"] == 7200
    assert "unknown: no step time measured for qwen3.5-0.8b art" in lines[1]
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
    # a seed: 100 steps, 6 checks, 14 batches of test problems
    assert spent["qwen3.5-0.8b", "art"] == pytest.approx(3 * (100 * 36 + (6 + 14) * 9) / 3600)
    assert spent["qwen3.5-0.8b", "no_image"] == pytest.approx(14 * 9 / 3600)
