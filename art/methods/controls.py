"""Controls, the methods without training: their artifact is not optimised.  No torch here, so each takes a second."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from art.config.experiment import Config, RunKey
from art.config.registry import implementation
from art.files import write_records
from art.models.hub import checkpoint_folder
from art.models.preprocessor import CheckpointError, read_preprocessor
from art.pictures.png import decode_png, encode_png, uniform_noise
from art.store.artifact import IMAGE, Artifact, artifact_folder
from art.store.clock import Clock
from art.store.records import StepRecord
from art.store.run_record import Usage, this_process, write_record
from art.store.workspace import Workspace


def no_image(config: Config, key: RunKey, seed_picture: Path, out: Path) -> Artifact:
    """The question without a prefix."""
    artifact = Artifact(kind="no_image")
    with artifact_folder(out, artifact):
        return artifact


def seed_image(config: Config, key: RunKey, seed_picture: Path, out: Path) -> Artifact:
    """The task's seed picture, unchanged."""
    return _image(config, key, "seed_image", decode_png(seed_picture, config.image.size), out)


def random_image(config: Config, key: RunKey, seed_picture: Path, out: Path) -> Artifact:
    """Uniform noise; one draw for each task and seed, the same for all models."""
    return _image(config, key, "random_image", uniform_noise(config.image.size, _rng(key)), out)


def random_string(config: Config, key: RunKey, seed_picture: Path, out: Path) -> Artifact:
    """As many random text tokens as the image has visual tokens (paper, controls).

    Tokens are drawn uniformly from those that are one word after a space, because exactly these stay the same tokens
    when their text is tokenised again (our reading; the paper does not say how its string was drawn).

    Raises:
        CheckpointError: the vocabulary has no such token, or no drawn string keeps its number of tokens.
    """
    folder = checkpoint_folder(config.models[key.model])
    count = read_preprocessor(folder).tokens(config.image.size)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    vocabulary = tokenizer.get_vocab()
    words = sorted(token for token in vocabulary if token[:1] == "\u0120" and token[1:].isalpha())
    if not words:
        raise CheckpointError(f"{folder / 'tokenizer.json'}: no word tokens for a random string")
    rng = _rng(key)
    for _ in range(1000):
        text = tokenizer.decode([vocabulary[word] for word in rng.choice(words, count)]).strip()
        if len(tokenizer.encode(" " + text, add_special_tokens=False).ids) == count:
            # The line break after the string is one more token.
            artifact = Artifact(kind="random_string", text=" " + text, prefix_tokens=count + 1)
            with artifact_folder(out, artifact):
                return artifact
    raise CheckpointError(f"{folder}: no random string keeps its {count} tokens when it is tokenised again")


def _image(config: Config, key: RunKey, kind: str, levels: np.ndarray, out: Path) -> Artifact:
    tokens = read_preprocessor(checkpoint_folder(config.models[key.model])).tokens(config.image.size)
    # The image's two boundary tokens are counted like its visual tokens.
    artifact = Artifact(kind=kind, image_size=config.image.size, prefix_tokens=tokens + 2)
    with artifact_folder(out, artifact) as folder:
        encode_png(levels, folder / IMAGE)
    return artifact


def _rng(key: RunKey) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(f"{key.method}/{key.task}".encode()), key.seed])


def make_control(config: Config, key: RunKey, results: Path) -> None:
    """Make the artifact of a control and write the run's folder, as training does for a trained method."""
    workspace, clock = Workspace(config, key, results), Clock()
    clock.start_up()
    draw = implementation(workspace.section.implementation)
    artifact = draw(config, key, workspace.seed_picture, workspace.artifact)
    write_records(workspace.folder / "train.jsonl", [StepRecord(step=0)])
    usage = Usage(trained_numbers=artifact.trained_numbers, prefix_tokens=artifact.prefix_tokens)
    write_record(workspace, "run", clock, this_process(), usage)
