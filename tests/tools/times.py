"""A plugin of pytest for mutants.py: writes how long each test function takes, its parameters and fixtures included."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path

import pytest

_SECONDS: dict[str, float] = defaultdict(float)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _SECONDS[report.nodeid.split("[", 1)[0]] += report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):  # under xdist the controller hears of all reports
        Path(os.environ["TEST_TIMES"]).write_text(json.dumps(_SECONDS))
