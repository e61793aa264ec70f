"""Plants faults in the project's code and reports those that no test notices (``make mutants``).

First all tests run once in a copy of the project; this records which test runs which line, and how long each takes.
Then each fault is planted in a copy, and the tests that run its line are run, the fastest first, until one fails.  The
results are kept in .mutants/ and stay valid while neither code nor tests change, so that a stopped call resumes.
equivalent.yaml lists the faults that no test can notice, with the reasons.

Why not mutmut 3.8 or cosmic-ray 8.7: mutmut plants no faults in decorated functions, module constants and class bodies,
where our validators, bounds and tables are; cosmic-ray starts Python and torch anew for every fault.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, NamedTuple

import pytest
import typer
import yaml
from coverage.numbits import numbits_to_nums
from faults import Fault, faults_of
from rich.console import Console
from rich.progress import Progress

ROOT = Path(__file__).parents[2]
STORE = ROOT / ".mutants"
EQUIVALENT = Path(__file__).with_name("equivalent.yaml")
SOURCES = ("art", "analysis", "pretraining")
# Imported once, before the processes fork: to import them in each process would take seconds.
PRELOADED = ("torch", "transformers", "peft", "openai", "pandas", "scipy.stats", "seaborn", "hypothesis", "pytest")
FEW = 20  # with at most this many faults nothing is imported before
BUDGET = 30.0  # seconds of tests per fault, by their measured times; at least one test is run
PASSED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
PATIENCE = 30.0  # the tests of a fault may take five times their measured time plus these seconds


class Job(NamedTuple):
    """A fault, and the tests that run its line."""

    file: str
    fault: Fault
    tests: tuple[str, ...]
    seconds: float

    @property
    def name(self) -> str:
        return f"{self.file}:{self.fault.start}:{self.fault.end}:{self.fault.new}"


def main(
    files: Annotated[list[Path] | None, typer.Argument(help="Python files; default: all of art and analysis")] = None,
    sample: Annotated[int, typer.Option(help="faults per file, at most one per line; 0: all")] = 10,
    seed: Annotated[int, typer.Option(help="seed of the sample")] = 0,
    tests: Annotated[str, typer.Option(help="files or folders of tests, separated by spaces")] = "tests",
    jobs: Annotated[int, typer.Option(help="number of processes")] = 2,
) -> None:
    """Plant faults and report those that no test notices."""
    os.chdir(ROOT)
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    STORE.mkdir(exist_ok=True)
    state = STORE / _digest(tests)
    log = state.with_suffix(".jsonl")
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder, str(number)) for number in range(jobs)]
        for copy in copies:
            _copy_project(copy)
        if not state.with_suffix(".coverage").exists():
            _measure(copies[0], tests, jobs, state)
        planned = list(_planned(files or _python_files(), sample, seed, state))
        log.touch()
        known = {entry["name"]: entry["fate"] for entry in map(json.loads, log.read_text().splitlines())}
        waiting = [job for job in planned if job.name not in known]
        with log.open("a") as stream, Progress(console=Console(stderr=True)) as bar:
            for job, fate in bar.track(_fates(waiting, copies), total=len(waiting), description="faults"):
                known[job.name] = fate
                stream.write(json.dumps({"name": job.name, "fate": fate}) + "\n")
                stream.flush()
    typer.echo(report(planned, known))


# -- which tests ---------------------------------------------------------------------------------------------------


def _measure(copy: Path, tests: str, jobs: int, state: Path) -> None:
    """Run the tests once; record the lines that each runs (coverage) and its time."""
    typer.echo("mutants: the tests run once without a fault, to measure them", err=True)
    words = [
        "-m",
        "pytest",
        *tests.split(),
        "-n",
        str(jobs),
        "-q",
        "-p",
        "times",
        "--cov-context=test",
        "--cov-report=",
    ]
    partial, times = state.with_suffix(".partial"), state.with_suffix(".times")
    own = {"COVERAGE_FILE": str(partial), "TEST_TIMES": str(times)}
    own["PYTHONPATH"] = os.pathsep.join([str(copy), str(Path(__file__).parent)])
    measured = [f"--cov={name}" for name in SOURCES]
    done = subprocess.run([sys.executable, *words, *measured], cwd=copy, env=os.environ | own, stdout=2, check=False)
    if done.returncode:
        sys.exit("mutants: the tests fail even without a fault")
    partial.replace(state.with_suffix(".coverage"))


def _planned(files: Iterable[Path], sample: int, seed: int, state: Path) -> Iterator[Job]:
    seconds = json.loads(state.with_suffix(".times").read_text())
    for file in files:
        source = file.read_bytes()
        faults = _sampled(faults_of(source), sample, random.Random(f"{seed}/{file}"))
        by_line = _tests_by_line(state.with_suffix(".coverage"), file, seconds)
        anywhere = {test: False for tests in by_line.values() for test in tests}
        for fault in faults:
            # Code that runs at import belongs to no single test: all tests that run a line of the file count.
            own = by_line.get(fault.line) or by_line.get(fault.statement, {}) if fault.statement else anywhere
            if not (fault.statement or own):  # a module without functions
                own = dict.fromkeys(seconds, False)
            found = sorted(own, key=lambda test: (not own[test], seconds.get(test, 0.0), test))
            chosen, total = [], 0.0
            for test in found:
                if chosen and total + seconds.get(test, 0.0) > BUDGET:
                    break
                chosen.append(test)
                total += seconds.get(test, 0.0)
            yield Job(str(file), fault, tuple(chosen), total)


def _sampled(faults: list[Fault], sample: int, rng: random.Random) -> list[Fault]:
    """One random fault on each of at most ``sample`` random lines; all faults where ``sample`` is 0."""
    if not sample:
        return faults
    by_line: dict[int, list[Fault]] = defaultdict(list)
    for fault in faults:
        by_line[fault.line].append(fault)
    lines = rng.sample(sorted(by_line), min(sample, len(by_line)))
    return [rng.choice(by_line[line]) for line in sorted(lines)]


def _tests_by_line(measured: Path, file: Path, tests: Iterable[str]) -> dict[int, dict[str, bool]]:
    """For each line of a file: the test functions (with all their parameters), and whether each runs the line itself.

    A line that runs in the set-up of a test may belong to a fixture that its whole test file shares, so all tests of
    that test file count for the line (as not running it themselves).
    """
    query = (
        "select context.context, line_bits.numbits from line_bits join file on file.id = line_bits.file_id "
        "join context on context.id = line_bits.context_id where file.path = ? and context.context != ''"
    )
    of_file: dict[str, dict[str, bool]] = defaultdict(dict)
    for test in tests:
        of_file[test.split("::")[0]][test] = False
    found: dict[int, dict[str, bool]] = defaultdict(dict)
    with sqlite3.connect(measured) as database:
        for context, bits in database.execute(query, [str(file)]):
            name, phase = context.rsplit("|", 1)
            own = of_file[name.split("::")[0]] if phase == "setup" else {name.split("[", 1)[0]: True}
            for line in numbits_to_nums(bits):
                found[line] = own | found[line] if phase == "setup" else found[line] | own
    return found


# -- planting ------------------------------------------------------------------------------------------------------


def _fates(jobs: list[Job], copies: list[Path]) -> Iterator[tuple[Job, str]]:
    """The fate of each fault: killed, survived, too slow, or not reached (no test runs its line)."""
    for name in PRELOADED if len(jobs) > FEW else ():
        import_module(name)
    context = multiprocessing.get_context("fork")
    places = context.Queue()
    for copy in copies:
        places.put(copy)
    with context.Pool(len(copies), _work_in, (places,)) as pool:
        yield from pool.imap_unordered(_fate, jobs)


def _copy_project(copy: Path) -> None:
    for name in _project_files():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(name, copy / name)


def _work_in(places: multiprocessing.Queue) -> None:
    copy = places.get()
    os.chdir(copy)
    os.environ["PYTHONPATH"] = str(copy)
    sys.dont_write_bytecode = True


def _fate(job: Job) -> tuple[Job, str]:
    if not job.tests:
        return job, "not reached"
    path, source = Path(job.file), Path(job.file).read_bytes()
    path.write_bytes(job.fault.planted(source))
    try:
        return job, _outcome(job)
    finally:
        path.write_bytes(source)


def _outcome(job: Job) -> str:
    """Run the tests in a separate process, killed with its children if it takes much longer than without the fault."""
    child = os.fork()
    if not child:
        os.setsid()
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        sys.path.insert(0, os.getcwd())
        os._exit(pytest.main([*job.tests, "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]))
    end = time.monotonic() + PATIENCE + 5 * job.seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "survived" if os.waitstatus_to_exitcode(status) in PASSED else "killed"
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "too slow"


# -- report --------------------------------------------------------------------------------------------------------


def report(jobs: list[Job], fates: dict[str, str]) -> str:
    """A table by file, then all faults that were not killed."""
    listed = yaml.safe_load(EQUIVALENT.read_text()) or []
    reasons = {(one["file"], one["was"], one["becomes"]): one["because"] for one in listed}
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    alive = []
    for job in jobs:
        before, after = job.fault.shown(Path(job.file).read_bytes())
        fate = fates[job.name]
        reason = reasons.get((job.file, before, after))
        if fate != "killed":
            fate = "equivalent" if reason else fate
            said = f"{fate}: {reason}" if reason else fate
            alive.append(f"{job.file}:{job.fault.line}: {job.fault.kind}, {said}\n  - {before}\n  + {after}")
        counts[job.file][fate] += 1
    columns = ("killed", "survived", "not reached", "too slow", "equivalent")
    rows = [(file, *(found[name] for name in columns)) for file, found in counts.items()]
    rows.append(("all", *(sum(row[place] for row in rows) for place in range(1, len(columns) + 1))))
    lines = [f"| file | {' | '.join(columns)} | share noticed |", "|---|" + "---|" * (len(columns) + 1)]
    for file, *numbers in rows:
        share = (numbers[0] + numbers[3]) / max(1, sum(numbers[:4]))
        lines.append(f"| {file} | {' | '.join(map(str, numbers))} | {share:.0%} |")
    return "\n".join([*lines, "", *alive])


def _python_files() -> list[Path]:
    return sorted(path for name in SOURCES for path in Path(name).rglob("*.py") if path.stat().st_size)


def _project_files() -> list[str]:
    """Files that git tracks or would track."""
    words = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in listed if Path(name).is_file()]


def _digest(more: str) -> str:
    """Hash of the names and contents of all files that the tests may read."""
    found = hashlib.sha256(f"{more} {sys.version}".encode())
    for name in _project_files():
        if not name.endswith((".md", EQUIVALENT.name)):  # only one test reads prose, the how-tos
            found.update(name.encode() + b"\0" + Path(name).read_bytes())
    return found.hexdigest()[:16]


if __name__ == "__main__":
    typer.run(main)
