"""A run's folder and inputs, and the record of how it was made."""

from __future__ import annotations

import gc
import hashlib
import os
import platform
import resource
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from art.config import Config, ConfigError, RunKey
from art.models.hub import checkpoint_folder
from art.records import Problem, RecordError, RunRecord, read_records, write_json
from art.run_record import RecordName, settings_digest
from art.scoring import SCORERS

PACKAGES = ("torch", "transformers", "peft", "numpy", "pillow", "safetensors", "tokenizers")


class Clock:
    """Wall time by phase, in seconds, since the process began (or the first one, for a run that resumed).

    Args:
        wait: returns when the device has done what it was given.  A GPU works on behind Python: without waiting at both
            ends of a phase, its time would count in the next one.
    """

    def __init__(self, wait: Callable[[], None] = lambda: None) -> None:
        self.wait = wait
        self.seconds: dict[str, float] = {}
        self.begin = _process_start()

    def start_up(self) -> None:
        """Close the phase that began with the process, and let the collector work again (art/cli.py)."""
        gc.enable()
        self.seconds["start_up"] = time.time() - self.begin

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of a block to a phase."""
        self.wait()
        start = time.perf_counter()
        try:
            yield
            self.wait()
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def resume(self, total: dict[str, float]) -> None:
        """Count on from the times of an earlier process of the same run, in the place of ``start_up``."""
        gc.enable()
        self.seconds = {name: value for name, value in total.items() if name != "total"}
        self.begin -= total["total"]

    def total(self) -> dict[str, float]:
        """All phases so far, and ``total``."""
        return {**self.seconds, "total": time.time() - self.begin}


class Workspace:
    """Where a run reads and writes below the results folder.

    Raises:
        ConfigError: the configuration has no such model, task, method or seed.
    """

    def __init__(self, config: Config, key: RunKey, results: Path) -> None:
        for name, known in (("model", config.models), ("task", config.tasks), ("method", config.methods)):
            if getattr(key, name) not in known:
                raise ConfigError(f"{name}: unknown {getattr(key, name)!r}; allowed: {', '.join(known)}")
        seeds = config.method_seeds(key.method)
        if key.seed not in seeds:
            raise ConfigError(
                f"seed: unknown {key.seed} for method {key.method}; allowed: {', '.join(map(str, seeds))}"
            )
        self.config, self.key, self.results = config, key, results
        self.section = config.methods[key.method]
        self.folder = results / key.folder
        self.artifact = self.folder / "artifact"
        self.seed_picture = results / "seeds" / f"{key.task}.png"

    def log(self, name: str) -> Path:
        """Path of a log beside those of the run's steps."""
        key = self.key
        return self.results / "logs" / key.model / key.task / key.method / f"seed{key.seed}.{name}"

    def problems(self, split: str) -> list[Problem]:
        """Read one problem file of the run's task.

        Raises:
            RecordError: a line is no problem, or its reference is none of the task's scorer (file:line).
        """
        path = self.problem_file(split)
        problems = read_records(path, Problem)
        scorer = SCORERS[self.config.tasks[self.key.task].scorer]
        for number, problem in enumerate(problems, start=1):
            try:
                scorer.judge("", problem)
            except ValueError as error:
                raise RecordError(f"{path}:{number}: {error}") from None
        return problems

    def problem_file(self, split: str) -> Path:
        """Path of a problem file of the run's task."""
        return self.results / "tasks" / self.key.task / f"{split}.jsonl"

    def stamp(self) -> dict[str, str]:
        """All that training depends on, by name: settings, inputs, the checkpoint's files, our code, packages.

        An interrupted run goes on under the same stamp only.  Any file of art/ counts: which of them a run has used
        need not be guessed.
        """
        key, code = self.key, Path(__file__).parent
        model = checkpoint_folder(self.config.models[key.model])
        inputs = [self.problem_file("train"), self.problem_file("validation"), self.seed_picture]
        return {
            "settings": self.config.run_digest(key.model, key.task, key.method),
            **_hashes(self.results, inputs),
            **_hashes(model.parent, (path for path in model.iterdir() if path.is_file() and path.suffix != ".md")),
            **_hashes(code.parent, code.rglob("*.py")),
            **versions(),
        }

    def write_record(
        self,
        name: RecordName,
        clock: Clock,
        *,
        trained_numbers: int,
        prefix_tokens: int,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
        steps: int = 0,
        device: str | None = None,
        engine: str | None = None,
        peak_memory_bytes: int | None = None,
    ) -> None:
        """Write ``run.json`` or ``evaluation.json``; without a device and its memory, those of this process."""
        record = RunRecord(
            command=name,
            model=self.key.model,
            task=self.key.task,
            method=self.key.method,
            kind=self.section.kind,
            seed=self.key.seed,
            digest=settings_digest(self.config, self.key, name),
            config=self.config.model_dump(mode="json"),
            versions=versions(),
            revision=_revision(),
            device=device or processor(),
            engine=engine,
            threads=1,  # art.train and art.evaluate see to it; controls compute nothing
            seconds=clock.total(),
            peak_memory_bytes=peak_memory_bytes or process_memory(),
            trained_numbers=trained_numbers,
            prefix_tokens=prefix_tokens,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            steps=steps,
        )
        write_json(self.folder / f"{name}.json", record.model_dump())


def processor() -> str:
    """What a record calls the CPU."""
    return f"cpu ({platform.machine()})"


def process_memory() -> int:
    """Most bytes that this process held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}}


def _hashes(root: Path, paths: Iterable[Path]) -> dict[str, str]:
    """Hash of each file's content, by its path below ``root``."""
    found = {}
    for path in sorted(paths):
        with path.open("rb") as stream:
            found[str(path.relative_to(root))] = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    return found


def _process_start() -> float:
    """Time of the process's start, from its own record in /proc; elsewhere now."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return time.time()
    return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")


def _revision() -> str | None:
    """Git revision of the project, '+' appended when tracked files were changed; None outside a checkout."""
    home = Path(__file__).parent
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=home, capture_output=True, text=True, check=True)
        dirty = subprocess.run(["git", "diff", "--quiet", "HEAD"], cwd=home, capture_output=True, check=False)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if dirty.returncode else "")
