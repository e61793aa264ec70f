"""A run's artifact: a folder with ``artifact.json`` and, by kind, a PNG, a text, embeddings or an adapter.

This module does not import torch, so that controls can be made and artifacts described without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field

from art.errors import RecordError
from art.files import Record, atomic_folder, read_record, write_json

IMAGE, EMBEDDINGS, ADAPTER = "image.png", "prompt.safetensors", "adapter"


class Artifact(Record):
    """``artifact.json``."""

    kind: str = Field(description="the method's kind in the configuration")
    image_size: int | None = Field(None, description="side of image.png in pixels, when there is one")
    text: str | None = Field(None, description="text before the question, when there is one")
    embeddings: bool = Field(
        False, description="whether the embeddings in prompt.safetensors stand before the question"
    )
    adapter: bool = Field(False, description="whether the adapter in adapter/ is added to the weights")
    trained_numbers: int = Field(0, description="number of trained parameters")
    prefix_tokens: int = Field(0, description="tokens that the artifact puts before the question")


@contextmanager
def artifact_folder(path: Path, artifact: Artifact) -> Iterator[Path]:
    """Yield a folder to fill; on success it gets its ``artifact.json`` and replaces ``path`` as a whole."""
    with atomic_folder(path) as partial:
        yield partial
        write_json(partial / "artifact.json", artifact.model_dump(exclude_none=True))


def read_artifact(folder: Path) -> Artifact:
    """Read ``artifact.json``.

    Raises:
        RecordError: the file is missing or does not fit the schema, or it does not name a file that is there: the
            model would answer without it.
    """
    artifact = read_record(folder / "artifact.json", Artifact)
    named = {IMAGE: artifact.image_size is not None, EMBEDDINGS: artifact.embeddings, ADAPTER: artifact.adapter}
    for name, known in named.items():
        if not known and (folder / name).exists():
            raise RecordError(f"{folder / 'artifact.json'}: does not name {name}, which is in the folder")
    return artifact
