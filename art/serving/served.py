"""Load a run's artifact for the serving check."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from art.models.artifact_loader import load_adapter_rank, load_prefix
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.store.artifact import ADAPTER, Artifact, read_artifact
from art.store.run_record import load_record
from art.store.workspace import Workspace


@dataclass(frozen=True)
class Served:
    """The artifact of one method's run.

    Attributes:
        artifact: the artifact's description.
        prefix: what a request sends before the question.
        rank: rank of the adapter; None without an adapter.
        name: the model that a request asks for: the adapter under its method's name, otherwise the base model.
        folder: folder of the artifact's files.
    """

    method: str
    artifact: Artifact
    prefix: Prefix
    rank: int | None
    name: str
    folder: Path

    @property
    def adapter(self) -> Path | None:
        """The adapter's folder; None without an adapter."""
        return self.folder / ADAPTER if self.rank is not None else None


def load_served(workspace: Workspace, policy: Policy) -> Served:
    """Read a run's artifact.

    Raises:
        RecordError, ImageError, CheckpointError: the run was made with other settings, or its artifact is missing or
            damaged (named).
    """
    load_record(workspace.config, workspace.key, workspace.results, "run")
    folder, method = workspace.artifact, workspace.key.method
    prefix, rank = load_prefix(folder, workspace.config.image.size, policy), load_adapter_rank(folder)
    name = workspace.model.path if rank is None else method
    return Served(method, read_artifact(folder), prefix, rank, name, folder)
