"""What a run leaves behind: a folder with ``artifact.json`` and, by kind, a PNG, a text, embeddings or an adapter.

No torch here: the controls are made and any artefact is described without it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field, ValidationError

from art.records import Record, RecordError, read_json, write_json

IMAGE, EMBEDDINGS, ADAPTER = "image.png", "prompt.safetensors", "adapter"


class Artifact(Record):
    """``artifact.json``."""

    kind: str = Field(description="the method's kind in the configuration")
    image_size: int | None = Field(None, description="side of image.png in pixels, when there is one")
    text: str | None = Field(None, description="text before the question, when there is one")
    embeddings: bool = Field(False, description="whether prompt.safetensors stands before the question")
    adapter: bool = Field(False, description="whether adapter/ lies over the weights")
    trained_numbers: int = Field(0, description="free numbers that were optimised")
    prefix_tokens: int = Field(0, description="tokens before the question")


@contextmanager
def artifact_folder(path: Path, artifact: Artifact) -> Iterator[Path]:
    """Yield a temporary sibling folder to fill; on success it takes the place of ``path`` in one rename."""
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    write_json(partial / "artifact.json", artifact.model_dump(exclude_none=True))
    shutil.rmtree(path, ignore_errors=True)
    partial.rename(path)


def read_artifact(folder: Path) -> Artifact:
    """Read ``artifact.json``.

    Raises:
        RecordError: the file is missing or of another schema.
    """
    path = folder / "artifact.json"
    try:
        return Artifact.model_validate(read_json(path))
    except ValidationError as error:
        fault = error.errors()[0]
        raise RecordError(f"{path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
