"""The benchmark of a training step on an eighth of the model, on the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors import safe_open
from transformers import AutoConfig

from art.config import Config, load_config
from art.records import read_json, write_json
from benchmarks.checkpoint import write_checkpoint
from benchmarks.training_step import main

ROOT = Path(__file__).parents[2]
PHASES = {"rollout", "reward", "forward", "backward", "optimiser"}


@pytest.fixture(scope="module")
def paper() -> Config:
    return load_config(ROOT / "config/paper.yaml")


@pytest.fixture
def small(paper: Config, tmp_path: Path) -> Path:
    """The paper's configuration with few and short completions; the image stays."""
    few = {"prompts": 2, "completions": 2, "minibatches": 1, "max_new_tokens": 4}
    data = paper.model_dump(mode="json")
    write_json(tmp_path / "small.json", data | {"training": data["training"] | few})
    return tmp_path / "small.json"


@pytest.mark.parametrize(("method", "numbers"), [("art", 3 * 256 * 256), ("lora", None), ("soft_prompt", 64 * 128)])
def test_a_step_is_split_into_its_phases(small: Path, tmp_path: Path, method: str, numbers: int | None) -> None:
    main("qwen3.5-0.8b", method, small, scale=8, question=12, repeats=1, out=tmp_path / "results")
    (path,) = (tmp_path / "results").iterdir()
    record = read_json(path)
    assert path.name.endswith(f"qwen3.5-0.8b-1of8_{method}.json")
    assert set(record["seconds"]) == PHASES and all(value > 0 for value in record["seconds"].values())
    assert record["step_seconds"] == pytest.approx(sum(record["seconds"].values()))
    assert record["visual_tokens"] == 64 and record["prompt_tokens"] > 12
    assert record["completion_tokens"] == 2 * 2 * 4 and record["updates"] == 1
    assert numbers is None or record["trained_numbers"] == numbers
    assert record["peak_memory_bytes"] > 2**20 and record["device"] and record["versions"]["torch"]


def test_dimensions_are_divided_and_the_rest_stays(tmp_path: Path) -> None:
    config = AutoConfig.from_pretrained(write_checkpoint("qwen3.5-2b", tmp_path, scale=8))
    text, vision = config.text_config, config.vision_config
    assert (text.hidden_size, text.intermediate_size, text.head_dim, text.vocab_size) == (256, 768, 32, 31_040)
    assert text.layer_types == ["linear_attention"] * 3 + ["full_attention"]
    assert text.rope_parameters["mrope_section"] == [2, 1, 1]
    assert (vision.depth, vision.hidden_size, vision.intermediate_size) == (3, 128, 512)
    with safe_open(tmp_path / "model.safetensors", "pt") as weights:
        assert not any("deepstack" in name for name in weights.keys())  # noqa: SIM118 - no mapping
    with pytest.raises(ValueError, match=r"qwen3\.5-0\.8b"):
        write_checkpoint("qwen3.5-4b", tmp_path)
