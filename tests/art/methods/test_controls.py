"""The controls: their artifacts, that draws differ, and that no torch is needed."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from tiny_world import World
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Sequence, Split

from art.config.digests import run_digest
from art.config.experiment import RunKey
from art.config.reading import parse_config
from art.errors import ConfigError
from art.files import read_json, read_records
from art.methods.controls import make_control
from art.models.policy import Policy
from art.models.preprocessor import CheckpointError
from art.models.prompt import Prefix
from art.pictures.png import decode_png, encode_png, uniform_noise
from art.store.artifact import Artifact, read_artifact
from art.store.records import RunRecord, StepRecord
from art.tasks.generated.problems import problems

CONTROLS = ("no_image", "seed_image", "random_image", "random_string")
WORDS = {"words": {"kind": "random_string", "draws": 20}}


def make(world: World, method: str, seed: int = 0):
    make_control(world.config(), world.key(method, seed=seed), world.results)
    return read_artifact(world.folder(method, seed=seed) / "artifact")


@pytest.mark.parametrize("method", CONTROLS)
def test_a_control_writes_the_folder_that_training_writes(world: World, method: str) -> None:
    artifact = make(world, method)
    assert (
        artifact
        == {
            "no_image": Artifact(kind="no_image"),
            "random_string": Artifact(kind="random_string", text=artifact.text, prefix_tokens=4 + 1),
            "seed_image": Artifact(kind="seed_image", image_size=64, prefix_tokens=4 + 2),
            "random_image": Artifact(kind="random_image", image_size=64, prefix_tokens=4 + 2),
        }[method]
    )
    folder = world.folder(method)
    assert {"artifact", "run.json", "train.jsonl"} == {path.name for path in folder.iterdir()}
    assert read_records(folder / "train.jsonl", StepRecord) == [StepRecord(step=0)]
    record = RunRecord.model_validate(read_json(folder / "run.json"))
    assert (record.command, record.kind, record.trained_numbers, record.steps) == ("run", method, 0, 0)
    assert record.prefix_tokens == artifact.prefix_tokens
    assert 0 < record.seconds["start_up"] <= record.seconds["total"]
    assert record.digest == run_digest(world.config(), "tiny", "arithmetic", method)


def test_random_string_has_as_many_tokens_as_the_image_in_the_prompt(world: World, tiny_policy: Policy) -> None:
    """Tokens are counted in the prompt, between the user's header and the question."""
    for seed in range(3):
        text = make(world, "random_string", seed).text
        assert text is not None
        tokenizer = Tokenizer.from_file(str(world.root / "checkpoint/tokenizer.json"))
        assert len(tokenizer.encode(text, add_special_tokens=False).ids) == 4
        for problem in problems("arithmetic", "test", 3, 0) + problems("tool_call", "test", 3, 0):
            bare = tiny_policy.prompts.encode(problem, Prefix())[0]
            with_string = tiny_policy.prompts.encode(problem, Prefix(text=text))[0]
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


def test_each_task_method_and_seed_has_a_draw_of_its_own_and_models_share_it(world: World) -> None:
    data = world.mapping(models={"twin": {"path": str(world.root / "checkpoint")}})
    data["methods"] |= {f"other_{kind}": {"kind": kind} for kind in ("random_image", "random_string")}
    config = parse_config(data, "test")
    for kind, file in (("random_image", "image.png"), ("random_string", "artifact.json")):
        draws = {}
        for model, task, method, seed in (
            ("tiny", "arithmetic", kind, 0),
            ("tiny", "arithmetic", kind, 1),
            ("tiny", "tool_call", kind, 0),
            ("tiny", "arithmetic", f"other_{kind}", 0),
            ("twin", "arithmetic", kind, 0),
        ):
            key = RunKey(model=model, task=task, method=method, seed=seed)
            make_control(config, key, world.results)
            draws[key] = (world.results / key.folder / "artifact" / file).read_bytes()
        first, *others, twin = draws.values()
        assert len({first, *others}) == 4 and twin == first


def test_a_draw_is_the_same_in_every_process(world: World) -> None:
    make(world, "random_image", 1)
    picture = decode_png(world.folder("random_image", seed=1) / "artifact/image.png", 64)
    assert picture[0, :2].tolist() == [[184, 253, 100], [113, 63, 184]]


def test_a_random_string_is_of_words(world: World) -> None:
    for seed in range(20):
        make_control(config := world.config(methods=WORDS), world.key("words", seed=seed), world.results)
        text = read_artifact(world.folder("words", seed=seed) / "artifact").text
        assert text.startswith(" ") and all(word.isalpha() for word in text[1:].split(" ")), text
    assert config.methods["words"].draws == 20


def words_of(world: World, *vocabulary: str) -> None:
    """Give the checkpoint a tokenizer of whole words that splits only words with an x."""
    words = WordLevel({word: number for number, word in enumerate(("[UNK]", *vocabulary))}, unk_token="[UNK]")
    tokenizer = Tokenizer(words)
    tokenizer.pre_tokenizer = Sequence([Split(" ", "removed"), Split("x", "isolated")])
    tokenizer.save(str(world.root / "checkpoint/tokenizer.json"))


def test_a_string_that_does_not_keep_its_length_is_drawn_again(world: World) -> None:
    words_of(world, "\u0120a", "\u0120x")
    assert {make(world, "random_string", seed).text for seed in range(3)} == {" " + " ".join(4 * ["\u0120a"])}


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        (["a", "\u0120", "\u0120(", "\u01201"], r"tokenizer\.json: no word tokens for a random string"),
        (["\u0120x"], r"checkpoint: no random string keeps its 4 tokens when it is tokenised again"),
    ],
)
def test_a_vocabulary_without_such_a_string_is_named(world: World, vocabulary: list[str], message: str) -> None:
    words_of(world, *vocabulary)
    with pytest.raises(CheckpointError, match=message):
        make(world, "random_string")


def test_seed_image_is_the_seed_picture(world: World) -> None:
    make(world, "seed_image")
    seed = decode_png(world.results / "seeds/arithmetic.png", 64)
    assert np.array_equal(decode_png(world.folder("seed_image") / "artifact/image.png", 64), seed)


@pytest.mark.parametrize("method", ["seed_image", "random_image"])
def test_an_image_has_the_configurations_size(world: World, method: str) -> None:
    encode_png(uniform_noise(96, np.random.default_rng(0)), world.results / "seeds/arithmetic.png")
    make_control(world.config(image={"size": 96}), world.key(method), world.results)
    folder = world.folder(method) / "artifact"
    assert decode_png(folder / "image.png", 96).shape == (96, 96, 3)
    assert read_artifact(folder) == Artifact(kind=method, image_size=96, prefix_tokens=9 + 2)


def test_an_unknown_draw_is_refused(world: World) -> None:
    with pytest.raises(ConfigError, match=r"seed: unknown 3 for method random_image; allowed: 0, 1, 2"):
        make(world, "random_image", 3)


def test_controls_start_without_torch(world: World) -> None:
    """Each control is a separate process in the DAG, and importing torch would take most of its time."""
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
