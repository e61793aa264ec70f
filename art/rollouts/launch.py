"""Start an unmodified vLLM server on loopback, as a child of this process."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from art.rollouts.engines import EngineError
from art.rollouts.vllm_options import command_line, environment

_PR_SET_PDEATHSIG = 1
# Requests to this machine must not go through a proxy from the environment.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class LaunchedServer:
    """A server that is ready when the constructor returns; ``close`` ends it.

    It has a random API key, listens on 127.0.0.1 only, and ends with this process, even if that is killed (on Linux).

    Args:
        arguments: arguments of ``vllm.LLM``; the server gets the same as options.
        model: the name under which it serves the checkpoint.
        log: file for its output.
        timeout: seconds until it must be ready.
        adapters: LoRA adapters that it also serves: name and folder of each.

    Raises:
        EngineError: the server stopped or was not ready in time; the message ends with the last lines of its log.
    """

    def __init__(
        self,
        arguments: dict[str, Any],
        model: str,
        log: Path,
        timeout: float,
        adapters: dict[str, Path] | None = None,
    ) -> None:
        self.log, self.key = log, secrets.token_urlsafe(24)
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}/v1"
        words = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *command_line(arguments)]
        words += ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", model]
        if adapters:
            words += ["--lora-modules", *(f"{name}={folder.resolve()}" for name, folder in adapters.items())]
        # The key is passed in the environment, since everybody on the machine can read a command line.  The server may
        # load adapters while it runs; only a client with the key can ask for that.
        own = {"VLLM_API_KEY": self.key, "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1"}
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=environment() | own,
                preexec_fn=_end_with_parent,
                start_new_session=True,  # a process group with its engine core and workers
            )
        try:
            self._wait(timeout)
        except BaseException:
            self.close()
            raise

    def _wait(self, timeout: float) -> None:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise EngineError(f"vLLM's server stopped before it was ready; {self.last_words()}")
            try:
                with _DIRECT.open(f"{self.url.removesuffix('/v1')}/health", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.25)
        raise EngineError(f"vLLM's server was not ready after {timeout:.0f} s; {self.last_words()}")

    def last_words(self) -> str:
        """Whether the server runs or its exit status, and the last lines of its log."""
        code = self.process.poll()
        state = "it is running" if code is None else f"exit status {code}"
        lines = self.log.read_text(errors="replace").splitlines()[-12:]
        return f"{state}; the end of {self.log}:\n  " + "\n  ".join(lines)

    def close(self) -> None:
        """End the server, and wait until it has ended."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # a killed server leaves its engine core running
        self.process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
