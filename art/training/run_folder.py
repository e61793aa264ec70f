"""Write the folder of a training run: checkpoints and snapshots in training; artifact, log and record at the end."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

import torch
from torch import nn

from art.files import atomic_folder, write_records
from art.models.device import machine_of
from art.pictures.png import encode_png
from art.store.records import StepRecord
from art.store.run_record import Usage, write_record
from art.training.progress import Progress, StaleError, load_progress, save_progress, stamp
from art.training.session import Session


class RunFolder:
    """The folder of one run; ``checkpoint`` is the last good state."""

    def __init__(self, session: Session, parameters: dict[str, nn.Parameter], optimiser: torch.optim.Optimizer) -> None:
        self.session, self.parameters, self.optimiser = session, parameters, optimiser
        self.workspace, self.clock = session.workspace, session.clock
        self.checkpoint = self.workspace.progress / "state.safetensors"
        policy = session.policy
        device = f"{policy.device.type} {policy.model.dtype}"
        self.stamp = stamp(self.workspace) | {"device": device, "engine": session.engine.name}

    def resume(self) -> Progress | None:
        """Restore the last checkpoint; None if there is none, or if it is stale (reported on standard error)."""
        try:
            progress = load_progress(self.checkpoint, self.stamp, self.parameters, self.optimiser)
        except StaleError as error:
            print(f"art: {self.workspace.key.folder}: starts from scratch: {error}", file=sys.stderr)
            progress = None
        if progress is None:
            shutil.rmtree(self.workspace.progress, ignore_errors=True)
        return progress

    def store(self, step: int, log: list[StepRecord]) -> None:
        """Write a snapshot, then the checkpoint: a checkpoint always has all its snapshots."""
        with self.clock.phase("checkpoint"):
            picture = self.session.method.picture()
            if picture is not None:
                encode_png(picture, self.workspace.progress / "snapshots" / f"step{step:04d}.png")
            progress = Progress(step, log, self.clock.total())
            save_progress(self.checkpoint, self.stamp, progress, self.parameters, self.optimiser)

    def finish(self, log: Sequence[StepRecord]) -> None:
        """Write artifact, snapshots, log and record, and remove the progress."""
        folder, progress = self.workspace.folder, self.workspace.progress
        (folder / "run.json").unlink(missing_ok=True)  # an older record must not stand beside new files
        artifact = self.session.method.save(self.workspace.artifact)
        shutil.rmtree(folder / "snapshots", ignore_errors=True)
        snapshots = sorted((progress / "snapshots").glob("step*.png"))
        if snapshots:
            with atomic_folder(folder / "snapshots") as partial:
                for path in snapshots:
                    shutil.copy(path, partial)
        write_records(folder / "train.jsonl", log)
        usage = Usage(
            trained_numbers=artifact.trained_numbers,
            prefix_tokens=artifact.prefix_tokens,
            prompt_tokens=sum(record.prompt_tokens or 0 for record in log),
            completion_tokens=sum(record.completion_tokens or 0 for record in log),
            steps=self.workspace.config.training.steps,
        )
        machine, engine = machine_of(self.session.policy.device), self.session.engine.name
        write_record(self.workspace, "run", self.clock, machine, usage, engine)
        # Remove the checkpoint first: a kill in between must not leave a checkpoint without its snapshots.
        self.checkpoint.unlink(missing_ok=True)
        shutil.rmtree(progress, ignore_errors=True)
