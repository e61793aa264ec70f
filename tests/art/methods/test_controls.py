"""The controls: what stands before the question, that draws differ, and that no torch is needed."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from tiny_world import World
from tokenizers import Tokenizer

from art.artifact import read_artifact
from art.config import ConfigError
from art.images import decode_png
from art.methods.controls import make_control
from art.models.policy import Policy, Prefix
from art.records import RunRecord, StepRecord, read_json, read_records
from art.synthetic.tasks import problems

CONTROLS = ("no_image", "seed_image", "random_image", "random_string")


def make(world: World, method: str, seed: int = 0):
    make_control(world.config(), world.key(method, seed=seed), world.results)
    return read_artifact(world.folder(method, seed=seed) / "artifact")


@pytest.mark.parametrize("method", CONTROLS)
def test_a_control_writes_the_folder_that_training_writes(world: World, method: str) -> None:
    artifact = make(world, method)
    folder = world.folder(method)
    assert {"artifact", "run.json", "train.jsonl"} == {path.name for path in folder.iterdir()}
    assert read_records(folder / "train.jsonl", StepRecord) == [StepRecord(step=0)]
    record = RunRecord.model_validate(read_json(folder / "run.json"))
    assert (record.kind, record.trained_numbers, record.steps) == (method, 0, 0)
    assert record.prefix_tokens == artifact.prefix_tokens
    assert record.digest == world.config().run_digest("tiny", "arithmetic", method)


def test_random_string_has_as_many_tokens_as_the_image_in_the_prompt(world: World, tiny_policy: Policy) -> None:
    """Counted where it stands: between the user's header and the question."""
    for seed in range(3):
        text = make(world, "random_string", seed).text
        assert text is not None
        tokenizer = Tokenizer.from_file(str(world.root / "checkpoint/tokenizer.json"))
        assert len(tokenizer.encode(text, add_special_tokens=False).ids) == 4
        for problem in problems("arithmetic", "test", 3, 0) + problems("tool_call", "test", 3, 0):
            bare = tiny_policy.encode(problem, Prefix())[0]
            with_string = tiny_policy.encode(problem, Prefix(text=text))[0]
            assert len(with_string) - len(bare) == 4 + 1  # and the line break


def test_draws_differ_by_seed_and_repeat(world: World) -> None:
    texts = {make(world, "random_string", seed).text for seed in range(3)}
    assert len(texts) == 3
    assert make(world, "random_string", 0).text in texts
    pictures = []
    for seed in (0, 1, 0):
        make(world, "random_image", seed)
        pictures.append(decode_png(world.folder("random_image", seed=seed) / "artifact/image.png", 64))
    assert np.array_equal(pictures[0], pictures[2]) and not np.array_equal(pictures[0], pictures[1])
    assert 120 < pictures[0].mean() < 135 and 70 < pictures[0].std() < 78  # uniform: 127.5 and 73.9


def test_seed_image_is_the_seed_picture(world: World) -> None:
    make(world, "seed_image")
    seed = decode_png(world.results / "seeds/arithmetic.png", 64)
    assert np.array_equal(decode_png(world.folder("seed_image") / "artifact/image.png", 64), seed)


def test_an_unknown_draw_is_refused(world: World) -> None:
    with pytest.raises(ConfigError, match=r"seed: unknown 3 for method random_image; allowed: 0, 1, 2"):
        make(world, "random_image", 3)


def test_controls_start_without_torch(world: World) -> None:
    """Each is a process of its own in the DAG, where torch would be most of its time."""
    lines = "\n".join(f"run({world.arguments('train', method)!r})" for method in CONTROLS)
    script = f"""
import sys
from art.cli import app

def run(arguments):
    app(arguments, standalone_mode=False)

{lines}
heavy = {{"torch", "transformers", "peft", "scipy", "pandas"}} & set(sys.modules)
sys.exit(f"imported: {{heavy}}" if heavy else 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert done.returncode == 0, done.stderr
    for method in CONTROLS:
        assert (world.folder(method) / "run.json").is_file()
