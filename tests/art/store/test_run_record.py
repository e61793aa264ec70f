"""The record of a run, and its refusal where the settings are others."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_world import World

from art.config.digests import evaluation_digest, run_digest
from art.errors import RecordError
from art.files import read_record
from art.store import run_record
from art.store.clock import Clock
from art.store.records import RunRecord
from art.store.run_record import Machine, Usage, load_record, this_process, write_record
from art.store.workspace import Workspace


def written(world: World, name: str = "run", method: str = "random_image", seed: int = 1, **changes: Any) -> RunRecord:
    workspace = Workspace(world.config(), world.key(method, seed=seed), world.results)
    machine = Machine(*(changes.pop(field) for field in Machine._fields)) if "device" in changes else this_process()
    engine = changes.pop("engine", None)
    write_record(
        workspace, name, Clock(), machine, Usage(**{"trained_numbers": 0, "prefix_tokens": 6, **changes}), engine
    )
    return read_record(workspace.folder / f"{name}.json", RunRecord)


def test_a_record_has_what_it_was_given(world: World) -> None:
    given: dict[str, Any] = {"trained_numbers": 1, "prefix_tokens": 2, "prompt_tokens": 3, "completion_tokens": 4}
    given |= {"steps": 5, "device": "some GPU", "engine": "vllm 1", "threads": 7, "peak_memory_bytes": 6}
    config = world.config()
    run = {"model": "tiny", "task": "arithmetic", "method": "art_pixel", "seed": 1, "kind": "art"}
    for name, digest in (("run", run_digest), ("evaluation", evaluation_digest)):
        record = written(world, name, "art_pixel", **given)
        expected = given | run | {"command": name, "digest": digest(config, "tiny", "arithmetic", "art_pixel")}
        expected |= {"config": config.model_dump(mode="json"), "versions": run_record.versions()}
        assert record.model_dump(exclude={"seconds", "revision"}) == expected
        assert set(record.seconds) == {"total"}


def test_a_record_of_a_control_has_this_processes_device_and_memory(world: World) -> None:
    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # ru_maxrss is in kibibytes

    before, record = peak(), written(world)
    assert before <= record.peak_memory_bytes <= peak()
    assert (record.device, record.engine, record.threads) == (f"cpu ({platform.machine()})", None, 1)
    assert (record.prompt_tokens, record.completion_tokens, record.steps) == (0, 0, 0)
    assert record.versions["python"] == platform.python_version() and record.versions["torch"] == torch.__version__


def test_the_revision_is_that_of_the_project_and_says_when_it_was_changed(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "checkout"
    (home / "art/store").mkdir(parents=True)
    monkeypatch.setattr(run_record, "__file__", str(home / "art/store/run_record.py"))
    settings = {"GIT_CEILING_DIRECTORIES": str(tmp_path), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert written(world).revision is None

    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(command, cwd=home, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "--quiet")
    (home / "art/file").write_text("a")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    (home / "untracked").write_text("no matter")
    head = git("rev-parse", "HEAD")
    assert len(head) == 40 and written(world).revision == head
    (home / "art/file").write_text("b")
    assert written(world).revision == f"{head}+"
    git("add", ".")
    assert written(world).revision == f"{head}+"


def test_a_record_of_another_run_or_of_other_settings_is_refused(world: World) -> None:
    key = world.key("random_image", seed=1)
    for name in ("run", "evaluation"):
        record = written(world, name)
        assert load_record(world.config(), key, world.results, name) == record
    folder, others = world.folder("random_image", seed=1), {"image": {"contrast": 0.9}}
    scored = {"evaluation": {"samples": 1}}
    assert load_record(world.config(**scored), key, world.results, "run") == read_record(folder / "run.json", RunRecord)
    for name, sections in (("run", others), ("evaluation", others), ("evaluation", scored)):
        with pytest.raises(RecordError, match=rf"^{folder}: {name}\.json was made with other settings"):
            load_record(world.config(**sections), key, world.results, name)
    other = world.folder("random_image", seed=2) / "run.json"
    other.parent.mkdir()
    other.write_bytes((folder / "run.json").read_bytes())
    with pytest.raises(RecordError, match=rf"^{other}: belongs to {key.folder}"):
        load_record(world.config(), world.key("random_image", seed=2), world.results, "run")
    with pytest.raises(RecordError, match=r"seed0/run\.json: cannot be read"):
        load_record(world.config(), world.key("random_image"), world.results, "run")
