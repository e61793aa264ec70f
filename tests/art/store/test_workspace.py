"""A run's clock, its inputs, and the record of how it was made."""

from __future__ import annotations

import hashlib
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_world import World

from art import errors
from art.config.digests import evaluation_digest, run_digest
from art.errors import RecordError
from art.files import read_record, write_records
from art.models.device import wait_for_gpu
from art.scoring import load_problems, numeric
from art.store import clock as clock_module
from art.store import run_record
from art.store.clock import Clock
from art.store.problem import Problem, problem_id
from art.store.records import RunRecord
from art.store.run_record import Machine, Usage, load_record, this_process, write_record
from art.store.workspace import Workspace
from art.training import progress


class Device:
    """A device that takes work and returns at once; ``wait`` returns when all its work is done."""

    def __init__(self) -> None:
        self.now = self.pending = 0.0

    def wait(self) -> None:
        self.now += self.pending
        self.pending = 0.0


def test_a_phase_has_the_time_of_its_own_work(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device()
    monkeypatch.setattr(time, "perf_counter", lambda: device.now)
    clock = Clock(device.wait)
    device.pending = 20.0  # work from before the phase
    with clock.phase("short"):
        device.pending += 2.0
    with clock.phase("long"):
        device.pending += 10.0
    assert clock.seconds == {"short": 2.0, "long": 10.0}


def test_times_add_up_over_phases_and_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "_process_start", lambda: 1000.0)
    monkeypatch.setattr(time, "time", lambda: 1007.0)
    ticks = iter((1.0, 3.0, 10.0, 15.0, 20.0, 21.0))
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    clock = Clock()
    clock.start_up()
    for name in ("rollout", "rollout", "forward"):
        with clock.phase(name):
            pass
    assert clock.total() == {"start_up": 7.0, "rollout": 7.0, "forward": 1.0, "total": 7.0}
    later = Clock()
    later.resume({"start_up": 5.0, "rollout": 50.0, "total": 60.0})
    assert later.seconds == {"start_up": 5.0, "rollout": 50.0}
    assert later.total() == {"start_up": 5.0, "rollout": 50.0, "total": 67.0}


def test_a_clock_begins_with_its_process() -> None:
    script = "import time; before = time.time(); from art.store.clock import Clock; print(before, Clock().begin)"
    spawned = time.time()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, begin = map(float, done.stdout.split())
    assert spawned - 1 <= begin <= before + 1, "neither the machine's start nor the clock's epoch"


def test_without_a_record_of_the_process_a_clock_begins_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 7.0)
    monkeypatch.setattr(Path, "read_text", lambda self: "no such thing")
    assert Clock().begin == 7.0


def test_a_phase_that_fails_is_not_waited_for() -> None:
    device = Device()
    clock = Clock(device.wait)
    with pytest.raises(ZeroDivisionError), clock.phase("broken"):
        device.pending = 60.0
        _ = 1 / 0
    assert clock.seconds["broken"] < 1


@pytest.mark.parametrize("used", [False, True])
def test_only_a_gpu_in_use_is_waited_for(used: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: used)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: calls.append("waited"))
    wait_for_gpu()
    assert calls == ["waited"] * used


# -- inputs --------------------------------------------------------------------------------------------------------


def test_the_stamp_is_of_every_input_by_content(world: World) -> None:
    (world.root / "checkpoint/README.md").write_text("counts for nothing")
    (world.root / "checkpoint/folder").mkdir()
    stamp = progress.stamp(Workspace(world.config(), world.key("art"), world.results))
    inputs = {"tasks/arithmetic/train.jsonl", "tasks/arithmetic/validation.jsonl", "seeds/arithmetic.png"}
    weights = {path.name for path in (world.root / "checkpoint").iterdir()} - {"README.md", "folder"}
    code = Path(errors.__file__).parent
    ours = {str(path.relative_to(code.parent)) for path in code.rglob("*.py")}
    packages = {"python", "torch", "transformers", "peft", "numpy", "pillow", "safetensors", "tokenizers"}
    assert set(stamp) == {"settings"} | inputs | {f"checkpoint/{name}" for name in weights} | ours | packages
    assert stamp["settings"] == run_digest(world.config(), "tiny", "arithmetic", "art")
    for name, path in (("seeds/arithmetic.png", world.results), ("checkpoint/model.safetensors", world.root)):
        assert stamp[name] == hashlib.sha256((path / name).read_bytes()).hexdigest()[:16]


def test_a_reference_that_is_not_the_scorers_is_named_with_its_line(world: World) -> None:
    path = world.results / "tasks/arithmetic/validation.jsonl"
    write_records(path, [Problem(id=problem_id("q", answer), question="q", answer=answer) for answer in ("1", "one")])
    with pytest.raises(RecordError, match=rf"^{path}:2: "):
        load_problems(path, numeric)


def test_logs_stand_beside_those_of_the_steps(world: World) -> None:
    workspace = Workspace(world.config(), world.key("art", seed=1), world.results)
    assert workspace.log("server.log") == world.results / "logs/tiny/arithmetic/art/seed1.server.log"


# -- the record ----------------------------------------------------------------------------------------------------


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
