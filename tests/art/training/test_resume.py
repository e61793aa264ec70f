"""Interrupted runs resume and end with the same bytes, or start from scratch and say why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from tiny_world import Undisturbed, World, contents, run

from art.files import read_json
from art.store import run_record
from art.store.workspace import Workspace
from art.training import loop as module
from art.training import progress, run_folder
from art.training.loop import Trainer


class Killed(BaseException):
    """Stands for a kill: no code catches it."""


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Stop training when it begins the step (counted from 0)."""
    original = Trainer.step

    def step_or_die(self: Trainer, number: int) -> None:
        if number == step:
            raise Killed
        original(self, number)

    monkeypatch.setattr(Trainer, "step", step_or_die)


@pytest.mark.parametrize("method", ["art", "lora"])
@pytest.mark.parametrize("stopped", [0, 2])
def test_an_interrupted_run_resumes_to_the_same_bytes(
    world: World, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch, method: str, stopped: int
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, stopped)
        with pytest.raises(Killed):
            run(world, method)
    folder = world.folder(method)
    assert not (folder / "artifact").exists() and not (folder / "run.json").exists()
    steps = []
    original = Trainer.step
    monkeypatch.setattr(Trainer, "step", lambda self, number: (steps.append(number), original(self, number)))
    resumed = contents(run(world, method))
    assert steps == list(range(stopped, 3)), "only what was lost is done again"
    assert resumed == undisturbed(method)  # called last: the first call in a process makes the run to compare with


def test_killed_between_the_last_step_and_the_record(
    world: World, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "write_records", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            run(world, "art")
    assert not (world.folder("art") / "run.json").exists()
    assert contents(run(world, "art")) == undisturbed("art")


# Writes half of the second step's checkpoint, then is killed as by `kill -9`, without a chance to clean up.
KILLED_WHILE_WRITING = """
import os, signal
from art.training import progress as checkpoint
from art.cli import app

written, save = [], checkpoint.save

def die_at_the_third(*arguments):
    written.append(save(*arguments))
    if len(written) == 3:
        (partial,) = set(folder.glob(".*.partial")) or [folder / f".state.safetensors.{os.getpid()}.partial"]
        partial.write_bytes(written[-1][: len(written[-1]) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    return written[-1]

checkpoint.save = die_at_the_third
app(arguments)
"""


def test_kill_minus_9_in_the_middle_of_a_checkpoint(world: World, undisturbed: Undisturbed) -> None:
    work = world.folder("art") / "progress"
    head = f"from pathlib import Path\nfolder, arguments = Path({str(work)!r}), {world.arguments('train', 'art')!r}\n"
    environment = {**os.environ, "PYTHONPATH": str(Path(module.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", head + KILLED_WHILE_WRITING],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(list(work.glob(".*.partial"))) == 1, "the half-written file has a name that is never read"
    assert (work / "state.safetensors").is_file() and not (world.folder("art") / "run.json").exists()
    assert contents(run(world, "art")) == undisturbed("art")


def test_resumed_times_add_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, 2)
        with pytest.raises(Killed):
            run(world, "art")
    seconds = read_json(run(world, "art") / "run.json")["seconds"]
    assert sum(value for name, value in seconds.items() if name != "total") <= seconds["total"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("config", "settings"),
        ("problems", "tasks/arithmetic/train.jsonl"),
        ("picture", "seeds/arithmetic.png"),
        ("weights", "checkpoint/model.safetensors"),
        ("template", "checkpoint/chat_template.jinja"),
        ("package", "torch"),
    ],
)
def test_changed_settings_or_inputs_start_anew(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], change: str, said: str
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, 2)
        with pytest.raises(Killed):
            run(world, "art")
    settings = {"training": {"temperature": 0.9}} if change == "config" else {}
    if change == "problems":
        path = world.results / "tasks/arithmetic/train.jsonl"
        path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))
    elif change == "picture":
        other = world.results / "seeds/tool_call.png"
        other.replace(world.results / "seeds/arithmetic.png")
    elif change == "weights":
        path = world.root / "checkpoint/model.safetensors"
        save_file({name: value * 1.01 for name, value in load_file(path).items()}, path, {"format": "pt"})
    elif change == "template":
        path = world.root / "checkpoint/chat_template.jinja"
        path.write_text(path.read_text() + "\n")
    elif change == "package":
        monkeypatch.setattr(run_record, "version", lambda name: "0" if name == "torch" else version(name))
    steps = []
    original = Trainer.step
    monkeypatch.setattr(Trainer, "step", lambda self, number: (steps.append(number), original(self, number)))
    capsys.readouterr()
    run(world, "art", **settings)
    assert steps == [0, 1, 2]
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"art: {world.key('art').folder}: starts from scratch: changed since: {said}"


def test_the_stamp_holds_our_code_the_whole_checkpoint_and_the_packages(world: World) -> None:
    stamp = progress.stamp(Workspace(world.config(), world.key("art"), world.results))
    files = {path.name for path in (world.root / "checkpoint").iterdir()}
    assert {f"checkpoint/{name}" for name in files} <= set(stamp)
    assert {
        "art/training/loop.py",
        "art/training/objectives.py",
        "art/methods/image.py",
        "art/models/policy.py",
    } <= set(stamp)
    assert {"torch", "transformers", "tokenizers", "python"} <= set(stamp)


def test_a_damaged_checkpoint_starts_anew(
    world: World, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, 2)
        with pytest.raises(Killed):
            run(world, "soft_prompt")
    state = world.folder("soft_prompt") / "progress/state.safetensors"
    state.write_bytes(state.read_bytes()[:100])
    assert contents(run(world, "soft_prompt")) == undisturbed("soft_prompt")


def test_an_older_runs_snapshots_and_half_written_ones_are_left_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    litter = [world.folder("art") / "snapshots/step0099.png", world.folder("art") / "progress/snapshots/step0099.png"]
    for path in litter:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"from another time")
    with monkeypatch.context() as patch:
        stop_at(patch, 1)
        with pytest.raises(Killed):
            run(world, "art")
    (world.folder("art") / "progress/snapshots/.step0001.png.77.partial").write_bytes(b"half")
    names = [path.name for path in sorted((run(world, "art") / "snapshots").iterdir())]
    assert names == [f"step{number:04d}.png" for number in range(4)]
