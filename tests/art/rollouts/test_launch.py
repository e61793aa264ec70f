"""The server as a child process: how it starts, the message when it does not start, and that it ends completely.

``vllm`` is a stand-in here: a folder on the child's path that has a module with the server's name.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from art.rollouts import launch
from art.rollouts.engines import EngineError
from art.rollouts.launch import LaunchedServer

ROOT = Path(__file__).parents[3]
# Writes its command line, key and process id to the file that it is given, then answers /health.
READY = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

names = ["VLLM_API_KEY", "VLLM_ALLOW_RUNTIME_LORA_UPDATING", "VLLM_NO_USAGE_STATS", "HF_HUB_OFFLINE"]
names += ["OMP_NUM_THREADS", "MKL_NUM_THREADS"]
told = {"words": sys.argv[1:], "environment": {name: os.environ.get(name) for name in names}, "pid": os.getpid()}
Path(os.environ["TOLD"]).write_text(json.dumps(told))
print("serving", flush=True)
HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""
NEVER_READY = """
import os, time
from pathlib import Path

print("loading weights", flush=True)
Path(os.environ["TOLD"]).write_text(str(os.getpid()))
time.sleep(600)
"""
# When it is asked to end, it needs a moment to write a second file beside the first.
POLITE = """
import os, signal, sys, time

def goodbye(*_):
    time.sleep(0.3)
    open(os.environ["TOLD"] + ".goodbye", "w").close()
    sys.exit()

signal.signal(signal.SIGTERM, goodbye)
"""
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
# A process that starts the server, and waits to be killed.
PARENT = """
import sys, time
from pathlib import Path
from art.rollouts.launch import LaunchedServer

LaunchedServer({"model": "folder"}, "name", Path(sys.argv[1]), 60)
print("ready", flush=True)
time.sleep(600)
"""


def stand_in(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make ``vllm`` such a module for child processes; returns the file in which it writes what it was given."""
    module = folder / "path/vllm/entrypoints/openai/api_server.py"
    module.parent.mkdir(parents=True)
    module.write_text(text)
    monkeypatch.setenv("PYTHONPATH", f"{folder / 'path'}{os.pathsep}{ROOT}")
    monkeypatch.setenv("TOLD", str(folder / "told"))
    return folder / "told"


def ended(pid: int) -> bool:
    """Whether a process ends within ten seconds; waits for it."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_server_that_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = stand_in(tmp_path, READY, monkeypatch)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # as Snakemake does
        monkeypatch.setenv(name, "2")
    arguments = {"model": "folder", "seed": 3, "enforce_eager": True, "limit_mm_per_prompt": {"image": 1}}
    log, adapter = tmp_path / "logs/tiny/server.log", tmp_path / "adapter"
    monkeypatch.chdir(tmp_path)
    with closing(LaunchedServer(arguments, "some/where", log, 60, {"first": Path("adapter")})) as server:
        found = json.loads(told.read_text())
        assert "it is running" in server.last_words() and "serving" in server.last_words()
        command = Path(f"/proc/{found['pid']}/cmdline").read_text()
    assert server.process.returncode is not None and ended(found["pid"])
    words, port = found["words"], server.url.removeprefix("http://127.0.0.1:").removesuffix("/v1")
    assert words[: words.index("--host")] == [
        *("--model", "folder", "--seed", "3", "--enforce-eager", "--limit-mm-per-prompt", '{"image": 1}')
    ]
    assert words[words.index("--host") :] == [
        *("--host", "127.0.0.1", "--port", port, "--served-model-name", "some/where"),
        *("--lora-modules", f"first={adapter}"),
    ]
    assert len(server.key) >= 32 and server.key not in command and "api_server" in command
    assert found["environment"] == {
        "VLLM_API_KEY": server.key,
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": None,
        "MKL_NUM_THREADS": None,
    }
    assert server.key not in log.read_text()


def test_what_the_person_has_set_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = stand_in(tmp_path, READY, monkeypatch)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("VLLM_API_KEY", "somebody's")
    (tmp_path / "log").write_text("of an earlier one\n")
    with closing(LaunchedServer({}, "name", tmp_path / "log", 60)) as server:
        found = json.loads(told.read_text())["environment"]
        assert (tmp_path / "log").read_text().startswith("serving\n")
    assert found["HF_HUB_OFFLINE"] == "0" and found["VLLM_API_KEY"] == server.key != "somebody's"


def test_a_proxy_has_nothing_to_do_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, READY, monkeypatch)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with closing(LaunchedServer({}, "name", tmp_path / "log", 20)) as server:
        assert "it is running" in server.last_words()


def test_it_may_end_in_its_own_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = stand_in(tmp_path, POLITE + READY, monkeypatch)
    server = LaunchedServer({}, "name", tmp_path / "log", 60)
    server.close()
    assert told.with_name("told.goodbye").exists() and server.process.returncode == 0


def test_one_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, STUBBORN + READY, monkeypatch)
    server = LaunchedServer({}, "name", tmp_path / "log", 60)
    wait = server.process.wait
    monkeypatch.setattr(server.process, "wait", lambda timeout=None: wait(timeout and 0.2))
    server.close()
    assert server.process.returncode == -signal.SIGKILL


def test_what_a_killed_server_leaves_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM's engine core is a separate process."""
    core = 'import subprocess\ncore = subprocess.Popen(["sleep", "600"])\nprint("core", core.pid, flush=True)\n'
    told = stand_in(tmp_path, core + READY, monkeypatch)
    server = LaunchedServer({}, "name", tmp_path / "log", 60)
    child = int((tmp_path / "log").read_text().split()[1])
    os.kill(json.loads(told.read_text())["pid"], signal.SIGKILL)
    server.process.wait()
    assert Path(f"/proc/{child}").exists()
    server.close()
    assert ended(child)


def test_keys_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, READY, monkeypatch)
    with (
        closing(LaunchedServer({}, "name", tmp_path / "one", 60)) as one,
        closing(LaunchedServer({}, "name", tmp_path / "two", 60)) as two,
    ):
        assert one.key != two.key and one.url != two.url


def test_a_server_that_stops_is_said_with_the_end_of_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "import os\nos.write(1, b'a line of many\\n' * 99 + b'\\xff\\n')\nraise SystemExit('no memory left')\n"
    stand_in(tmp_path, text, monkeypatch)
    with pytest.raises(EngineError) as caught:
        LaunchedServer({}, "name", tmp_path / "logs/server.log", 60)
    first, *log = str(caught.value).splitlines()
    assert first == f"vLLM's server stopped before it was ready; exit status 1; the end of {tmp_path}/logs/server.log:"
    assert log == ["  a line of many"] * 10 + ["  \ufffd", "  no memory left"]


def test_without_vllm_the_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The stand-in raises, so that this also holds where vLLM is installed.
    (tmp_path / "vllm.py").write_text("raise ModuleNotFoundError(\"No module named 'vllm'\")\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EngineError, match=r"stopped before it was ready; exit status 1(.|\n)*No module named 'vllm'"):
        LaunchedServer({}, "name", tmp_path / "log", 60)


def test_a_server_that_is_never_ready_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = stand_in(tmp_path, NEVER_READY, monkeypatch)
    late = itertools.chain([599.0], itertools.count(601.0))
    times = [100.0]

    def clock() -> float:  # the time ends soon after the child has started
        times.append(next(late) if told.exists() and told.read_text() else 100.0)
        return times[-1]

    monkeypatch.setattr(launch.time, "monotonic", clock)
    with pytest.raises(EngineError, match=r"not ready after 500 s; it is running; the end of(.|\n)*loading weights"):
        LaunchedServer({}, "name", tmp_path / "log", 500)
    assert times[-2:] == [599, 601] and ended(int(told.read_text()))


def test_a_server_is_ended_when_we_are_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = stand_in(tmp_path, NEVER_READY, monkeypatch)

    def interrupt(seconds: float) -> None:
        if told.exists() and told.read_text():
            raise KeyboardInterrupt

    monkeypatch.setattr(launch.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        LaunchedServer({}, "name", tmp_path / "log", 60)
    monkeypatch.undo()
    assert ended(int(told.read_text()))


def test_the_server_ends_with_a_parent_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = stand_in(tmp_path, POLITE + READY, monkeypatch)
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == "ready\n"
        child = json.loads(told.read_text())["pid"]
        assert Path(f"/proc/{child}").exists()
        parent.send_signal(signal.SIGKILL)
    assert parent.returncode == -signal.SIGKILL and ended(child)
    assert told.with_name("told.goodbye").exists(), "it was asked to end, not killed"
