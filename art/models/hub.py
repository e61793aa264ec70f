"""Find a checkpoint's folder: a local one, or one commit of a repository on the hub.  No torch here."""

from __future__ import annotations

from pathlib import Path

from art.config.sections import ModelSection
from art.models.preprocessor import CheckpointError

# Weights as safetensors only: a pickle can run code.
_FILES = ["*.json", "*.jinja", "*.safetensors", "merges.txt"]


def checkpoint_folder(model: ModelSection) -> Path:
    """The checkpoint's folder of a section of ``models``; a pinned commit is fetched once into the hub's own cache.

    Raises:
        CheckpointError: the folder has no checkpoint, or the commit is not in the cache and cannot be fetched.
    """
    if model.revision is not None:
        return _fetched(model.path, model.revision)
    folder = Path(model.path)
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            f"{folder}: no checkpoint here (config.json is missing); a repository on the hub needs a revision beside "
            "its path: the 40 digits of a commit"
        )
    return folder


def _fetched(repository: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download  # slow to import, and local folders do not need it

    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=_FILES))
    except Exception as error:  # errors of the hub, the network and the system
        raise CheckpointError(f"{repository} at {revision}: not in the cache and cannot be fetched: {error}") from None
