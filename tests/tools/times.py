"""A pytest plugin for mutants.py: writes the time of each test function, with all its parameters and fixtures."""

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
    if not hasattr(session.config, "workerinput"):  # with xdist, only the controller gets all reports
        Path(os.environ["TEST_TIMES"]).write_text(json.dumps(_SECONDS))
